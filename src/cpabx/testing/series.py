"""Series of different lengths in one batch: each is warped over its own length, as if it were alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Affine, AffineDiffeo, Composition, Cpab, Transformation
from cpabx.backend import Backend, Tensor
from cpabx.errors import DtypeError, OptionError, ShapeError
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_theta,
    each_alignment,
    each_mode,
    each_padding,
    image_array,
    image_tensor,
    name_of,
    needs,
    tensor,
)
from cpabx.testing.complaints import complains
from cpabx.testing.layers import Elsewhere, named

L, CHANNELS = 11, 2
LENGTHS = (11, 1, 6, 2, 9)
N = len(LENGTHS)
OUTPUT_SIZES: tuple[tuple[int] | None, ...] = (None, (7,))

FAMILIES = (Cpab(5, domain=(0, 3)), Affine(ndim=1), AffineDiffeo(ndim=1), Composition(Affine(ndim=1), Cpab(3)))
each_family_in_1d = pytest.mark.parametrize("family", FAMILIES, ids=name_of)
FAMILY = FAMILIES[0]


def draw_series(seed: int, poison: float = np.nan) -> Array:
    """(N, L, C), with something else beyond each length."""
    series = draw_images(N, L, CHANNELS, seed)
    for one, length in zip(series, LENGTHS, strict=True):
        one[length:] = poison
    return series


def alone(backend: Backend, series: Tensor, i: int) -> Tensor:
    """The i-th series, up to its length."""
    n = LENGTHS[i]
    return series[i : i + 1, :n] if backend.channels_last else series[i : i + 1, :, :n]


class TestSeries:
    @each_mode
    @each_padding
    @each_alignment
    @each_family_in_1d
    def test_each_is_as_if_it_were_alone(
        self, backend: Backend, family: Transformation, mode: str, padding_mode: str, align_corners: bool
    ) -> None:
        """And what is beyond it is 0; resampled to one length, there is nothing beyond."""
        series, theta = image_tensor(backend, draw_series(0)), tensor(backend, 1.5 * draw_theta(family, N, 0))
        options: dict[str, Any] = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
        # A framework's matrix exponential is another one for another batch.
        tolerance = 1e-8 if isinstance(family, AffineDiffeo) else 1e-11
        for size in OUTPUT_SIZES:
            got = image_array(backend, family.warp(series, theta, size, lengths=LENGTHS, **options))
            for i in range(N):
                one = family.warp(alone(backend, series, i), theta[i : i + 1], size, **options)
                expected = image_array(backend, one)[0]
                assert distance(got[i, : len(expected)], expected) <= tolerance
                assert not got[i, len(expected) :].any()

    @pytest.mark.parametrize("mode", ["linear", "cubic"])
    @each_padding
    @each_family_in_1d
    def test_gradients_are_as_if_it_were_alone(
        self, backend: Backend, family: Transformation, mode: str, padding_mode: str
    ) -> None:
        """Of theta and of the series, whose padding, NaN or not, has none."""
        needs(backend, "autograd")
        theta = tensor(backend, 1.5 * draw_theta(family, N, 1))
        series, weights = (image_tensor(backend, x) for x in (draw_series(1), draw_images(N, L, CHANNELS, 2)))

        def warp(series: Any, theta: Any, **options: Any) -> Any:
            return family.warp(series, theta, mode=mode, padding_mode=padding_mode, **options)

        grads = backend.vjp(lambda s, t: warp(s, t, lengths=LENGTHS), (series, theta), weights)
        grad_series, grad_theta = image_array(backend, grads[0]), backend.to_numpy(grads[1])
        for i, length in enumerate(LENGTHS):
            own = (alone(backend, series, i), theta[i : i + 1])
            expected = backend.vjp(warp, own, alone(backend, weights, i))
            assert distance(grad_series[i, :length], image_array(backend, expected[0])[0]) <= 1e-10
            assert distance(grad_theta[i], backend.to_numpy(expected[1])[0]) <= 1e-10
            assert not grad_series[i, length:].any()

    def test_second_derivatives(self, backend: Backend) -> None:
        """Of a loss that is not linear."""
        needs(backend, "autograd", "double_backward")
        theta, direction = tensor(backend, draw_theta(FAMILY, N, 3)), tensor(backend, draw_theta(FAMILY, N, 4))
        series, weights = (image_tensor(backend, x) for x in (draw_series(3), draw_images(N, L, CHANNELS, 4)))

        def gradient(theta: Any, series: Any, weights: Any, **options: Any) -> Any:
            def squared(t: Any) -> Any:
                result = FAMILY.warp(series, t, mode="cubic", padding_mode="border", **options)
                return result * result

            return backend.vjp(squared, (theta,), weights)[0]

        (got,) = backend.vjp(lambda t: gradient(t, series, weights, lengths=LENGTHS), (theta,), direction)
        for i in range(N):
            own, w = alone(backend, series, i), alone(backend, weights, i)
            (expected,) = backend.vjp(
                lambda t, own=own, w=w: gradient(t, own, w), (theta[i : i + 1],), direction[i : i + 1]
            )
            assert distance(backend.to_numpy(got)[i], backend.to_numpy(expected)[0]) <= 1e-9

    def test_ways_to_say_lengths(self, backend: Backend) -> None:
        """Numbers, arrays, tensors of the framework; or NaN to the end."""
        series, theta = image_tensor(backend, draw_series(5)), tensor(backend, draw_theta(FAMILY, N, 5))
        expected = image_array(backend, FAMILY.warp(series, theta, lengths=LENGTHS))
        for lengths in (
            list(LENGTHS),
            np.array(LENGTHS),
            np.array(LENGTHS, dtype="uint8"),
            backend.asarray(np.array(LENGTHS), dtype="int32"),
            cpabx.lengths_of(series),
            "nan",
        ):
            assert np.array_equal(image_array(backend, FAMILY.warp(series, theta, lengths=lengths)), expected)

    def test_lengths_of_series(self, backend: Backend) -> None:
        """Up to the last sample that some channel has; NaN before it is no padding."""
        series = draw_series(6)
        series[0, 3] = np.nan
        series[2, 5, 1] = np.nan
        series[1] = np.nan
        for dtype in ("float32", "float64"):
            got = backend.to_numpy(cpabx.lengths_of(image_tensor(backend, series, dtype)))
            assert got.tolist() == [11, 0, 6, 2, 9]
            assert got.dtype.kind == "i"
        with complains(ShapeError, builtin=ValueError, match="series must be"):
            cpabx.lengths_of(tensor(backend, np.zeros((2, 3))))
        with complains(DtypeError, builtin=TypeError):
            cpabx.lengths_of(image_tensor(backend, np.ones((2, 3, 4)), "int32"))

    def test_fill(self, backend: Backend) -> None:
        """What is beyond, and what is outside, whichever the padding of what is outside."""
        series, theta = image_tensor(backend, draw_series(7)), tensor(backend, 2 * draw_theta(FAMILY, N, 7))
        for padding_mode in ("zeros", "border"):
            got = image_array(
                backend, FAMILY.warp(series, theta, lengths=LENGTHS, padding_mode=padding_mode, fill=[3.0, -4.0])
            )
            options: dict[str, Any] = {"padding_mode": padding_mode}
            if padding_mode == "zeros":
                options["fill"] = [3.0, -4.0]
            for i, length in enumerate(LENGTHS):
                one = FAMILY.warp(alone(backend, series, i), theta[i : i + 1], **options)
                assert distance(got[i, :length], image_array(backend, one)[0]) <= 1e-11
                assert (got[i, length:] == [3, -4]).all()

    def test_labels(self, backend: Backend) -> None:
        """Of the nearest sample, within the length."""
        labels = np.random.default_rng(8).integers(0, 100, (N, L, CHANNELS))
        theta = tensor(backend, 2 * draw_theta(FAMILY, N, 8))
        options: dict[str, Any] = {"mode": "nearest", "padding_mode": "border", "lengths": LENGTHS}
        got = FAMILY.warp(image_tensor(backend, labels, "int64"), theta, **options, fill=-1)
        expected = image_array(backend, FAMILY.warp(image_tensor(backend, labels), theta, **options))
        assert backend.dtype(got) == "int64"
        for i, length in enumerate(LENGTHS):
            assert np.array_equal(image_array(backend, got)[i, :length], expected[i, :length])
            assert (image_array(backend, got)[i, length:] == -1).all()

    @each_family_in_1d
    def test_what_is_not_finite(self, backend: Backend, family: Transformation) -> None:
        """A theta makes its own series NaN, which is still as long as it was; NaN within a series stays there."""
        series, theta = draw_series(9), draw_theta(family, N, 9)
        before = image_array(
            backend, family.warp(image_tensor(backend, series), tensor(backend, theta), lengths=LENGTHS)
        )
        theta[2, 0] = np.nan
        series[4, 0] = np.nan
        after = image_array(
            backend, family.warp(image_tensor(backend, series), tensor(backend, theta), lengths=LENGTHS)
        )
        assert np.isnan(after[2, :6]).all()
        assert not after[2, 6:].any()
        assert np.array_equal(after[[0, 1, 3]], before[[0, 1, 3]])
        assert np.isnan(after[4, :9]).any() or family is not FAMILY
        assert not after[4, 9:].any()

    def test_none(self, backend: Backend) -> None:
        """Empty batches pass through."""
        for size in OUTPUT_SIZES:
            got = FAMILY.warp(
                image_tensor(backend, np.zeros((0, L, 2))),
                tensor(backend, np.zeros((0, FAMILY.n_params))),
                size,
                lengths=np.zeros(0, "int64"),
            )
            assert image_array(backend, got).shape == (0, *(size or (L,)), 2)

    @pytest.mark.parametrize(
        ("lengths", "kind"),
        [
            ([11, 1, 6, 2], ShapeError),
            ([[11, 1, 6, 2, 9]], ShapeError),
            (5, ShapeError),
            ([11, 0, 6, 2, 9], OptionError),
            ([11, -1, 6, 2, 9], OptionError),
            ([11, 12, 6, 2, 9], OptionError),
            ([11.0, 1.0, 6.0, 2.0, 9.0], DtypeError),
            ([True] * 5, DtypeError),
            (["11", "1", "6", "2", "9"], DtypeError),
            ("NaN", OptionError),
        ],
        ids=str,
    )
    def test_impossible_lengths(self, backend: Backend, lengths: Any, kind: Any) -> None:
        """One whole number for each series, from 1 to its length; of tensors as well."""
        series, theta = image_tensor(backend, draw_series(10)), tensor(backend, draw_theta(FAMILY, N, 10))
        with complains(kind, match="lengths"):
            FAMILY.warp(series, theta, lengths=lengths)
        if not isinstance(lengths, str) and not isinstance(np.ravel(lengths)[0], str):
            array = np.array(lengths)
            dtype = {"i": "int32", "f": "float64", "b": "bool"}[array.dtype.kind]
            with complains(kind, match="lengths"):
                FAMILY.warp(series, theta, lengths=backend.asarray(array, dtype=dtype))

    def test_series_without_a_sample(self, backend: Backend) -> None:
        """NaN alone has no length that could be warped."""
        series = draw_series(11)
        series[3] = np.nan
        with complains(OptionError, builtin=ValueError, match="lengths must be from 1 to 11"):
            FAMILY.warp(image_tensor(backend, series), tensor(backend, draw_theta(FAMILY, N, 11)), lengths="nan")

    @pytest.mark.parametrize("family", [Affine(), Cpab((2, 2, 2))], ids=name_of)
    def test_images_and_volumes(self, backend: Backend, family: Transformation) -> None:
        """Lengths are for series."""
        images = image_tensor(backend, np.zeros((1, *(4,) * family.ndim, 1)))
        with complains(OptionError, builtin=ValueError, match="lengths are for series"):
            family.warp(images, tensor(backend, family.identity(1, backend="numpy")), lengths=[4])


@pytest.mark.parametrize("name", ["STCPAB", "STAffineCPAB", "STAffineDiffeo", "STRecurrent"])
class TestSeriesInLayers:
    def made(self, backend: Backend, name: str, **options: Any) -> Any:
        families: dict[str, dict[str, Any]] = {
            "STAffineDiffeo": {"ndim": 1},
            "STRecurrent": {"transformation": Elsewhere(4), "recurrences": 2},
        }
        family = families.get(name, {"cells": Elsewhere(4)})
        return named(backend, name, (L,), CHANNELS, localization="fcn", **family, **options)

    @pytest.mark.parametrize("size", OUTPUT_SIZES, ids=str)
    def test_result_is_the_warp_of_its_theta(self, backend: Backend, name: str, size: tuple[int] | None) -> None:
        """NaN in the padding reaches nothing: neither theta, nor the valid part, nor a gradient."""
        layer = self.made(backend, name, output_size=size, padding_mode="border")
        series = image_tensor(backend, draw_series(12), "float32")
        zeros = image_tensor(backend, draw_series(12, poison=0.0), "float32")
        for lengths in (LENGTHS, "nan"):
            output, theta, grid = layer(series, lengths=lengths, return_theta=True, return_grid=True)
            assert np.array_equal(backend.to_numpy(theta), backend.to_numpy(layer.theta(series, lengths=lengths)))
            expected = layer.transformation.warp(series, theta, size, lengths=LENGTHS, padding_mode="border")
            assert distance(image_array(backend, output), image_array(backend, expected)) <= 1e-5
            assert np.isfinite(image_array(backend, output)).all()
            assert backend.shape(grid) == (N, *(size or (L,)), 1)
            assert np.isfinite(backend.to_numpy(grid)).all()
        if name not in ("STAffineCPAB", "STRecurrent"):  # whose second run sees another series
            assert distance(backend.to_numpy(theta), backend.to_numpy(layer.theta(zeros))) <= 1e-6
        (grad,) = backend.vjp(
            lambda s: layer(s, lengths=LENGTHS),
            (series,),
            image_tensor(backend, draw_images(N, *(size or (L,)), CHANNELS, 13), "float32"),
        )
        grad = image_array(backend, grad)
        for one, length in zip(grad, LENGTHS, strict=True):
            assert np.isfinite(one).all()
            assert not one[length:].any()
            assert one[:length].any()

    def test_side_by_side(self, backend: Backend, name: str) -> None:
        """Lengths go to each of them."""
        parts = [self.made(backend, name), self.made(backend, name)]
        layer = cpabx.layers.STParallel(parts, backend=backend.name)
        series = image_tensor(backend, draw_series(14), "float32")
        results = layer(series, lengths="nan")
        thetas = layer.theta(series, lengths="nan")
        for part, result, theta in zip(parts, results, thetas, strict=True):
            assert np.array_equal(backend.to_numpy(part.theta(series, lengths="nan")), backend.to_numpy(theta))
            assert np.isfinite(image_array(backend, result)).all()

    def test_without_lengths(self, backend: Backend, name: str) -> None:
        """NaN is a number like others: nothing is hidden."""
        result = image_array(backend, self.made(backend, name)(image_tensor(backend, draw_series(15), "float32")))
        assert np.isnan(result[1:]).all()
        assert np.isfinite(result[0]).all()
