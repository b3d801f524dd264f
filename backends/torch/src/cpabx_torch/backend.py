"""torch behind cpabx's array operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.masked import MaskedTensor
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from cpabx.backend import Backend
from cpabx.errors import DeviceError, UnsupportedError
from cpabx.portable import Strides
from cpabx.sampling import Sampling
from cpabx.tessellation import Tessellation
from cpabx.tracing import constant_while_tracing
from cpabx_torch import devices, draws, exporting, flow, warp
from cpabx_torch import sampling as samplers
from cpabx_torch.constants import CONSTANTS
from cpabx_torch.differentiation import ORDINARY, has_values, sees_constants
from cpabx_torch.exponential import expm
from cpabx_torch.exporting import check_form, in_plain_operations, is_exporting
from cpabx_torch.fallback import through_cpu
from cpabx_torch.portable import TorchOperations, portable
from cpabx_torch.precision import at_least_single, is_autocast, product
from cpabx_torch.warp_by_theta import warp_by_theta


class TorchBackend(Backend):
    """torch tensors; images are (N, C, H, W)."""

    name: ClassVar[str] = "torch"
    api_version: ClassVar[int] = 1
    supports: ClassVar[frozenset[str]] = frozenset({"autograd", "layers", "double_backward", "random_state"})
    channels_last: ClassVar[bool] = False

    def __init__(self) -> None:
        self._constants = CONSTANTS
        self._fallback: str | None = None

    @property
    def framework_version(self) -> str:
        return f"torch {torch.__version__}"

    def asarray(self, values: Any, *, dtype: str | None = None, like: Tensor | None = None) -> Tensor:
        chosen = getattr(torch, dtype) if dtype else like.dtype if like is not None else None
        if isinstance(values, Tensor):
            if values.layout is not torch.strided or values.is_nested or type(values) in _NOT_ARRAYS:
                raise TypeError(_named(values))
            if chosen is None and is_autocast(values):
                return at_least_single(values)
            return values.to(dtype=chosen, device=like.device if like is not None else None)
        array = np.asarray(values)
        if array.dtype.kind == "c" and chosen is not None and not chosen.is_complex:  # torch would drop a part
            raise TypeError(f"an array of {array.dtype}")
        return torch.tensor(array, dtype=chosen, device=like.device if like is not None else None)

    def are_ready(self, *values: Any) -> bool:
        first = values[0]
        for value in values:
            if type(value) not in ORDINARY or value.layout is not torch.strided or value.is_nested:
                return False
            if value.dtype != first.dtype or value.device != first.device:
                return False
        return first.dtype in _FLOATS

    def constant(self, values: np.ndarray[Any, Any], *, like: Tensor) -> Tensor:
        if torch.compiler.is_dynamo_compiling():  # the array is an input of the graph
            if is_exporting():  # whose inputs are not exported
                _refuse_strict_export()
            return torch.as_tensor(values).to(dtype=like.dtype, device=like.device)
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore
            return self.asarray(values.astype(self.dtype(like)), like=like)
        if not sees_constants(like):
            return self.asarray(values, like=like)
        return self._constants.get(values, like.dtype, like.device)

    def clear_caches(self) -> None:
        self._constants.clear()
        devices.clear()

    def check_device_errors(self) -> None:
        devices.check_errors()

    def to_numpy(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        return np.asarray(tensor.detach().cpu().numpy())

    def known_values(self, tensor: Tensor) -> np.ndarray[Any, Any] | None:
        return self.to_numpy(tensor) if tensor.is_cpu and has_values(tensor) else None

    def dtype(self, tensor: Tensor) -> str:
        return str(tensor.dtype).removeprefix("torch.")

    def device(self, tensor: Tensor) -> str:
        return str(tensor.device)

    def shape(self, tensor: Tensor) -> tuple[int | None, ...]:
        return tuple(tensor.shape)

    def to_device(self, tensor: Tensor, device: Any) -> Tensor:
        return tensor if device is None else tensor.to(draws.checked_device(device))

    def tracing(self) -> bool:
        return torch.compiler.is_compiling() or bool(torch.jit.is_tracing())  # type: ignore

    def generator(self, seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    def normal(self, shape: Sequence[Any], *, generator: Any, device: Any, dtype: str) -> Tensor:
        return draws.normal(shape, generator, device, getattr(torch, dtype))

    def run_time_size(self, images: Tensor, axis: int) -> Any:
        # A compiler fixes sizes, and compiles again for others; an exported program must be one for all.
        size = images.shape[axis]
        return size if isinstance(size, torch.SymInt) and is_exporting() else None

    def count_up(self, n: Any) -> Tensor:
        return torch.arange(n, dtype=torch.float64)

    def reshape(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        shape = list(shape)
        if -1 in shape and tensor.numel() == 0:  # torch cannot infer a size next to a zero
            known = math.prod([n for n in shape if n != -1])
            shape[shape.index(-1)] = tensor.numel() // known if known else 0
        return tensor.reshape(shape)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return torch.cat(list(tensors), dim=axis)

    def take(self, tensor: Tensor, index: np.ndarray[Any, Any], axis: int) -> Tensor:
        if torch.compiler.is_dynamo_compiling():
            where = torch.as_tensor(index).to(tensor.device)
        elif (
            torch.compiler.is_compiling()
            or torch.jit.is_tracing()  # type: ignore
            or index.flags.writeable
            or not sees_constants(tensor)
        ):
            where = torch.tensor(index, device=tensor.device)
        else:
            where = self._constants.get(index, torch.int64, tensor.device)
        return torch.index_select(tensor, axis, where)

    def expand(self, tensor: Tensor, *, like: Tensor) -> Tensor:
        return tensor.expand(like.shape[0], *tensor.shape[1:])

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return product(a, b)

    def matrix_transpose(self, a: Tensor) -> Tensor:
        return a.transpose(-1, -2)

    def sum(self, tensor: Tensor, axis: int) -> Tensor:
        return tensor.sum(axis)

    def max(self, tensor: Tensor, axis: int) -> Tensor:
        return tensor.amax(axis)

    def log(self, tensor: Tensor) -> Tensor:
        return tensor.log()

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition, a, b)

    def expm(self, matrices: Tensor) -> Tensor:
        return expm(matrices) if matrices.is_cuda or in_plain_operations() else torch.linalg.matrix_exp(matrices)

    def cpab(self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> Tensor:
        check_form()
        if self._is_elsewhere(points):
            return through_cpu(flow.transform, points, velocity, tessellation, time)  # type: ignore[no-any-return]
        return flow.transform(points, velocity, tessellation, time)

    def cpab_velocity(self, points: Tensor, velocity: Tensor, tessellation: Tessellation) -> Tensor:
        if self._is_elsewhere(points):
            return through_cpu(flow.velocity, points, velocity, tessellation)  # type: ignore[no-any-return]
        return flow.velocity(points, velocity, tessellation)

    def cpab_jvp(
        self,
        points: Tensor,
        velocity: Tensor,
        tangent_points: Tensor | None,
        tangent_velocity: Tensor | None,
        tessellation: Tessellation,
        time: float,
    ) -> Tensor:
        given = (points, velocity, tangent_points, tangent_velocity, tessellation, time)
        if self._is_elsewhere(points):
            return through_cpu(flow.transform_jvp, *given)  # type: ignore[no-any-return]
        return flow.transform_jvp(*given)

    def cpab_jacobian(
        self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float
    ) -> tuple[Tensor, Tensor]:
        if self._is_elsewhere(points):
            return through_cpu(flow.jacobian, points, velocity, tessellation, time)  # type: ignore[no-any-return]
        return flow.jacobian(points, velocity, tessellation, time)

    def sample(self, images: Tensor, grid: Tensor, sampling: Sampling) -> Tensor:
        points = grid.reshape(grid.shape[0], math.prod(grid.shape[1:-1]), grid.shape[-1])
        sample = samplers.sample_plainly if in_plain_operations() else samplers.sample
        sampled = sample(images, points, sampling)
        return sampled.reshape(*sampled.shape[:2], *grid.shape[1:-1])

    def sample_series(self, series: Tensor, places: Tensor, lengths: Tensor, sampling: Sampling) -> Tensor:
        return samplers.interpolate(series, places, sampling, lengths)

    def take_pixels(self, images: Tensor, places: Tensor, fill: Tensor) -> Tensor:
        return samplers.take_pixels(images, places, fill)

    def cpab_warp(
        self,
        images: Tensor,
        velocity: Tensor,
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> Tensor:
        check_form()
        given = (images, velocity, tessellation, time, output_size, sampling)
        return through_cpu(warp.warp, *given) if self._is_elsewhere(images) else warp.warp(*given)

    def cpab_warp_by_theta(
        self,
        images: Tensor,
        theta: Tensor,
        rows: np.ndarray[Any, Any],
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> Tensor | None:
        return warp_by_theta(images, theta, rows, tessellation, time, output_size, sampling)

    def set_fallback(self, fallback: str | None) -> None:
        self._fallback = fallback

    def _is_elsewhere(self, tensor: Tensor) -> bool:
        """Whether a tensor is on a device that no libcpab works on, and may go through the CPU."""
        kind = tensor.device.type
        if kind in ("cpu", "meta"):  # which has shapes alone
            return False
        if kind == "cuda" and devices.has_library():
            return False
        if self._fallback is None:
            if kind == "cuda":
                devices.refuse(str(tensor.device))
            raise DeviceError(
                "CPAB transformations run on the CPU and on CUDA devices",
                f"points on {tensor.device}",
                "Move points and theta to the CPU, or let each call do so: cpabx.set_backend('torch', fallback='cpu').",
            )
        return True

    def portable_operations(self) -> TorchOperations:
        return TorchOperations()

    def cpab_portable(
        self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float, strides: Strides
    ) -> Tensor:
        return portable(points, velocity, tessellation, time, strides)

    def exports(self) -> ModuleType:
        return exporting

    def vjp(self, function: Callable[..., Any], arguments: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
        nested = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*arguments, cotangent))
        with torch.inference_mode(False), torch.enable_grad():
            # What inference mode made takes no part in differentiation; a copy does.
            *arguments, cotangent = (x.clone() if x.is_inference() else x for x in (*arguments, cotangent))
            # Aliases, so that arguments that depend on each other are still told apart.
            leaves = [a.view_as(a) if nested and a.requires_grad else a.detach().requires_grad_() for a in arguments]
            try:
                result = function(*leaves)
                return torch.autograd.grad(result, leaves, cotangent, create_graph=nested, materialize_grads=True)
            except RuntimeError as error:
                if "nference tensor" not in str(error):
                    raise
                raise UnsupportedError(
                    "derivatives need tensors that take part in them",
                    "tensors that torch.inference_mode() made",
                    "Leave the mode, or use torch.no_grad() in its place; x.clone() outside of it takes part again.",
                ) from error

    def layers(self) -> ModuleType:
        from cpabx_torch import layers

        return layers

    def augmentations(self) -> ModuleType:
        from cpabx_torch import augment

        return augment

    def distributions(self) -> ModuleType:
        from cpabx_torch import distributions

        return distributions

    def alignment(self) -> ModuleType:
        from cpabx_torch import alignment

        return alignment


_FLOATS = (torch.float32, torch.float64)

#: Classes of tensors that are more, or less, than an array.
_NOT_ARRAYS = (UninitializedParameter, UninitializedBuffer, MaskedTensor)


def _named(tensor: Tensor) -> str:
    if type(tensor) in _NOT_ARRAYS:
        return f"a {type(tensor).__name__}"
    return "a nested tensor" if tensor.is_nested else f"a tensor of layout {tensor.layout}"


@constant_while_tracing  # a tracer cannot raise errors of ours
def _refuse_strict_export() -> None:
    raise UnsupportedError(
        "torch.export must be called with strict=False, its default",
        "strict=True, which loses the constants of a program",
        "Leave it out.",
    )
