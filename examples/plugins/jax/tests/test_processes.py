"""What depends on how a process starts: each in one of its own."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run(code, **environment):
    """What a program prints."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_plugin_module_imports_no_jax():
    """Looking for the backend of some tensor must not cost the import of JAX."""
    assert run("import sys, cpabx_jax.plugin as p; print(*p.cpabx_tensor_modules(), 'jax' in sys.modules)") == (
        "jax jaxlib False\n"
    )


def test_without_64_bits():
    """JAX's default: float32 works, float64 is an error that says how to get it, not float32 in silence."""
    program = """
        import warnings
        warnings.simplefilter("error")
        import cpabx, jax, jax.numpy as jnp, numpy as np
        flow = cpabx.Cpab((3, 2))
        theta = flow.sample(2, seed=0, scale=0.5, backend="jax")
        points, images = jnp.zeros((5, 2)) + 0.25, jnp.ones((2, 6, 5, 1))
        for wrap in (lambda f: f, jax.jit):
            for function in (lambda t: flow.transform(points, t), lambda t: flow.warp(images, t)):
                assert wrap(function)(theta).dtype == "float32"
                gradient = wrap(jax.grad(lambda t: jnp.sum(function(t) ** 2)))(theta)
                assert gradient.dtype == "float32" and jnp.abs(gradient).max() > 1e-3
        for ask in (
            lambda: flow.sample(2, backend="jax", dtype="float64"),
            lambda: cpabx.get_backend("jax").asarray(np.zeros(3), dtype="float64"),
        ):
            try:
                ask()
            except cpabx.errors.DtypeError as error:
                print(error)
    """
    first, second = run(program).splitlines()
    assert first == second
    assert "float64 needs JAX's 64-bit mode" in first
    assert "jax.config.update('jax_enable_x64', True)" in first


def test_code_of_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert run(code + "\nprint(gradient.shape, one_by_one.shape)") == "(8, 58) (8, 100, 2)\n"


@pytest.mark.parametrize("n_threads", ["1", "8"])
def test_large_arrays_do_not_lock_up(n_threads):
    """Two calls of a program run at a time, in threads of XLA, and start threads of their own."""
    program = """
        import cpabx, jax, jax.numpy as jnp
        flow = cpabx.Cpab((4, 4))
        theta = flow.sample(4, seed=0, scale=0.5, backend="jax")

        @jax.jit
        def there_and_back(points):
            there = flow.transform(jnp.sin(points), theta)
            other = flow.transform(jnp.cos(points) - 1, theta)
            return flow.inverse(there, theta) + 0 * (other @ jnp.ones((2, 2)))

        points = jnp.linspace(-1.5, 1.5, 1_000_000).reshape(-1, 2)
        for _ in range(3):
            back = there_and_back(points)
        print(bool(jnp.abs(back - jnp.sin(points)).max() < 1e-4))
    """
    assert run(program, CPABX_NUM_THREADS=n_threads) == "True\n"
