"""The layers by name: which family each of them has, made from which arguments; without any framework.

A framework's class of layers is one of these mixins and, behind it, the framework's ``SpatialTransformer``: see
:func:`layer_classes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, Unpack

from cpabx.layers.bound import checked_bounds
from cpabx.layers.options import (
    LayerOptions,
    WarpOptions,
    affine_cpab,
    as_cpab,
    localization_pair,
    make,
    only_2d,
    spelled_out,
)
from cpabx.layers.results import Prediction
from cpabx.transforms import Composition, Cpab, ThinPlateSpline, Transformation

_T = TypeVar("_T")


class SpatialTransformerMixin:
    """What the ``SpatialTransformer`` of every framework is, besides a layer of that framework."""

    transformation: Transformation
    bound: Any

    def _predicted(self) -> dict[str, Transformation]:
        """The families that the localization networks give theta of, by the networks' names, in the order of theta."""
        return {"localization": self.transformation}

    def _build_networks(self, localization: Any, bound: Any, build: Callable[..., Any]) -> list[Any]:
        """Makes the localization networks by ``build``, keeps the bound, and returns what each network was made of."""
        families = self._predicted()
        given = [localization] if len(families) == 1 else list(localization_pair(localization))
        bounds = checked_bounds(bound, list(families.values()))
        for (name, family), network, own in zip(families.items(), given, bounds, strict=True):
            setattr(self, name, build(network, family, own, name))
        self.bound = bounds[0] if len(bounds) == 1 or bounds == [None] * len(bounds) else bounds
        return given

    def own_options(self) -> dict[str, Any]:
        """Options of the layer besides those of its family and those of all layers."""
        return {}

    def own_family(self) -> Transformation:
        """The family that the layer was made with."""
        return self.transformation

    @classmethod
    def family_arguments(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Arguments of the layer, of which some may be as JSON gives them back."""
        return config


class OfFamily(SpatialTransformerMixin):
    """A layer of one kind of families, which it makes from arguments of its own."""

    if TYPE_CHECKING:  # the framework's SpatialTransformer, which comes behind

        def __init__(self, transformation: Transformation, **options: Any) -> None: ...

    def family_config(self) -> dict[str, Any]:
        """These arguments as JSON has them: lists and no tuples."""
        raise NotImplementedError


class OfAnyDimension(OfFamily):
    """The family has one argument, its number of dimensions."""

    kind: ClassVar[Callable[[int], Transformation]]

    def __init__(self, *, ndim: int = 2, **options: Any) -> None:
        super().__init__(type(self).kind(ndim), **options)

    def family_config(self) -> dict[str, Any]:
        return {"ndim": self.transformation.ndim}


class OfPlane(OfFamily):
    """The family exists in 2D alone, and has no arguments."""

    kind: ClassVar[Callable[[], Transformation]]

    def __init__(self, *, ndim: int = 2, **options: Any) -> None:
        super().__init__(only_2d(type(self).kind(), ndim), **options)

    def family_config(self) -> dict[str, Any]:
        return {}


class OfControlPoints(OfFamily):
    """Spatial transformer with thin plate splines, d = 2 * nx * ny, in 2D alone."""

    transformation: ThinPlateSpline

    def __init__(self, control_points: Sequence[int] = (4, 4), *, ndim: int = 2, **options: Any) -> None:
        super().__init__(only_2d(ThinPlateSpline(control_points), ndim), **options)

    def family_config(self) -> dict[str, Any]:
        return {"control_points": list(self.transformation.control_points)}


class OfCpab(OfFamily):
    """Spatial transformer with CPAB transformations; ``cells`` may be a :class:`cpabx.Cpab`."""

    transformation: Cpab

    def __init__(self, cells: Cpab | Sequence[int] = (4, 4), **options: Any) -> None:
        super().__init__(as_cpab(cells), **options)

    def family_config(self) -> dict[str, Any]:
        return {"cells": json_ready(self.transformation.config)}

    @classmethod
    def family_arguments(cls, config: dict[str, Any]) -> dict[str, Any]:
        return _with_cpab(config)


class OfAffineCpab(OfFamily):
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

    def _predicted(self) -> dict[str, Transformation]:
        return {"localization": self.transformation.outer, "refinement": self.transformation.inner}

    def _predict(self, images: Any, options: WarpOptions, **run: Any) -> Prediction:
        """One run of the networks, in which the framework's class says how: ``_run``, ``_warp``, ``_joined``."""
        layer: Any = self
        affine = layer._run(layer.localization, images, **run)
        between = layer._warp(options.keeping_size(), self.transformation.outer, images, affine)
        fine = layer._run(layer.refinement, options.without_padding(between), **run)
        theta = layer._joined([affine, fine])
        if self.interpolate == "twice":
            return Prediction(theta, between, self.transformation.inner, fine)
        return Prediction(theta, images, self.transformation, theta)

    def own_options(self) -> dict[str, Any]:
        return {"interpolate": self.interpolate}

    def family_config(self) -> dict[str, Any]:
        return {"cells": json_ready(self.transformation.inner.config), **self.own_options()}

    @classmethod
    def family_arguments(cls, config: dict[str, Any]) -> dict[str, Any]:
        return _with_cpab(config)


def json_ready(value: Any) -> Any:
    """Options of a family with lists in place of tuples, as JSON gives them back."""
    if isinstance(value, dict):
        return {name: json_ready(entry) for name, entry in value.items()}
    return [json_ready(entry) for entry in value] if isinstance(value, (tuple, list)) else value


def _with_cpab(config: dict[str, Any]) -> dict[str, Any]:
    cells = config.get("cells")
    return {**config, "cells": Cpab(**cells)} if isinstance(cells, dict) else config


# -- names ---------------------------------------------------------------------------------------

#: The mixin of each layer, by its name.
LAYERS: dict[str, type[SpatialTransformerMixin]] = {
    "STThinPlateSpline": OfControlPoints,
    "STCPAB": OfCpab,
    "STAffineCPAB": OfAffineCpab,
}


class Maker(Protocol):
    """A function that makes layers."""

    def __call__(self, *, ndim: int = 2, backend: str | None = None, **options: Unpack[LayerOptions]) -> Any: ...


def of_any_dimension(kind: type[Transformation], maps: str) -> Maker:
    """Adds the layer of a family that exists in 1D, 2D and 3D, and returns the function that makes it.

    Args:
        kind: the family's class; the layer is called ``ST`` and its name.
        maps: what they are, for people.
    """
    return _added(OfAnyDimension, kind, maps)


def of_plane(kind: type[Transformation], maps: str) -> Maker:
    """Adds the layer of a family that exists in 2D alone, as :func:`of_any_dimension` does."""
    return _added(OfPlane, kind, f"{maps}, in 2D alone")


def _added(mixin: type[OfFamily], kind: type[Transformation], maps: str) -> Maker:
    name, summary = f"ST{kind.__name__}", f"Spatial transformer with {maps}, see :class:`cpabx.{kind.__name__}`."
    LAYERS[name] = type(name, (mixin,), {"kind": kind, "__doc__": summary, "__module__": __name__})

    def maker(*, ndim: int = 2, backend: str | None = None, **options: Unpack[LayerOptions]) -> Any:
        return make(name, backend, ndim=ndim, **options)

    maker.__name__ = maker.__qualname__ = name
    maker.__module__, maker.__doc__ = "cpabx.layers", summary
    return spelled_out(maker)


def layer_classes(base: type[_T], module: str) -> dict[str, type[_T]]:
    """The classes of layers of a framework, by name.

    Args:
        base: its ``SpatialTransformer``.
        module: the name of the module that they are in.
    """
    return {
        name: type(name, (mixin, base), {"__doc__": mixin.__doc__, "__module__": module})
        for name, mixin in LAYERS.items()
    }
