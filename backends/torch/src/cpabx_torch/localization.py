"""Localization networks: from an image to theta."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cpabx.errors import CpabxError, DtypeError
from cpabx.layers.bound import Bound
from cpabx.layers.inputs import check_features, check_one_for_each, made_for_others
from cpabx.layers.options import unknown_localization, with_parameters
from cpabx.tracing import kept
from cpabx.transforms import Transformation
from cpabx_torch.constants import row
from cpabx_torch.precision import at_least_single, is_autocast, without_autocast


class Localization(nn.Sequential):
    """Features of images, made flat, and the last layer to theta: images (N, C, *size) to (N, d)."""

    #: (C, *size) of the images that the parameters were made for, where that is known.
    input_shape: tuple[int, ...] | None = None

    def forward(self, images: Tensor) -> Tensor:
        try:
            theta: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        except CpabxError:
            raise
        except Exception as error:
            if (better := self._explanation(images, error)) is None:
                raise
            raise better from error
        check_one_for_each(images.shape[0], theta.shape[0])
        if self.input_shape is None and not torch.compiler.is_compiling():
            self.input_shape = tuple(images.shape[1:])
        return theta

    def _explanation(self, images: Tensor, error: Exception) -> CpabxError | None:
        """What is wrong with the images, if that is it."""
        own: Any = self[-1].weight
        if nn.parameter.is_lazy(own) or isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return None
        if images.dtype != own.dtype and not is_autocast(images):
            return _other_type("images", images.dtype, own.dtype)
        if self.input_shape is None and not isinstance(error, (RuntimeError, AssertionError)):  # torch's for shapes
            return None
        return made_for_others(
            self.input_shape, tuple(images.shape[1:]), channels_last=False, pooling=_POOLING[images.dim() - 2]
        )


def _other_type(what: str, received: torch.dtype, own: torch.dtype) -> DtypeError:
    return DtypeError(
        f"{what} must have the type of the layer's parameters, {own}", str(received), f"Convert them: .to({own})."
    )


_POOLING = {n: f"its last layer torch.nn.AdaptiveAvgPool{n}d(1), for instance" for n in (1, 2, 3)}


class Flat(nn.Module):
    """Features (N, ...) as (N, F)."""

    def forward(self, features: Any) -> Tensor:
        check_features(features.shape if isinstance(features, Tensor) else None, features)
        flat: Tensor = features.flatten(1) if features.dim() > 1 else features[:, None]
        return flat


class ThetaLinear(nn.Linear):
    """The last layer. It starts with weights of zero and the identity's theta as its bias.

    Theta is computed in float32 at least, also under autocast.
    """

    identity: tuple[float, ...]
    bound: Bound = None

    def forward(self, features: Tensor) -> Tensor:
        features, weight, bias = map(at_least_single, (features, self.weight, self.bias))
        if features.dtype != weight.dtype:
            raise _other_type("features of a localization network", features.dtype, weight.dtype)
        with without_autocast(features):
            theta = nn.functional.linear(features, weight, bias)
            if self.bound is None:
                return theta
            if theta.is_cuda and not torch.compiler.is_compiling():
                identity, bound = (row(_array_of(numbers), like=theta) for numbers in (self.identity, self.bound))
            else:
                identity, bound = theta.new_tensor(self.identity), theta.new_tensor(self.bound)
            return identity + bound * torch.tanh((theta - identity) / bound)

    def reset_parameters(self) -> None:
        start_at_identity(self)


def _array_of(numbers: Sequence[float] | float) -> np.ndarray[Any, Any]:
    return _frozen(numbers if isinstance(numbers, (int, float)) else tuple(numbers))


@kept(16)
def _frozen(numbers: tuple[float, ...] | float) -> np.ndarray[Any, Any]:
    array = np.array(numbers)
    array.flags.writeable = False
    return array


class LazyThetaLinear(nn.LazyLinear):
    """A ThetaLinear that learns its number of inputs from the first of them."""

    cls_to_become = ThetaLinear
    identity: tuple[float, ...]
    bound: Bound
    forward = ThetaLinear.forward  # type: ignore[assignment]

    def __init__(self, transformation: Transformation, bound: Bound, **factory: Any) -> None:
        super().__init__(transformation.n_params, **factory)
        self.identity = tuple(transformation.identity(1, backend="numpy", dtype="float64")[0].tolist())
        self.bound = bound

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_features != 0:
            start_at_identity(self)


def start_at_identity(layer: Any) -> None:
    """The transformation becomes exactly the identity, whatever the input (section 4.1)."""
    identity = torch.tensor(layer.identity, dtype=torch.float64, device=layer.bias.device)
    if (mesh := getattr(layer.bias, "device_mesh", None)) is not None:  # of processes that have a part each
        from torch.distributed.tensor import distribute_tensor

        identity = distribute_tensor(identity, mesh, layer.bias.placements)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(identity)


_CONVOLUTIONS: dict[int, Any] = {1: nn.LazyConv1d, 2: nn.LazyConv2d, 3: nn.LazyConv3d}
_POOLINGS: dict[int, Any] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


def cnn(ndim: int, **factory: Any) -> nn.Module:
    """Two convolutions and a hidden layer, after sections 5.1 and 5.3 of the paper."""
    convolution, pooling = _CONVOLUTIONS[ndim], _POOLINGS[ndim]
    return nn.Sequential(
        convolution(20, 5, padding=2, **factory),
        nn.ReLU(),
        pooling(2, ceil_mode=True),
        convolution(20, 5, padding=2, **factory),
        nn.ReLU(),
        pooling(2, ceil_mode=True),
        nn.Flatten(),
        nn.LazyLinear(32, **factory),
        nn.ReLU(),
    )


def fcn(**factory: Any) -> nn.Module:
    """Two fully connected layers, after section 5.1 of the paper."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(32, **factory), nn.ReLU(), nn.LazyLinear(32, **factory), nn.ReLU())


def build(localization: Any, transformation: Transformation, bound: Bound, **factory: Any) -> nn.Module:
    """A network that ends in theta: a default one by name, or features of a module of the user's.

    Raises:
        OptionError: it is neither, or there is nothing to predict.
    """
    if isinstance(localization, str) and localization in ("cnn", "fcn"):
        features = cnn(transformation.ndim, **factory) if localization == "cnn" else fcn(**factory)
    elif isinstance(localization, nn.Module):
        features = localization
    else:
        raise unknown_localization(localization, "torch.nn.Module")
    return Localization(features, Flat(), LazyThetaLinear(with_parameters(transformation), bound, **factory))


def check_dtype(dtype: Any) -> None:
    """Raises DtypeError unless parameters can have it."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise DtypeError(
            "dtype must be one of torch's floating-point types", repr(dtype), "For instance torch.float32, or None."
        )


def has_lazy_parameters(module: nn.Module) -> bool:
    """Whether parameters wait for the first input."""
    return any(nn.parameter.is_lazy(parameter) for parameter in module.parameters())


def materialize(module: nn.Module, input_shape: Sequence[int], **factory: Any) -> None:
    """Creates lazy parameters, which can be trained, by a run on zeros, which leaves running statistics alone."""
    modes = {child: child.training for child in module.modules()}
    module.eval()
    with torch.inference_mode(False), torch.no_grad():
        module(torch.zeros((1, *input_shape), **factory))
    for child in module.modules():
        child.training = modes.get(child, True)
