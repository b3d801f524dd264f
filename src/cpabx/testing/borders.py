"""What the boundary conditions promise about the border of the domain."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.testing.cases import Array, draw_theta, each_dtype, name_of, tensor

DOMAINS: tuple[Any, ...] = ((-1.0, 1.0), ((0.0, 1.0), (-2.0, 3.0)))

#: In widths of the domain.
ROUNDING = {"float32": 2e-6, "float64": 1e-13}


def with_boundary(boundary: str) -> list[Cpab]:
    return [
        Cpab(cells, boundary=boundary, outside=outside, domain=domain)
        for cells, outside, domain in itertools.product(((2, 2), (3, 5)), ("linear", "nearest"), DOMAINS)
    ]


def border(family: Cpab) -> list[tuple[int, float, Array]]:
    """Per side: its axis, its coordinate, and points (P, 2) along it, both corners included."""
    low, high = np.array(family.domain).T
    sides = []
    for axis, bound in itertools.product((0, 1), (low, high)):
        along = np.linspace(0, 1, 31)[:, None] * (high - low) + low
        along[:, axis] = bound[axis]
        sides.append((axis, float(bound[axis]), along))
    return sides


class TestBorders:
    @each_dtype
    @pytest.mark.parametrize("family", with_boundary("sliding"), ids=name_of)
    def test_sliding_border_stays_on_the_border(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """No velocity across a side; but along it there is."""
        low, high = np.array(family.domain).T
        theta = tensor(backend, draw_theta(family, 5, 0), dtype)
        for axis, bound, points in border(family):
            moved = backend.to_numpy(family.transform(tensor(backend, points, dtype), theta))
            off = np.abs(moved[..., axis] - bound) / (high - low)[axis]
            assert off.max() <= ROUNDING[dtype]
            assert np.abs(moved - points).max() > 0.01

    @each_dtype
    @pytest.mark.parametrize("family", with_boundary("fixed"), ids=name_of)
    def test_fixed_border_stays_fixed(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """No velocity at all on the border; but inside there is."""
        low, high = np.array(family.domain).T
        theta = tensor(backend, draw_theta(family, 5, 1), dtype)
        for _, _, points in border(family):
            moved = backend.to_numpy(family.transform(tensor(backend, points, dtype), theta))
            assert (np.abs(moved - points) / (high - low)).max() <= ROUNDING[dtype]
        centre = backend.to_numpy(family.transform(tensor(backend, [(low + high) / 2], dtype), theta))
        assert np.abs(centre - (low + high) / 2).max() > 0.01

    @each_dtype
    @pytest.mark.parametrize("family", with_boundary("sliding") + with_boundary("fixed"), ids=name_of)
    def test_inside_stays_inside(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """A closed border keeps its domain to itself, however strong the field."""
        low, high = np.array(family.domain).T
        unit = np.random.default_rng(2).uniform(size=(500, 2))
        theta = tensor(backend, 5 * draw_theta(family, 5, 2), dtype)
        moved = backend.to_numpy(family.transform(tensor(backend, low + unit * (high - low), dtype), theta))
        beyond = np.maximum(low - moved, moved - high) / (high - low)
        assert beyond.max() <= ROUNDING[dtype]
