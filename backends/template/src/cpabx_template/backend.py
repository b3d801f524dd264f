"""The framework behind cpabx's array operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

import cpabx
from cpabx import Tessellation
from cpabx.backend import Backend, numpy_normal
from cpabx.errors import OptionError
from cpabx.native import arrays
from cpabx.sampling import Sampling
from cpabx_template import framework
from cpabx_template.framework import Tensor


class TemplateBackend(Backend):
    """Tensors in host memory; images are (N, H, W, C)."""

    name: ClassVar[str] = "template"
    api_version: ClassVar[int] = 1
    supports: ClassVar[frozenset[str]] = frozenset({"random_state"})
    channels_last: ClassVar[bool] = True

    @property
    def framework_version(self) -> str:
        return f"template {framework.__version__}"

    # -- tensors ---------------------------------------------------------------------------------

    def asarray(self, values: Any, *, dtype: str | None = None, like: Tensor | None = None) -> Tensor:
        return framework.tensor(values, dtype or (None if like is None else like.dtype))

    def to_numpy(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        return np.asarray(tensor)

    def known_values(self, tensor: Tensor) -> np.ndarray[Any, Any] | None:
        return self.to_numpy(tensor)  # None while tracing, in a framework that traces

    def dtype(self, tensor: Tensor) -> str:
        return str(tensor.dtype)

    def device(self, tensor: Tensor) -> str:
        return "cpu"

    def shape(self, tensor: Tensor) -> tuple[int | None, ...]:
        return tensor.shape

    # -- random numbers --------------------------------------------------------------------------

    def normal(self, shape: Sequence[Any], *, generator: Any, device: Any, dtype: str) -> Tensor:
        # A framework that traces draws by an operation of its own here, and answers ``tracing``. This one has no
        # generators (``generator`` makes them), and numpy's do not get here.
        if generator is not None:
            raise OptionError("generator must be numpy's", type(generator).__name__, "Use np.random.default_rng().")
        noise: Tensor = self.to_device(framework.tensor(numpy_normal(shape, dtype)), device)
        return noise

    # -- operations ------------------------------------------------------------------------------

    def reshape(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        return framework.tensor(tensor.reshape(tuple(shape)))

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return framework.tensor(np.concatenate(tensors, axis))

    def take(self, tensor: Tensor, index: np.ndarray[Any, Any], axis: int) -> Tensor:
        return framework.tensor(tensor.take(index, axis))

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return framework.tensor(a @ b)

    def matrix_transpose(self, a: Tensor) -> Tensor:
        return framework.tensor(a.swapaxes(-1, -2))

    def sum(self, tensor: Tensor, axis: int) -> Tensor:
        return framework.tensor(tensor.sum(axis))

    def log(self, tensor: Tensor) -> Tensor:
        return framework.tensor(np.log(tensor))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return framework.tensor(np.where(condition, a, b))

    def expm(self, matrices: Tensor) -> Tensor:
        # Most frameworks have one. A matrix that is not finite must leave the others of its batch alone.
        return framework.tensor(cpabx.get_backend("numpy").expm(self.to_numpy(matrices)))

    # -- what the library is for -----------------------------------------------------------------

    def cpab(self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> Tensor:
        return framework.tensor(arrays.transform(self.to_numpy(points), self.to_numpy(velocity), tessellation, time))

    def cpab_velocity(self, points: Tensor, velocity: Tensor, tessellation: Tessellation) -> Tensor:
        return framework.tensor(arrays.velocity(self.to_numpy(points), self.to_numpy(velocity), tessellation))

    def cpab_jvp(
        self,
        points: Tensor,
        velocity: Tensor,
        tangent_points: Tensor | None,
        tangent_velocity: Tensor | None,
        tessellation: Tessellation,
        time: float,
    ) -> Tensor:
        u, w = (None if t is None else self.to_numpy(t) for t in (tangent_points, tangent_velocity))
        tangent = arrays.transform_jvp(self.to_numpy(points), self.to_numpy(velocity), u, w, tessellation, time)
        return framework.tensor(tangent)

    def cpab_jacobian(
        self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float
    ) -> tuple[Tensor, Tensor]:
        matrices, log_det = arrays.jacobian(self.to_numpy(points), self.to_numpy(velocity), tessellation, time)
        return framework.tensor(matrices), framework.tensor(log_det)

    def sample(self, images: Tensor, grid: Tensor, sampling: Sampling) -> Tensor:
        points = self.to_numpy(grid).reshape(len(grid), math.prod(grid.shape[1:-1]), grid.shape[-1])
        sampled = arrays.sample(self.to_numpy(images), points, sampling)
        return framework.tensor(sampled.reshape(*grid.shape[:-1], images.shape[-1]))
