"""The paper's basis from the vertex description, in every dimension."""

import copy
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.errors import TessellationError

KINDS = [
    ((5,), {}),
    ((40,), {"domain": (0, 1)}),
    ((1, 1), {"boundary": "sliding"}),
    ((3, 2), {"domain": ((0, 1), (-2, 3))}),
    ((3, 2), {"boundary": "fixed", "outside": "linear"}),
    ((4, 4), {"volume_preserving": True}),
    ((3, 3), {"volume_preserving": True, "boundary": "sliding", "domain": ((0, 1), (-2, 3))}),
    ((2, 2, 2), {}),
    ((1, 2, 3), {"domain": ((0, 1), (-2, 3), (1, 2))}),
    ((2, 2, 2), {"boundary": "sliding", "outside": "linear"}),
    ((2, 3, 2), {"outside": "nearest"}),
    ((2, 2, 2), {"volume_preserving": True}),
]


def columns(family):
    """(C n (n + 1), d) entries of the matrices A_c, solved here from the velocities at corners."""
    tess = family.tessellation
    velocity = np.moveaxis(family.velocity(np.eye(family.n_params)), 0, -1)[tess.cell_vertices]
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    rows = np.linalg.solve(homogeneous, velocity.reshape(*homogeneous.shape[:2], -1))
    return np.moveaxis(rows.reshape(velocity.shape), 1, 2).reshape(-1, family.n_params)


@pytest.mark.parametrize(("cells", "options"), KINDS, ids=str)
def test_it_is_the_qr_factor_of_the_nodal_fields(cells, options):
    """Gram-Schmidt has one result, so theta means the same however it is computed."""
    q, r = np.linalg.qr(columns(Cpab(cells, basis="nodal", **options)))
    expected = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    np.testing.assert_allclose(columns(Cpab(cells, **options)), expected, rtol=0, atol=2e-11)


@pytest.mark.parametrize(("cells", "options"), KINDS, ids=str)
def test_columns_are_orthonormal(cells, options):
    family = Cpab(cells, **options)
    a = columns(family)
    np.testing.assert_allclose(a.T @ a, np.eye(family.n_params), rtol=0, atol=1e-13)


@pytest.mark.slow
def test_many_boxes_are_made_in_seconds():
    """Cpab((8, 8, 8)): 2560 tetrahedra, whose constraint matrix would take 7 GB."""
    start = time.process_time()
    family = Cpab((8, 8, 8))
    assert time.process_time() - start < 3
    assert family.n_params == 1509
    a = columns(family)
    np.testing.assert_allclose(a.T @ a, np.eye(family.n_params), rtol=0, atol=1e-13)


@pytest.mark.slow
def test_many_rectangles_take_seconds_and_little_more_than_the_result():
    """(32, 32): 128 MiB of result. In a process of its own, whose peak is nobody else's; one thread."""
    code = """if True:
        import resource, sys, time, cpabx
        unit = 1 if sys.platform == "darwin" else 1024
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        family = cpabx.Cpab((32, 32))
        seconds, after = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(seconds, (after - before) * unit / family.basis.matrix.nbytes)
    """
    pytest.importorskip("resource", reason="Windows does not say how much memory a process has had")
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=alone)
    seconds, memory = map(float, done.stdout.split())
    assert seconds < 4
    assert memory < 2


def test_a_basis_is_kept_once():
    """The matrix, and what frameworks multiply with, are views of one array, in copies as well."""
    for family in (Cpab((3, 2)), Cpab((3, 2), basis="normalized"), Cpab((2, 2), volume_preserving=True)):
        for same in (family, pickle.loads(pickle.dumps(family)), copy.deepcopy(family)):
            assert np.shares_memory(same.basis.matrix, same.basis.rows)
            assert same.basis.rows.flags.c_contiguous
            np.testing.assert_array_equal(same.basis.matrix, family.basis.matrix)


@pytest.mark.parametrize(
    ("cells", "options", "remedy"),
    [
        ((64, 64), {}, 'basis="nodal"'),
        ((64, 64), {"basis": "normalized", "boundary": "fixed"}, 'basis="nodal"'),
        ((20, 20, 20), {}, 'basis="nodal"'),
        ((20000,), {}, 'basis="nodal"'),
        ((48, 48), {"volume_preserving": True}, "fewer cells"),
        ((48, 48), {"volume_preserving": True, "basis": "nodal"}, "fewer cells"),
    ],
    ids=str,
)
def test_what_is_too_large_is_refused_at_once(cells, options, remedy):
    """With the number of parameters, and before a matrix is made."""
    start = time.process_time()
    with pytest.raises(TessellationError, match=remedy) as caught:
        Cpab(cells, **options)
    assert time.process_time() - start < 3
    sparse = Cpab(cells, **(options | {"basis": "nodal", "volume_preserving": False}))
    assert f"{sparse.n_params} parameters" in str(caught.value)
    assert all((caught.value.asked, caught.value.received, caught.value.remedy))


def test_a_sparse_basis_too_large_to_be_dense_says_so():
    with pytest.raises(TessellationError, match="16138 parameters"):
        Cpab((64, 64), basis="nodal").basis.to_dense()


@pytest.mark.slow
def test_volume_preserving_boxes_are_made_in_seconds():
    start = time.process_time()
    family = Cpab((4, 4, 4), volume_preserving=True)
    assert time.process_time() - start < 3
    a = columns(family)
    np.testing.assert_allclose(a.T @ a, np.eye(family.n_params), rtol=0, atol=1e-13)
    traces = np.trace(a.reshape(-1, 3, 4, family.n_params)[:, :, :3], axis1=1, axis2=2)
    assert np.abs(traces).max() < 1e-13


@pytest.mark.parametrize("domain", [(0, 1e9), (0, 1e-9), (100, 101)], ids=str)
def test_units_far_from_one(domain):
    """A_c then mixes very different numbers; in float64 this much of them is left."""
    family = Cpab((4, 4), domain=domain)
    a = columns(family)
    np.testing.assert_allclose(a.T @ a, np.eye(58), rtol=0, atol=1e-5)


@pytest.mark.parametrize("domain", [(1e15, 1e15 + 4), (-1e20, -1e20 + 1e6)], ids=str)
def test_a_domain_beyond_rounding_is_an_error(domain):
    with pytest.raises(TessellationError, match="near the origin"):
        Cpab((3, 2), domain=domain)


@pytest.mark.parametrize("cells", [(3,), (4, 4), (2, 1, 2)], ids=str)
@pytest.mark.parametrize("boundary", ["free", "sliding", "fixed"])
@pytest.mark.parametrize("size", [1e-9, 1e-30, 1e-100])
def test_small_domains_are_as_good_as_others(cells, boundary, size):
    """Slopes alone are orthonormal there, but for the constant fields, whose slopes are zero."""
    family = Cpab(cells, boundary=boundary, domain=(-size, size))
    if family.n_params == 0:
        return
    unit = size * Cpab(cells, boundary=boundary).tessellation.vertices
    np.testing.assert_allclose(family.tessellation.vertices, unit, rtol=1e-15, atol=0)
    fields = np.moveaxis(family.velocity(np.eye(family.n_params)), 0, -1)[family.tessellation.cell_vertices]
    constant = np.ptp(fields, axis=(0, 1)).max(axis=0) <= 1e-7 * np.abs(fields).max(axis=(0, 1, 2))
    assert constant.sum() == (family.ndim if boundary == "free" else 0)
    np.testing.assert_allclose(
        np.abs(fields[..., constant]).max(axis=(0, 1, 2)), family.tessellation.n_cells**-0.5, rtol=1e-6
    )
    edges = (
        family.tessellation.vertices[family.tessellation.cell_vertices[:, 1:]]
        - family.tessellation.vertices[family.tessellation.cell_vertices[:, :1]]
    ) / size
    steps = (fields[:, 1:] - fields[:, :1])[..., ~constant] / size
    slopes = np.linalg.solve(edges, steps.reshape(*edges.shape[:2], -1)).reshape(-1, np.count_nonzero(~constant))
    np.testing.assert_allclose(slopes.T @ slopes, np.eye(slopes.shape[1]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{"volume_preserving": True}, {"domain": (0, 1e-300)}], ids=str)
def test_what_no_basis_can_hold_is_not_called_far(options):
    """It says that the domain is too small, where that is so."""
    with pytest.raises(TessellationError, match="none so small"):
        Cpab((3, 2), **({"domain": (0, 1e-30)} | options))
