"""The six layers: where they start, what they return, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Affine, AffineDiffeo, Composition, Cpab, Homography, ThinPlateSpline, Transformation
from cpabx.backend import LAYER_NAMES, Backend
from cpabx.errors import OptionError, TessellationError
from cpabx.testing.cases import distance, draw_images, each_alignment, each_padding, image_array, image_tensor, needs
from cpabx.testing.complaints import complains

N, HEIGHT, WIDTH, CHANNELS = 3, 12, 10, 1

TRANSFORMATIONS: dict[str, Transformation] = {
    "STAffine": Affine(),
    "STAffineDiffeo": AffineDiffeo(),
    "STHomography": Homography(),
    "STThinPlateSpline": ThinPlateSpline((4, 4)),
    "STCPAB": Cpab((4, 4)),
    "STAffineCPAB": Composition(Affine(), Cpab((4, 4))),
}
each_layer = pytest.mark.parametrize("name", LAYER_NAMES)


def make(backend: Backend, name: str, *arguments: Any, **options: Any) -> Any:
    needs(backend, "layers")
    shape = (HEIGHT, WIDTH, CHANNELS) if backend.channels_last else (CHANNELS, HEIGHT, WIDTH)
    return getattr(cpabx.layers, name)(*arguments, backend=backend.name, **{"input_shape": shape, **options})


def images(backend: Backend) -> Any:
    return image_tensor(backend, draw_images(N, HEIGHT, WIDTH, CHANNELS, 0), "float32")


class TestLayers:
    @each_layer
    @pytest.mark.parametrize("localization", ["cnn", "fcn"])
    def test_starts_at_the_identity(self, backend: Backend, name: str, localization: str) -> None:
        """Exactly that theta, hence the image as it was, whatever the random weights."""
        layer = make(backend, name, localization=localization)
        x = images(backend)
        assert layer.transformation == TRANSFORMATIONS[name]
        expected = layer.transformation.identity(N)
        assert np.array_equal(backend.to_numpy(layer.theta(x)), expected)
        assert distance(image_array(backend, layer(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_shape_may_come_with_the_first_input(self, backend: Backend, name: str) -> None:
        """Without input_shape, parameters are made by the first call."""
        layer = make(backend, name, input_shape=None)
        x = images(backend)
        assert distance(image_array(backend, layer(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_output_size(self, backend: Backend, name: str) -> None:
        """(height, width); the sampling of the identity at that size."""
        layer, x = make(backend, name, output_size=(6, 7)), images(backend)
        result = image_array(backend, layer(x))
        assert result.shape == (N, 6, 7, CHANNELS)
        family = Affine()
        expected = family.warp(image_array(backend, x), family.identity(N), (6, 7))
        assert distance(result, expected) <= 1e-5

    @each_layer
    @each_padding
    @each_alignment
    def test_sampling_options(self, backend: Backend, name: str, padding_mode: str, align_corners: bool) -> None:
        """Accepted by all, and the identity for all."""
        layer, x = make(backend, name, padding_mode=padding_mode, align_corners=align_corners), images(backend)
        assert distance(image_array(backend, layer(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    def test_result_is_the_warp_of_its_theta(self, backend: Backend, name: str) -> None:
        """The layer adds nothing to its transformation: same options, same pixels."""
        layer, x = make(backend, name, output_size=(5, 4), padding_mode="border", align_corners=True), images(backend)
        expected = layer.transformation.warp(x, layer.theta(x), (5, 4), padding_mode="border", align_corners=True)
        assert distance(image_array(backend, layer(x)), image_array(backend, expected)) <= 1e-5

    @each_layer
    def test_nearest_pixels(self, backend: Backend, name: str) -> None:
        """As in its transformation, away from pixels' borders: twice the resolution repeats every pixel."""
        layer, x = make(backend, name, mode="nearest", output_size=(2 * HEIGHT, 2 * WIDTH)), images(backend)
        expected = image_array(backend, x).repeat(2, axis=1).repeat(2, axis=2)
        assert np.array_equal(image_array(backend, layer(x)), expected)

    @each_layer
    def test_gradient_reaches_the_input(self, backend: Backend, name: str) -> None:
        """At the start: finite and not zero."""
        needs(backend, "autograd")
        layer, x = make(backend, name), images(backend)
        (grad,) = backend.vjp(lambda given: layer(given), (x,), x)
        assert np.isfinite(backend.to_numpy(grad)).all()
        assert np.abs(backend.to_numpy(grad)).max() > 0.01

    def test_own_tessellation_and_control_points(self, backend: Backend) -> None:
        """Cells, or a whole Cpab with its options."""
        cpab, x = Cpab((2, 3), boundary="sliding", basis="nodal"), images(backend)
        for arguments, expected in (
            (("STCPAB", (3, 3)), Cpab((3, 3))),
            (("STCPAB", cpab), cpab),
            (("STAffineCPAB", cpab), Composition(Affine(), cpab)),
            (("STThinPlateSpline", (3, 2)), ThinPlateSpline((3, 2))),
        ):
            layer = make(backend, *arguments)
            assert layer.transformation == expected
            assert backend.shape(layer.theta(x)) == (N, expected.n_params)

    def test_two_passes_of_interpolation_are_an_option(self, backend: Backend) -> None:
        """The paper's form; it starts at the identity as well."""
        layer, x = make(backend, "STAffineCPAB", interpolate="twice"), images(backend)
        assert distance(image_array(backend, layer(x)), image_array(backend, x)) <= 1e-5

    @each_layer
    @pytest.mark.parametrize(
        "options",
        [
            {"padding_mode": "wrap"},
            {"mode": "cubic"},
            {"localization": "rnn"},
            {"output_size": (0, 4)},
            {"output_size": 4},
        ],
        ids=str,
    )
    def test_unknown_options(self, backend: Backend, name: str, options: dict[str, Any]) -> None:
        """When the layer is made, not in the middle of training."""
        needs(backend, "layers")
        with complains(OptionError, builtin=ValueError):
            make(backend, name, **options)

    def test_unknown_options_of_the_family(self, backend: Backend) -> None:
        needs(backend, "layers")
        with complains(OptionError, builtin=ValueError):
            make(backend, "STAffineCPAB", interpolate="thrice")
        with complains(OptionError, builtin=ValueError):
            make(backend, "STThinPlateSpline", (1, 4))
        with complains(TessellationError, builtin=ValueError):
            make(backend, "STCPAB", (0, 4))
