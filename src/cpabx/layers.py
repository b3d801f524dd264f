"""The spatial-transformer layers, made by the backend in force.

Each function returns a layer of the framework: a ``torch.nn.Module``, or a ``keras.layers.Layer``.
The arguments are the same everywhere:

Args:
    localization: the network that predicts theta from the input. ``"cnn"`` or ``"fcn"`` builds the
        default one; a module (torch) or layer (Keras) of yours gets a last linear layer to theta.
    input_shape: shape of one image in the framework's layout. Needed by torch to create parameters
        at once; without it they are created by the first input.
    output_size: (height, width) of the result; that of the input by default.
    mode, padding_mode, align_corners: as in :meth:`cpabx.Transformation.warp`.
    backend: only to differ from the backend in force.

The last layer of a localization network starts such that the transformation is exactly the identity.
``layer.theta(x)`` gives the parameters, ``layer.transformation`` the family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cpabx import registry
from cpabx.backend import LAYER_NAMES
from cpabx.errors import BackendLoadError
from cpabx.transforms import Cpab


def _make(name: str, backend: str | None, *arguments: Any, **options: Any) -> Any:
    chosen = registry.get_backend(backend)
    if "layers" not in chosen.supports:
        raise BackendLoadError(
            f"{name} needs a backend with layers",
            f"backend {chosen.name!r}, which has none",
            "Choose one first, e.g. cpabx.set_backend('torch').",
        )
    return getattr(chosen.layers(), name)(*arguments, **options)


def STAffine(*, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Affine` (d = 6)."""
    return _make("STAffine", backend, **options)


def STAffineDiffeo(*, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.AffineDiffeo` (d = 6)."""
    return _make("STAffineDiffeo", backend, **options)


def STHomography(*, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Homography` (d = 8)."""
    return _make("STHomography", backend, **options)


def STThinPlateSpline(control_points: Sequence[int] = (4, 4), *, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.ThinPlateSpline` (d = 32 for 16 control points)."""
    return _make("STThinPlateSpline", backend, control_points, **options)


def STCPAB(cells: Cpab | Sequence[int] = (4, 4), *, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Cpab` (d = 58 for the default).

    ``cells`` is a :class:`cpabx.Cpab`, or the cells of one with default options.
    """
    return _make("STCPAB", backend, cells, **options)


def STAffineCPAB(
    cells: Cpab | Sequence[int] = (4, 4), *, interpolate: str = "once", backend: str | None = None, **options: Any
) -> Any:
    """Affine, then CPAB, with two localization networks in serial (section 4.2 of the paper).

    The second network sees the image as the affine one leaves it. ``interpolate="once"`` samples the
    input at the composed map; ``"twice"`` is the paper's form, which samples the affine result again.
    ``localization`` may be a pair. ``layer.theta(x)`` is (N, 6 + d).
    """
    return _make("STAffineCPAB", backend, cells, interpolate=interpolate, **options)


__all__ = list(LAYER_NAMES)
