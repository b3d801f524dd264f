"""The peers, where they are installed (``nox -s peers`` does), and exact integration of their fields."""

import warnings

import numpy as np
import pytest

from cpabx.testing.oracle_nd import OracleND


def peer(name, version):
    """The module of another project, or a skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(name, reason=f"{name} {version} is not installed")
    if module.__file__ is None:  # a folder of that name, such as this project's own libcpab
        pytest.skip(f"{name} {version} is not installed")
    return module


@pytest.fixture(scope="session")
def libcpab():
    return peer("libcpab", "0.1.3")


@pytest.fixture(scope="session")
def difw():
    return peer("difw", "0.0.31")


def oracle_of(simplices, matrices, outside):
    """The oracle of the field v(x) = A_c [x; 1].

    Args:
        simplices: (C, n + 1, n) corners of the cells.
        matrices: (C, n, n + 1).
        outside: as in :class:`cpabx.Cpab`.
    """
    n = matrices.shape[1]
    corners = np.round(simplices.reshape(-1, n), 12)
    vertices, first, index = np.unique(corners, axis=0, return_index=True, return_inverse=True)
    homogeneous = np.append(vertices, np.ones((len(vertices), 1)), axis=1)
    velocity = np.einsum("vde,ve->vd", matrices[first // (n + 1)], homogeneous)
    oracle = OracleND(vertices, index.reshape(-1, n + 1), velocity, np.zeros(n), np.ones(n), outside)
    # The matrices as they are: the peer's numbers are as continuous as its null space is exact.
    np.testing.assert_allclose(oracle.matrices, matrices, rtol=0, atol=1e-10 * np.abs(matrices).max())
    return oracle


@pytest.fixture(scope="session")
def exact():
    return oracle_of
