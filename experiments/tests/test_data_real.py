"""The real data sets, where CPABX_DATA is the folder that has them; see their official figures."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from cpabx_experiments import data
from cpabx_experiments.data import distortions, lfw
from cpabx_experiments.data.sources import SOURCES

ROOT = Path(os.environ.get("CPABX_DATA", ""))
pytestmark = pytest.mark.skipif("CPABX_DATA" not in os.environ, reason="CPABX_DATA is not set to a folder of data sets")


def needs(name):
    if not (ROOT / name).is_dir():
        pytest.skip(f"no folder {name} in CPABX_DATA")


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_mnist_has_its_known_counts(part, counts):
    needs("mnist")
    read = data.load("mnist", ROOT, part)
    assert read.images.shape == (sum(counts), 28, 28, 1)
    assert np.bincount(read.labels).tolist() == counts
    assert (read.images.min(), read.images.max()) == (0, 1)


def test_mnist_has_its_known_mean():
    """0.1307 and 0.3081, by which many standardise it."""
    needs("mnist")
    images = data.load("mnist", ROOT, "train").images
    assert (round(float(images.mean(dtype=np.float64)), 4), round(float(images.std(dtype=np.float64)), 4)) == (
        0.1307,
        0.3081,
    )


@pytest.mark.parametrize(("part", "n"), [("train", 6000), ("test", 1000)])
def test_fashion_mnist_is_balanced(part, n):
    needs("fashion-mnist")
    assert np.bincount(data.load("fashion-mnist", ROOT, part).labels).tolist() == [n] * 10


def test_cifar10_begins_as_it_is_known_to():
    """A frog, two trucks, a deer and a car; a cat, two ships and a plane."""
    needs("cifar10")
    train, test = (data.load("cifar10", ROOT, part) for part in ("train", "test"))
    assert train.labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert test.labels[:4].tolist() == [3, 8, 8, 0]
    assert train.images.shape[1:] == (32, 32, 3)
    # Of images whose bytes are in another order, neighbours would differ as much as any two pixels.
    rough = np.abs(np.diff(train.images[:500], axis=2)).mean()
    assert rough < train.images[:500].std() / 3


def test_lfw_pairs_are_the_official_ones():
    needs("lfw")
    path = ROOT / "lfw" / "pairs.txt"
    (file,) = (file for file in SOURCES["lfw"].files if file.name == "pairs.txt")
    assert f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" == file.checksum
    folds = lfw.read_pairs(path)
    assert [len(fold) for fold in folds] == [600] * 10
    assert folds[0][0] == (("Abel_Pacheco", 1), ("Abel_Pacheco", 4))
    assert folds[9][-1] == (("Slobodan_Milosevic", 2), ("Sok_An", 1))


def test_lfw_faces():
    pytest.importorskip("PIL", reason="photographs need Pillow")
    needs("lfw")
    faces = lfw.faces(ROOT, 16, crop=128)
    assert len(faces.images) == 7701
    assert [int(fold.same.sum()) for fold in faces.folds] == [300] * 10
    pairs = faces.unrestricted(0, 5000, 5000, seed=0)
    assert len(pairs) == 10_000
    # Two photographs of one person are more alike than those of two, even so small and untrained.
    small = faces.images.astype(float)
    apart = np.abs(small[pairs.left] - small[pairs.right]).mean((1, 2, 3))
    assert apart[pairs.same == 1].mean() < 0.95 * apart[pairs.same == 0].mean()


@pytest.mark.parametrize("kind", distortions.DISTORTIONS)
def test_distorted_digits_stay_readable_and_whole(kind):
    """A classifier of nearest neighbours, blind to place, still beats chance by far; and no digit lost its ink."""
    needs("mnist")
    digits = data.load("mnist", ROOT, "test").take(np.arange(1500))
    distorted = distortions.distort(kind, digits, seed=0)
    ratio = distorted.images.sum((1, 2, 3)) / digits.images.sum((1, 2, 3))
    assert 0.35 < ratio.min() < ratio.max() < 3
    spectrum = np.abs(np.fft.fft2(distorted.images[..., 0]))[:, :12, :12].reshape(1500, -1)
    train, test = spectrum[:1200], spectrum[1200:]
    nearest = ((test[:, None] - train[None]) ** 2).sum(-1).argmin(1)
    assert (distorted.labels[:1200][nearest] == distorted.labels[1200:]).mean() > 0.4
