"""From theta to velocities: dimensions, constraints, orthonormality, and other people's bases."""

import copy
import pickle

import numpy as np
import pytest

import cpabx
from cpabx import Cpab
from cpabx.basis import to_affine
from cpabx.errors import OptionError, ShapeError, TessellationError

CELLS = [(1, 1), (2, 2), (3, 3), (4, 4), (3, 5), (5, 5)]
DOMAINS = [(-1, 1), (0, 1), ((0, 1), (-2, 3))]
each_cells = pytest.mark.parametrize("cells", CELLS, ids=str)
each_boundary = pytest.mark.parametrize("boundary", ["free", "sliding", "fixed"])
each_outside = pytest.mark.parametrize("outside", ["linear", "nearest"])
each_basis = pytest.mark.parametrize("basis", ["orthonormal", "normalized", "nodal"])


def dense(family):
    """(V, 2, d) vertex velocities of the basis fields, by the public way."""
    return np.moveaxis(family.velocity(np.eye(family.n_params)), 0, -1)


def affine(family):
    """(C, 2, 3, d) matrices A_c, solved here from the velocities at each triangle's corners."""
    tess = family.tessellation
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    values = dense(family)[tess.cell_vertices]
    rows = np.linalg.solve(homogeneous, values.reshape(*homogeneous.shape[:2], -1))
    return np.moveaxis(rows.reshape(*values.shape), 1, 2)


@pytest.mark.parametrize(
    ("cells", "free", "sliding"),
    [((1, 1), 10, 2), ((2, 2), 20, 14), ((3, 3), 34, 34), ((4, 4), 58, 62), ((3, 5), 54, 58), ((5, 5), 90, 98)],
    ids=str,
)
@each_basis
def test_dimensions_of_the_paper_and_its_peers(cells, free, sliding, basis):
    assert Cpab(cells, basis=basis).n_params == free
    assert Cpab(cells, boundary="sliding", basis=basis).n_params == sliding


@each_cells
def test_dimensions_by_counting(cells):
    """Without the linear continuation, d is the number of vertex components the boundary leaves."""
    nx, ny = cells
    vertices = (nx + 1) * (ny + 1) + nx * ny
    on_border = 2 * (nx + ny)
    count = {"free": 2 * vertices, "sliding": 2 * vertices - on_border - 4, "fixed": 2 * (vertices - on_border)}
    for boundary, expected in count.items():
        assert Cpab(cells, boundary=boundary, outside="nearest").n_params == expected


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@each_outside
@each_boundary
@each_cells
def test_orthonormal_in_the_space_of_matrices(cells, boundary, outside, domain):
    """B^T B = 1, where a column of B holds the A_c of a field: theta ~ N(0, 1) is the paper's prior."""
    family = Cpab(cells, boundary=boundary, outside=outside, domain=domain)
    columns = affine(family).reshape(-1, family.n_params)
    np.testing.assert_allclose(columns.T @ columns, np.eye(family.n_params), rtol=0, atol=1e-11)


@each_outside
@each_boundary
@pytest.mark.parametrize("cells", [(5,), (1, 1), (4, 3), (2, 1, 2)], ids=str)
def test_a_normalized_theta_is_as_long_as_its_matrices_in_the_mean(cells, boundary, outside):
    family = Cpab(cells, boundary=boundary, outside=outside, basis="normalized")
    theta = np.random.default_rng(0).standard_normal((3, family.n_params))
    matrices = to_affine(family.tessellation, family.velocity(theta).reshape(3, -1).T)
    mean_square = (matrices.reshape(family.tessellation.n_cells, -1, 3) ** 2).sum(1).mean(0)
    np.testing.assert_allclose((theta**2).sum(1), mean_square, rtol=1e-11)


@pytest.mark.parametrize("cells", [(1, 1), (4, 4), (2, 6)], ids=str)
def test_a_normalized_theta_of_an_affine_field_is_as_long_as_its_matrix(cells):
    """On any tessellation, with the matrix [A b] of STAffineDiffeo."""
    family, matrix = Cpab(cells, basis="normalized"), np.random.default_rng(1).standard_normal((2, 3))
    points = family.tessellation.vertices
    field = (points @ matrix[:, :2].T + matrix[:, 2]).ravel()
    theta, *_ = np.linalg.lstsq(family.basis.to_dense().matrix, field, rcond=None)
    np.testing.assert_allclose(np.linalg.norm(theta), np.linalg.norm(matrix), rtol=1e-11)


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@each_basis
@each_outside
@each_cells
def test_normal_velocity_vanishes_on_a_sliding_border(cells, outside, basis, domain):
    """And on a fixed one every velocity does."""
    for boundary in ("sliding", "fixed"):
        family = Cpab(cells, boundary=boundary, outside=outside, basis=basis, domain=domain)
        tess, velocity = family.tessellation, dense(family)
        for axis in (0, 1):
            on_side = np.isclose(tess.vertices[:, axis], tess.lower[axis])
            on_side |= np.isclose(tess.vertices[:, axis], tess.upper[axis])
            assert on_side.sum() == 2 * (cells[1 - axis] + 1)
            assert np.abs(velocity[on_side, axis]).max() <= 1e-12
            if boundary == "fixed":
                assert np.abs(velocity[on_side]).max() <= 1e-12


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@each_basis
@each_boundary
@each_cells
def test_outward_derivatives_agree_along_each_side(cells, boundary, basis, domain):
    """What "valid outside" means: the pieces along a side continue as one field."""
    nx, ny = cells
    family = Cpab(cells, boundary=boundary, outside="linear", basis=basis, domain=domain)
    matrices = affine(family).reshape(ny, nx, 4, 2, 3, -1)
    sides = [matrices[0, :, 0, :, 1], matrices[-1, :, 2, :, 1], matrices[:, 0, 3, :, 0], matrices[:, -1, 1, :, 0]]
    for derivative in sides:  # of all cells along the side: (cells, component, d)
        np.testing.assert_allclose(derivative, derivative[:1].repeat(len(derivative), 0), rtol=0, atol=1e-10)


@each_outside
@each_boundary
@each_cells
def test_both_bases_span_one_space(cells, boundary, outside):
    """Same rank together as apart."""
    a, b = (
        dense(Cpab(cells, boundary=boundary, outside=outside, basis=basis)).reshape(-1, n_params)
        for n_params in [Cpab(cells, boundary=boundary, outside=outside).n_params]
        for basis in ("orthonormal", "nodal")
    )
    ranks = [np.linalg.matrix_rank(m) for m in (a, b, np.hstack([a, b]))]
    assert ranks == [a.shape[1]] * 3


@each_boundary
def test_nothing_more_could_be_allowed(boundary):
    """The space is all of the null space of the constraints, found here by an SVD."""
    cells, nx, ny = (3, 2), 3, 2
    family, everything = Cpab(cells, boundary=boundary, outside="linear"), Cpab(cells, outside="nearest", basis="nodal")
    tess, fields = everything.tessellation, dense(everything)  # every vertex component by itself
    matrices = affine(everything).reshape(ny, nx, 4, 2, 3, -1)
    rows = []
    for side in (matrices[0, :, 0, :, 1], matrices[-1, :, 2, :, 1], matrices[:, 0, 3, :, 0], matrices[:, -1, 1, :, 0]):
        rows.append(np.diff(side, axis=0).reshape(-1, everything.n_params))
    for axis in (0, 1):
        on_side = np.abs(tess.vertices[:, axis]) > 1 - 1e-9
        if boundary != "free":
            rows.append(fields[on_side, axis])
        if boundary == "fixed":
            rows.append(fields[on_side, 1 - axis])
    nullity = everything.n_params - np.linalg.matrix_rank(np.vstack(rows))
    assert family.n_params == nullity


@each_basis
def test_basis_is_made_the_same_every_time(basis):
    """No random signs or rotations, as an SVD would leave: theta can be stored and shared."""
    one, other = Cpab((4, 4), basis=basis), Cpab((4, 4), basis=basis)
    np.testing.assert_array_equal(dense(one), dense(other))


def test_basis_is_the_same_on_every_machine():
    """Three numbers that pin down order and signs; from this very definition, by Gram-Schmidt in float64.

    Columns of the nodal basis, centres dependent first, are made orthonormal in turn with a positive
    factor, so the first column is the first nodal field, normalised.
    """
    for options in ({}, {"boundary": "sliding"}, {"outside": "nearest"}):
        nodal, family = Cpab((3, 3), basis="nodal", **options), Cpab((3, 3), **options)
        columns = affine(nodal).reshape(-1, nodal.n_params)
        expected = np.zeros_like(columns)
        for k, column in enumerate(columns.T):
            rest = column.copy()
            for _ in range(2):  # once more against rounding
                rest -= expected[:, :k] @ (expected[:, :k].T @ rest)
            expected[:, k] = rest / np.linalg.norm(rest)
        np.testing.assert_allclose(affine(family).reshape(expected.shape), expected, rtol=0, atol=1e-11)


def test_nodal_parameters_are_velocities_at_vertices():
    """theta_k is a component of the velocity at some vertex, and no two share one."""
    for options in ({}, {"boundary": "sliding"}, {"boundary": "fixed", "outside": "linear"}):
        family = Cpab((3, 2), basis="nodal", **options)
        velocity = dense(family).reshape(-1, family.n_params)
        units = [k for row in velocity for k in np.flatnonzero(row) if np.count_nonzero(row) == 1 and row[k] == 1]
        assert set(units) == set(range(family.n_params))


def test_nodal_basis_of_a_large_tessellation():
    """No dense matrix of vertices times parameters, which would take 30 GB here."""
    family = Cpab((150, 150), outside="nearest", boundary="sliding", basis="nodal")
    theta = family.sample(1, seed=0, scale=1e-3, dtype="float64")
    points = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    back = family.inverse(family.transform(points, theta)[0], theta)[0]
    np.testing.assert_allclose(back, points, atol=1e-12)


# -- bases from elsewhere ------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@each_outside
@each_boundary
def test_array_of_matrices_makes_the_same_transformation(boundary, outside, domain):
    """A basis in the peers' form: theta of theirs, result of theirs."""
    family = Cpab((3, 2), boundary=boundary, outside=outside, domain=domain)
    array = to_affine(family.tessellation, dense(family).reshape(-1, family.n_params))
    np.testing.assert_allclose(array, affine(family).reshape(array.shape), atol=1e-12)
    other = Cpab((3, 2), basis=array, outside=outside, domain=domain)
    assert other.n_params == family.n_params
    theta = family.sample(3, seed=0, scale=1.0, dtype="float64")
    low, high = np.array(family.domain).T
    points = low + np.random.default_rng(0).uniform(-0.2, 1.2, (50, 2)) * (high - low)
    np.testing.assert_allclose(other.transform(points, theta), family.transform(points, theta), atol=1e-11)


def test_float32_lists_and_parts_of_a_basis_are_accepted():
    """Peers store float32; and any set of continuous fields will do."""
    family = Cpab((2, 2))
    array, fields = affine(family).reshape(-1, 20), dense(family)
    for given, expected in (
        (array.astype("float32"), fields),
        (array.tolist(), fields),
        (array[:, :3], fields[..., :3]),
        (array.sum(1, keepdims=True), fields.sum(-1, keepdims=True)),
    ):
        np.testing.assert_allclose(dense(Cpab((2, 2), basis=given)), expected, atol=1e-6)


def test_continuation_of_an_array_basis():
    """Linear if its fields allow it; insisting where they do not is an error."""
    free, sliding = Cpab((2, 2)), Cpab((2, 2), boundary="sliding")

    def array(family):
        return affine(family).reshape(-1, family.n_params)

    assert Cpab((2, 2), basis=array(free)).tessellation.outside == "linear"
    assert Cpab((2, 2), basis=array(sliding)).tessellation.outside == "nearest"
    with pytest.raises(TessellationError, match="outward derivative"):
        Cpab((2, 2), basis=array(sliding), outside="linear")


def bad_arrays():
    good = affine(Cpab((2, 2))).reshape(-1, 20)
    spoilt = good.copy()
    spoilt[3, 4] = np.nan
    return {
        "cells in another order": good.reshape(16, 6, 20)[::-1].reshape(-1, 20),
        "one number changed": good + 0.1 * (np.arange(96 * 20) == 77).reshape(96, 20),
        "of another domain": affine(Cpab((2, 2), domain=(0, 1))).reshape(-1, 20),
        "of another size": affine(Cpab((1, 1))).reshape(-1, 10),
        "transposed": good.T,
        "one field without its axis": good[:, 0],
        "not a number": spoilt,
        "not numbers": [["a"] * 20] * 96,
        "ragged": [[1.0], [1.0, 2.0]],
        "nothing": None,
        "a number": 3,
    }


@pytest.mark.parametrize("name", bad_arrays())
def test_array_that_is_no_basis(name):
    with pytest.raises(TessellationError) as caught:
        Cpab((2, 2), basis=bad_arrays()[name])
    assert caught.value.asked
    assert caught.value.received
    assert caught.value.remedy


def test_a_theta_of_another_boundary_is_recognised():
    """Among fields of the same kind: with preserved volume, a sliding border leaves 8 parameters, not 34."""

    def advice(family, n_params):
        with pytest.raises(ShapeError) as caught:
            family.velocity(np.zeros((1, n_params)))
        return caught.value.remedy

    assert "boundary='sliding'" in advice(Cpab((3, 2)), 22)
    assert "boundary='free'" in advice(Cpab((3, 2), boundary="sliding", basis="nodal"), 24)
    preserving = Cpab((3, 3), volume_preserving=True)
    assert "boundary='sliding'" in advice(preserving, 8)
    # Not a boundary of this family: another one, which is named whole.
    assert "Cpab((3, 3), boundary='sliding')" in advice(preserving, 34)
    array = Cpab((2, 2), basis=affine(Cpab((2, 2))).reshape(-1, 20))
    assert "Cpab((2, 2), boundary='sliding')" in advice(array, 14)


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ({"boundary": "zero"}, "free, sliding, fixed"),
        ({"boundary": None}, "free, sliding, fixed"),
        ({"boundary": True}, "free, sliding, fixed"),
        ({"outside": "zero"}, "linear, nearest"),
        ({"outside": 1}, "linear, nearest"),
        ({"basis": "svd"}, "orthonormal, normalized, nodal"),
        ({"basis": ""}, "orthonormal, normalized, nodal"),
    ],
    ids=str,
)
def test_unknown_options(options, listed):
    with pytest.raises(OptionError, match=listed) as caught:
        Cpab((2, 2), **options)
    assert caught.value.received
    assert caught.value.remedy


# -- families as values --------------------------------------------------------------------------


FAMILIES = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(),
    cpabx.Affine(ndim=1),
    cpabx.AffineDiffeo(ndim=3),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 4)),
    Cpab((2, 3), boundary="sliding", basis="nodal", domain=((0, 1), (-2, 3))),
    Cpab((2, 2), basis=affine(Cpab((2, 2))).reshape(-1, 20)),
    cpabx.Composition(cpabx.Affine(), Cpab((2, 2))),
    cpabx.Composition(Cpab((2, 2)), cpabx.AffineDiffeo(), Cpab((1, 1))),
    cpabx.Composition(cpabx.Affine(ndim=1), Cpab(3)),
]


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_copies_are_equal_and_do_the_same(family):
    """Models are copied, pickled and sent to other processes."""
    theta, points = family.sample(2, seed=0), np.full((1, family.ndim), 0.3, "float32")
    for other in (
        copy.copy(family),
        copy.deepcopy(family),
        pickle.loads(pickle.dumps(family)),
        type(family)(**family.config),
    ):
        assert other == family
        assert hash(other) == hash(family)
        assert repr(other) == repr(family)
        np.testing.assert_array_equal(other.transform(points, theta), family.transform(points, theta))


def test_different_families_are_different():
    distinct = [
        *FAMILIES,
        Cpab((2, 2)),
        Cpab((2, 2), outside="nearest"),
        Cpab((2, 2), basis="nodal"),
        Cpab((2, 2), domain=(0, 1)),
    ]
    distinct.append(Cpab((2, 2), basis=2 * affine(Cpab((2, 2))).reshape(-1, 20)))
    for i, a in enumerate(distinct):
        assert [j for j, b in enumerate(distinct) if a == b] == [i]
    assert len(set(distinct)) == len(distinct)
    assert cpabx.Affine() != "Affine()"
