"""The spatial transformers as torch modules; images are (N, C, H, W), signals (N, C, L), volumes (N, C, D, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from cpabx.layers.families import SpatialTransformerMixin, layer_classes
from cpabx.layers.inputs import check_images, check_input_shape, not_floats
from cpabx.layers.options import WarpOptions, check_family, side_by_side
from cpabx.layers.results import Prediction, side_by_side_results, with_extras
from cpabx.portable.option import checked_export
from cpabx.transforms import Transformation
from cpabx_torch import activation, tracers
from cpabx_torch import localization as networks
from cpabx_torch.exporting import exported
from cpabx_torch.precision import at_least_single


class SpatialTransformer(SpatialTransformerMixin, nn.Module):
    """Predicts theta from the input and warps the input by it (section 3.1 of the paper).

    Args:
        transformation: the family.
        localization: ``"cnn"``, ``"fcn"``, or a module that turns images into features; a last
            linear layer from these to theta is added.
        input_shape: (C, H, W), or in 1D and 3D (C, L) and (C, D, H, W). Without it, parameters are
            created by the first input, as in torch's own lazy modules: run one batch before making an
            optimizer.
        output_size: (height, width), (length,) or (depth, height, width); that of the input by default.
        mode, padding_mode, align_corners, fill: as in :meth:`cpabx.Transformation.warp`.
        bound: the most that theta may differ from the identity's: a positive number, or one for each parameter. Theta
            is identity + bound * tanh((prediction - identity) / bound), the prediction itself where the layer starts.
        export: ``"portable"`` computes CPAB in torch's own operations, for programs of ``torch.export`` that call no
            others: see :func:`cpabx.export.portable`.
        device, dtype: of the parameters.
    """

    localization: nn.Module

    def __init__(
        self,
        transformation: Transformation,
        *,
        localization: Any = "cnn",
        input_shape: Sequence[int] | None = None,
        output_size: tuple[int, ...] | None = None,
        mode: str = "linear",
        padding_mode: str = "zeros",
        align_corners: bool = False,
        fill: Any = 0.0,
        bound: Any = None,
        export: str | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        networks.check_dtype(dtype)
        check_family(transformation)
        self.export = checked_export(export)
        self.options = WarpOptions.checked(output_size, mode, padding_mode, align_corners, transformation.ndim, fill)
        self.transformation = transformation

        def build(network: Any, family: Transformation, own: Any, _: str) -> nn.Module:
            return networks.build(network, family, own, device=device, dtype=dtype)

        self._build_networks(localization, bound, build)
        if input_shape is not None:
            shape = check_input_shape(input_shape, transformation.ndim, channels_last=False)
            networks.materialize(_Predictor(self), shape, device=device, dtype=dtype)

    def _check(self, images: Tensor) -> None:
        ndim = self.transformation.ndim
        if not isinstance(images, Tensor):
            raise not_floats(ndim, f"a {type(images).__name__}", "torch.as_tensor(images, dtype=torch.float32)")
        check_images(images.shape, ndim, channels_last=False)
        if not images.is_floating_point():
            raise not_floats(ndim, str(images.dtype), "images.float(), divided by 255 where they are pixels of 8 bits")
        if torch.compiler.is_compiling():  # which takes none of the questions below, and has created what was lazy
            return
        if torch.is_inference_mode_enabled() and networks.has_lazy_parameters(self):
            # Or what this input creates could never be trained.
            networks.materialize(_Predictor(self), images.shape[1:], device=images.device, dtype=images.dtype)

    def _predict(self, images: Tensor, options: WarpOptions) -> Prediction:
        """One run of the localization."""
        theta = self.localization(images)
        return Prediction(theta, images, self.transformation, theta)

    def _run(self, network: nn.Module, images: Tensor) -> Tensor:
        theta: Tensor = network(images)
        return theta

    def _joined(self, thetas: list[Tensor]) -> Tensor:
        return torch.cat(thetas, dim=-1)

    def theta(self, images: Tensor, *, lengths: Any = None) -> Tensor:
        """(N, d) predicted parameters, from a run of the localization of its own: see :meth:`forward`."""
        images, options = self._series(images, lengths)
        theta: Tensor = self._predict(images, options).theta
        return theta

    def _series(self, images: Tensor, lengths: Any) -> tuple[Tensor, WarpOptions]:
        """Images, checked and without padding, and how they are warped."""
        self._check(images)
        if lengths is None:
            return images, self.options
        options = self.options.for_series(at_least_single(images), lengths)
        return options.without_padding(images), options

    def forward(
        self, images: Tensor, *, lengths: Any = None, return_theta: bool = False, return_grid: bool = False
    ) -> Any:
        """Warp the images by the theta that the localization predicts from them.

        Args:
            images: (N, C, H, W), or in 1D and 3D (N, C, L) and (N, C, D, H, W).
            lengths: of series, as in :meth:`cpabx.Transformation.warp`; the localization sees zeros beyond them.
            return_theta: also return this run's theta, (N, d), in float32 at least.
            return_grid: also return where the output comes from, ``(N, *output_size, n)`` of (x, y[, z]) in [-1, 1]
                over the input, as ``torch.nn.functional.grid_sample`` takes it, in float32 at least.

        Returns:
            The output, or a tuple: the output, then theta, then the grid, as far as they are asked for.

        Raises:
            ShapeError: the images have another number of axes, or a size that the localization does not take.
            DtypeError: they are no floats, or of another type than the parameters.
        """
        if isinstance(images, fx.Proxy):
            return tracers.leaf(self, images, lengths=lengths, return_theta=return_theta, return_grid=return_grid)
        images, options = self._series(images, lengths)
        found = self._predict(images, options)
        output = self._warp(options, found.transformation, found.images, found.own)
        if not return_theta and not return_grid:
            return output
        theta = found.theta if return_theta else None
        grid = self._grid(options, images, found.theta) if return_grid else None
        return with_extras(output, theta, grid)

    def _warp(self, options: WarpOptions, transformation: Transformation, images: Tensor, theta: Tensor) -> Tensor:
        """Computed in float32 at least, returned in the type of the images."""
        with exported(self.export):
            warped: Tensor = options.warp(transformation, at_least_single(images), at_least_single(theta))
        return warped if warped.dtype is images.dtype else warped.to(images.dtype)

    def _grid(self, options: WarpOptions, images: Tensor, theta: Tensor) -> Tensor:
        with exported(self.export):
            grid: Tensor = options.grid(self.transformation, images, theta)
        return grid

    def reset_parameters(self) -> None:
        """Starts anew: fresh localization networks, and the identity."""
        for module in self.modules():
            if module is not self and callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    __prepare_scriptable__ = tracers.refuse_script

    def extra_repr(self) -> str:
        sampling = ", ".join(f"{name}={value!r}" for name, value in self.options.sampling.config.items())
        return (
            f"{self.transformation!r}, output_size={self.options.output_size}, {sampling}"
            + ("" if self.bound is None else f", bound={self.bound}")
            + ("" if self.export is None else f", export={self.export!r}")
            + "".join(f", {name}={value!r}" for name, value in self.own_options().items())
        )


class _Predictor(nn.Module):
    """Runs a layer as far as theta."""

    def __init__(self, layer: SpatialTransformer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        return self.layer.theta(images)


CPABActivation = activation.CPABActivation
globals().update(layer_classes(SpatialTransformer, __name__))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the classes just made, which cpabx.layers.LAYER_NAMES lists


class STParallel(nn.Module):
    """Spatial transformers side by side: one input, k transformations, k results (section 6 of the paper).

    Args:
        layers: k of the layers above, of any families, each with its own localization network.
        merge: None returns a list of the results, ``"channels"`` one tensor (N, k * C, ...), the first
            layer's channels first.

    Raises:
        OptionError: results do not fit each other, or ``layers`` has none, or something else.
    """

    def __init__(self, layers: Sequence[SpatialTransformer], *, merge: str | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(side_by_side(layers, merge, SpatialTransformer))
        self.merge = merge

    def theta(self, images: Tensor, *, lengths: Any = None) -> list[Tensor]:
        """The predicted parameters of each layer."""
        return [layer.theta(images, lengths=lengths) for layer in self.layers]  # type: ignore[operator]

    def forward(
        self, images: Tensor, *, lengths: Any = None, return_theta: bool = False, return_grid: bool = False
    ) -> Any:
        """The layers' results; with ``return_theta``, ``return_grid`` lists of their thetas, their grids as well."""
        extras = {"lengths": lengths, "return_theta": return_theta, "return_grid": return_grid}
        if isinstance(images, fx.Proxy):
            return tracers.leaf(self, images, **extras)
        return side_by_side_results([layer(images, **extras) for layer in self.layers], self._merged)

    def _merged(self, outputs: list[Tensor]) -> list[Tensor] | Tensor:
        return outputs if self.merge is None else torch.cat(outputs, dim=1)

    def reset_parameters(self) -> None:
        """Starts all layers anew."""
        for layer in self.layers:
            layer.reset_parameters()  # type: ignore[operator]

    __prepare_scriptable__ = tracers.refuse_script

    def extra_repr(self) -> str:
        return f"merge={self.merge!r}"
