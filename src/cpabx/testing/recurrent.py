"""The layer that looks several times: one network, exact compositions, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, Composition, Cpab, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.errors import OptionError, UnsupportedError
from cpabx.testing.cases import Array, distance, draw_images, image_array, image_tensor, pixels_of
from cpabx.testing.complaints import complains
from cpabx.testing.layers import ELSEWHERE, SIZE, Elsewhere, each_elsewhere, named

LOOKS = 3


class TestRecurrent:
    @each_elsewhere
    def test_each_look_is_at_what_the_looks_before_made(self, backend: Backend, family: Cpab) -> None:
        """Theta in parts, each from the input at the exact composition of the maps before; the output likewise."""
        made, x, values = _made(backend, family), *_input(backend, family)
        parts = np.split(backend.to_numpy(made.theta(x)), LOOKS, axis=1)
        one = named(
            backend, "SpatialTransformer", pixels_of(family, *SIZE), 2, transformation=family, localization="fcn"
        )
        assert made.transformation == Composition(family, family, family)
        # The networks start without an influence of the input: every look finds the theta of the start.
        for part in parts:
            assert distance(part, backend.to_numpy(one.theta(x))) <= 1e-6
        points = family.grid(parts[2].astype("float64"), values.shape[1:-1])
        flat = points.reshape(len(values), -1, family.ndim)
        for part in (parts[1], parts[0]):
            flat = family.transform(flat, part.astype("float64"))
        _, grid = made(x, return_grid=True)
        assert distance(backend.to_numpy(grid), flat.reshape(points.shape)) <= 1e-5

    def test_one_look_is_the_layer_of_the_family(self, backend: Backend) -> None:
        family = ELSEWHERE[0]
        made = _made(backend, family, recurrences=1)
        x, values = _input(backend, family)
        assert made.transformation == family
        output, theta = made(x, return_theta=True)
        expected = family.warp(values, backend.to_numpy(theta).astype("float64"), padding_mode="border")
        assert distance(image_array(backend, output), expected) <= 1e-5

    @pytest.mark.parametrize("lengths", [None, [64, 40]], ids=str)
    def test_inverse_warp_undoes_it(self, backend: Backend, lengths: list[int] | None) -> None:
        """But for two interpolations of a smooth series, and for its ends, beyond whose pixels nothing is known."""
        family = _Fixed(5, boundary="fixed")
        time = (np.arange(64) + 0.5) / 64
        waves = np.stack([np.sin(5 * time), np.cos(4 * time)])[:, :, None]
        made = named(backend, "STRecurrent", (64,), 1, transformation=family, localization="fcn", padding_mode="border")
        x = image_tensor(backend, waves, "float32")
        output, theta = made(x, return_theta=True, lengths=lengths)
        assert distance(image_array(backend, output)[:, :30], waves[:, :30]) > 0.05
        back = image_array(backend, made.inverse_warp(output, theta, lengths=lengths))
        for one, wave, length in zip(back, waves, lengths or [64, 64], strict=True):
            assert distance(one[3 : length - 3], wave[3 : length - 3]) <= 0.02

    def test_no_inverse(self, backend: Backend) -> None:
        made = _made(backend, ThinPlateSpline((2, 2)))
        x, _ = _input(backend, ThinPlateSpline((2, 2)))
        with complains(UnsupportedError, match="inverse_warp needs a family with an inverse"):
            made.inverse_warp(x, made.theta(x))

    @pytest.mark.parametrize("recurrences", [0, -1, 1.5, "2", None, True], ids=repr)
    def test_how_many_times(self, backend: Backend, recurrences: Any) -> None:
        with complains(OptionError, builtin=ValueError, match="recurrences must be a whole number"):
            named(backend, "STRecurrent", (8,), 1, transformation=(3,), recurrences=recurrences)

    def test_any_family(self, backend: Backend) -> None:
        """Also cells alone, and a composition, whose parts are then counted as often."""
        for given, one in (((3,), Cpab(3)), (Affine(ndim=1), Affine(ndim=1)), (Cpab((2, 2)), Cpab((2, 2)))):
            made = named(backend, "STRecurrent", (8, 8)[: one.ndim], 1, transformation=given, recurrences=2)
            assert made.transformation == Composition(one, one)
        both = Composition(Affine(ndim=1), Cpab(2))
        made = named(backend, "STRecurrent", (8,), 1, transformation=both, recurrences=2)
        assert made.transformation == Composition(both, both)


class _Fixed(Elsewhere):
    """Starts at a theta that moves what is inside, and leaves the ends where they are."""

    def identity_theta(self) -> Array:
        return np.asarray(0.1 * np.random.default_rng(3).standard_normal(self.n_params))


def _made(backend: Backend, family: Transformation, recurrences: int = LOOKS) -> Any:
    options: dict[str, Any] = {"recurrences": recurrences, "localization": "fcn", "padding_mode": "border"}
    return named(backend, "STRecurrent", pixels_of(family, *SIZE), 2, transformation=family, **options)


def _input(backend: Backend, family: Transformation) -> tuple[Any, Array]:
    values = draw_images(2, *pixels_of(family, *SIZE), 2, 41)
    return image_tensor(backend, values, "float32"), values
