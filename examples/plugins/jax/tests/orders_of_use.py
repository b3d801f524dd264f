"""Uses the families in one way, then in all others, and prints what went wrong: see :mod:`cpabx.testing.orders`.

test_orders.py starts a process for some first uses; without arguments each way comes before each other.
"""

import sys

import jax
import jax.numpy as jnp

import cpabx
from cpabx.testing.orders import ALONG, IMAGES, POINTS, complaints, results


def f(theta):
    """A number made of warps and transforms of all families."""
    parts = results(theta, jnp.asarray(IMAGES), jnp.asarray(POINTS))
    return sum(jnp.sum(warped**2) + jnp.sum(jnp.cos(moved)) for warped, moved in parts)


def along(theta):
    return jax.grad(f)(theta) @ ALONG


def everything(theta):
    return *jax.value_and_grad(f)(theta), jax.grad(along)(theta)


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


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    cpabx.set_backend("jax")
    for said in complaints(sys.argv[1:], WAYS, everything, jnp.asarray):
        print(said, flush=True)
