"""Results that are kept without a compiler tracing how they are made."""

import gc
import sys
import threading
import weakref

import numpy as np

import cpabx
from cpabx import tracing
from cpabx.tracing import MOST_BYTES, kept, kept_by_owner


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


def sized(nbytes):
    """A kept function of numbers whose results are that large, and the arguments it was really called with."""
    calls = []

    @kept(1000)
    def result(x):
        calls.append(x)
        return np.full(nbytes, x, np.uint8)

    return result, calls


def test_all_results_together_are_bounded_in_bytes():
    """Whichever functions they are of; the oldest goes first."""
    cpabx.clear_caches()
    (first, calls), (second, _) = sized(MOST_BYTES // 4), sized(MOST_BYTES // 4)
    for x in range(3):
        first(x)
    assert tracing.nbytes_kept() == MOST_BYTES // 4 * 3
    for x in range(2):
        second(x)
    assert tracing.nbytes_kept() == MOST_BYTES
    assert first(2)[0] == 2
    assert calls == [0, 1, 2]
    assert first(0)[0] == 0
    assert calls == [0, 1, 2, 0]


def test_of_what_is_too_large_the_newest_stays_and_nothing_else_goes():
    cpabx.clear_caches()
    (large, calls), (small, made) = sized(MOST_BYTES + 1), sized(8)
    for x in (1, 1, 2):
        small(1)
        large(x)
    assert (calls, made) == ([1, 2], [1])
    assert tracing.nbytes_kept() == MOST_BYTES + 9
    cpabx.clear_caches()
    assert tracing.nbytes_kept() == 0
    small(1)
    assert made == [1, 1]


def test_what_an_object_owns_lives_as_long():
    class Owner:
        pass

    made = []
    large = kept_by_owner(lambda owner: made.append(1) or np.zeros(3))
    first, second = Owner(), Owner()
    assert large(first) is large(first)
    assert large(second) is not large(first)
    assert len(made) == 2
    gone = weakref.ref(large(first))
    del first
    assert gone() is None


def test_nothing_that_is_kept_keeps_a_family():
    """Families own bases, and priors several matrices as large."""
    owners = []
    for n in (2, 3):
        family = cpabx.Cpab((n, 2))
        prior = cpabx.SmoothPrior(family, length_scale=0.5)
        for each in (family, prior):
            each.sample(2, seed=0)
        prior.log_density(family.sample(1, seed=1))
        family.warp(np.zeros((1, 5, 4, 1)), family.sample(1, seed=0, dtype="float64"))
        owners += [weakref.ref(family), weakref.ref(prior)]
    del family, prior, each
    gc.collect()
    assert [owner() for owner in owners] == [None] * 4
