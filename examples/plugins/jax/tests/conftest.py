"""The conformance suite works in float64, too: JAX must be told before its first array."""

import jax

jax.config.update("jax_enable_x64", True)
