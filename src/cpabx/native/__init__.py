"""libcpab through cffi: loading, status codes as exceptions, and its functions."""

from cpabx.native import arrays
from cpabx.native.calls import jacobian, transform, transform_jvp, transform_vjp, transform_vjp_jvp, velocity
from cpabx.native.library import Library, load
from cpabx.native.threads import default_threads

__all__ = [
    "Library",
    "arrays",
    "default_threads",
    "jacobian",
    "load",
    "transform",
    "transform_jvp",
    "transform_vjp",
    "transform_vjp_jvp",
    "velocity",
]
