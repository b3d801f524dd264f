"""Subsets and splits: their sizes, shares and seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpabx.errors import OptionError
from cpabx_experiments.data import Dataset, Pairs
from cpabx_experiments.data.subset import first, split, subset


def dataset(labels):
    labels = np.asarray(labels, np.int64)
    return Dataset("d", np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1, 1), labels)


def numbers(data):
    return data.images.ravel().astype(int).tolist()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_classes_keep_their_shares(labels, choice):
    data = dataset(labels)
    n = choice.draw(st.integers(1, len(labels)))
    part = subset(data, n, seed=choice.draw(st.integers(0, 5)))
    assert len(part) == n
    assert sorted(set(numbers(part))) == numbers(part)  # in their order, none twice
    assert part.labels.tolist() == [labels[i] for i in numbers(part)]
    shares = np.bincount(data.labels, minlength=5) * n / len(labels)
    assert (np.abs(np.bincount(part.labels, minlength=5) - shares) < 1).all()


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40), st.data())
def test_a_split_is_a_partition(labels, choice):
    data = dataset(labels)
    n = choice.draw(st.integers(1, len(labels) - 1))
    rest, drawn = split(data, n, seed=1)
    assert len(drawn) == n
    assert sorted(numbers(rest) + numbers(drawn)) == list(range(len(labels)))
    assert numbers(drawn) == numbers(subset(data, n, seed=1))


def test_seeds():
    data = dataset(np.arange(100) % 4)
    assert numbers(subset(data, 20, seed=1)) == numbers(subset(data, 20, seed=1))
    assert numbers(subset(data, 20, seed=1)) != numbers(subset(data, 20, seed=2))


def test_each_image_has_the_same_chance():
    from scipy.stats import chisquare

    data, counts = dataset([0] * 12 + [1] * 8), np.zeros(20)
    for seed in range(500):
        counts[numbers(subset(data, 5, seed))] += 1
    assert chisquare(counts).pvalue > 1e-3


def test_pairs_keep_their_halves():
    same = np.repeat(np.array([1, 0], np.float32), 300)
    pairs = Pairs("p", np.zeros((2, 1, 1, 1)), np.zeros(600, np.int64), np.ones(600, np.int64), same)
    rest, drawn = split(pairs, 60, seed=0)
    assert (drawn.same.sum(), rest.same.sum()) == (30, 270)


def test_attributes_are_no_classes():
    data = Dataset("a", np.zeros((9, 1, 1, 1)), np.eye(9, 40, dtype=np.float32))
    assert subset(data, 4, seed=0).labels.shape == (4, 40)


def test_first():
    assert numbers(first(dataset([3, 1, 2]), 2)) == [0, 1]


@pytest.mark.parametrize("n", [0, -1, 4])
def test_no_more_than_there_are(n):
    for draw in (lambda d: subset(d, n, 0), lambda d: first(d, n), lambda d: split(d, n, 0)):
        with pytest.raises(OptionError, match=r"d has 1 to 3 items|a part of 3 must leave"):
            draw(dataset([0, 1, 2]))
    with pytest.raises(OptionError, match="must leave some"):
        split(dataset([0, 1, 2]), 3, 0)
