"""libcpab through cffi: loading, status codes as exceptions, and its functions."""

from cpabx.native import arrays
from cpabx.native.calls import (
    jacobian,
    jacobian_vjp,
    sample,
    sample_vjp,
    tape_bytes,
    transform,
    transform_jvp,
    transform_vjp,
    transform_vjp_jvp,
    velocity,
    warp,
    warp_vjp,
)
from cpabx.native.image import Image
from cpabx.native.library import Library, load
from cpabx.native.threads import default_threads, keep_own_threads, lend_threads

__all__ = [
    "Image",
    "Library",
    "arrays",
    "default_threads",
    "jacobian",
    "jacobian_vjp",
    "keep_own_threads",
    "lend_threads",
    "load",
    "sample",
    "sample_vjp",
    "tape_bytes",
    "transform",
    "transform_jvp",
    "transform_vjp",
    "transform_vjp_jvp",
    "velocity",
    "warp",
    "warp_vjp",
]
