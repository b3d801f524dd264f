"""Results that are kept without a compiler tracing how they are made."""

import sys
import threading

import numpy as np

from cpabx.tracing import kept


def counted(maxsize):
    """A kept function, and the arguments it was really called with."""
    calls = []

    @kept(maxsize)
    def square(x):
        calls.append(x)
        return np.array(x * x)

    return square, calls


def test_a_result_is_made_once():
    square, calls = counted(2)
    assert square(3) is square(3)
    assert square(4) == 16
    assert calls == [3, 4]


def test_the_oldest_goes_first():
    square, calls = counted(2)
    for x in (1, 2, 3, 3, 2, 1):
        assert square(x) == x * x
    assert calls == [1, 2, 3, 1]


def test_many_threads_and_little_room():
    square, _ = counted(2)
    wrong, before = [], sys.getswitchinterval()

    def work(seed):
        for x in np.random.default_rng(seed).integers(0, 9, 2000).tolist():
            if square(x) != x * x:
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong
