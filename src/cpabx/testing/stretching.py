"""``cpabx.stretch``: folds on the pixel grid, extremes of areas and lengths, and the penalty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Composition, Cpab, Homography, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.errors import OptionError, ShapeError, UnsupportedError
from cpabx.sampling import pixel_grid
from cpabx.stretch import folding, folding_on_grid, stretch, stretch_penalty
from cpabx.testing.cases import Array, distance, draw_theta, each_dtype, name_of, needs, pixels_of, tensor
from cpabx.testing.complaints import complains
from cpabx.testing.gradients import STEP, TOLERANCE, differences_in_theta, relative_error
from cpabx.testing.inverses import near

FIELDS = (
    Cpab(4, boundary="sliding", domain=(0, 3)),
    Cpab((3, 2), domain=((0, 1), (-2, 3))),
    Cpab((2, 1, 2), boundary="sliding", basis="nodal"),
)
each_field = pytest.mark.parametrize("family", FIELDS, ids=name_of)
MIXED = (*FIELDS, Affine(), Homography(), Composition(Affine(), Cpab((2, 2))), AffineDiffeo(ndim=1))


def squared_gradient(family: Cpab, theta: Array) -> Array:
    """(N,): the mean of |dv/dx|^2 over the domain in units of its sides, by differences in the middle of each cell."""
    tess, sides = family.tessellation, np.diff(np.array(family.domain)).ravel()
    corners = tess.vertices[tess.cell_vertices]
    volumes = np.abs(np.linalg.det((corners[:, 1:] - corners[:, :1]) / sides)) / math.factorial(family.ndim)
    middle, total = corners.mean(axis=1), 0
    for h in STEP * np.diag(sides):
        ahead, behind = (np.asarray(family.velocity_at(middle + s * h, theta)) for s in (1, -1))
        total = total + (((ahead - behind) / (2 * STEP) / sides) ** 2).sum(-1)
    assert abs(volumes.sum() - 1) <= 1e-12
    return np.asarray(total @ volumes)


class TestStretch:
    def test_folds_of_grids(self, backend: Backend) -> None:
        """Where neighbours change places, by hand: in 1D to 3D, mirrored along any axis, and in a part of a picture."""
        for size in ((7,), (5, 7), (4, 5, 6)):
            places = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij")[::-1], axis=-1)[None] * 1.0
            assert folding_on_grid(tensor(backend, places)).tolist() == [0.0]
            for axis in range(len(size)):
                mirrored = places.copy()
                mirrored[..., axis] *= -1
                assert folding_on_grid(tensor(backend, mirrored)).tolist() == [1.0]
        crossed = np.arange(6.0)[None, :, None]
        crossed[0, [2, 3]] = crossed[0, [3, 2]]  # 0 1 3 2 4 5: differences 1, 3/2, 1/2, 1/2, 3/2, 1
        assert folding_on_grid(tensor(backend, crossed)).tolist() == [0.0]
        crossed[0, 2:4] = [[3.5], [0.5]]  # 0 1 3.5 0.5 4 5: 1, 7/4, -1/4, 1/4, 9/4, 1
        assert folding_on_grid(tensor(backend, crossed)).tolist() == [1 / 6]
        crossed[0, 0] = np.nan
        assert np.isnan(folding_on_grid(tensor(backend, crossed))).all()

    def test_folds_are_counted_as_they_are_published(self, backend: Backend) -> None:
        """Determinants of the identity plus numpy's gradients of a displacement field in voxels."""
        displacement = np.random.default_rng(0).normal(scale=0.8, size=(2, 9, 8, 2))
        places = np.stack(np.meshgrid(np.arange(8), np.arange(9)), axis=-1) + displacement
        shares = []
        for field in displacement:
            du_dy, du_dx = np.gradient(field[..., 0])
            dv_dy, dv_dx = np.gradient(field[..., 1])
            shares.append(((1 + du_dx) * (1 + dv_dy) - du_dy * dv_dx <= 0).mean())
        assert min(shares) > 0.02
        assert distance(folding_on_grid(tensor(backend, places)), np.array(shares)) <= 1e-15

    def test_folds_of_families(self, backend: Backend) -> None:
        """A spline folds; a flow does so on the pixel grid alone, where it stretches beyond it."""
        spline = ThinPlateSpline((3, 3))
        theta = np.zeros((2, spline.n_params))
        theta[1, 8] = 3.0  # the middle, to the right
        shares = folding(spline, tensor(backend, theta), (32, 32))
        assert shares[0] == 0
        assert shares[1] > 0.05
        flow = Cpab((4, 4), boundary="sliding")
        wild = 4.0 * draw_theta(flow, 2, 1)
        calm, torn = (folding(flow, tensor(backend, t), (24, 24)) for t in (wild / 20, wild))
        assert (calm == 0).all()
        assert (torn > 0).all()
        assert stretch(flow, tensor(backend, wild), (24, 24)).largest_area.min() > 20
        back = folding(flow, tensor(backend, -wild), (24, 24), inverse=True)
        assert distance(back, torn) <= 1e-12

    @pytest.mark.parametrize("family", MIXED, ids=name_of)
    def test_extremes(self, backend: Backend, family: Transformation) -> None:
        """Of determinants and singular values of differences, in pixels; of the inverse they are reciprocal."""
        theta, size = near(family, 2, 2), pixels_of(family, 5, 6, 7)
        got = stretch(family, tensor(backend, theta), size)
        grid = pixel_grid(size, False, family.domain)
        steps = STEP * np.eye(family.ndim)
        ahead, behind = ([np.asarray(family.transform(grid.points + k * h, theta)) for h in steps] for k in (1, -1))
        pixel = np.diff(np.array(family.domain)).ravel() / np.array(size[::-1])
        matrices = np.moveaxis(np.subtract(ahead, behind), 0, -1) / (2 * STEP) / pixel[:, None] * pixel
        areas = np.abs(np.linalg.det(matrices))
        longest = np.linalg.svd(matrices)[1].max(axis=(1, 2))
        assert distance(got.smallest_area, areas.min(1)) <= 1e-6
        assert distance(got.largest_area, areas.max(1)) <= 1e-6
        assert distance(got.largest_stretch, longest) <= 1e-6
        assert got.folding.tolist() == [0.0, 0.0]
        if isinstance(family, Affine):
            back = stretch(family, tensor(backend, theta), size, inverse=True)
            assert distance(back.largest_area, 1 / got.smallest_area) <= 1e-9

    def test_what_is_not_finite(self, backend: Backend) -> None:
        """Its own item alone."""
        family = Cpab((2, 2))
        theta = draw_theta(family, 2, 3)
        theta[0, 0] = np.nan
        got = stretch(family, tensor(backend, theta), (6, 6))
        for values in (got.smallest_area, got.largest_area, got.largest_stretch, got.folding):
            assert np.isnan(values).tolist() == [True, False]

    # -- the penalty -------------------------------------------------------------------------------

    @each_field
    def test_penalty_is_what_it_says(self, backend: Backend, family: Cpab) -> None:
        """Mean squares of log det over pixels, and of the field's slopes over the domain."""
        theta, size = 0.5 * draw_theta(family, 3, 4), pixels_of(family, 4, 5, 6)
        log_det = np.asarray(family.log_det_jacobian(pixel_grid(size, False, family.domain).points, theta))
        first, second = (log_det**2).mean(axis=1), squared_gradient(family, theta)
        given = tensor(backend, theta)
        for weight, gradient in ((1.0, 0.0), (2.0, 0.5)):
            got = stretch_penalty(family, given, size, weight=weight, gradient=gradient)
            assert distance(backend.to_numpy(got), weight * (first + gradient * second)) <= 1e-6
        both = Composition(AffineDiffeo(family.ndim), family) if family.domain[0] == (-1.0, 1.0) else None
        if both is not None:
            still = np.concatenate([np.zeros((3, both.parts[0].n_params)), theta], axis=1)
            got = stretch_penalty(both, tensor(backend, still), size, weight=2.0, gradient=0.5)
            assert distance(backend.to_numpy(got), 2 * (first + 0.5 * second)) <= 1e-6

    @each_dtype
    def test_penalty_is_nothing_where_nothing_is_stretched(self, backend: Backend, dtype: str) -> None:
        """At the identity, and no slope there, to which an optimiser may come back."""
        for family in (Cpab((3, 3)), Composition(Affine(), Cpab((2, 2))), AffineDiffeo()):
            theta = family.identity(2, backend=backend.name, dtype=dtype)
            got = stretch_penalty(family, theta, (5, 5))
            assert backend.dtype(got) == dtype
            assert backend.to_numpy(got).tolist() == [0.0, 0.0]
            if {"autograd", "double_backward"} <= backend.supports:
                ones = tensor(backend, np.ones(2), dtype)
                (grad,) = backend.vjp(lambda t, f=family: stretch_penalty(f, t, (5, 5)), (theta,), ones)
                assert not backend.to_numpy(grad).any()

    @each_field
    def test_gradient_of_the_penalty(self, backend: Backend, family: Cpab) -> None:
        """Against differences."""
        needs(backend, "autograd", "double_backward")
        theta, size = 0.5 * draw_theta(family, 2, 5), pixels_of(family, 2, 3, 4)
        options: dict[str, Any] = {"weight": 1.0, "gradient": 0.3}
        ones = tensor(backend, np.ones(2))
        (grad,) = backend.vjp(lambda t: stretch_penalty(family, t, size, **options), (tensor(backend, theta),), ones)
        expected = differences_in_theta(lambda t: np.asarray(stretch_penalty(family, t, size, **options)), theta)
        assert relative_error(backend.to_numpy(grad), expected) <= TOLERANCE

    def test_bad_arguments(self, backend: Backend) -> None:
        family = Cpab((2, 2))
        theta = tensor(backend, np.zeros((2, 20)))
        calls: tuple[Any, ...] = (folding, stretch, stretch_penalty)
        for call in calls:
            with complains(OptionError, builtin=ValueError, match="family"):
                call("cpab", theta, (4, 4))
            with complains(OptionError, builtin=ValueError, match="size"):
                call(family, theta, (4,))
            with complains(ShapeError, builtin=ValueError, match="20"):
                call(family, tensor(backend, np.zeros((2, 19))), (4, 4))
        for options in ({"weight": -1.0}, {"gradient": float("inf")}):
            with complains(OptionError, builtin=ValueError, match=next(iter(options))):
                stretch_penalty(family, theta, (4, 4), **options)
        spline = ThinPlateSpline()
        for call in calls[:2]:
            with complains(UnsupportedError, match="ThinPlateSpline"):
                call(spline, tensor(backend, np.zeros((1, spline.n_params))), (4, 4), inverse=True)
        for shape in ((4, 4, 2), (2, 4, 4, 3), (2, 1, 4, 2), (4,), (2, 4, 4)):
            with complains(ShapeError, builtin=ValueError, match="grid must be"):
                folding_on_grid(tensor(backend, np.zeros(shape)))
