"""cpabx for JAX."""
