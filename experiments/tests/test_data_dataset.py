"""Datasets and pairs hold together, and say so where they do not."""

import subprocess
import sys

import numpy as np
import pytest

from cpabx.errors import ShapeError
from cpabx_experiments.data import Dataset, Pairs


def images(n):
    return np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1)


def pairs(left=(0, 1), right=(1, 2), same=(1.0, 0.0)):
    return Pairs("p", images(3), np.array(left), np.array(right), np.array(same, np.float32))


def test_take_takes_images_with_their_labels():
    part = Dataset("d", images(5), np.arange(5) * 10).take(np.array([3, 1, 3]))
    assert len(part) == 3
    assert part.images.ravel().tolist() == [3, 1, 3]
    assert part.labels.tolist() == [30, 10, 30]


def test_take_of_pairs_shares_the_images():
    whole = pairs()
    part = whole.take(np.array([1]))
    assert part.images is whole.images
    assert (part.left.tolist(), part.right.tolist(), part.same.tolist()) == ([1], [2], [0])
    assert len(whole) == 2
    assert len(part) == 1


def test_as_many_labels_as_images():
    with pytest.raises(ShapeError, match="each of its 3 images; got 2 labels"):
        Dataset("d", images(3), np.zeros(2))


@pytest.mark.parametrize("make", [lambda x: Dataset("d", x, np.zeros(3)), lambda x: Pairs("p", x, *[np.zeros(1)] * 3)])
def test_images_have_four_axes(make):
    with pytest.raises(ShapeError, match=r"\(N, H, W, C\); got shape \(3, 1, 1\)"):
        make(images(3)[..., 0])


@pytest.mark.parametrize(
    "wrong", [{"left": (0, 3)}, {"right": (-1, 0)}, {"same": (1.0,)}, {"left": (0, 1, 2)}], ids=lambda w: next(iter(w))
)
def test_pairs_are_of_images_that_are_there(wrong):
    with pytest.raises(ShapeError, match="p needs"):
        pairs(**wrong)


def test_no_pairs_are_pairs():
    assert len(pairs().take(np.array([], np.int64))) == 0


def test_readers_import_no_framework():
    """Nor what only photographs or other parts of the experiments need."""
    code = (
        "import cpabx_experiments.data.lfw, cpabx_experiments.data.fetch, cpabx_experiments.data.distortions, sys;"
        "print(*{'torch', 'tensorflow', 'keras', 'sklearn', 'PIL', 'matplotlib', 'rich'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
