"""The spatial-transformer layers, made by the backend in force.

Each function returns a layer of the framework: a ``torch.nn.Module``, or a ``keras.layers.Layer``.
The arguments are the same everywhere:

Args:
    localization: the network that predicts theta from the input. ``"cnn"`` or ``"fcn"`` builds the
        default one; a module (torch) or layer (Keras) of yours gets a last linear layer to theta.
    input_shape: shape of one image in the framework's layout. Needed by torch to create parameters
        at once; without it they are created by the first input.
    output_size: (height, width) of the result, (length,) or (depth, height, width) in 1D and 3D; that
        of the input by default.
    mode, padding_mode, align_corners, fill: as in :meth:`cpabx.Transformation.warp`.
    bound: the most that theta may differ from the identity's, a positive number or one for each parameter; for
        STAffineCPAB one for both of its thetas, or a pair. Theta is identity + bound * tanh((prediction - identity) /
        bound): where the layer starts it follows the prediction with slope 1. It keeps a learning rate that is too
        large from leading to fields that cannot be integrated (RangeError), or to images that are out of sight.
    backend: only to differ from the backend in force.

All but two of the families exist for signals and volumes, too: ``ndim=1`` or ``3``, or as many numbers of cells.
Inputs are then (N, C, L) and (N, C, D, H, W), or with channels last; the coordinates (x, y, z) of a point go
along W, H and D, the last axis first, as in :meth:`cpabx.Transformation.warp`.

Images may have any size where the localization takes it, as one that pools over the whole image does, also a size that
is not known when a model of Keras or a program of torch.export is made; ``"cnn"`` and ``"fcn"`` need one size.

The last layer of a localization network starts such that the transformation is exactly the identity.
``layer.theta(x)`` gives the parameters, ``layer.transformation`` the family. ``layer(x, return_theta=True)`` gives
the output and the theta that made it, from one run of the localization; ``return_grid=True`` adds the sampling grid,
``(N, *output_size, n)`` of (x, y[, z]) in [-1, 1] over the input.

A layer may stand anywhere in a network, on feature maps as well as images, and be called several times in a
row: its weights are then shared. :func:`STParallel` puts several side by side; :func:`SpatialTransformer` takes any
family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cpabx import registry
from cpabx.backend import LAYER_NAMES
from cpabx.errors import BackendLoadError
from cpabx.transforms import Cpab, Transformation


def _make(name: str, backend: str | None, *arguments: Any, **options: Any) -> Any:
    chosen = registry.get_backend(backend)
    if "layers" not in chosen.supports:
        raise BackendLoadError(
            f"{name} needs a backend with layers",
            f"backend {chosen.name!r}, which has none",
            "Choose one first, e.g. cpabx.set_backend('torch').",
        )
    return getattr(chosen.layers(), name)(*arguments, **options)


def SpatialTransformer(transformation: Transformation, *, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with any family of maps, a composition of several or one of your own among them.

    Args:
        transformation: the family, such as ``Composition(Cpab((8, 8)), Cpab((2, 2)))``.
        backend: only to differ from the backend in force.
        **options: as for all layers, see above.
    """
    return _make("SpatialTransformer", backend, transformation, **options)


def STAffine(*, ndim: int = 2, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Affine` (d = 6; 2 in 1D, 12 in 3D)."""
    return _make("STAffine", backend, ndim=ndim, **options)


def STAffineDiffeo(*, ndim: int = 2, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.AffineDiffeo` (d = 6; 2 in 1D, 12 in 3D)."""
    return _make("STAffineDiffeo", backend, ndim=ndim, **options)


def STSimilarity(*, ndim: int = 2, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Similarity`: rotation, scale, translation (d = 4; 2 in 1D, 7 in 3D)."""
    return _make("STSimilarity", backend, ndim=ndim, **options)


def STRigid(*, ndim: int = 2, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Rigid`: rotation and translation (d = 3; 1 in 1D, 6 in 3D)."""
    return _make("STRigid", backend, ndim=ndim, **options)


def STScaleTranslate(*, ndim: int = 2, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.ScaleTranslate`: a box of the input (d = 4; 2 in 1D, 6 in 3D)."""
    return _make("STScaleTranslate", backend, ndim=ndim, **options)


def STHomography(*, ndim: int = 2, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Homography` (d = 8), in 2D alone."""
    return _make("STHomography", backend, ndim=ndim, **options)


def STThinPlateSpline(
    control_points: Sequence[int] = (4, 4), *, ndim: int = 2, backend: str | None = None, **options: Any
) -> Any:
    """Spatial transformer with :class:`cpabx.ThinPlateSpline` (d = 32 for 16 control points), in 2D alone."""
    return _make("STThinPlateSpline", backend, control_points, ndim=ndim, **options)


def STCPAB(cells: Cpab | Sequence[int] = (4, 4), *, backend: str | None = None, **options: Any) -> Any:
    """Spatial transformer with :class:`cpabx.Cpab` (d = 58 for the default).

    ``cells`` is a :class:`cpabx.Cpab`, or the cells of one with default options: (n,) for signals, (nx, ny)
    for images, (nx, ny, nz) for volumes.
    """
    return _make("STCPAB", backend, cells, **options)


def STAffineCPAB(
    cells: Cpab | Sequence[int] = (4, 4), *, interpolate: str = "once", backend: str | None = None, **options: Any
) -> Any:
    """Affine, then CPAB, with two localization networks in serial (section 4.2 of the paper).

    The second network sees the image as the affine one leaves it. ``interpolate="once"`` samples the
    input at the composed map; ``"twice"`` is the paper's form, which samples the affine result again.
    ``localization`` may be a pair. ``layer.theta(x)`` is (N, 6 + d), in n dimensions (N, n * (n + 1) + d), as
    ``layer.transformation`` takes it. Theta and grid describe the composed map: with ``"twice"``, a warp by theta is
    the output with one interpolation instead of two.
    """
    return _make("STAffineCPAB", backend, cells, interpolate=interpolate, **options)


def STParallel(layers: Sequence[Any], *, merge: str | None = None, backend: str | None = None, **options: Any) -> Any:
    """Layers side by side: one input, k transformations, k results (section 6 of the paper).

    Args:
        layers: k layers of these, of any families and output sizes, each with its own localization network.
        merge: None returns a list of the k results, ``"channels"`` one tensor with their channels one
            after another, which needs results of one size.
        backend: only to differ from the backend in force.
        **options: of the framework's layers, such as ``name`` in Keras.

    ``layer.theta(x)`` is the list of the k thetas; ``return_theta`` and ``return_grid`` give lists. All start at the
    identity; they part in training, since the weights of their networks start at random.
    """
    return _make("STParallel", backend, layers, merge=merge, **options)


__all__ = list(LAYER_NAMES)
__all__ += ["STParallel", "SpatialTransformer"]
