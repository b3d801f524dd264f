"""Draws by keys, under jit and vmap, and refusals where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cpabx
from cpabx.errors import BackendMismatchError, OptionError, UnsupportedError

FAMILY = cpabx.Cpab((2, 2))
PRIOR = cpabx.SmoothPrior(FAMILY, length_scale=0.5)
each_source = pytest.mark.parametrize("source", [FAMILY, PRIOR], ids=["family", "prior"])
each_key = pytest.mark.parametrize("key", [jax.random.key, jax.random.PRNGKey], ids=["typed", "raw"])


@pytest.fixture(autouse=True)
def _jax():
    with cpabx.use_backend("jax"):
        yield


@each_key
@each_source
def test_a_key_is_an_argument(source, key):
    """Of functions under jit, and of maps over many."""
    draw = jax.jit(lambda k: source.sample(2, generator=k))
    first, again, other = draw(key(0)), draw(key(0)), draw(key(1))
    assert jnp.array_equal(first, again)
    assert not jnp.isclose(first, other).any()
    np.testing.assert_allclose(first, source.sample(2, generator=key(0)), rtol=1e-5, atol=1e-7)
    noise = jax.random.normal(key(0), (2, FAMILY.n_params), "float32")
    np.testing.assert_allclose(first, source.theta_from(noise), rtol=1e-5, atol=1e-7)
    keys = jax.random.split(key(0), 3)
    mapped = jax.vmap(lambda k: source.sample(2, generator=k))(keys)
    for got, one in zip(mapped, keys, strict=True):
        np.testing.assert_allclose(got, source.sample(2, generator=one), rtol=1e-5, atol=1e-7)


@each_source
def test_without_a_key(source):
    """Eagerly numpy's numbers, which have a global seed; under jit an error, never a constant."""
    draws = []
    for seed in (0, 0, 1):
        np.random.seed(seed)  # noqa: NPY002 - the global one
        draws.append(source.sample(2))
    assert jnp.array_equal(draws[0], draws[1])
    assert not jnp.isclose(draws[0], draws[2]).any()
    with pytest.raises(OptionError, match="need a key"):
        jax.jit(lambda: source.sample(2))()
    for options in ({"generator": np.random.default_rng(0)}, {"backend": "numpy"}):
        with pytest.raises(UnsupportedError, match="jax"):
            jax.jit(lambda options=options: jnp.asarray(source.sample(2, **options)))()


@each_source
def test_a_seed_is_a_constant_of_a_graph(source):
    draw = jax.jit(lambda: source.sample(2, seed=3))
    assert jnp.array_equal(draw(), draw())
    assert jnp.array_equal(draw(), source.sample(2, seed=3, backend="numpy"))


def test_a_mean_keeps_its_gradient():
    key, mean = jax.random.key(0), jnp.zeros(FAMILY.n_params)
    for options in ({"seed": 0}, {"generator": key}):
        gradient = jax.jit(jax.grad(lambda m, options=options: PRIOR.sample(3, mean=m, **options).sum()))(mean)
        assert jnp.array_equal(gradient, jnp.full(FAMILY.n_params, 3.0))


def test_what_is_no_key():
    for wrong in (jnp.zeros(2), jnp.zeros((3, 2), "uint32"), jax.random.split(jax.random.key(0)), jnp.asarray(1)):
        with pytest.raises(OptionError, match="one key"):
            FAMILY.sample(1, generator=wrong)
    with pytest.raises(BackendMismatchError, match="jax"):
        FAMILY.sample(1, generator=jax.random.key(0), backend="numpy")
    with pytest.raises(OptionError, match="n must be"):
        jax.jit(lambda n: FAMILY.sample(n, generator=jax.random.key(0)))(2)
