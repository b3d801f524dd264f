"""Tetrahedra: the same laws as in the plane, and the oracle of any dimension."""

from __future__ import annotations

import numpy as np
import pytest

import cpabx
from cpabx.testing.oracle_nd import OracleND

FIELDS = [
    ((1, 1, 1), {}),
    ((2, 2, 2), {}),
    ((2, 3, 1), {"outside": "nearest"}),
    ((3, 2, 3), {"boundary": "sliding"}),
    ((2, 2, 2), {"volume_preserving": True}),
]


def _example(cells, options, *, n=2, seed=0, speed=1.0):
    """A transformation and theta whose fastest vertex moves at ``speed``."""
    rng = np.random.default_rng(seed)
    cpab = cpabx.Cpab(cells, **options)
    theta = rng.normal(size=(n, cpab.n_params))
    fastest = np.abs(cpab.velocity(theta)).reshape(n, -1).max(axis=1)
    return cpab, theta * speed / fastest[:, None], rng


@pytest.mark.parametrize(
    ("cells", "boundary", "expected"),
    [
        *[((1, 1, 1), "free", 15), ((2, 2, 2), "free", 48), ((3, 3, 3), "free", 78)],
        *[((1, 1, 1), "sliding", 0), ((2, 2, 2), "sliding", 27), ((3, 3, 3), "sliding", 96)],
    ],
)
def test_number_of_parameters(cells, boundary, expected):
    assert cpabx.Cpab(cells, boundary=boundary).n_params == expected


def test_free_and_nearest_has_three_numbers_per_vertex():
    assert cpabx.Cpab((2, 3, 1), outside="nearest").n_params == 3 * 3 * 4 * 2


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 3, 4)])
def test_tetrahedra_fill_the_box_and_share_whole_faces(cells):
    tess = cpabx.Tessellation(cells)
    corners = tess.vertices[tess.cell_vertices]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    box = 8 / np.prod(cells)
    assert volumes.reshape(-1, 5).sum(axis=1) == pytest.approx(box)
    assert volumes.reshape(-1, 5)[:, 0] == pytest.approx(box / 3)
    faces: dict[frozenset[int], int] = {}
    for cell in tess.cell_vertices:
        for k in range(4):
            face = frozenset(np.delete(cell, k).tolist())
            faces[face] = faces.get(face, 0) + 1
    nx, ny, nz = cells
    assert max(faces.values()) == 2
    assert sum(count == 1 for count in faces.values()) == 4 * (nx * ny + ny * nz + nz * nx)


@pytest.mark.parametrize(("cells", "options"), FIELDS)
def test_agrees_with_the_oracle(cells, options):
    cpab, theta, rng = _example(cells, options)
    reach = 1.0 if options.get("boundary") == "sliding" else 1.4
    points = rng.uniform(-reach, reach, size=(40, 3))
    if "boundary" not in options:
        points[:15] = rng.integers(-4, 5, size=(15, 3)) / 4  # on faces, edges and vertices
    got = cpab.transform(np.tile(points, (2, 1, 1)), theta)
    single = cpab.transform(np.tile(points, (2, 1, 1)).astype(np.float32), theta.astype(np.float32))
    tess = cpab.tessellation
    for item in range(2):
        velocity = cpab.velocity(theta)[item].reshape(-1, 3)
        oracle = OracleND(tess.vertices, tess.cell_vertices, velocity, tess.lower, tess.upper, cpab.config["outside"])
        expected = np.array([oracle.flow(x) for x in points])
        np.testing.assert_allclose(got[item], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(single[item], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("cells", "options"), FIELDS)
@pytest.mark.parametrize("speed", [0.3, 3.0])
def test_the_inverse_undoes_it(cells, options, speed):
    cpab, theta, rng = _example(cells, options, n=4, seed=1, speed=speed)
    points = rng.uniform(-1, 1, size=(4, 2000, 3))
    points[:, :500] = rng.integers(-6, 7, size=(4, 500, 3)) / 6
    there = cpab.transform(points, theta)
    np.testing.assert_allclose(cpab.inverse(there, theta), points, rtol=0, atol=1e-10)


def test_gradients_agree_with_central_differences():
    cpab, theta, rng = _example((2, 2, 2), {}, n=1, seed=3)
    points = rng.uniform(-1.2, 1.2, size=(1, 12, 3))
    cotangent = rng.normal(size=points.shape)
    grad_points, grad_theta = cpab.pull_back(points, theta, cotangent)

    def value(x, t):
        return float((cpab.transform(x, t) * cotangent).sum())

    h = 1e-6
    for gradient, other in ((grad_points, 0), (grad_theta, 1)):
        arguments = [points, theta]
        for index in np.ndindex(arguments[other].shape):
            step = np.zeros_like(arguments[other])
            step[index] = h
            ends = []
            for sign in (1, -1):
                moved = list(arguments)
                moved[other] = arguments[other] + sign * step
                ends.append(value(*moved))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    ("cells", "boundary", "expected"),
    [
        *[((2, 2), "free", 10), ((3, 3), "free", 11), ((4, 4), "free", 15)],
        *[((2, 2), "sliding", 3), ((3, 3), "sliding", 8), ((4, 4), "sliding", 15)],
    ],
)
def test_number_of_parameters_that_preserve_volume(cells, boundary, expected):
    for basis in ("orthonormal", "nodal"):
        assert cpabx.Cpab(cells, boundary=boundary, basis=basis, volume_preserving=True).n_params == expected


@pytest.mark.parametrize("basis", ["orthonormal", "nodal"])
@pytest.mark.parametrize("cells", [(4, 3), (2, 2, 2)])
@pytest.mark.parametrize("boundary", ["free", "sliding"])
def test_volume_is_preserved(cells, boundary, basis):
    n = len(cells)
    domain = [(-1, 1), (0, 5), (2, 2.5)][:n]
    options = {"boundary": boundary, "basis": basis, "domain": domain, "volume_preserving": True}
    cpab, theta, rng = _example(cells, options, n=1, seed=5, speed=0.4)
    low, high = np.array(domain).T
    points = rng.uniform(low, high, size=(50, n))
    h = 1e-6 * (high - low)
    stencil = np.concatenate([points + sign * h * np.eye(n)[d] for d in range(n) for sign in (1, -1)])
    moved = cpab.transform(stencil[None], theta)[0].reshape(n, 2, 50, n)
    jacobian = (moved[:, 0] - moved[:, 1]) / (2 * h[:, None, None])
    determinants = np.linalg.det(np.moveaxis(jacobian, 1, 0))
    # Where a stencil straddles a kink its difference is off: the median point does not.
    assert np.median(np.abs(determinants - 1)) < 1e-8
    assert np.abs(moved - stencil.reshape(n, 2, 50, n)).max() > 1e-2
