"""``Cpab.refine``: the same field on a finer tessellation."""

from __future__ import annotations

import numpy as np
import pytest

import cpabx
from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.basis.geometry import barycentric
from cpabx.errors import OptionError
from cpabx.testing.cases import Array, draw_theta, each_dtype, needs, tensor
from cpabx.testing.complaints import complains

BOX = ((0, 1), (-2, 3))
#: Families, and others whose cells lie in theirs.
NESTED = (
    (Cpab(5), Cpab(10)),
    (Cpab(3, boundary="sliding", domain=(0, 3)), Cpab(9, boundary="sliding", domain=(0, 3), basis="nodal")),
    (Cpab((2, 2)), Cpab((4, 4))),
    (Cpab((2, 2), basis="nodal"), Cpab((6, 6), basis="normalized")),
    (Cpab((2, 3), boundary="sliding", domain=BOX), Cpab((4, 6), boundary="sliding", domain=BOX, basis="nodal")),
    (Cpab((3, 2), boundary="fixed"), Cpab((6, 4), boundary="sliding")),
    (Cpab((1, 2), volume_preserving=True), Cpab((3, 6), volume_preserving=True)),
    (Cpab((2, 1), volume_preserving=True, boundary="sliding"), Cpab((4, 2), boundary="sliding")),
    (Cpab((2, 1, 2)), Cpab((2, 1, 2), basis="nodal")),
)
each_nested = pytest.mark.parametrize("pair", NESTED, ids=lambda pair: f"{pair[0]}-{pair[1]}")


def affine_maps(family: Cpab) -> Array:
    """(C n (n + 1), d): the fields of a basis by rows of A_c per cell, as ``basis`` takes them."""
    tess, n = family.tessellation, family.ndim
    fields = np.asarray(family.velocity(np.eye(family.n_params)))[:, tess.cell_vertices]  # d, C, n + 1, n
    rows = np.einsum("pckd,ckj->cdjp", fields, barycentric(tess))
    return np.asarray(rows.reshape(tess.n_cells * n * (n + 1), -1))


class TestRefinement:
    @each_nested
    def test_nested_cells_have_the_same_field(self, backend: Backend, pair: tuple[Cpab, Cpab]) -> None:
        """Inside and outside of the domain; so the maps are the same, too."""
        coarse, finer = pair
        theta = draw_theta(coarse, 3, 0)
        refined = backend.to_numpy(coarse.refine(tensor(backend, theta), finer))
        low, high = np.array(coarse.domain).T
        points = low + (high - low) * np.random.default_rng(1).uniform(-0.5, 1.5, (200, coarse.ndim))
        wanted = np.asarray(coarse.velocity_at(points, theta))
        assert np.abs(wanted).max() > 1e-2
        assert np.abs(np.asarray(finer.velocity_at(points, refined)) - wanted).max() <= 1e-10 * np.abs(wanted).max()
        moved, again = np.asarray(coarse.transform(points, theta)), np.asarray(finer.transform(points, refined))
        assert np.abs(moved - again).max() <= 1e-8 * np.abs(moved).max()

    @pytest.mark.parametrize(
        ("coarse", "finer"),
        [
            (Cpab((3, 3)), Cpab((4, 4))),
            (Cpab((2, 2)), Cpab((2, 2), boundary="fixed")),
            (Cpab((1, 2, 1)), Cpab((2, 2, 2))),
            (Cpab(4), Cpab(3, boundary="sliding")),
        ],
        ids=str,
    )
    def test_other_cells_have_the_nearest_velocities(self, backend: Backend, coarse: Cpab, finer: Cpab) -> None:
        """By least squares at the vertices: what is left is orthogonal to all fields."""
        theta = draw_theta(coarse, 2, 1)
        refined = backend.to_numpy(coarse.refine(tensor(backend, theta), finer))
        at_vertices = np.asarray(coarse.velocity_at(finer.tessellation.vertices, theta))
        left = np.asarray(finer.velocity(refined)) - at_vertices
        assert np.abs(left).max() > 1e-3 * np.abs(at_vertices).max()
        fields = np.asarray(finer.velocity(np.eye(finer.n_params)))
        assert np.abs(np.einsum("nvd,pvd->np", left, fields)).max() <= 1e-10 * np.abs(at_vertices).sum()

    @each_dtype
    def test_result_is_like_theta(self, backend: Backend, dtype: str) -> None:
        coarse, finer = Cpab((2, 2)), Cpab((4, 4), basis="nodal")
        theta = draw_theta(coarse, 3, 2)
        got = coarse.refine(tensor(backend, theta, dtype), finer)
        assert cpabx.registry.owner(got) == backend.name
        assert backend.dtype(got) == dtype
        assert backend.shape(got) == (3, finer.n_params)
        assert backend.shape(coarse.refine(tensor(backend, theta[:0], dtype), finer)) == (0, finer.n_params)

    @each_nested
    def test_gradient(self, backend: Backend, pair: tuple[Cpab, Cpab]) -> None:
        """Of a linear map: its transpose."""
        needs(backend, "autograd")
        coarse, finer = pair
        matrix = np.asarray(coarse.refine(np.eye(coarse.n_params), finer))
        theta = draw_theta(coarse, 2, 3)
        cotangent = np.random.default_rng(4).normal(size=(2, finer.n_params))
        (got,) = backend.vjp(
            lambda theta: coarse.refine(theta, finer), (tensor(backend, theta),), tensor(backend, cotangent)
        )
        assert np.abs(backend.to_numpy(got) - cotangent @ matrix.T).max() <= 1e-10 * np.abs(cotangent).sum()

    def test_dependent_columns_share_what_they_tell(self, backend: Backend) -> None:
        """Of all theta with the field, the shortest."""
        coarse, tess = Cpab((2, 2)), Cpab((4, 4))
        matrix = affine_maps(tess)
        finer = Cpab((4, 4), basis=np.concatenate([matrix, matrix[:, :1]], axis=1))
        theta = draw_theta(coarse, 2, 5)
        refined = np.asarray(backend.to_numpy(coarse.refine(tensor(backend, theta), finer)))
        alone = np.asarray(coarse.refine(theta, tess))
        assert np.abs(refined[:, 1:-1] - alone[:, 1:]).max() <= 1e-9 * np.abs(alone).max()
        assert np.abs(refined[:, [0, -1]] - alone[:, :1] / 2).max() <= 1e-9 * np.abs(alone).max()

    def test_other_domains_are_refused(self, backend: Backend) -> None:
        coarse = Cpab((2, 2))
        theta = tensor(backend, draw_theta(coarse, 1, 0))
        with complains(OptionError, match="same domain"):
            coarse.refine(theta, Cpab((4, 4), domain=(0, 1)))
        with complains(OptionError, match="same domain"):
            coarse.refine(theta, Cpab(4))
        with complains(OptionError, match="cpabx.Cpab"):
            coarse.refine(theta, cpabx.Affine())  # type: ignore[arg-type]
