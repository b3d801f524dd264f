"""Files made to stop a reader: each is named in an error, within seconds and without filling the memory."""

import contextlib
import gzip
import io
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest

from cpabx_experiments import data, reading
from cpabx_experiments.data import archive, celeba, lfw
from cpabx_experiments.data.unpickle import unpickle
from cpabx_experiments.errors import DataError, ExperimentError
from cpabx_experiments.output import own_pictures
from experiments.tests import faces as made
from experiments.tests.test_data_cifar import FOLDER, python2, python3

#: Seconds, on a busy machine, for what takes milliseconds or for ever.
PATIENCE = 20

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")


@pytest.fixture(autouse=True)
def not_for_ever():
    """An alarm ends what hangs."""

    def ring(*_):
        raise TimeoutError("it took too long")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def little_memory(extra=512 << 20):
    """So much more than the process has, so that a bomb is a MemoryError and not the machine's end."""
    with open("/proc/self/statm") as file:
        has = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (has + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def zeros_gzipped(header, n):
    """``n`` zeros after a header, in a thousandth of the space: members of 16 MiB, one behind the other."""
    block = gzip.compress(bytes(1 << 24), 9)
    return gzip.compress(header) + block * (n >> 24)


# -- IDX -------------------------------------------------------------------------------------------

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx_header(*shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((60_000, 28, 28), "47040000 bytes for 60000 x 28 x 28; got more after the header"),
        ((2**32 - 1, 28, 28), "at most 60000 images; got 4294967295"),
        ((1, 2**32 - 1, 2**32 - 1), "28 x 28 pixels; got 4294967295 x 4294967295"),
    ],
)
def test_a_gzip_bomb_is_read_no_further_than_the_set_goes(tmp_path, shape, said):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / f"{IMAGES}.gz").write_bytes(zeros_gzipped(idx_header(*shape), 4 << 30))
    (tmp_path / "mnist" / f"{LABELS}.gz").write_bytes(gzip.compress(idx_header(0)))
    with little_memory(), pytest.raises(DataError, match=said):
        data.load("mnist", tmp_path, "train")


def test_a_file_of_a_terabyte_of_nothing(tmp_path):
    """Unpacked, and with holes: its size is 16 bytes of the disk."""
    (tmp_path / "mnist").mkdir()
    with (tmp_path / "mnist" / IMAGES).open("wb") as file:
        file.write(idx_header(60_000, 28, 28))
        file.truncate(1 << 40)
    (tmp_path / "mnist" / LABELS).write_bytes(idx_header(0))
    with little_memory(), pytest.raises(DataError, match="got more after the header"):
        data.load("mnist", tmp_path, "train")


def test_a_test_set_is_not_as_large_as_a_training_set(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").write_bytes(idx_header(10_001, 28, 28))
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx_header(10_001))
    with pytest.raises(DataError, match="at most 10000 images; got 10001"):
        data.load("mnist", tmp_path, "test")


@pytest.mark.parametrize("tail", [b"\1", b"\0" * 9, gzip.compress(b"more")], ids=["garbage", "zeros", "member"])
def test_what_follows_a_gzipped_file(tmp_path, tail):
    """Zeros may: tapes have them. All else is no file of the set."""
    (tmp_path / "mnist").mkdir()
    for name, shape in ((IMAGES, (2, 28, 28)), (LABELS, (2,))):
        content = idx_header(*shape) + bytes(int(np.prod(shape)))
        (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(content) + tail)
    if not any(tail):
        assert len(data.load("mnist", tmp_path, "train")) == 2
        return
    with pytest.raises(DataError, match=f"{IMAGES}.gz must be"):
        data.load("mnist", tmp_path, "train")


# -- what is no file -------------------------------------------------------------------------------


def a_fifo(path):
    os.mkfifo(path)


def a_folder(path):
    path.mkdir()


def a_socket(path):
    import socket

    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)


KINDS = {"a FIFO": a_fifo, "a folder": a_folder, "a socket": a_socket}
NAMES = {
    "mnist": (f"mnist/{IMAGES}.gz", lambda root: data.load("mnist", root, "train")),
    "mnist unpacked": (f"mnist/{IMAGES}", lambda root: data.load("mnist", root, "train")),
    "cifar10": ("cifar10/cifar-10-python.tar.gz", lambda root: data.load("cifar10", root, "test")),
    "cifar100 unpacked": ("cifar100/cifar-100-python", lambda root: data.load("cifar100", root, "test")),
    "pairs": ("lfw/pairs.txt", lambda root: lfw.folds(root)),
    "lfw": ("lfw/lfw-funneled.tgz", lambda root: lfw.folds(root)),
    "attributes": ("celeba/list_attr_celeba.txt", lambda root: data.load("celeba", root, "test")),
    "partition": ("celeba/list_eval_partition.txt", lambda root: data.load("celeba", root, "test")),
    "celeba": ("celeba/img_align_celeba.zip", lambda root: data.load("celeba", root, "test")),
}


@posix
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_file_is_not_waited_for(tmp_path, name, kind):
    path, load = NAMES[name]
    (tmp_path / path).parent.mkdir(parents=True)
    if path.startswith("mnist"):
        (tmp_path / "mnist" / LABELS).write_bytes(idx_header(0))
    if path == "lfw/lfw-funneled.tgz":
        (tmp_path / "lfw/pairs.txt").write_text(made.lfw_pairs())
    if path.startswith("celeba"):
        made.write_celeba(tmp_path, 3, "zip")
        (tmp_path / path).unlink()
    KINDS[kind](tmp_path / path)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(tmp_path / path) in str(caught.value)
    if kind == "a folder" and name in ("cifar10", "cifar100 unpacked", "lfw", "celeba"):  # it may be one
        assert "got an incomplete one" in str(caught.value)
    else:
        assert f"got {kind}" in str(caught.value) or "Errno 6" in str(caught.value)  # a socket cannot be opened


@posix
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_the_users_that_is_no_file_is_not_waited_for(tmp_path, kind):
    pytest.importorskip("PIL", reason="photographs need Pillow")
    KINDS[kind](tmp_path / "mine.png")
    with pytest.raises(ExperimentError, match=r"--show .*mine\.png must be a picture"):
        own_pictures.read([tmp_path / "mine.png"], (28, 28, 1))


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="this system has no /dev/zero")
def test_a_device_without_an_end(tmp_path):
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw" / "pairs.txt").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="got a device, not a file"):
        lfw.folds(tmp_path)


# -- lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "load"),
    [
        ("lfw/pairs.txt", lambda root: lfw.folds(root)),
        ("celeba/list_attr_celeba.txt", lambda root: celeba.load(root, "test")),
        ("celeba/list_eval_partition.txt", lambda root: celeba.load(root, "test")),
    ],
)
def test_a_list_is_not_longer_than_the_official_one(tmp_path, path, load):
    (tmp_path / path).parent.mkdir()
    if path.startswith("celeba"):
        made.write_celeba(tmp_path, 3, "folder")
    with (tmp_path / path).open("wb") as file:
        file.truncate(1 << 40)
    with little_memory(), pytest.raises(DataError, match=r"a text file to read; got more than [\d,]+ bytes"):
        load(tmp_path)


@pytest.mark.parametrize("n", ["9" * 4000, "9" * 5000, "99999999"])
def test_numbers_in_pairs_have_an_end(tmp_path, n):
    (tmp_path / "pairs.txt").write_text(f"10\t{n}\n")
    with pytest.raises(DataError) as caught:
        lfw.read_pairs(tmp_path / "pairs.txt")
    assert len(str(caught.value)) < 1000


# -- archives --------------------------------------------------------------------------------------


def tar_of(*members, pack=lambda content: content):
    """Bytes of a tar archive of (name, content, what to change of the header)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content, changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content) if content else None)
    return pack(out.getvalue())


def header(name, size, **changes):
    """Of a member, whose content need not be there."""
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in changes.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)


TEST = f"{FOLDER['cifar100']}/test"
ARCHIVES = {
    "huge file": (zeros_gzipped(header(TEST, 8 << 30), 4 << 30), "of 8,589,934,592 bytes, more than 320,000,000"),
    "huge file before": (zeros_gzipped(header("a/b", 8 << 30), 2 << 30), "more than 1,073,741,824 bytes"),
    "huge name": (zeros_gzipped(header("x", 4 << 30, type=b"L"), 4 << 30), "a part of 4,294,967,296 bytes"),
    "huge pax header": (zeros_gzipped(header("x", 4 << 30, type=b"x"), 4 << 30), "a part of 4,294,967,296 bytes"),
    "many files": (gzip.compress(header("a/b", 0) * 5_000), "more than 1,000 files"),
    "backwards": (header("a/b", -1024) * 4, "."),
    "many pax headers": (gzip.compress((header("x", 6, type=b"x") + b"6 a=b\n".ljust(512, b"\0")) * 5_000), "."),
    "with holes": (tar_of((TEST, b"", {"type": b"S"}), pack=gzip.compress), "."),
    "xz": (b"\xfd7zXZ\0" + bytes(600), "."),
    "bzip2": (b"BZh9" + bytes(600), "."),
    "truncated": (tar_of((TEST, b"content" * 99, {}))[:700], "."),
    "truncated gzip": (tar_of((TEST, bytes(range(256)) * 99, {}), pack=gzip.compress)[:200], "."),
}


@pytest.mark.parametrize(("content", "said"), ARCHIVES.values(), ids=ARCHIVES)
def test_a_tar_archive_that_says_more_than_it_has(tmp_path, content, said):
    (tmp_path / "cifar100").mkdir()
    path = tmp_path / "cifar100" / "cifar-100-python.tar.gz"
    path.write_bytes(content)
    with little_memory(), pytest.raises(DataError, match=said) as caught:
        data.load("cifar100", tmp_path, "test")
    assert str(path) in str(caught.value)


def test_archives_that_are_no_bombs_are_within_the_limits():
    """The largest official ones; sizes from their publishers."""
    from cpabx_experiments.data import cifar

    assert cifar.LIMITS.file > 50_000 * (3072 + 40)
    assert cifar.LIMITS.whole > 6 * 31_035_999
    assert lfw.LIMITS.names > 13_233 + 5_750
    assert celeba.LIMITS.names > 202_599
    assert min(lfw.LIMITS.file, celeba.LIMITS.file) > 4 * 250 * 250 * 3


def bomb_in_zip(path, name, method, size):
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as out, out.open(name, "w") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (zipfile.ZIP_DEFLATED, "of 2,097,152 bytes, more than 1,048,576"),
        (zipfile.ZIP_BZIP2, "compressed by method 12, not deflated"),
        (zipfile.ZIP_LZMA, "compressed by method 14, not deflated"),
    ],
)
def test_a_zip_bomb_instead_of_a_picture(tmp_path, method, said):
    pytest.importorskip("PIL", reason="photographs need Pillow")
    made.write_celeba(tmp_path, 3, "zip")
    path = tmp_path / "celeba" / "img_align_celeba.zip"
    bomb_in_zip(path, "img_align_celeba/000003.jpg", method, 2 << 20)
    with pytest.raises(DataError, match=said):
        data.load("celeba", tmp_path, "test")


def test_a_zip_that_lies_about_a_size_is_inflated_no_further(tmp_path):
    """The directory says 100 bytes, the data have 256 MiB."""
    path = tmp_path / "img_align_celeba.zip"
    bomb_in_zip(path, "x/a.jpg", zipfile.ZIP_DEFLATED, 1 << 28)
    content = bytearray(path.read_bytes())
    size = content.rindex(b"PK\1\2") + 24
    assert content[size : size + 4] == struct.pack("<I", 1 << 28)
    content[size : size + 4] = struct.pack("<I", 100)
    path.write_bytes(content)
    found = archive.Archive(path, 1, celeba.CELEBA, celeba.LIMITS)
    with little_memory(128 << 20), pytest.raises(DataError, match="zip archive"):
        list(found.read(["a.jpg"]))


def test_a_picture_in_a_folder_is_not_read_whole_when_it_is_huge(tmp_path):
    pytest.importorskip("PIL", reason="photographs need Pillow")
    made.write_celeba(tmp_path, 3, "folder")
    with (tmp_path / "celeba" / "img_align_celeba" / "000003.jpg").open("wb") as file:
        file.truncate(1 << 40)
    with little_memory(), pytest.raises(DataError, match="more than 1,048,576 bytes"):
        data.load("celeba", tmp_path, "test")


# -- pickles ---------------------------------------------------------------------------------------

START = b"\x80\x02"
#: Forty tuples, each of twice the one before, through the memo; the instruction DUP makes them as well.
LAUGHS = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(40))
DUPS = b")" + b"2\x86" * 40
TEXT = b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20)
PICKLES = {
    "DUP in a dtype": (b"cnumpy\ndtype\n" + DUPS + b"\x85R.", "instruction b'2'"),
    "a dtype": (b"cnumpy\ndtype\n" + LAUGHS + b"\x85R.", "an array of a tuple"),
    "a key": (b"}" + LAUGHS + b"Ns.", "the key a tuple"),
    "keys": (b"}(" + LAUGHS + b"Nu.", "the key a tuple"),
    "a key of numbers": (b"}K\x01Ns.", "the key 1"),
    "the whole": (LAUGHS + b".", "a tuple, not a dictionary"),
    "an encoding": (b"c_codecs\nencode\nX\x01\0\0\0x" + LAUGHS + b"\x86R.", "text in a tuple"),
    "a shape": (
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01" + LAUGHS + b"cnumpy\ndtype\nU\x02u1\x85R\x89U\0tb.",
        "an array whose shape",
    ),
    "a shape of numbers without end": (
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01("
        + b"\x8a\xff"
        + b"\x7f" * 255
        + b"q\x00"
        + b"h\x00" * 900
        + b"tcnumpy\ndtype\nU\x02u1\x85R\x89U\0tb.",
        "an array whose shape",
    ),
    "a dictionary in a set": (b"(\x90.", r"instruction b'\\x90'"),
    "a frozen set": (b"(" + LAUGHS + b"\x91.", r"instruction b'\\x91'"),
    "the same text encoded again": (
        b"c_codecs\nencode\nq\x00" + TEXT + b"q\x01](" + b"h\x00h\x01\x85R" * 2000 + b"e.",
        "encoded again and again",
    ),
    "a bytearray of a terabyte": (b"\x96" + struct.pack("<Q", 1 << 40) + b".", r"instruction b'\\x96'"),
    "bytes of a terabyte": (b"\x8e" + struct.pack("<Q", 1 << 40) + b".", "."),
    "bytes of 4 GiB": (b"B" + struct.pack("<I", 2**32 - 1) + b".", "."),
    "text of 4 GiB": (b"X" + struct.pack("<I", 2**32 - 1) + b".", "."),
    "a number of 2 GiB": (b"\x8b" + struct.pack("<i", 2**31 - 1) + b".", r"instruction b'\\x8b'"),
    "a frame of a terabyte": (b"\x95" + struct.pack("<Q", 1 << 40) + b".", "."),
    "instructions": (b"N" * 200_000 + b".", "more than 4,1.. instructions"),
    "depth": (b"]" * 500 + b"a" * 499 + b".", "a list, not a dictionary"),
    "a long name": (b"c" + b"m" * 100_000 + b"\nf\n.", "it asks for m+[.][.][.], which no"),
    "a name that a terminal obeys": (b"cos\n\x1b[2Jsystem\n.", r"asks for os\.\\x1b\[2Jsystem"),
}


@pytest.mark.parametrize(("content", "said"), PICKLES.values(), ids=PICKLES)
def test_a_pickle_that_explodes(content, said):
    with little_memory(), pytest.raises(pickle.UnpicklingError, match=said) as caught:
        unpickle(START + content)
    assert len(str(caught.value)) < 300


LABELS_OF = {
    "a number without end": (b"\x8a\xff" + b"\x7f" * 255, "a number of 2039 bits"),
    "laughs": (LAUGHS, "a tuple"),
    "long text": (b"X\x10\x27\0\0" + b"x" * 10_000, r"'x{80}'\.\.\."),
}


@pytest.mark.parametrize(("label", "said"), LABELS_OF.values(), ids=LABELS_OF)
def test_a_label_that_explodes_in_the_message(tmp_path, label, said):
    whole = python2("fine_labels", [3], np.zeros((1, 3072), np.uint8))
    assert whole.count(b"K\x03e") == 1
    folder = tmp_path / "cifar100" / FOLDER["cifar100"]
    folder.mkdir(parents=True)
    (folder / "test").write_bytes(whole.replace(b"K\x03e", label + b"e"))
    with pytest.raises(DataError, match=f"from 0 to 99; got {said}"):
        data.load("cifar100", tmp_path, "test")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_batches_have_few_enough_instructions_in_every_protocol(protocol):
    """With names and both kinds of labels, as in the official files; an image of 3,072 bytes for each."""
    n = 600
    values = {b"data": np.zeros((n, 3072), np.uint8), b"fine_labels": [k % 100 for k in range(n)]}
    values |= {b"coarse_labels": [k % 20 for k in range(n)], b"filenames": [b"%09d.png" % k for k in range(n)]}
    found = unpickle(pickle.dumps(values, protocol))
    assert found["data"].shape == (n, 3072)
    assert len(found["filenames"]) == n
    assert python3("labels", [1], np.zeros((1, 3072), np.uint8)).startswith(START)


# -- what a message shows --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\x1b", r"'a\x1b'"),
        (b"a", "b'a'"),
        ("a" * 99, "'" + "a" * 80 + "'..."),
        (True, "True"),
        (-5, "-5"),
        (1 << 9999, "a number of 10000 bits"),
        (0.5, "0.5"),
        (None, "None"),
        (((),), "a tuple"),
        ([1], "a list"),
    ],
)
def test_what_a_message_shows_of_a_value_is_short(value, said):
    assert reading.shown(value) == said


# -- the command -----------------------------------------------------------------------------------


def test_a_bomb_in_the_data_is_an_error_of_the_command_and_no_traceback(tmp_path):
    """In a process with little memory."""
    for module in ("rich", "matplotlib", "PIL"):
        pytest.importorskip(module)
    (tmp_path / "mnist").mkdir()
    path = tmp_path / "mnist" / f"{IMAGES}.gz"
    path.write_bytes(zeros_gzipped(idx_header(60_000, 28, 28), 8 << 30))
    (tmp_path / "mnist" / f"{LABELS}.gz").write_bytes(gzip.compress(idx_header(0)))
    out = tmp_path / "out"
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30));"
        "from cpabx.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "experiment", "mnist", "--data", tmp_path, "--out", out]
    start = time.monotonic()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    assert f"{path} must be 47040000 bytes" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - start < PATIENCE
    assert not out.exists()


def test_too_little_memory_is_an_error_of_the_command_and_no_traceback(monkeypatch, capsys):
    from cpabx_experiments import cli

    def filled(options):
        raise MemoryError("Unable to allocate 600 GiB")

    monkeypatch.setattr(cli, "_said", filled)
    assert cli.main(["mnist"]) == 2
    assert "the memory does not suffice: Unable to allocate 600 GiB. Choose fewer" in capsys.readouterr().err
