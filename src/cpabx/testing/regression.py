"""``Cpab.from_velocity``: the field of a family that is nearest to one at pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.errors import OptionError, ShapeError
from cpabx.sampling import pixel_grid
from cpabx.testing.cases import Array, distance, draw_theta, each_alignment, each_dtype, name_of, pixels_of, tensor
from cpabx.testing.complaints import complains

FITTED = (
    Cpab(5),
    Cpab(4, boundary="sliding", domain=(0, 3), basis="nodal"),
    Cpab((4, 4)),
    Cpab((2, 3), domain=((0, 1), (-2, 3)), basis="normalized"),
    Cpab((3, 2), boundary="fixed", outside="linear", basis="nodal"),
    Cpab((3, 3), volume_preserving=True),
    Cpab((2, 2), domain=((1e6, 1e6 + 1), (0, 1e-3)), boundary="sliding"),
    Cpab((2, 1, 2)),
    Cpab((1, 2, 1), outside="nearest", domain=((0, 1), (-2, 3), (5, 6))),
)
each_fitted = pytest.mark.parametrize("family", FITTED, ids=name_of)


def field_of(family: Cpab, theta: Array, size: tuple[int, ...], align_corners: bool = False) -> Array:
    """(N, *size, n) velocities at the pixels, in units of the domain."""
    points = pixel_grid(size, align_corners, family.domain).points
    return np.asarray(family.velocity_at(points, theta)).reshape(len(theta), *size, family.ndim)


def design(family: Cpab, size: tuple[int, ...]) -> Array:
    """(P n, d): what each parameter does to the velocities at the pixels."""
    return field_of(family, np.eye(family.n_params), size).reshape(family.n_params, -1).T


class TestFieldsIn:
    @each_alignment
    @each_fitted
    def test_own_fields_are_found(self, backend: Backend, family: Cpab, align_corners: bool) -> None:
        """Exactly, in all units, one at a time or a batch."""
        theta, size = draw_theta(family, 2, 0), pixels_of(family, 9, 14, 15)
        field = field_of(family, theta, size, align_corners)
        low, high = np.array(family.domain).T
        width = (high - low) / (np.array(size[::-1]) - align_corners)
        for units, scale in (("domain", 1.0), ("unit", (high - low) / 2), ("voxels", width)):
            options: dict[str, Any] = {"units": units, "align_corners": align_corners}
            got = backend.to_numpy(family.from_velocity(tensor(backend, field / scale), **options))
            assert distance(got, theta) <= 1e-8
        one = family.from_velocity(tensor(backend, field[1]), align_corners=align_corners)
        assert distance(backend.to_numpy(one), theta[1:]) <= 1e-8

    @each_dtype
    def test_theta_is_like_the_field(self, backend: Backend, dtype: str) -> None:
        """Its framework and type; what is computed in float64 is as exact as the field."""
        family, theta = Cpab((2, 2)), draw_theta(Cpab((2, 2)), 3, 1)
        got = family.from_velocity(tensor(backend, field_of(family, theta, (8, 9)), dtype))
        assert cpabx.registry.owner(got) == backend.name
        assert backend.dtype(got) == dtype
        assert distance(backend.to_numpy(got), theta) <= {"float32": 1e-5, "float64": 1e-10}[dtype]
        assert backend.shape(family.from_velocity(tensor(backend, np.zeros((0, 8, 9, 2))))) == (0, 20)

    @pytest.mark.parametrize("size", [(9, 8), (2, 3), (1, 1)], ids=str)
    @pytest.mark.parametrize("weighted", [False, True])
    def test_other_fields_give_the_least_squares(self, backend: Backend, size: tuple[int, int], weighted: bool) -> None:
        """As numpy's solver finds them; the shortest theta where pixels are few."""
        family, rng = Cpab((2, 2)), np.random.default_rng(2)
        field, weights = rng.standard_normal((2, *size, 2)), rng.uniform(0.1, 1, size) if weighted else np.ones(size)
        root = np.sqrt(weights).repeat(2)[:, None]
        expected = np.linalg.lstsq(root * design(family, size), root * field.reshape(2, -1).T, rcond=1e-9)[0].T
        got = family.from_velocity(tensor(backend, field), weights=weights if weighted else None)
        assert distance(backend.to_numpy(got), expected) <= 1e-8

    def test_a_ridge_shortens_theta(self, backend: Backend) -> None:
        """(M^T M + ridge I) theta = M^T field."""
        family, field = Cpab((2, 2)), np.random.default_rng(3).standard_normal((2, 5, 4, 2))
        matrix = design(family, (5, 4))
        expected = np.linalg.solve(matrix.T @ matrix + 0.7 * np.eye(20), matrix.T @ field.reshape(2, -1).T).T
        assert distance(backend.to_numpy(family.from_velocity(tensor(backend, field), ridge=0.7)), expected) <= 1e-10

    def test_a_mask_hides_what_is_not_known(self, backend: Backend) -> None:
        """Pixels of weight 0 may be anything."""
        family, theta = Cpab((2, 2)), draw_theta(Cpab((2, 2)), 2, 4)
        field, mask = field_of(family, theta, (12, 11)), np.random.default_rng(4).uniform(size=(12, 11)) > 0.3
        field[:, ~mask] = np.nan
        for weights in (mask, tensor(backend, mask)):
            assert (
                distance(backend.to_numpy(family.from_velocity(tensor(backend, field), weights=weights)), theta) <= 1e-9
            )

    @pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300, 1e308])
    def test_weights_and_fields_of_any_size(self, backend: Backend, size: float) -> None:
        """Only weights relative to each other count, and theta grows with the field."""
        family, field = Cpab((2, 2)), np.random.default_rng(5).standard_normal((2, 5, 4, 2))
        field /= np.abs(field).max()
        expected = backend.to_numpy(family.from_velocity(tensor(backend, field)))
        weighted = family.from_velocity(tensor(backend, field), weights=np.full((5, 4), size))
        assert distance(backend.to_numpy(weighted), expected) <= 1e-10
        if size <= 1e300:
            large = backend.to_numpy(family.from_velocity(tensor(backend, field * size)))
            assert distance(large / size, expected) <= 1e-10
            mixed = backend.to_numpy(family.from_velocity(tensor(backend, field * [[[[size]]], [[[1.0]]]])))
            assert distance(mixed[1], expected[1]) <= 1e-10  # whatever the other item is

    def test_theta_beyond_its_type(self, backend: Backend) -> None:
        """A basis of small fields needs a large theta."""
        nodal = Cpab((1, 1), basis="nodal")
        small = Cpab((1, 1), basis=1e-3 * cpabx.basis.to_affine(nodal.tessellation, nodal.basis.to_dense().matrix))
        with complains(OptionError, builtin=ValueError, match="overflows"):
            small.from_velocity(tensor(backend, np.full((5, 4, 2), 3e38), "float32"))

    def test_what_is_no_field(self, backend: Backend) -> None:
        family, field = Cpab((2, 2)), np.zeros((3, 5, 4, 2))
        for shape in ((5, 2), (3, 5, 4, 3), (3, 2, 5, 4), (1, 3, 5, 4, 2), (3, 0, 4, 2), ()):
            with complains(ShapeError, builtin=ValueError, match=r"\(N, H, W, 2\)"):
                family.from_velocity(tensor(backend, np.zeros(shape)))
        with complains(ShapeError, builtin=ValueError, match="weights"):
            family.from_velocity(tensor(backend, field), weights=np.ones((4, 5)))
        for options in (
            {"weights": np.zeros((5, 4))},
            {"weights": -np.ones((5, 4))},
            {"weights": np.full((5, 4), np.nan)},
            {"ridge": -1},
            {"ridge": "much"},
            {"ridge": float("nan")},
            {"units": "mm"},
        ):
            with complains(OptionError, builtin=ValueError):
                family.from_velocity(tensor(backend, field), **options)
        for poison in (np.nan, np.inf):
            with complains(OptionError, builtin=ValueError, match="finite"):
                family.from_velocity(tensor(backend, np.full((5, 4, 2), poison)))
        with complains(OptionError, builtin=ValueError, match="width"):
            family.from_velocity(tensor(backend, np.zeros((1, 4, 2))), units="voxels", align_corners=True)
        with complains(OptionError, builtin=ValueError, match="2048"):
            Cpab((40, 40), basis="nodal").from_velocity(tensor(backend, field))
        empty = Cpab((1, 1), boundary="fixed").from_velocity(tensor(backend, field))
        assert backend.shape(empty) == (3, Cpab((1, 1), boundary="fixed").n_params)


class TestVelocitiesAtPoints:
    """``Cpab.fit_velocity``."""

    @pytest.mark.parametrize("shared", [True, False], ids=["shared", "paired"])
    @each_fitted
    def test_own_fields_are_found(self, backend: Backend, family: Cpab, shared: bool) -> None:
        """Exactly, from points inside and outside of the domain; those of weight 0 may be anything."""
        theta, low, high = draw_theta(family, 2, 0), *np.array(family.domain).T
        unit = np.random.default_rng(1).uniform(-0.5, 1.5, (400, family.ndim) if shared else (2, 400, family.ndim))
        points = low + (high - low) * unit
        velocities = np.asarray(family.velocity_at(points, theta))
        got = backend.to_numpy(family.fit_velocity(tensor(backend, points), tensor(backend, velocities)))
        assert distance(got, theta) <= 1e-7
        velocities[:, ::7], weights = np.nan, np.ones(400)
        weights[::7] = 0
        for given in (weights, tensor(backend, np.stack([weights, 2 * weights]))):
            masked = family.fit_velocity(tensor(backend, points), tensor(backend, velocities), weights=given)
            assert distance(backend.to_numpy(masked), theta) <= 1e-7

    @pytest.mark.parametrize("ridge", [0.0, 0.7])
    def test_least_squares(self, backend: Backend, ridge: float) -> None:
        """As numpy's solver finds them: many points, or few, of which the shortest theta."""
        family, rng = Cpab((2, 2)), np.random.default_rng(2)
        for p in (40, 3):
            points, velocities = rng.uniform(-1.2, 1.2, (p, 2)), rng.standard_normal((2, p, 2))
            weights = rng.uniform(0.1, 1, p)
            columns = np.asarray(family.velocity_at(points, np.eye(family.n_params))).reshape(family.n_params, -1).T
            root = np.sqrt(weights).repeat(2)[:, None]
            matrix = np.concatenate([root * columns, np.sqrt(ridge) * np.eye(family.n_params)])
            right = np.concatenate([root * velocities.reshape(2, -1).T, np.zeros((family.n_params, 2))])
            expected = np.linalg.lstsq(matrix, right, rcond=1e-9)[0].T
            given = tensor(backend, points), tensor(backend, velocities)
            got = family.fit_velocity(*given, weights=weights, ridge=ridge)
            assert distance(backend.to_numpy(got), expected) <= 1e-8

    @each_dtype
    def test_at_pixels_it_is_from_velocity(self, backend: Backend, dtype: str) -> None:
        """Of the type and framework of the points."""
        family, field = Cpab((2, 2)), np.random.default_rng(3).standard_normal((3, 5, 4, 2))
        points = pixel_grid((5, 4), False, family.domain).points
        given = tensor(backend, points, dtype), tensor(backend, field.reshape(3, 20, 2), dtype)
        got = family.fit_velocity(*given, ridge=0.1)
        assert cpabx.registry.owner(got) == backend.name
        assert backend.dtype(got) == dtype
        expected = family.from_velocity(field, ridge=0.1)
        assert distance(backend.to_numpy(got), expected) <= {"float32": 1e-4, "float64": 1e-10}[dtype]
        one = family.fit_velocity(points, field.reshape(3, 20, 2)[0], ridge=0.1)
        assert distance(one, expected[:1]) <= 1e-10
        empty = family.fit_velocity(tensor(backend, points), tensor(backend, np.zeros((0, 20, 2))))
        assert backend.shape(empty) == (0, 20)

    def test_what_does_not_fit(self, backend: Backend) -> None:
        family = Cpab((2, 2))

        def fit(points: Any, velocities: Any, **options: Any) -> Any:
            return family.fit_velocity(tensor(backend, points), tensor(backend, velocities), **options)

        for points, velocities in (
            ((5, 3), (5, 3)),
            ((5, 2), (4, 2)),
            ((2, 5, 2), (3, 5, 2)),
            ((5,), (5, 2)),
            ((0, 2), (0, 2)),
        ):
            with complains(ShapeError, builtin=ValueError):
                fit(np.zeros(points), np.zeros(velocities))
        some = np.random.default_rng(0).uniform(-1, 1, (5, 2))
        with complains(ShapeError, builtin=ValueError, match="weights"):
            fit(some, some, weights=np.ones(4))
        for options in ({"weights": np.zeros(5)}, {"weights": -np.ones(5)}, {"ridge": -1}, {"ridge": "much"}):
            with complains(OptionError, builtin=ValueError):
                fit(some, some, **options)
        for poison in (np.nan, np.inf):
            with complains(OptionError, builtin=ValueError, match="finite"):
                fit(some, np.full((5, 2), poison))
            with complains(OptionError, builtin=ValueError, match="finite"):
                fit(np.full((5, 2), poison), some)
        with complains(OptionError, builtin=ValueError, match="2048"):
            Cpab((40, 40), basis="nodal").fit_velocity(tensor(backend, some), tensor(backend, some))
