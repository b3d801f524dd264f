"""libcpab in a team of threads that somebody else keeps. What a team may do wrong is tested in C (test_threads.c)."""

import ctypes
import threading

import numpy as np
import pytest

import cpabx
from cpabx import native
from cpabx.native import arrays

TESSELLATION = cpabx.Tessellation((3, 3))
RUN = ctypes.CFUNCTYPE(None, ctypes.CFUNCTYPE(None, ctypes.c_void_p), ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
SIZE = ctypes.CFUNCTYPE(ctypes.c_int)


class Team:
    """Of two threads. Lent until the end of a ``with``; counts what it is asked for."""

    def __init__(self):
        self.errands = 0
        self._functions = RUN(self._run), SIZE(lambda: 2)

    def _run(self, task, data, n_threads, flags):
        self.errands += 1
        other = threading.Thread(target=task, args=(data,))
        other.start()
        task(data)
        other.join()

    def __enter__(self):
        native.lend_threads(*(ctypes.cast(function, ctypes.c_void_p).value for function in self._functions))
        return self

    def __exit__(self, *_):
        native.keep_own_threads()


def work(n_threads, n_points=9000):
    rng = np.random.default_rng(0)
    points, velocity = rng.uniform(-1, 1, (2, n_points, 2)), rng.normal(size=(2, TESSELLATION.n_vertices, 2))
    return arrays.transform(points, velocity, TESSELLATION, 1.0, n_threads=n_threads)


@pytest.mark.parametrize(("n_threads", "errands"), [(1, 0), (2, 1), (3, 0)])
def test_team_works_where_it_is_large_enough(n_threads, errands):
    alone = work(1)
    with Team() as team:
        np.testing.assert_array_equal(work(n_threads), alone)
        assert team.errands == errands
        np.testing.assert_array_equal(work(2), alone)
    work(2)
    assert team.errands == errands + 1


@pytest.mark.parametrize(("n_points", "errands"), [(0, 0), (10, 0), (2_000, 0), (3_000, 1)])
def test_small_jobs_want_one_thread(n_points, errands):
    """Each further thread is worth its start from some 2,000 points on; there are two fields."""
    with Team() as team:
        work(2, n_points)
    assert team.errands == errands
