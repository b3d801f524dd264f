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
from typing import Any, Unpack

from cpabx import transforms
from cpabx.layers import recurrent as _recurrent  # noqa: F401 -- adds its layer to the table
from cpabx.layers.families import LAYERS, of_any_dimension, of_plane
from cpabx.layers.options import LayerOptions, make, spelled_out
from cpabx.transforms import Cpab, Transformation


@spelled_out
def SpatialTransformer(
    transformation: Transformation, *, backend: str | None = None, **options: Unpack[LayerOptions]
) -> Any:
    """Spatial transformer with any family of maps, a composition of several or one of your own among them.

    Args:
        transformation: the family, such as ``Composition(Cpab((8, 8)), Cpab((2, 2)))``.
        backend: only to differ from the backend in force.
        **options: as for all layers, see above.
    """
    return make("SpatialTransformer", backend, transformation, **options)


STAffine = of_any_dimension(transforms.Affine, "affine maps (d = 6; 2 in 1D, 12 in 3D)")
STAffineDiffeo = of_any_dimension(transforms.AffineDiffeo, "affine exponentials (d = 6; 2 in 1D, 12 in 3D)")
STSimilarity = of_any_dimension(transforms.Similarity, "rotation, scale and translation (d = 4; 2 in 1D, 7 in 3D)")
STRigid = of_any_dimension(transforms.Rigid, "rotation and translation (d = 3; 1 in 1D, 6 in 3D)")
STScaleTranslate = of_any_dimension(transforms.ScaleTranslate, "scales and translation (d = 4; 2 in 1D, 6 in 3D)")
STHomography = of_plane(transforms.Homography, "homographies (d = 8)")


@spelled_out
def STThinPlateSpline(
    control_points: Sequence[int] = (4, 4),
    *,
    ndim: int = 2,
    backend: str | None = None,
    **options: Unpack[LayerOptions],
) -> Any:
    """Spatial transformer with :class:`cpabx.ThinPlateSpline` (d = 32 for 16 control points), in 2D alone."""
    return make("STThinPlateSpline", backend, control_points, ndim=ndim, **options)


@spelled_out
def STCPAB(cells: Cpab | Sequence[int] = (4, 4), *, backend: str | None = None, **options: Unpack[LayerOptions]) -> Any:
    """Spatial transformer with :class:`cpabx.Cpab` (d = 58 for the default).

    ``cells`` is a :class:`cpabx.Cpab`, or the cells of one with default options: (n,) for signals, (nx, ny)
    for images, (nx, ny, nz) for volumes.
    """
    return make("STCPAB", backend, cells, **options)


@spelled_out
def STAffineCPAB(
    cells: Cpab | Sequence[int] = (4, 4),
    *,
    interpolate: str = "once",
    backend: str | None = None,
    **options: Unpack[LayerOptions],
) -> Any:
    """Affine, then CPAB, with two localization networks in serial (section 4.2 of the paper).

    The second network sees the image as the affine one leaves it. ``interpolate="once"`` samples the
    input at the composed map; ``"twice"`` is the paper's form, which samples the affine result again.
    ``localization`` may be a pair. ``layer.theta(x)`` is (N, 6 + d), in n dimensions (N, n * (n + 1) + d), as
    ``layer.transformation`` takes it. Theta and grid describe the composed map: with ``"twice"``, a warp by theta is
    the output with one interpolation instead of two.
    """
    return make("STAffineCPAB", backend, cells, interpolate=interpolate, **options)


@spelled_out
def STRecurrent(
    transformation: Transformation | Sequence[int] = (4, 4),
    recurrences: int = 4,
    *,
    backend: str | None = None,
    **options: Unpack[LayerOptions],
) -> Any:
    """Spatial transformer whose one localization network looks several times, each time at what it has made so far.

    The network predicts a map from the input, then another from the input as warped so far, and so on, with the same
    weights. The maps are composed exactly, one followed after the other: each look, and the output, is the input
    sampled once at the composed map.

    Args:
        transformation: a family of maps, or the cells of a :class:`cpabx.Cpab`: (n,) for signals.
        recurrences: how many times, at least once.
        backend: only to differ from the backend in force.
        **options: as for all layers, see above.

    ``layer.transformation`` is the composition of as many families, and theta has their parameters side by side,
    (N, recurrences * d), those of the first look first. ``layer.inverse_warp(x, theta)`` warps by the inverse of the
    composed map, where the family has one.
    """
    return make("STRecurrent", backend, transformation, recurrences, **options)


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
    return make("STParallel", backend, layers, merge=merge, **options)


def CPABActivation(channels: int | None = None, cells: Any = 10, *, backend: str | None = None, **options: Any) -> Any:
    """An activation that is learnt: each value goes to T^theta of itself, a diffeomorphism of the line.

    It starts as the identity, with theta = 0, and is increasing and invertible whatever theta is: ``layer.inverse``
    is exact. Between layers that are linear, draw theta first, or put it behind another activation. With the default
    family, values beyond [-3, 3] stay what they are.

    Args:
        channels: None, one theta for all values, of any shape; or how many channels there are, each with its own: the
            second axis in torch, the last in Keras.
        cells: how many intervals the field has over [-3, 3], 2 or more; or a :class:`cpabx.Cpab` in 1D, with
            a domain and a boundary of its own.
        backend: only to differ from the backend in force.
        **options: of the framework's layers: ``device`` and ``dtype`` in torch, ``name`` and ``dtype`` in Keras.

    Returns:
        A ``torch.nn.Module``, or a ``keras.layers.Layer``, with ``theta`` (1 or channels, d) and ``transformation``.

    Raises:
        OptionError: impossible channels or cells.
        BackendLoadError: the backend has no layers.
    """
    return make("CPABActivation", backend, channels, cells, **options)


#: Layers of one family each, which every backend with layers has.
LAYER_NAMES = tuple(LAYERS)

__all__ = list(LAYER_NAMES)
__all__ += ["CPABActivation", "STParallel", "SpatialTransformer"]
