"""Forked and spawned processes: no thread of a call outlives it, so nothing is left that could block a child."""

import multiprocessing
import threading

import numpy as np
import pytest

import cpabx
from cpabx.native import arrays

pytestmark = pytest.mark.slow

TESSELLATION = cpabx.Tessellation((3, 3))
PATIENCE = 60  # seconds: a deadlock must not outlive the test


def work(seed):
    """Forward and backward, in three threads."""
    rng = np.random.default_rng(seed)
    points, velocity = rng.uniform(-1, 1, (2, 9000, 2)), rng.normal(size=(2, TESSELLATION.n_vertices, 2))
    moved = arrays.transform(points, velocity, TESSELLATION, 1.0, n_threads=3)
    return moved, *arrays.transform_vjp(points, velocity, moved, TESSELLATION, 1.0, n_threads=3)


def check_children(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map_async(work, range(4)).get(PATIENCE)
    for seed, results in enumerate(found):
        for got, expected in zip(results, work(seed), strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_compute_what_their_parent_does(method):
    work(0)
    check_children(method)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this platform")
def test_fork_in_the_middle_of_a_call():
    """The child has none of the threads that a call in its parent has just started."""
    done = threading.Event()

    def keep_busy():
        while not done.is_set():
            work(7)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        check_children("fork")
    finally:
        done.set()
        busy.join()
