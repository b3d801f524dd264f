"""What layers say about inputs that they cannot take: other sizes, channels, types, and about their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Affine
from cpabx.backend import Backend
from cpabx.errors import CpabxError, DtypeError, OptionError, ShapeError
from cpabx.testing.cases import draw_images, image_tensor, needs, pixels_of
from cpabx.testing.complaints import complains
from cpabx.testing.layers import CHANNELS, SIZE, Layer, each_layer, images, layers_in, make, named

each_localization = pytest.mark.parametrize("localization", ["cnn", "fcn"])
each_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])


@contextmanager
def says(kind: type[CpabxError], *parts: str) -> Iterator[None]:
    """The block raises an error of the class whose message has these parts; a framework may add to it."""
    with pytest.raises(kind) as caught:
        yield
    for part in parts:
        assert part in str(caught.value)


def shown(backend: Backend, size: tuple[int, ...], channels: int) -> str:
    shape = (*size, channels) if backend.channels_last else (channels, *size)
    return f"(N, {', '.join(map(str, shape))})"


class TestLayerInputs:
    @each_layer
    @each_localization
    @pytest.mark.parametrize("late", [False, True])
    def test_other_sizes(self, backend: Backend, layer: Layer, localization: str, late: bool) -> None:
        """What was made for, what came, and the way out; also where the first input made the parameters."""
        made = make(backend, layer, localization=localization, **({"input_shape": None} if late else {}))
        own = pixels_of(layer.family, *SIZE)
        if late:
            made(images(backend, layer.family))
        other = tuple(2 * n + 3 for n in own)
        x = image_tensor(backend, draw_images(2, *other, CHANNELS, 1), "float32")
        parts = (shown(backend, own, CHANNELS), shown(backend, other, CHANNELS), "Resize", "pools over the whole image")
        for call in (made, made.theta):
            with says(ShapeError, *parts):
                call(x)
        made(images(backend, layer.family))  # still works

    @each_ndim
    @each_localization
    def test_other_numbers_of_channels(self, backend: Backend, ndim: int, localization: str) -> None:
        for layer in layers_in(ndim).values():
            made, own = make(backend, layer, localization=localization), pixels_of(layer.family, *SIZE)
            x = image_tensor(backend, draw_images(2, *own, 3, 1), "float32")
            with says(ShapeError, shown(backend, own, CHANNELS), shown(backend, own, 3), "number of channels"):
                made(x)

    def test_in_layers_side_by_side(self, backend: Backend) -> None:
        layers = [named(backend, "STAffine", (12, 10), 1) for _ in range(2)]
        parallel = cpabx.layers.STParallel(layers, backend=backend.name)
        x = image_tensor(backend, draw_images(2, 27, 23, 1, 1), "float32")
        with says(ShapeError, shown(backend, (12, 10), 1), shown(backend, (27, 23), 1)):
            parallel(x)

    @each_ndim
    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bool", "complex64"])
    def test_images_that_are_no_floats(self, backend: Backend, ndim: int, late: bool, dtype: str) -> None:
        """The way to convert them is named; nothing is cast in silence, not even the imaginary part away."""
        layer = layers_in(ndim)[f"STCPAB-{ndim}D"]
        made = make(backend, layer, **({"input_shape": None} if late else {}))
        values = np.ones((2, *pixels_of(layer.family, *SIZE), CHANNELS))
        x = backend.asarray(values if backend.channels_last else np.moveaxis(values, -1, 1), dtype=dtype)
        for call in (made, made.theta):
            with says(DtypeError, "must be a tensor of floats", dtype, "Convert"):
                call(x)

    @each_layer
    def test_images_without_pixels_or_channels(self, backend: Backend, layer: Layer) -> None:
        """But a batch without images is one."""
        own = pixels_of(layer.family, *SIZE)
        for late in (False, True):
            made = make(backend, layer, **({"input_shape": None} if late else {}))
            for shape in ((2, *own, 0), (2, 0, *own[1:], CHANNELS)):
                x = image_tensor(backend, np.ones(shape), "float32")
                with says(ShapeError, "at least one pixel", "batch of none"):
                    made(x)
        empty = image_tensor(backend, np.ones((0, *own, CHANNELS)), "float32")
        assert backend.shape(made(empty)) == backend.shape(empty)

    @each_ndim
    def test_input_shapes(self, backend: Backend, ndim: int) -> None:
        """Any sequence of whole numbers; a batch axis is recognized."""
        layer = layers_in(ndim)[f"STAffine-{ndim}D"]
        own = (*pixels_of(layer.family, *SIZE), CHANNELS)
        own = own if backend.channels_last else (*own[-1:], *own[:-1])
        for shape in (list(own), np.array(own)):
            made = make(backend, layer, input_shape=shape)
            assert backend.shape(made(images(backend, layer.family)))[1:] == own
        with complains(ShapeError, match="Leave out the batch axis"):
            make(backend, layer, input_shape=(8, *own))
        for wrong in (own[:-1], {1: 2}, (*own[:-1], 2.0), (*own[:-1], "2")):
            with complains(ShapeError, match=f"Pass {ndim + 1} whole numbers"):
                make(backend, layer, input_shape=wrong)

    def test_options_of_wrong_types(self, backend: Backend) -> None:
        """Said when the layer is made: the values that there are, what came, and a remedy."""
        needs(backend, "layers")
        for name, options, match in (
            ("STCPAB", {"localization": None}, "cnn, fcn, or a .*got None"),
            ("STCPAB", {"localization": dict}, "what dict"),
            ("STCPAB", {"localization": ("cnn", "cnn")}, "only STAffineCPAB has two"),
            ("STAffineCPAB", {"localization": None}, "or a pair; got None"),
            ("STAffineCPAB", {"localization": ("cnn", None)}, "got None"),
            ("STAffine", {"ndim": "2"}, "1, 2 or 3; got '2'"),
            ("STHomography", {"ndim": None}, "1, 2 or 3; got None"),
            ("STAffineCPAB", {"interpolate": None}, "once, twice; got None"),
            ("STCPAB", {"mode": 1}, "mode must be one of"),
            ("STCPAB", {"padding_mode": None}, "padding_mode must be one of"),
            ("STCPAB", {"align_corners": "no"}, "align_corners must be True or False; got 'no'"),
            ("STCPAB", {"align_corners": None}, "align_corners must be True or False; got None"),
            ("STCPAB", {"output_size": "44"}, "output_size must be"),
        ):
            with complains(OptionError, builtin=ValueError, match=match):
                make(backend, Layer(name, options, Affine()))
        nothing: list[Any] = [3, None, "STAffine", [3], {}]
        for layers in nothing:
            with complains(OptionError, match=re.escape("[STCPAB((2, 2)), STAffineDiffeo()]")):
                cpabx.layers.STParallel(layers, backend=backend.name)
