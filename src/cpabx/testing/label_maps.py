"""Label maps: integers and booleans are moved as they are, by the nearest pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, Cpab, Transformation
from cpabx.backend import Backend
from cpabx.errors import DtypeError, OptionError
from cpabx.testing.cases import (
    Array,
    draw_theta,
    each_alignment,
    each_dimension,
    each_family,
    each_padding,
    image_array,
    image_tensor,
    pixels_of,
    tensor,
)
from cpabx.testing.complaints import complains

TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
each_type = pytest.mark.parametrize("dtype", TYPES)

#: What float64 cannot tell from its neighbours.
LARGE = 2**53 + 1


def draw_labels(*shape: int, seed: int, dtype: str = "int64") -> Array:
    return np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


class TestLabelMaps:
    @each_padding
    @each_alignment
    @each_dimension
    def test_as_images_of_floats(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        padding_mode: str,
        align_corners: bool,
    ) -> None:
        """The same pixels, of every channel, inside and outside; for theta of both types."""
        labels = draw_labels(2, *size, 3, seed=0)
        options: dict[str, Any] = {"mode": "nearest", "padding_mode": padding_mode, "align_corners": align_corners}
        for dtype in ("float32", "float64"):
            theta = tensor(backend, draw_theta(family, 2, 0), dtype)
            got = family.warp(image_tensor(backend, labels, "int32"), theta, output_size, **options)
            expected = family.warp(image_tensor(backend, labels, dtype), theta, output_size, **options)
            assert backend.dtype(got) == "int32"
            assert np.array_equal(image_array(backend, got), image_array(backend, expected))

    @each_family
    def test_of_every_family(self, backend: Backend, family: Transformation) -> None:
        """Each has its own way of warping."""
        labels, theta = (
            draw_labels(2, *pixels_of(family, 3, 4, 5), 2, seed=1),
            tensor(backend, draw_theta(family, 2, 1)),
        )
        got = family.warp(image_tensor(backend, labels, "int64"), theta, mode="nearest", fill=[5, 6])
        expected = family.warp(image_tensor(backend, labels), theta, mode="nearest", fill=[5.0, 6.0])
        assert np.array_equal(image_array(backend, got), image_array(backend, expected))

    @each_type
    def test_of_every_type(self, backend: Backend, dtype: str) -> None:
        """The identity gives back what it was given, in its own type."""
        labels = draw_labels(2, 4, 5, 2, seed=2, dtype=dtype)
        got = Affine().warp(
            image_tensor(backend, labels, dtype), Affine().identity(2, backend=backend.name), mode="nearest"
        )
        assert backend.dtype(got) == dtype
        assert np.array_equal(image_array(backend, got), labels)

    def test_large_labels_are_exact(self, backend: Backend) -> None:
        """No label passes through a float, also none of fill's."""
        labels = draw_labels(1, 4, 5, 1, seed=3) + LARGE
        theta = tensor(backend, np.array([[2.0, 0, 0, 0, 2, 0]]), "float32")
        got = image_array(
            backend, Affine().warp(image_tensor(backend, labels, "int64"), theta, mode="nearest", fill=-LARGE)
        )
        assert set(got[0, 0].ravel().tolist()) == {-LARGE}
        assert set(got[got > 0].tolist()) <= set(labels.ravel().tolist())
        assert (got > 0).any()

    @pytest.mark.parametrize("poison", [np.nan, np.inf])
    @each_dimension
    def test_what_is_not_finite_is_fill(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...], poison: float
    ) -> None:
        """Labels have no NaN: the item is what is outside, and the others are as they were."""
        labels, theta = draw_labels(3, *size, 2, seed=4), draw_theta(family, 3, 4)
        spoilt = theta.copy()
        spoilt[1, 0] = poison
        before, after = (
            image_array(
                backend,
                family.warp(
                    *(image_tensor(backend, labels, "int64"), tensor(backend, t), output_size), mode="nearest", fill=-1
                ),
            )
            for t in (theta, spoilt)
        )
        assert (after[1] == -1).all()
        assert np.array_equal(after[::2], before[::2])

    def test_modes_that_compute(self, backend: Backend) -> None:
        """A mean of labels is none: nearest and a conversion are named."""
        labels = image_tensor(backend, draw_labels(1, 4, 5, 1, seed=5), "int64")
        with complains(DtypeError, builtin=TypeError, match="nearest.*convert"):
            Affine().warp(labels, tensor(backend, np.zeros((1, 6))))

    def test_theta_stays_floating(self, backend: Backend) -> None:
        labels = image_tensor(backend, draw_labels(1, 4, 5, 1, seed=6), "int64")
        with complains(DtypeError, builtin=TypeError, match="theta must be float32 or float64"):
            Affine().warp(labels, tensor(backend, np.zeros((1, 6)), "int64"), mode="nearest")
        assert backend.dtype(Affine().warp(labels, [[1.0, 0, 0, 0, 1, 0]], mode="nearest")) == "int64"

    @pytest.mark.parametrize(("dtype", "fill"), [("uint8", 256), ("uint8", -1), ("int32", 0.5), ("bool", 2)], ids=str)
    def test_fill_is_a_label(self, backend: Backend, dtype: str, fill: float) -> None:
        """What the type does not have is not rounded."""
        labels = image_tensor(backend, draw_labels(1, 4, 5, 1, seed=7, dtype=dtype), dtype)
        with complains(OptionError, builtin=ValueError, match=f"fill.*{dtype}"):
            Affine().warp(labels, tensor(backend, np.zeros((1, 6))), mode="nearest", fill=fill)

    def test_empty_batches(self, backend: Backend) -> None:
        labels = image_tensor(backend, draw_labels(0, 4, 5, 2, seed=8), "int64")
        got = Affine().warp(labels, tensor(backend, np.zeros((0, 6))), (2, 3), mode="nearest")
        assert image_array(backend, got).shape == (0, 2, 3, 2)
