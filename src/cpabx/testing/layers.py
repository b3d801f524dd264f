"""The layers: where they start, what they return, what they refuse; in 1D, 2D and 3D."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest

import cpabx
from cpabx import (
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
from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, TessellationError
from cpabx.layers.options import DEFAULTS
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_theta,
    each_alignment,
    each_padding,
    image_array,
    image_tensor,
    needs,
    pixels_of,
)
from cpabx.testing.complaints import complains

N, SIZE, CHANNELS = 3, (5, 12, 10), 1
OUTPUT_SIZE = (4, 6, 7)


class Layer(NamedTuple):
    """A layer's name, what makes it, and the family that it must then have."""

    name: str
    arguments: dict[str, Any]
    family: Transformation


def layers_in(ndim: int) -> dict[str, Layer]:
    """Those that exist in one dimension, by id."""
    cells = {1: (5,), 2: (4, 4), 3: (2, 1, 2)}[ndim]
    affine, cpab = Affine(ndim=ndim), Cpab(cells)
    layers = [
        Layer("STAffine", {"ndim": ndim}, affine),
        Layer("STAffineDiffeo", {"ndim": ndim}, AffineDiffeo(ndim=ndim)),
        Layer("STCPAB", {"cells": cells}, cpab),
        Layer("STAffineCPAB", {"cells": cells}, Composition(affine, cpab)),
    ]
    if ndim == 1:  # what it is for, though it is made of any family
        layers.append(Layer("STRecurrent", {"transformation": cells, "recurrences": 2}, Composition(cpab, cpab)))
    return {f"{layer.name}-{ndim}D": layer for layer in layers}


#: In 2D those that no argument is given to.
LAYERS = {
    "STAffine": Layer("STAffine", {}, Affine()),
    "STAffineDiffeo": Layer("STAffineDiffeo", {}, AffineDiffeo()),
    "STSimilarity": Layer("STSimilarity", {}, Similarity()),
    "STRigid": Layer("STRigid", {}, Rigid()),
    "STScaleTranslate": Layer("STScaleTranslate", {}, ScaleTranslate()),
    "STSimilarity-3D": Layer("STSimilarity", {"ndim": 3}, Similarity(ndim=3)),
    "STHomography": Layer("STHomography", {}, Homography()),
    "STThinPlateSpline": Layer("STThinPlateSpline", {}, ThinPlateSpline((4, 4))),
    "STCPAB": Layer("STCPAB", {}, Cpab((4, 4))),
    "STAffineCPAB": Layer("STAffineCPAB", {}, Composition(Affine(), Cpab((4, 4)))),
    "STRecurrent": Layer("STRecurrent", {"recurrences": 2}, Composition(Cpab((4, 4)), Cpab((4, 4)))),
    **layers_in(1),
    **layers_in(3),
}
each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


class Elsewhere(Cpab):
    """Its layers do not start at the identity, but at a theta that moves every pixel."""

    def identity_theta(self) -> Array:
        theta: Array = 0.5 * draw_theta(Cpab(**self.config), 1, 20)[0]
        return theta


ELSEWHERE = (Elsewhere(4), Elsewhere((3, 2)), Elsewhere((2, 1, 2)))
each_elsewhere = pytest.mark.parametrize("family", ELSEWHERE, ids=["1D", "2D", "3D"])


def make(backend: Backend, layer: Layer, **options: Any) -> Any:
    size = pixels_of(layer.family, *SIZE)
    return named(backend, layer.name, size, CHANNELS, **{**layer.arguments, **options})


def named(backend: Backend, name: str, size: tuple[int, ...], channels: int, **options: Any) -> Any:
    needs(backend, "layers")
    shape = (*size, channels) if backend.channels_last else (channels, *size)
    return getattr(cpabx.layers, name)(backend=backend.name, **{"input_shape": shape, **options})


def images(backend: Backend, family: Transformation, n: int = N) -> Tensor:
    return image_tensor(backend, draw_images(n, *pixels_of(family, *SIZE), CHANNELS, 0), "float32")


class TestLayers:
    @pytest.mark.parametrize("name", [*cpabx.layers.LAYER_NAMES, "SpatialTransformer"])
    def test_options_are_spelled_out(self, backend: Backend, name: str) -> None:
        """In the signature that ``help`` shows, with the defaults that the framework's layer has."""
        needs(backend, "layers")
        shown = inspect.signature(getattr(cpabx.layers, name)).parameters
        real = inspect.signature(backend.layers().SpatialTransformer).parameters
        assert {option: shown[option].default for option in DEFAULTS} == DEFAULTS
        assert {option: real[option].default for option in DEFAULTS} == DEFAULTS

    @each_layer
    @pytest.mark.parametrize("localization", ["cnn", "fcn"])
    def test_starts_at_the_identity(self, backend: Backend, layer: Layer, localization: str) -> None:
        """Exactly that theta, hence the image as it was, whatever the random weights."""
        made, x = make(backend, layer, localization=localization), images(backend, layer.family)
        assert made.transformation == layer.family
        assert np.array_equal(backend.to_numpy(made.theta(x)), layer.family.identity(N))
        assert distance(image_array(backend, made(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_shape_may_come_with_the_first_input(self, backend: Backend, layer: Layer) -> None:
        """Without input_shape, parameters are made by the first call."""
        made, x = make(backend, layer, input_shape=None), images(backend, layer.family)
        assert distance(image_array(backend, made(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_batches_of_any_size(self, backend: Backend, layer: Layer) -> None:
        """One layer, one item at a time or all."""
        made = make(backend, layer)
        for n in (1, 4):
            x = images(backend, layer.family, n)
            assert distance(image_array(backend, made(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_output_size(self, backend: Backend, layer: Layer) -> None:
        """(length,), (height, width) or (depth, height, width); the sampling of the identity at that size."""
        family, size = Affine(ndim=layer.family.ndim), pixels_of(layer.family, *OUTPUT_SIZE)
        made, x = make(backend, layer, output_size=size), images(backend, layer.family)
        result = image_array(backend, made(x))
        assert result.shape == (N, *size, CHANNELS)
        assert distance(result, family.warp(image_array(backend, x), family.identity(N), size)) <= 1e-5

    @each_layer
    @each_padding
    @each_alignment
    def test_sampling_options(self, backend: Backend, layer: Layer, padding_mode: str, align_corners: bool) -> None:
        """Accepted by all, and the identity for all."""
        made = make(backend, layer, padding_mode=padding_mode, align_corners=align_corners)
        x = images(backend, layer.family)
        assert distance(image_array(backend, made(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_result_is_the_warp_of_its_theta(self, backend: Backend, layer: Layer) -> None:
        """The layer adds nothing to its transformation: same options, same pixels."""
        size = pixels_of(layer.family, 3, 5, 4)
        options: dict[str, Any] = {"padding_mode": "border", "align_corners": True}
        made, x = make(backend, layer, output_size=size, **options), images(backend, layer.family)
        expected = made.transformation.warp(x, made.theta(x), size, **options)
        assert distance(image_array(backend, made(x)), image_array(backend, expected)) <= 1e-5

    @each_layer
    def test_nearest_pixels(self, backend: Backend, layer: Layer) -> None:
        """As in its transformation, away from pixels' borders: twice the resolution repeats every pixel."""
        size = pixels_of(layer.family, *SIZE)
        made = make(backend, layer, mode="nearest", output_size=tuple(2 * n for n in size))
        x = images(backend, layer.family)
        expected = image_array(backend, x)
        for axis in range(len(size)):
            expected = expected.repeat(2, axis=1 + axis)
        assert np.array_equal(image_array(backend, made(x)), expected)

    @each_layer
    def test_gradient_reaches_the_input(self, backend: Backend, layer: Layer) -> None:
        """At the start: finite and not zero."""
        needs(backend, "autograd")
        made, x = make(backend, layer), images(backend, layer.family)
        (grad,) = backend.vjp(lambda given: made(given), (x,), x)
        assert np.isfinite(backend.to_numpy(grad)).all()
        assert np.abs(backend.to_numpy(grad)).max() > 0.01

    def test_own_tessellation_and_control_points(self, backend: Backend) -> None:
        """Cells, or a whole Cpab with its options."""
        cpab, x = Cpab((2, 3), boundary="sliding", basis="nodal"), images(backend, Affine())
        for name, arguments, expected in (
            ("STCPAB", {"cells": (3, 3)}, Cpab((3, 3))),
            ("STCPAB", {"cells": cpab}, cpab),
            ("STAffineCPAB", {"cells": cpab}, Composition(Affine(), cpab)),
            ("STThinPlateSpline", {"control_points": (3, 2)}, ThinPlateSpline((3, 2))),
        ):
            made = make(backend, Layer(name, arguments, expected))
            assert made.transformation == expected
            assert backend.shape(made.theta(x)) == (N, expected.n_params)

    @pytest.mark.parametrize("ndim", [1, 2, 3])
    def test_two_passes_of_interpolation_are_an_option(self, backend: Backend, ndim: int) -> None:
        """The paper's form; it starts at the identity as well."""
        layer = layers_in(ndim)[f"STAffineCPAB-{ndim}D"]
        made, x = make(backend, layer, interpolate="twice"), images(backend, layer.family)
        assert distance(image_array(backend, made(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    @pytest.mark.parametrize(
        "options",
        [
            {"padding_mode": "periodic"},
            {"mode": "quintic"},
            {"localization": "rnn"},
            {"output_size": (0, 4, 4)},
            {"output_size": (4, 4, 4, 4)},
            {"output_size": 4},
        ],
        ids=str,
    )
    def test_unknown_options(self, backend: Backend, layer: Layer, options: dict[str, Any]) -> None:
        """When the layer is made, not in the middle of training."""
        if isinstance(size := options.get("output_size"), tuple) and len(size) == 3:
            options = {"output_size": size[: layer.family.ndim]}
        with complains(OptionError, builtin=ValueError):
            make(backend, layer, **options)

    def test_unknown_options_of_the_family(self, backend: Backend) -> None:
        needs(backend, "layers")
        for name, arguments, error in (
            ("STAffineCPAB", {"interpolate": "thrice"}, OptionError),
            ("STThinPlateSpline", {"control_points": (1, 4)}, OptionError),
            ("STCPAB", {"cells": (0, 4)}, TessellationError),
            ("STCPAB", {"cells": Cpab((1, 1, 1), boundary="fixed")}, OptionError),
            ("STAffineCPAB", {"cells": Cpab(1, boundary="fixed")}, OptionError),
            ("STAffine", {"ndim": 4}, OptionError),
            ("STAffineDiffeo", {"ndim": "2"}, OptionError),
        ):
            with complains(error, builtin=ValueError):
                make(backend, Layer(name, arguments, Affine()))

    @pytest.mark.parametrize("name", ["STHomography", "STThinPlateSpline"])
    @pytest.mark.parametrize("ndim", [1, 3])
    def test_families_of_the_plane_have_no_other_dimension(self, backend: Backend, name: str, ndim: int) -> None:
        """The error names layers that have."""
        with complains(OptionError, builtin=ValueError, match=f"(?s)ndim must be 2.*STAffineDiffeo with ndim={ndim}"):
            make(backend, Layer(name, {"ndim": ndim}, Affine(ndim=ndim)))
        assert make(backend, Layer(name, {"ndim": 2}, Affine())).transformation.ndim == 2

    @each_layer
    def test_inputs_of_another_dimension(self, backend: Backend, layer: Layer) -> None:
        """Whether the layer has its parameters or not; and input_shape."""
        for other in {1, 2, 3} - {layer.family.ndim}:
            x = images(backend, Affine(ndim=other))
            for made in (make(backend, layer), make(backend, layer, input_shape=None)):
                with complains(ShapeError, builtin=ValueError, match=f"STAffineDiffeo with ndim={other}"):
                    made.theta(x)
                # A framework may say which layer it was, and raise what is then another error of the class.
                with pytest.raises(ShapeError, match=f"STAffineDiffeo with ndim={other}"):
                    made(x)
        own = layer.family.ndim + 1
        others = [(4,) * n for n in (2, 3, 4) if n != own]
        for shape in (*others, (0,) * own, (None,) * own, (4.0,) * own, "4" * own, 4):
            with complains(ShapeError, builtin=ValueError, match="input_shape must be"):
                make(backend, layer, input_shape=shape)


class TestLayersInNetworks:
    """Anywhere in a network: on feature maps, in a row, side by side."""

    @each_layer
    def test_feature_maps(self, backend: Backend, layer: Layer) -> None:
        """Many channels, odd sizes down to one pixel, another size of the result."""
        for size, output_size in (((3, 7, 5), (5, 3, 4)), ((1, 1, 1), (2, 3, 2)), ((3, 1, 9), (1, 2, 3))):
            own, other = pixels_of(layer.family, *size), pixels_of(layer.family, *output_size)
            family, values = Affine(ndim=layer.family.ndim), draw_images(2, *own, 33, 21)
            options: dict[str, Any] = {"output_size": other, "padding_mode": "border"}
            made = named(backend, layer.name, own, 33, **options, **layer.arguments)
            result = image_array(backend, made(image_tensor(backend, values, "float32")))
            assert distance(result, family.warp(values, family.identity(2, dtype="float64"), **options)) <= 1e-5

    @each_elsewhere
    @each_alignment
    def test_theta_decides(self, backend: Backend, family: Cpab, align_corners: bool) -> None:
        """The warp by theta, where that is not the identity; and of every channel alone."""
        size, other = pixels_of(family, *SIZE), pixels_of(family, *OUTPUT_SIZE)
        values = draw_images(2, *size, 5, 22)
        options: dict[str, Any] = {"output_size": other, "align_corners": align_corners, "padding_mode": "reflection"}
        made = named(backend, "STCPAB", size, 5, cells=family, **options)
        x = image_tensor(backend, values, "float32")
        theta = np.tile(family.identity_theta(), (2, 1))
        assert distance(backend.to_numpy(made.theta(x)), theta) <= 1e-6
        result = image_array(backend, made(x))
        assert distance(result, family.warp(values, theta, **options)) <= 1e-5
        alone = family.warp(values[..., 2:3], theta, **options)
        assert distance(result[..., 2:3], alone) <= 1e-5

    @each_elsewhere
    @pytest.mark.parametrize("interpolate", ["once", "twice"])
    def test_affine_then_cpab(self, backend: Backend, family: Cpab, interpolate: str) -> None:
        """The image is warped by the affine map, and the result by CPAB: at once, or one after the other."""
        size, other = pixels_of(family, *SIZE), pixels_of(family, *OUTPUT_SIZE)
        made = named(backend, "STAffineCPAB", size, 2, cells=family, interpolate=interpolate, output_size=other)
        affine, theta = Affine(ndim=family.ndim), family.identity_theta()[None]
        values = draw_images(1, *size, 2, 23)
        if interpolate == "once":
            both = np.concatenate([affine.identity_theta()[None], theta], axis=-1)
            expected = Composition(affine, family).warp(values, both, other)
        else:
            between = affine.warp(values, affine.identity(1, dtype="float64"))
            expected = family.warp(between, theta, other)
        x = image_tensor(backend, values, "float32")
        assert backend.shape(made.theta(x)) == (1, affine.n_params + family.n_params)
        assert distance(image_array(backend, made(x)), expected) <= 1e-5

    @each_elsewhere
    @pytest.mark.parametrize("name", ["STCPAB", "STAffineCPAB"])
    def test_gradient_of_the_input_is_the_adjoint(self, backend: Backend, family: Cpab, name: str) -> None:
        """While theta does not depend on the input, the layer is linear: <w, L x> = <L' w, x>."""
        needs(backend, "autograd")
        size, other = pixels_of(family, *SIZE), pixels_of(family, *OUTPUT_SIZE)
        made = named(backend, name, size, 3, cells=family, output_size=other)
        given, x = (image_tensor(backend, draw_images(2, *size, 3, seed), "float32") for seed in (24, 25))
        weights = image_tensor(backend, draw_images(2, *other, 3, 26), "float32")
        (grad,) = backend.vjp(lambda given: made(given), (given,), weights)
        left = (backend.to_numpy(weights) * backend.to_numpy(made(x))).astype("float64").sum()
        right = (backend.to_numpy(grad) * backend.to_numpy(x)).astype("float64").sum()
        assert abs(left - right) <= 1e-5 * abs(left)

    @each_elsewhere
    def test_in_a_row(self, backend: Backend, family: Cpab) -> None:
        """One layer, called again on what it returned: its transformation, again."""
        size = pixels_of(family, *SIZE)
        made = named(backend, "STCPAB", size, 2, cells=family, padding_mode="border")
        expected, theta = draw_images(2, *size, 2, 27), np.tile(family.identity_theta(), (2, 1))
        result = image_tensor(backend, expected, "float32")
        for _ in range(3):
            result, expected = made(result), family.warp(expected, theta, padding_mode="border")
            assert distance(image_array(backend, result), expected) <= 1e-5

    @pytest.mark.parametrize("family", [Composition(Cpab((3, 2)), AffineDiffeo()), *ELSEWHERE], ids=repr)
    def test_any_family_has_a_layer(self, backend: Backend, family: Transformation) -> None:
        """A composition, and a family of a user's own: what the layer returns is the warp by its theta."""
        layer = named(backend, "SpatialTransformer", pixels_of(family, *SIZE), CHANNELS, transformation=family)
        assert layer.transformation == family
        x = images(backend, family)
        output, theta = layer(x, return_theta=True)
        assert np.array_equal(backend.to_numpy(theta), family.identity(N))
        assert distance(image_array(backend, output), image_array(backend, family.warp(x, theta))) <= 1e-5

    @pytest.mark.parametrize("nonsense", ["Cpab", Cpab, None, 4], ids=repr)
    def test_a_layer_of_no_family(self, backend: Backend, nonsense: Any) -> None:
        needs(backend, "layers")
        with complains(OptionError, match="transformation must be a family of maps"):
            cpabx.layers.SpatialTransformer(nonsense, backend=backend.name)

    @pytest.mark.parametrize("merge", [None, "channels"])
    @each_elsewhere
    def test_side_by_side(self, backend: Backend, family: Cpab, merge: str | None) -> None:
        """What each layer would return, in a list or channel after channel; and a list of their thetas."""
        size, other = pixels_of(family, *SIZE), pixels_of(family, *OUTPUT_SIZE)
        options: dict[str, Any] = {"output_size": other, "padding_mode": "border"}
        layers = [
            named(backend, "STCPAB", size, 2, cells=family, **options),
            named(backend, "STAffineDiffeo", size, 2, ndim=family.ndim, **options),
            named(backend, "STAffineCPAB", size, 2, cells=family, localization="fcn", **options),
        ]
        parallel = cpabx.layers.STParallel(layers, merge=merge, backend=backend.name)
        x = image_tensor(backend, draw_images(2, *size, 2, 28), "float32")
        expected = [image_array(backend, layer(x)) for layer in layers]
        result = parallel(x)
        if merge is None:
            assert isinstance(result, (list, tuple))
            assert len(result) == 3
            for got, one in zip(result, expected, strict=True):
                assert np.array_equal(image_array(backend, got), one)
        else:
            assert np.array_equal(image_array(backend, result), np.concatenate(expected, axis=-1))
        for got, layer in zip(parallel.theta(x), layers, strict=True):
            assert np.array_equal(backend.to_numpy(got), backend.to_numpy(layer.theta(x)))

    def test_side_by_side_in_several_sizes(self, backend: Backend) -> None:
        """A list has results of any size, and the parameters may come with the first input."""
        needs(backend, "layers")
        sizes = ((4, 3), (7, 8))
        layers = [cpabx.layers.STCPAB((2, 2), output_size=size, backend=backend.name) for size in sizes]
        results = cpabx.layers.STParallel(layers, backend=backend.name)(images(backend, Affine()))
        assert [image_array(backend, result).shape for result in results] == [(N, *size, 1) for size in sizes]

    def test_side_by_side_without_sense(self, backend: Backend) -> None:
        """No layers, no layer of the framework, no common dimension, no common size."""
        needs(backend, "layers")

        def layer(**options: Any) -> Any:
            return cpabx.layers.STAffine(backend=backend.name, **options)

        for layers, options in (
            ([], {}),
            (layer(), {}),
            ([layer(), "STAffine"], {}),
            ([layer(), Affine()], {}),
            ([layer(), layer(ndim=1)], {}),
            ([layer()], {"merge": "sum"}),
            ([layer(), layer(output_size=(3, 3))], {"merge": "channels"}),
        ):
            with complains(OptionError, builtin=ValueError):
                cpabx.layers.STParallel(layers, backend=backend.name, **options)
