"""IDX files: what is read is what was written, and what is wrong is named."""

import gzip
import struct

import numpy as np
import pytest

from cpabx.errors import OptionError
from cpabx_experiments import data
from cpabx_experiments.errors import DataError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array, code=0x08):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def content():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (7, 28, 28), np.uint8), rng.integers(0, 10, 7, np.uint8)


@pytest.fixture
def root(tmp_path, content):
    (tmp_path / "mnist").mkdir()
    for name, array in zip((IMAGES, LABELS), content, strict=True):
        (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return tmp_path


def rewrite(root, name, change):
    path = root / "mnist" / f"{name}.gz"
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def test_images_and_labels_are_read(root, content):
    read = data.load("mnist", root, "train")
    assert read.images.dtype == np.float32
    assert read.images.shape == (7, 28, 28, 1)
    np.testing.assert_array_equal(read.images[..., 0] * np.float32(255), content[0])
    assert read.labels.dtype == np.int64
    assert read.labels.tolist() == content[1].tolist()


def test_files_may_be_unpacked(root):
    packed = data.load("mnist", root, "train")
    for path in list((root / "mnist").iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(data.load("mnist", root, "train").images, packed.images)


WRONG = {
    "magic": (IMAGES, lambda x: b"\1" + x[1:], "magic 01 00 08 03"),
    "type": (IMAGES, lambda x: x[:2] + b"\x0d" + x[3:], "magic 00 00 0d 03"),
    "rank": (LABELS, lambda x: x[:3] + b"\3" + x[4:], "magic 00 00 08 03"),
    "header": (IMAGES, lambda x: x[:9], "9 bytes, less than its header"),
    "short": (IMAGES, lambda x: x[:-1], f"{7 * 784} bytes for 7 x 28 x 28; got {7 * 784 - 1} after"),
    "long": (LABELS, lambda x: x + b"\0", "7 bytes for 7; got more after"),
    "huge": (LABELS, lambda x: x[:4] + b"\xff" * 4 + x[8:], "at most 60000 labels; got 4294967295"),
    "empty": (LABELS, lambda x: b"", "an empty file"),
    "sides": (IMAGES, lambda x: idx(np.zeros((7, 27, 28), np.uint8)), "28 x 28 pixels; got 27 x 28"),
    "count": (LABELS, lambda x: idx(np.zeros(6, np.uint8)), "each of the 7 images of train-images.* got 6 labels"),
    "class": (LABELS, lambda x: idx(np.full(7, 10, np.uint8)), "labels from 0 to 9; got 10"),
}


@pytest.mark.parametrize(("name", "change", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(root, name, change, message):
    rewrite(root, name, change)
    with pytest.raises(DataError, match=message) as caught:
        data.load("mnist", root, "train")
    assert str(root / "mnist" / f"{name}.gz") in str(caught.value)
    assert "yann.lecun.com" in caught.value.remedy


@pytest.mark.parametrize("damage", [lambda x: x[:-9], lambda x: x[:50] + bytes([x[50] ^ 255]) + x[51:], lambda x: b""])
def test_damaged_gzip(root, damage):
    path = root / "mnist" / f"{IMAGES}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=IMAGES):
        data.load("mnist", root, "train")


@pytest.mark.parametrize(("name", "where"), [("mnist", "lecun"), ("fashion-mnist", "zalandoresearch")])
def test_missing_file(tmp_path, name, where):
    with pytest.raises(DataError, match=rf"t10k-images-idx3-ubyte\.gz must be there.*no such file.*{where}"):
        data.load(name, tmp_path, "test")


@pytest.mark.parametrize(("name", "part"), [("lfw", "train"), ("mnist", "validation"), ("", "test")])
def test_unknown_names(tmp_path, name, part):
    with pytest.raises(OptionError, match="Choose one"):
        data.load(name, tmp_path, part)
