"""CIFAR's pickles: pixels and labels, as Python 2 and 3 write them, and no code of a file is run."""

import io
import os
import pickle
import struct
import tarfile
from _codecs import encode as codecs_encode

import numpy as np
import pytest

from cpabx_experiments import data
from cpabx_experiments.data.unpickle import unpickle
from cpabx_experiments.errors import DataError

FOLDER = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
FILES = {"cifar10": [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"], "cifar100": ["train", "test"]}
KEY = {"cifar10": "labels", "cifar100": "fine_labels"}


def text(value):
    return b"U" + bytes([len(value)]) + value.encode()


def python2(key, labels, pixels):
    """The instructions that Python 2 and an old numpy wrote, by hand: the official files have these."""
    number = b"".join(b"K" + bytes([label]) for label in labels)
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|") + b"NNN" + b"J\xff\xff\xff\xff" * 2
    dtype += b"K\x00tb"
    shape = b"".join(b"M" + struct.pack("<H", n) for n in pixels.shape) + b"\x86"
    state = b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    return b"\x80\x02}(" + text(key) + b"](" + number + b"e" + text("data") + array + state + b"u."


def python3(key, labels, pixels):
    return pickle.dumps({key.encode(): labels, b"data": pixels}, protocol=2)


def batch(name, seed, n=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 10, n).tolist(), rng.integers(0, 256, (n, 3072), np.uint8)


def contents(name, write=python2):
    return {file: write(KEY[name], *batch(name, seed)) for seed, file in enumerate(FILES[name])}


def as_tar(root, name, files, suffix=".tar.gz"):
    (root / name).mkdir(exist_ok=True)
    path = root / name / f"cifar-{name[5:]}-python{suffix}"
    with tarfile.open(path, "w:gz") as tar:
        for file, content in files.items():
            member = tarfile.TarInfo(f"{FOLDER[name]}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def as_folder(root, name, files):
    folder = root / name / FOLDER[name]
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


@pytest.mark.parametrize("store", [as_tar, as_folder])
@pytest.mark.parametrize("write", [python2, python3])
@pytest.mark.parametrize("name", FOLDER)
def test_images_and_labels_are_read(tmp_path, name, write, store):
    store(tmp_path, name, contents(name, write))
    train, test = (data.load(name, tmp_path, part) for part in ("train", "test"))
    batches = [batch(name, seed) for seed in range(len(FILES[name]))]
    for part, made in ((train, batches[:-1]), (test, batches[-1:])):
        assert part.labels.tolist() == [label for labels, _ in made for label in labels]
        pixels = np.concatenate([pixels for _, pixels in made])
        assert part.images.shape == (len(pixels), 32, 32, 3)
        assert part.images.dtype == np.float32
        for n, row, column, channel in ((0, 0, 0, 0), (2, 5, 31, 1), (1, 31, 6, 2)):  # planes of red, green, blue
            value = pixels[n, 1024 * channel + 32 * row + column]
            assert part.images[n, row, column, channel] == np.float32(value) / np.float32(255)


def test_a_subset_may_lack_batches_and_a_whole_archive_not(tmp_path):
    files = {name: content for name, content in contents("cifar10").items() if name in ("data_batch_2", "test_batch")}
    whole = as_tar(tmp_path, "cifar10", files)
    with pytest.raises(DataError, match="without cifar-10-batches-py/data_batch_1 and 3 others") as caught:
        data.load("cifar10", tmp_path, "train")
    assert str(whole) in str(caught.value)
    assert "cs.toronto.edu/~kriz" in caught.value.remedy
    whole.rename(whole.with_name("cifar-10-python-subset.tar.gz"))
    assert data.load("cifar10", tmp_path, "train").labels.tolist() == batch("cifar10", 1)[0]


def test_missing(tmp_path):
    with pytest.raises(DataError, match=r"cifar100 must be a folder with.*cifar-100-python\.tar\.gz.*kriz/cifar\.html"):
        data.load("cifar100", tmp_path, "train")


@pytest.mark.parametrize("damage", [lambda x: x[: len(x) // 2], lambda x: b"no archive" * 99, lambda x: b""])
def test_damaged_archive(tmp_path, damage):
    path = as_tar(tmp_path, "cifar100", contents("cifar100"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=str(path)):
        data.load("cifar100", tmp_path, "test")


LABELS, PIXELS = batch("cifar100", 0)
WRONG = {
    "truncated": (python2("fine_labels", LABELS, PIXELS)[:-40], "a pickle of plain values"),
    "empty": (b"", "a pickle of plain values"),
    "text": (b"no pickle at all", "a pickle of plain values"),
    "list": (pickle.dumps([1, 2], 2), "a list, not a dictionary"),
    "key": (python2("labels", LABELS, PIXELS), "a list fine_labels of 3 labels; got NoneType"),
    "data": (pickle.dumps({b"fine_labels": LABELS}, 2), r"data, \(N, 3072\) bytes; got NoneType"),
    "columns": (python2("fine_labels", LABELS, PIXELS[:, :-1]), r"\(N, 3072\) bytes; got \(3, 3071\)"),
    "fewer": (python2("fine_labels", LABELS[:2], PIXELS), "of 3 labels; got 2"),
    "class": (python2("fine_labels", [0, 1, 100], PIXELS), "from 0 to 99; got 100"),
    "kind": (pickle.dumps({b"fine_labels": ["a", 1, None], b"data": PIXELS}, 2), "from 0 to 99; got 'a'"),
    "floats": (python3("fine_labels", LABELS, PIXELS.astype(np.float32)), "an array of 'f4'"),
    "objects": (python3("fine_labels", LABELS, np.array([[None]])), "an array of 'O8'"),
    "order": (python3("fine_labels", LABELS, np.asfortranarray(PIXELS)), "in columns"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(tmp_path, content, message):
    folder = as_folder(tmp_path, "cifar100", {"train": content})
    with pytest.raises(DataError, match=message) as caught:
        data.load("cifar100", tmp_path, "train")
    assert str(folder / "train") in str(caught.value)


class Command:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


EVIL = {
    "mkdir": lambda path: Command(os.mkdir, (path,)),
    "eval": lambda path: Command(eval, (f"__import__('os').mkdir({path!r})",)),
    "numpy": lambda path: Command(np.savetxt, (path, [1])),
}


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_no_code_of_a_file_is_run(evil, tmp_path):
    """Also if it comes in a batch that is fine otherwise."""
    mark = tmp_path / "code was run"
    content = pickle.dumps({b"labels": LABELS, b"data": PIXELS, b"x": evil(str(mark))}, protocol=2)
    with pytest.raises(pickle.UnpicklingError, match="asks for"):
        unpickle(content)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists()  # it would have been


def test_text_is_encoded_as_python_3_does_and_in_no_other_way():
    with pytest.raises(pickle.UnpicklingError, match="text in 'rot13'"):
        unpickle(pickle.dumps({b"x": Command(codecs_encode, ("x", "rot13"))}, protocol=2))


def test_a_damaged_number_takes_no_memory():
    """Five bytes that ask for room for 2^31 values, 34 GB in pickle's C version."""
    assert unpickle(b"\x80\x02}r\xff\xff\xff\x7f.") == {}


def test_dotted_names_reach_nothing():
    """Protocol 4 asks for attributes of attributes."""
    with pytest.raises(pickle.UnpicklingError, match="asks for numpy"):
        unpickle(b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93.")


def test_any_damage_is_an_unpickling_error_or_plain_values():
    """Each byte of a batch's instructions changed in turn, and the end cut off anywhere."""
    whole = python2("labels", [1, 2], np.zeros((2, 4), np.uint8))
    rng = np.random.default_rng(0)
    failed = 0
    for n in range(len(whole)):
        changed = whole[:n] + bytes([whole[n] ^ int(rng.integers(1, 256))]) + whole[n + 1 :]
        for content in (whole[:n], changed):
            try:
                assert isinstance(unpickle(content), dict)
            except pickle.UnpicklingError:
                failed += 1
    assert failed > len(whole)  # all that were cut off, at least
