"""Calls run in the threads of their session, and in no others."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from .conftest import Case, model_of, session_of


def threads_of_this_process():
    return len(os.listdir("/proc/self/task"))


def large(n=1, n_points=100_000):
    """A case that takes a call long enough to be seen, and that many threads may share."""
    case = Case("CpabTransform", 2)
    inputs = case.inputs(n)
    inputs["points"] = np.random.default_rng(0).uniform(-1, 1, (n, n_points, 2))
    return case, inputs


def watched(call):
    """What a call gives, and the most threads that the process had meanwhile."""
    most, done = threads_of_this_process(), threading.Event()

    def watch():
        nonlocal most
        while not done.wait(1e-4):
            most = max(most, threads_of_this_process() - 1)  # not this one

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return call(), most
    finally:
        done.set()
        watcher.join()


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_no_thread_is_started(n_threads, monkeypatch):
    """However many libcpab would like to have: a session has its threads before its first call."""
    monkeypatch.setenv("CPABX_NUM_THREADS", "8")
    case, inputs = large()
    session = session_of(model_of([case.node()], list(inputs), ["out"], "float64"), intra_op_num_threads=n_threads)
    before = threads_of_this_process()
    (found,), most = watched(lambda: session.run(None, inputs))
    assert most == before
    np.testing.assert_array_equal(found, case.native(inputs)[0])


def test_the_check_sees_threads(monkeypatch):
    """libcpab's own, which a call of numpy starts."""
    monkeypatch.setenv("CPABX_NUM_THREADS", "8")
    case, inputs = large()
    before = threads_of_this_process()
    _, most = watched(lambda: case.native(inputs))
    assert most > before


def times_of_threads():
    """Processor time of each thread of this process, in clock ticks."""
    times = {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/stat", encoding="ascii") as file:
            times[task] = sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return times


@pytest.mark.slow
def test_the_threads_of_a_session_work(monkeypatch):
    """More than the one that runs it."""
    monkeypatch.setenv("CPABX_NUM_THREADS", "2")
    case, inputs = large(n_points=500_000)
    model = model_of([case.node()], list(inputs), ["out"], "float64")
    session = session_of(model, intra_op_num_threads=2)
    session.run(None, {**inputs, "points": inputs["points"][:, :9]})
    time.sleep(0.2)  # threads of the pool that wait for more spin for a moment
    before = times_of_threads()
    for _ in range(3):
        session.run(None, inputs)
    worked = [ticks - before.get(task, 0) for task, ticks in times_of_threads().items()]
    assert sum(ticks > max(worked) / 5 for ticks in worked) >= 2


def test_wrong_number_of_threads(run, monkeypatch):
    case = Case("CpabTransform", 2)
    inputs = case.inputs(1)
    monkeypatch.setenv("CPABX_NUM_THREADS", "many")
    with pytest.raises(Exception, match="CPABX_NUM_THREADS='many'"):
        run(case, inputs)


def test_sessions_side_by_side():
    """One session from many threads at a time, and several sessions."""
    case = Case("CpabWarp", 2)
    model = model_of([case.node()], case.function.inputs, ["out"], "float32")
    sessions = [session_of(model, intra_op_num_threads=2) for _ in range(3)]
    inputs = [case.inputs(5, "float32", seed=k) for k in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: sessions[k % 3].run(None, inputs[k])[0], range(24)))
    for ours, given in zip(found, inputs, strict=True):
        np.testing.assert_array_equal(ours, case.native(given)[0])


def test_other_calls_keep_their_own_threads(monkeypatch):
    """What a session lends to a call is gone when that ends, also by an error."""
    monkeypatch.setenv("CPABX_NUM_THREADS", "8")
    case, inputs = large()
    session = session_of(model_of([case.node()], list(inputs), ["out"], "float64"), intra_op_num_threads=1)
    session.run(None, inputs)
    with pytest.raises(Exception, match="too large"):
        session.run(None, {**inputs, "velocity": inputs["velocity"] * 1e9})
    before = threads_of_this_process()
    found, most = watched(lambda: case.native(inputs))
    assert most > before
    np.testing.assert_array_equal(found[0], session.run(None, inputs)[0])
