"""The spatial transformers as torch modules; images are (N, C, H, W), signals (N, C, L), volumes (N, C, D, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cpabx.layer_bound import checked_bounds
from cpabx.layer_call import Prediction, side_by_side_results, with_extras
from cpabx.layer_inputs import check_images, check_input_shape, not_floats
from cpabx.layer_options import (
    WarpOptions,
    affine_cpab,
    as_cpab,
    check_family,
    localization_pair,
    only_2d,
    side_by_side,
)
from cpabx.transforms import (
    Affine,
    AffineDiffeo,
    Composition,
    Cpab,
    Homography,
    Rigid,
    ScaleTranslate,
    Similarity,
    ThinPlateSpline,
    Transformation,
)
from cpabx_torch import localization as networks
from cpabx_torch.precision import at_least_single


class SpatialTransformer(nn.Module):
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
        device, dtype: of the parameters.
    """

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
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        networks.check_dtype(dtype)
        check_family(transformation)
        self.options = WarpOptions(output_size, mode, padding_mode, align_corners, transformation.ndim, fill)
        self.transformation = transformation
        self.bound = self._build(localization, bound, device=device, dtype=dtype)
        if input_shape is not None:
            shape = check_input_shape(input_shape, transformation.ndim, channels_last=False)
            networks.materialize(_Predictor(self), shape, device=device, dtype=dtype)

    def _build(self, localization: Any, bound: Any, **factory: Any) -> Any:
        """Makes the localization network, and returns the bound, checked."""
        (own,) = checked_bounds(bound, [self.transformation])
        self.localization = networks.build(localization, self.transformation, own, **factory)
        return own

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

    def theta(self, images: Tensor, *, lengths: Any = None) -> Tensor:
        """(N, d) predicted parameters, from a run of the localization of its own: see :meth:`forward`."""
        images, options = self._series(images, lengths)
        theta: Tensor = self._predict(images, options).theta
        return theta

    def _series(self, images: Tensor, lengths: Any) -> tuple[Tensor, WarpOptions]:
        """Images, checked and without padding, and how they are warped."""
        self._check(images)
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
        images, options = self._series(images, lengths)
        found = self._predict(images, options)
        output = self._warp(options, found.transformation, found.images, found.own)
        theta = found.theta if return_theta else None
        grid = options.grid(self.transformation, images, found.theta) if return_grid else None
        return with_extras(output, theta, grid)

    @staticmethod
    def _warp(options: WarpOptions, transformation: Transformation, images: Tensor, theta: Tensor) -> Tensor:
        """Computed in float32 at least, returned in the type of the images."""
        warped: Tensor = options.warp(transformation, at_least_single(images), at_least_single(theta))
        return warped.to(images.dtype)

    def reset_parameters(self) -> None:
        """Starts anew: fresh localization networks, and the identity."""
        for module in self.modules():
            if module is not self and callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def extra_repr(self) -> str:
        o = self.options
        return (
            f"{self.transformation!r}, output_size={o.output_size}, mode={o.mode!r}, "
            f"padding_mode={o.padding_mode!r}, align_corners={o.align_corners}, fill={o.fill}"
            + ("" if self.bound is None else f", bound={self.bound}")
        )


class _Predictor(nn.Module):
    """Runs a layer as far as theta."""

    def __init__(self, layer: SpatialTransformer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        return self.layer.theta(images)


class _OfAnyDimension(SpatialTransformer):
    """A layer of a family whose only option is its number of dimensions."""

    _kind: type[Affine | AffineDiffeo | Similarity | Rigid | ScaleTranslate]

    def __init__(self, *, ndim: int = 2, **options: Any) -> None:
        super().__init__(self._kind(ndim), **options)


class STAffine(_OfAnyDimension):
    """Spatial transformer with affine maps, d = ndim * (ndim + 1)."""

    _kind = Affine


class STAffineDiffeo(_OfAnyDimension):
    """Spatial transformer with diffeomorphic affine maps, d = ndim * (ndim + 1)."""

    _kind = AffineDiffeo


class STSimilarity(_OfAnyDimension):
    """Spatial transformer with similarities: rotation, scale and translation, see :class:`cpabx.Similarity`."""

    _kind = Similarity


class STRigid(_OfAnyDimension):
    """Spatial transformer with rigid maps: rotation and translation, see :class:`cpabx.Rigid`."""

    _kind = Rigid


class STScaleTranslate(_OfAnyDimension):
    """Spatial transformer with a scale along every axis and translation, see :class:`cpabx.ScaleTranslate`."""

    _kind = ScaleTranslate


class STHomography(SpatialTransformer):
    """Spatial transformer with homographies, d = 8, in 2D alone."""

    def __init__(self, *, ndim: int = 2, **options: Any) -> None:
        super().__init__(only_2d(Homography(), ndim), **options)


class STThinPlateSpline(SpatialTransformer):
    """Spatial transformer with thin plate splines, d = 2 * nx * ny, in 2D alone."""

    def __init__(self, control_points: Sequence[int] = (4, 4), *, ndim: int = 2, **options: Any) -> None:
        super().__init__(only_2d(ThinPlateSpline(control_points), ndim), **options)


class STCPAB(SpatialTransformer):
    """Spatial transformer with CPAB transformations; ``cells`` may be a :class:`cpabx.Cpab`."""

    def __init__(self, cells: Cpab | Sequence[int] = (4, 4), **options: Any) -> None:
        super().__init__(as_cpab(cells), **options)


class STAffineCPAB(SpatialTransformer):
    """Affine, then CPAB, with two localization networks in serial (section 4.2 of the paper).

    ``localization`` may be a pair; the second network sees what the first map made of the input.
    ``interpolate="once"`` samples the input at the composed map, ``"twice"`` the affine result. Theta is the affine
    one followed by that of CPAB, (N, n * (n + 1) + d), as ``transformation`` takes it. It and the grid describe the
    composed map: with ``"twice"``, ``transformation.warp(images, theta)`` is the output with one interpolation.
    """

    transformation: Composition

    def __init__(self, cells: Cpab | Sequence[int] = (4, 4), *, interpolate: str = "once", **options: Any) -> None:
        family = affine_cpab(cells, interpolate)
        self.interpolate = interpolate  # before a first run, which may make the parameters
        super().__init__(family, **options)

    def _build(self, localization: Any, bound: Any, **factory: Any) -> Any:
        coarse, fine = localization_pair(localization)
        bounds = checked_bounds(bound, self.transformation.parts)
        self.localization = networks.build(coarse, self.transformation.outer, bounds[0], **factory)
        self.refinement = networks.build(fine, self.transformation.inner, bounds[1], **factory)
        return None if bounds == [None, None] else bounds

    def _predict(self, images: Tensor, options: WarpOptions) -> Prediction:
        affine = self.localization(images)
        between = self._warp(options.keeping_size(), self.transformation.outer, images, affine)
        fine = self.refinement(options.without_padding(between))
        theta = torch.cat([affine, fine], dim=-1)
        if self.interpolate == "twice":
            return Prediction(theta, between, self.transformation.inner, fine)
        return Prediction(theta, images, self.transformation, theta)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, interpolate={self.interpolate!r}"


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
        return side_by_side_results([layer(images, **extras) for layer in self.layers], self._merged)

    def _merged(self, outputs: list[Tensor]) -> list[Tensor] | Tensor:
        return outputs if self.merge is None else torch.cat(outputs, dim=1)

    def reset_parameters(self) -> None:
        """Starts all layers anew."""
        for layer in self.layers:
            layer.reset_parameters()  # type: ignore[operator]

    def extra_repr(self) -> str:
        return f"merge={self.merge!r}"
