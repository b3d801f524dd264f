"""CelebA: pictures, attributes and parts as its lists say."""

import re

import numpy as np
import pytest

from cpabx_experiments import data
from cpabx_experiments.data import celeba
from cpabx_experiments.errors import DataError
from experiments.tests import faces as made

pytest.importorskip("PIL", reason="photographs need Pillow")


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_pictures_and_attributes(tmp_path, kind):
    pixels, attributes = made.write_celeba(tmp_path, 7, kind), made.celeba_attributes(7)
    for part, which in (("train", [0, 3, 6]), ("test", [2, 5])):
        read = data.load("celeba", tmp_path, part)
        assert read.images.dtype == np.uint8
        np.testing.assert_array_equal(read.images, pixels[which])
        assert read.labels.dtype == np.float32
        np.testing.assert_array_equal(read.labels, attributes[which])
    assert len(celeba.load(tmp_path, "validation")) == 2


def test_some_and_smaller(tmp_path):
    pixels = made.write_celeba(tmp_path, 7, "zip")
    read = celeba.load(tmp_path, "train", first=2, size=(109, 89), cache=tmp_path / "cache")
    means = pixels[[0, 3]].astype(float).reshape(2, 109, 2, 89, 2, 3).mean((2, 4))
    assert np.abs(read.images - means).max() <= 1  # rounded twice, along rows and along columns
    again = celeba.load(tmp_path, "train", first=2, size=(109, 89), cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.images, read.images)


ATTRIBUTES, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"
WRONG = {
    "count": (ATTRIBUTES, lambda t: "9" + t[1:], "a list of 9 pictures, as its line 1 says; got 7"),
    "cut": (ATTRIBUTES, lambda t: t[: t.rindex("000007")], "a list of 7 pictures.*got 6"),
    "cut line": (ATTRIBUTES, lambda t: t[:-20], "line 9 is a file and 40 times 1 or -1"),
    "value": (ATTRIBUTES, lambda t: re.sub(r"jpg +-?1", "jpg  0", t, count=1), "line 3 is a file and 40 times"),
    "names": (ATTRIBUTES, lambda t: t.replace("Attribute_0 ", ""), "40 names of attributes in line 2; got 39"),
    "empty": (ATTRIBUTES, lambda t: "", "in line 2; got 0 lines"),
    "other": (ATTRIBUTES, lambda t: t.replace("000001", "000101"), "names 000001.jpg, as list_eval_partition.txt does"),
    "code": (PARTITION, lambda t: t.replace("000002.jpg 1", "000002.jpg 3"), "line 2 is a file and 0, 1 or 2"),
    "no code": (PARTITION, lambda t: t[:-3], "line 7 is a file and 0, 1 or 2; got '000007.jpg'"),
    "nothing": (PARTITION, lambda t: "", "an empty file"),
}


@pytest.mark.parametrize(("name", "change", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(tmp_path, name, change, message):
    made.write_celeba(tmp_path, 7, "folder")
    path = tmp_path / "celeba" / name
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        data.load("celeba", tmp_path, "train")
    assert str(path) in str(caught.value)
    assert "mmlab.ie.cuhk.edu.hk" in caught.value.remedy


@pytest.mark.parametrize("name", [ATTRIBUTES, PARTITION, "img_align_celeba.zip"])
def test_missing_file(tmp_path, name):
    made.write_celeba(tmp_path, 4, "zip")
    (tmp_path / "celeba" / name).unlink()
    with pytest.raises(DataError, match=name):
        data.load("celeba", tmp_path, "train")


def test_damaged_zip(tmp_path):
    made.write_celeba(tmp_path, 4, "zip")
    path = tmp_path / "celeba" / "img_align_celeba.zip"
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:999] + bytes([whole[999] ^ 1]) + whole[1000:], b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=str(path)):
            data.load("celeba", tmp_path, "train")


def test_pictures_of_another_size(tmp_path):
    made.write_celeba(tmp_path, 4, "folder", size=(178, 218))
    with pytest.raises(DataError, match="178 x 218 pixels; got 218 x 178"):
        data.load("celeba", tmp_path, "train")
