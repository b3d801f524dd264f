"""Uses the families in one way, then in all others: what the first leaves behind must not spoil the rest.

Prints what went wrong. test_orders.py starts a process for some first uses; without arguments, each way comes before
each other in one process, whose caches are emptied in between.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import cpabx

#: What is kept for a family is made by these; new ones have nothing.
MAKERS = [
    lambda: cpabx.Affine(),
    lambda: cpabx.AffineDiffeo(),
    lambda: cpabx.Homography(),
    lambda: cpabx.ThinPlateSpline((2, 2)),
    lambda: cpabx.Cpab((2, 1)),
    lambda: cpabx.Cpab((2, 2), basis="nodal", boundary="sliding", domain=((0, 1), (-1, 2))),
    lambda: cpabx.Composition(cpabx.Affine(), cpabx.Cpab((1, 2), boundary="fixed")),
]
FAMILIES: list[cpabx.Transformation] = []
_draw = np.random.default_rng(0)
IMAGES, POINTS = _draw.random((1, 4, 3, 1)), _draw.random((3, 2))
THETA = np.concatenate([make().identity(1, backend="numpy", dtype="float64")[0] for make in MAKERS])
THETA = THETA + 0.1 * _draw.standard_normal(THETA.shape)
ALONG = _draw.standard_normal(THETA.shape)


def f(theta):
    """A number made of warps and transforms of all families."""
    total, start = 0.0, 0
    for family in FAMILIES:
        own = theta[None, start : start + family.n_params]
        start += family.n_params
        warped, moved = family.warp(jnp.asarray(IMAGES), own, (4, 3)), family.transform(jnp.asarray(POINTS), own)
        total = total + jnp.sum(warped**2) + jnp.sum(jnp.cos(moved))
    return total


def along(theta):
    return jax.grad(f)(theta) @ ALONG


def scanned(theta):
    """The value and the gradient, in a loop."""
    return jax.lax.scan(lambda state, _: (jax.value_and_grad(f)(theta), None), (0.0, jnp.zeros_like(theta)), None, 2)[0]


def branch(theta):
    return jax.lax.cond(theta[0] < 1e9, f, lambda t: 2 * f(t), theta)


def only_shapes(theta):
    assert jax.eval_shape(f, theta).shape == ()
    assert jax.make_jaxpr(f)(theta).eqns
    return ()


#: Each answers, as far as it goes: the value, the gradient, the Hessian along ALONG.
WAYS = {
    "eager": lambda t: (f(t),),
    "grad": lambda t: jax.value_and_grad(f)(t),
    "grad(grad)": lambda t: (None, None, jax.grad(along)(t)),
    "jacrev": lambda t: (None, jax.jacrev(lambda s: jnp.stack([f(s), 2 * f(s)]))(t)[0]),
    "jit": lambda t: (jax.jit(f)(t),),
    "jit(grad)": lambda t: jax.jit(jax.value_and_grad(f))(t),
    "grad(jit)": lambda t: jax.value_and_grad(jax.jit(f))(t),
    "jit(grad(grad))": lambda t: (None, None, jax.jit(jax.grad(along))(t)),
    "vmap": lambda t: (jax.vmap(f)(jnp.stack([t, t]))[1],),
    "vmap(grad)": lambda t: (None, jax.vmap(jax.grad(f))(jnp.stack([t, t]))[1]),
    "grad(vmap)": lambda t: (None, jax.grad(lambda s: jax.vmap(f)(jnp.stack([s, s])).mean())(t)),
    "scan": scanned,
    "cond": lambda t: jax.value_and_grad(branch)(t),
    "checkpoint": lambda t: jax.value_and_grad(jax.checkpoint(f))(t),
    "eval_shape": only_shapes,
    "lower": lambda t: (jax.jit(f).lower(t).compile()(t),),
}


def renew_families():
    cpabx.clear_caches()
    FAMILIES[:] = [make() for make in MAKERS]


def said_of(order):
    """What goes wrong in families that are fresh: errors, and results that are not what fresh ones give."""
    renew_families()
    found, results = [], {}
    for way in order:
        try:
            results[way] = WAYS[way](jnp.asarray(THETA))
        except Exception as error:
            found.append(f"{way}: {type(error).__name__}: {error}")
    renew_families()
    theta = jnp.asarray(THETA)
    expected = [f(theta), jax.grad(f)(theta), jax.grad(along)(theta)]
    for way, got in results.items():
        for what, here, there in zip(("value", "gradient", "second"), got, expected, strict=False):
            if here is not None and not np.allclose(here, there, rtol=1e-9, atol=1e-9):
                found.append(f"{way}: another {what}")
    return found


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    cpabx.set_backend("jax")
    if sys.argv[1:]:
        orders = [[first, *(way for way in WAYS if way != first)] for first in sys.argv[1:]]
    else:
        orders = [[first, second] for first in WAYS for second in WAYS]
    for order in orders:
        for said in said_of(order):
            print(f"{order[0]} first, {said}", flush=True)
