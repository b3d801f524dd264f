"""libcpab through cffi: loading, status codes as exceptions, and the two calls."""

from cpabx.native.calls import transform, transform_vjp
from cpabx.native.library import Library, load
from cpabx.native.threads import default_threads

__all__ = ["Library", "default_threads", "load", "transform", "transform_vjp"]
