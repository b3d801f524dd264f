"""The built-in backend: numpy arrays, no automatic differentiation, no layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from cpabx.backend import DTYPES, Backend, numpy_normal
from cpabx.hookspecs import hookimpl
from cpabx.native import arrays
from cpabx.portable.operations import NumpyOperations
from cpabx.sampling import Sampling
from cpabx.tessellation import Tessellation

Array = np.ndarray[Any, Any]
_FLOATS = tuple(map(np.dtype, DTYPES))


@hookimpl
def cpabx_tensor_modules() -> tuple[str, ...]:
    return ("numpy",)


@hookimpl
def cpabx_backend() -> Backend:
    return NumpyBackend()


class NumpyBackend(Backend):
    """Plain numpy; images are (N, H, W, C)."""

    name: ClassVar[str] = "numpy"
    api_version: ClassVar[int] = 1
    supports: ClassVar[frozenset[str]] = frozenset({"random_state"})
    channels_last: ClassVar[bool] = True

    @property
    def framework_version(self) -> str:
        return f"numpy {np.__version__}"

    def asarray(self, values: Any, *, dtype: str | None = None, like: Array | None = None) -> Array:
        if isinstance(values, np.ma.MaskedArray):  # numpy would uncover what is masked
            raise TypeError("a masked array")
        return np.asarray(values, dtype=dtype or (like.dtype if like is not None else None))

    def constant(self, values: Array, *, like: Array) -> Array:
        return values.astype(like.dtype, copy=False)

    def are_ready(self, *values: Any) -> bool:
        for value in values:
            if type(value) is not np.ndarray or value.dtype != values[0].dtype:
                return False
        return values[0].dtype in _FLOATS

    def to_numpy(self, tensor: Array) -> Array:
        return np.asarray(tensor)

    def known_values(self, tensor: Array) -> Array:
        return self.to_numpy(tensor)

    def dtype(self, tensor: Array) -> str:
        return str(tensor.dtype)

    def device(self, tensor: Array) -> str:
        return "cpu"

    def shape(self, tensor: Array) -> tuple[int | None, ...]:
        return tuple(tensor.shape)

    def normal(self, shape: Sequence[Any], *, generator: Any, device: Any, dtype: str) -> Array:
        return np.asarray(self.to_device(numpy_normal(shape, dtype), device))

    def reshape(self, tensor: Array, shape: Sequence[int]) -> Array:
        return tensor.reshape(tuple(shape))

    def concat(self, tensors: Sequence[Array], axis: int) -> Array:
        return np.concatenate(tensors, axis)

    def take(self, tensor: Array, index: Array, axis: int) -> Array:
        return np.take(tensor, index, axis)

    def expand(self, tensor: Array, *, like: Array) -> Array:
        return np.broadcast_to(tensor, (len(like), *tensor.shape[1:]))

    def matmul(self, a: Array, b: Array) -> Array:
        return np.asarray(a @ b)

    def matrix_transpose(self, a: Array) -> Array:
        return np.swapaxes(a, -1, -2)

    def sum(self, tensor: Array, axis: int) -> Array:
        return np.asarray(tensor.sum(axis))

    def log(self, tensor: Array) -> Array:
        return np.asarray(np.log(tensor))

    def where(self, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    def expm(self, matrices: Array) -> Array:
        """Taylor series of A / 2^s, squared s times; the norm of A / 2^s is at most 1/2."""
        norms = np.abs(matrices).sum(-1)
        norm = norms.max(initial=0, where=np.isfinite(norms))  # what is not finite harms no other matrix
        squarings = max(0, int(np.ceil(np.log2(norm))) + 1) if norm > 0 else 0
        scaled = matrices / 2.0**squarings
        term = result = np.broadcast_to(np.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)
        for k in range(1, 15):  # 0.5^15 / 15! = 2e-17
            term = term @ scaled / k
            result = result + term
        for _ in range(squarings):
            result = result @ result
        return result

    def cpab(self, points: Array, velocity: Array, tessellation: Tessellation, time: float) -> Array:
        return arrays.transform(points, velocity, tessellation, time)

    def cpab_velocity(self, points: Array, velocity: Array, tessellation: Tessellation) -> Array:
        return arrays.velocity(points, velocity, tessellation)

    def cpab_jvp(
        self,
        points: Array,
        velocity: Array,
        tangent_points: Array | None,
        tangent_velocity: Array | None,
        tessellation: Tessellation,
        time: float,
    ) -> Array:
        return arrays.transform_jvp(points, velocity, tangent_points, tangent_velocity, tessellation, time)

    def cpab_jacobian(
        self, points: Array, velocity: Array, tessellation: Tessellation, time: float
    ) -> tuple[Array, Array]:
        return arrays.jacobian(points, velocity, tessellation, time)

    def portable_operations(self) -> NumpyOperations:
        return NumpyOperations()

    def sample(self, images: Array, grid: Array, sampling: Sampling) -> Array:
        points = grid.reshape(len(grid), math.prod(grid.shape[1:-1]), grid.shape[-1])
        sampled: Array = arrays.sample(images, points, sampling)
        return sampled.reshape(*grid.shape[:-1], images.shape[-1])

    def cpab_warp(
        self,
        images: Array,
        velocity: Array,
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> Array:
        return arrays.warp(images, velocity, tessellation, time, output_size, sampling)
