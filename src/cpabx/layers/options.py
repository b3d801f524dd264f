"""The options of the layers of every backend: their names and defaults, and checks of them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from cpabx import registry
from cpabx.backend import Tensor
from cpabx.errors import BackendLoadError, OptionError, shown
from cpabx.layers.inputs import layers_for
from cpabx.sampling import Sampling, pixel_grid
from cpabx.sampling.lengths import Lengths, only_series, without_padding
from cpabx.sampling.size import check_known, checked_size, image_size
from cpabx.transforms import Affine, Composition, Cpab, Transformation
from cpabx.transforms.arguments import dimension
from cpabx.transforms.series import checked_lengths, series_places

LOCALIZATIONS = ("cnn", "fcn")
INTERPOLATE = ("once", "twice")
MERGE = (None, "channels")


_F = TypeVar("_F", bound=Callable[..., Any])


class SharedOptions(TypedDict, total=False):
    """Options that layers have in every framework; :mod:`cpabx.layers` says what they mean."""

    localization: Any
    input_shape: Sequence[int] | None
    output_size: tuple[int, ...] | None
    mode: str
    padding_mode: str
    align_corners: bool
    fill: float | Sequence[float]
    bound: float | Sequence[Any] | None


class LayerOptions(SharedOptions, total=False):
    """Options of layers, those of one framework included: a type or policy, torch's device, Keras' name."""

    dtype: Any
    device: Any
    export: str | None
    name: str
    trainable: bool


#: What a layer does unless it is told otherwise.
DEFAULTS: SharedOptions = {
    "localization": "cnn",
    "input_shape": None,
    "output_size": None,
    "mode": "linear",
    "padding_mode": "zeros",
    "align_corners": False,
    "fill": 0.0,
    "bound": None,
}


def spelled_out(function: _F) -> _F:
    """Shows a function's ``**options`` by name and with their defaults, in ``help`` and in documentation."""
    own = inspect.signature(function)
    options = own.parameters["options"]
    named = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_annotation(name))
        for name, default in DEFAULTS.items()
    ]
    others = [parameter for name, parameter in own.parameters.items() if name not in ("options", "backend")]
    backend = [own.parameters["backend"]] if "backend" in own.parameters else []
    rest = options.replace(name="framework_options", annotation="Any")
    function.__signature__ = own.replace(parameters=[*others, *named, *backend, rest])  # type: ignore[attr-defined]
    return function


def _annotation(name: str) -> str:
    return str(SharedOptions.__annotations__[name].__forward_arg__)


def make(layer: str, backend: str | None, /, *arguments: Any, **options: Any) -> Any:
    """A layer of the backend in force, or of the one that is named.

    Raises:
        BackendLoadError: it has no layers.
    """
    chosen = registry.get_backend(backend)
    if "layers" not in chosen.supports:
        raise BackendLoadError(
            f"{layer} needs a backend with layers",
            f"backend {chosen.name!r}, which has none",
            "Choose one first, e.g. cpabx.set_backend('torch').",
        )
    return getattr(chosen.layers(), layer)(*arguments, **options)


@dataclass(frozen=True)
class WarpOptions:
    """How a layer samples its input; see :meth:`cpabx.Transformation.warp`.

    Raises:
        OptionError: an impossible size.
    """

    sampling: Sampling
    output_size: tuple[int, ...] | None = None
    ndim: int = 2
    lengths: Lengths | None = None
    inverse: bool = False

    def __post_init__(self) -> None:
        if self.output_size is not None:
            object.__setattr__(self, "output_size", checked_size(self.output_size, self.ndim))

    @classmethod
    def checked(
        cls,
        output_size: tuple[int, ...] | None = None,
        mode: str = "linear",
        padding_mode: str = "zeros",
        align_corners: bool = False,
        ndim: int = 2,
        fill: Any = 0.0,
    ) -> WarpOptions:
        """The options of a layer, as its constructor takes them.

        Raises:
            OptionError: unknown mode or padding mode, an impossible size, or a fill that is impossible for any images.
        """
        return cls(Sampling.checked(mode, padding_mode, align_corners, fill, ndim=ndim), output_size, ndim)

    def warp(self, transformation: Transformation, images: Tensor, theta: Tensor) -> Tensor:
        """The layer's output."""
        backend = registry.backend_for(None, images=images, theta=theta)
        time = -1.0 if self.inverse else 1.0
        return transformation.warp_with(
            backend, images, theta, self.sampling, self.output_size, lengths=self.lengths, time=time
        )

    def grid(self, transformation: Transformation, images: Tensor, theta: Tensor) -> Tensor:
        """(N, *output size, n): where the layer's output comes from, (x, y[, z]) in [-1, 1]^n over the input."""
        backend = registry.backend_for(None, images=images, theta=theta)
        size = self.output_size or image_size(backend, images, theta, self.ndim)
        grid = pixel_grid(size, self.sampling.align_corners, transformation.domain)
        if self.lengths is None:
            return transformation.places(backend, theta, grid)
        resampled = self.output_size is not None
        return series_places(transformation, backend, theta, grid, self.lengths.values, resampled=resampled)

    def for_series(self, series: Tensor, lengths: Any) -> WarpOptions:
        """These options for series of float32 at least, with lengths as in :meth:`cpabx.Transformation.warp`.

        Raises:
            OptionError, ShapeError, DtypeError: lengths that are impossible, or not in 1D.
        """
        if lengths is None:
            return self
        only_series(self.ndim)
        backend = registry.backend_for(None, series=series)
        check_known(backend, series, self.ndim, "lengths")
        return dataclasses.replace(self, lengths=Lengths(checked_lengths(backend, lengths, series, series)))

    def without_padding(self, series: Tensor) -> Tensor:
        """What the localization sees: zeros for what is beyond the lengths, if there are any."""
        if self.lengths is None:
            return series
        return without_padding(registry.backend_for(None, series=series), series, self.lengths.values)

    def keeping_size(self) -> WarpOptions:
        """These options for the first of two passes, whose output has the size of its input."""
        return dataclasses.replace(self, output_size=None)


def check_family(transformation: Any) -> None:
    """Raises OptionError if it is no family of maps."""
    if not isinstance(transformation, Transformation):
        is_kind = isinstance(transformation, type) and issubclass(transformation, Transformation)
        remedy = f"Pass what {transformation.__name__}(...) makes." if is_kind else "For instance cpabx.Cpab((4, 4))."
        raise OptionError("transformation must be a family of maps", shown(transformation), remedy)


def as_cpab(cells: Cpab | Sequence[int]) -> Cpab:
    """A transformation as it is, or the default one with these cells."""
    return cells if isinstance(cells, Cpab) else Cpab(cells)


def affine_cpab(cells: Cpab | Sequence[int], interpolate: str) -> Composition:
    """The family of STAffineCPAB, its option checked."""
    if interpolate not in INTERPOLATE:
        raise OptionError(f"interpolate must be one of {', '.join(INTERPOLATE)}", repr(interpolate), "Choose one.")
    cpab = as_cpab(cells)
    return Composition(Affine(cpab.ndim), cpab)


def only_2d(family: Transformation, ndim: Any) -> Transformation:
    """A family that exists in 2D alone.

    Raises:
        OptionError: another dimension is asked for.
    """
    if (n := dimension(ndim)) != family.ndim:
        raise OptionError(
            f"ndim must be 2 for {type(family).__name__}, which exists in 2D alone", f"{n}", f"Use {layers_for(n)}."
        )
    return family


def localization_pair(localization: Any) -> tuple[Any, Any]:
    """The localization networks of a layer with two of them."""
    if isinstance(localization, str):
        return localization, localization
    if isinstance(localization, (list, tuple)) and len(localization) == 2:
        return localization[0], localization[1]
    raise OptionError(
        f"localization must be one of {', '.join(LOCALIZATIONS)}, or a pair",
        repr(localization),
        "Pass two networks: the second one sees what the first one made of the image.",
    )


def side_by_side(layers: Any, merge: Any, kind: type) -> list[Any]:
    """The layers of an STParallel, each an instance of ``kind``.

    Raises:
        OptionError: they are none, or something else, or their results do not fit each other.
    """
    several = isinstance(layers, Iterable) and not isinstance(layers, str)
    given = list(layers) if several else []
    if not given or not all(isinstance(layer, kind) for layer in given):
        raise OptionError(
            "layers must be a list of ST layers of one framework",
            f"{type(layers).__name__} of {[type(layer).__name__ for layer in given]}" if several else repr(layers),
            "For instance [STCPAB((2, 2)), STAffineDiffeo()].",
        )
    if merge not in MERGE:
        raise OptionError(f"merge must be one of {', '.join(map(repr, MERGE))}", repr(merge), "Choose one.")
    dimensions = [layer.transformation.ndim for layer in given]
    if len(set(dimensions)) > 1:
        raise OptionError("all layers must have one number of dimensions", f"{dimensions}", "They see one input.")
    sizes = [layer.options.output_size for layer in given]
    if merge and len(set(sizes)) > 1:
        raise OptionError("merge='channels' needs results of one size", f"{sizes}", "Give all the same output_size.")
    return given


def with_parameters(family: Transformation) -> Transformation:
    """A family that a localization network has something to predict for.

    Raises:
        OptionError: it has no parameters, as CPAB with few cells and a border that does not move.
    """
    if family.n_params == 0:
        raise OptionError("a layer needs a family with parameters", f"{family!r}, with none", "Take more cells.")
    return family


def unknown_localization(localization: Any, kind: str) -> OptionError:
    """The error for what is neither the name of a localization network nor one of ``kind``."""
    remedy = "Pass one of these."
    if isinstance(localization, type):
        remedy = f"Pass what {localization.__name__}(...) makes, not the class."
    elif isinstance(localization, (list, tuple)):
        remedy = "Pass one of these; only STAffineCPAB has two networks."
    return OptionError(
        f"localization must be one of {', '.join(LOCALIZATIONS)}, or a {kind}", repr(localization), remedy
    )
