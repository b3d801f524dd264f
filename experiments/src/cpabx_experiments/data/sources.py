"""Where the data sets come from, and what their official files are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cpabx_experiments.errors import DataError


@dataclass(frozen=True)
class File:
    """A file that can be downloaded.

    Attributes:
        name: below the data set's folder.
        url: of the file.
        checksum: ``"md5:"`` or ``"sha256:"`` and the hexadecimal digest that its publisher, or a library that
            distributes it, gives.
    """

    name: str
    url: str
    checksum: str


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        name: of the data set and of its folder.
        home: where a person finds it.
        files: that :func:`cpabx_experiments.data.fetch.fetch` downloads; none if its publisher wants a browser.
        by_hand: what to put into the folder.
    """

    name: str
    home: str
    files: tuple[File, ...]
    by_hand: str

    @property
    def remedy(self) -> str:
        return f"Get {self.by_hand} from {self.home}."

    def error(self, path: Path, expected: str, found: str) -> DataError:
        """What to raise about a file: ``path`` must be ``expected``, and is ``found``."""
        return DataError(f"{path} must be {expected}", found, self.remedy)


def _idx(name: str, home: str, base: str, digests: dict[str, str]) -> Source:
    files = tuple(File(f"{file}.gz", f"{base}/{file}.gz", f"md5:{digest}") for file, digest in digests.items())
    return Source(name, home, files, f"the four files {', '.join(file.name for file in files)}")


def _cifar(classes: int, digest: str) -> Source:
    archive = f"cifar-{classes}-python.tar.gz"
    file = File(archive, f"https://www.cs.toronto.edu/~kriz/{archive}", f"md5:{digest}")
    return Source(f"cifar{classes}", "https://www.cs.toronto.edu/~kriz/cifar.html", (file,), archive)


_LFW_IMAGES = "sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"
_LFW_PAIRS = "sha256:ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"

SOURCES = {
    source.name: source
    for source in (
        _idx(
            "mnist",
            "http://yann.lecun.com/exdb/mnist (or its mirror https://ossci-datasets.s3.amazonaws.com/mnist)",
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            {
                "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
                "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
                "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
            },
        ),
        _idx(
            "fashion-mnist",
            "https://github.com/zalandoresearch/fashion-mnist",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            {
                "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
                "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
                "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
            },
        ),
        _cifar(10, "c58f30108f718f92721af3b95e74349a"),
        _cifar(100, "eb9058c3a382ffc7106e4002c42a8d85"),
        Source(
            "lfw",
            "http://vis-www.cs.umass.edu/lfw (scikit-learn, too, downloads it: sklearn.datasets.fetch_lfw_pairs)",
            (
                File("lfw-funneled.tgz", "https://ndownloader.figshare.com/files/5976015", _LFW_IMAGES),
                File("pairs.txt", "https://ndownloader.figshare.com/files/5976006", _LFW_PAIRS),
            ),
            "lfw-deepfunneled.tgz, lfw-funneled.tgz or lfw.tgz, and pairs.txt,",
        ),
        Source(
            "celeba",
            "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            (),
            "img_align_celeba.zip, list_attr_celeba.txt and list_eval_partition.txt",
        ),
    )
}

__all__ = ["SOURCES", "File", "Source"]
