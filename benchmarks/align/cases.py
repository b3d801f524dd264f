"""Pairs to register: photographs and a volume with maps that are known, and photographs of faces without."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIZE = 128
PHOTOGRAPHS = ("astronaut", "camera", "coins", "retina")
#: Largest displacement of random maps, in pixels of 128.
LARGEST = (6.0, 10.0, 13.0)


@dataclass(frozen=True)
class Pair:
    """Two images in [0, 1], and the displacement (*size, n) in pixels from points of ``fixed`` to those of ``moving``,
    in the order (x, y, z), if it is known.
    """

    name: str
    moving: Array
    fixed: Array
    truth: Array | None = None


def photographs(seed: int = 0, size: int = SIZE) -> list[Pair]:
    """Sixteen: four photographs, each with three random smooth maps and a swirl, none of them of the CPAB family."""
    random = np.random.default_rng(seed)
    pairs = []
    for photograph in PHOTOGRAPHS:
        moving = _photograph(photograph, size)
        for largest in LARGEST:
            field = smooth_displacement(random, (size, size), largest * size / SIZE)
            pairs.append(Pair(f"{photograph}, {largest:g} px", moving, looked_up(moving, field), field))
        field = swirl(random, size)
        pairs.append(Pair(f"{photograph}, swirl", moving, looked_up(moving, field), field))
    return pairs


def volume(size: int, seed: int = 0) -> Pair:
    """A head-like volume of nested ellipsoids with a texture, and a random smooth map of 6 voxels in 64."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, size)] * 3, indexing="ij")
    moving = np.zeros((size,) * 3)
    for centre, radii, value in _ELLIPSOIDS:
        inside = sum(((x - c) / r) ** 2 for x, c, r in zip(axes, centre, radii, strict=True))
        moving += value / (1 + np.exp(np.clip((np.sqrt(inside) - 1) * size / 2, -50, 50)))
    texture = gaussian_filter(random.standard_normal(moving.shape), size / 32)
    moving = moving * (1 + 0.15 * texture / texture.std())
    moving = (moving - moving.min()) / (moving.max() - moving.min())
    field = smooth_displacement(random, moving.shape, 6 * size / 64)
    return Pair(f"volume of {size}", moving, looked_up(moving, field), field)


#: Centre and radii (z, y, x), and what is added to the brightness inside: a skull, its inside, and some organs.
_ELLIPSOIDS = (
    ((0.0, 0.0, 0.0), (0.8, 0.85, 0.7), 1.0),
    ((0.0, 0.0, 0.0), (0.72, 0.78, 0.62), -0.6),
    ((0.1, -0.1, 0.25), (0.35, 0.3, 0.15), 0.3),
    ((0.1, -0.1, -0.25), (0.3, 0.35, 0.15), 0.3),
    ((-0.2, 0.35, 0.0), (0.25, 0.2, 0.3), 0.25),
    ((-0.3, -0.3, 0.1), (0.15, 0.2, 0.2), -0.2),
    ((0.35, 0.3, -0.1), (0.2, 0.15, 0.2), 0.4),
)


def faces(folder: Path, pairs: int = 6, size: int = SIZE) -> Iterator[Pair]:
    """The first pairs of LFW's View 2 that show one person twice: the middle of the photographs, in grey."""
    from PIL import Image

    rows = (line.split() for line in (folder / "pairs.txt").read_text().splitlines()[1:])
    same = [row for row in rows if len(row) == 3][:pairs]
    with tarfile.open(folder / "lfw-deepfunneled-view2.tar") as archive:
        for person, *numbers in same:
            images = []
            for number in numbers:
                content = archive.extractfile(f"lfw-deepfunneled/{person}/{person}_{int(number):04d}.jpg")
                assert content is not None
                picture = Image.open(io.BytesIO(content.read())).convert("L")
                edge = (picture.width - size) // 2
                images.append(np.asarray(picture.crop((edge, edge, edge + size, edge + size)), np.float64) / 255)
            yield Pair(f"{person} {' and '.join(numbers)}", *images)


def smooth_displacement(random: np.random.Generator, size: tuple[int, ...], largest: float) -> Array:
    """Gaussian noise smoothed over an eighth of the image, which falls to nothing at the border and does not fold."""
    from scipy.ndimage import gaussian_filter

    while True:
        fields = [gaussian_filter(random.standard_normal(size), size[0] / 8, mode="reflect") for _ in size]
        field = np.stack(fields, axis=-1)
        for axis, n in enumerate(size):
            window = 1 - (1 - np.sin(np.pi * (np.arange(n) + 0.5) / n)) ** 2
            field *= window.reshape([-1 if i == axis else 1 for i in range(len(size) + 1)])
        field *= largest / np.linalg.norm(field, axis=-1).max()
        if areas(field).min() > 0.3:
            return np.asarray(field)


def areas(displacement: Array) -> Array:
    """(*size) how a map changes areas or volumes, by differences between pixels."""
    n = displacement.shape[-1]
    slopes = [np.gradient(displacement, axis=n - 1 - k) for k in range(n)]  # by x, y, z
    return np.asarray(np.linalg.det(np.stack(slopes, axis=-1) + np.eye(n)))


def swirl(random: np.random.Generator, size: int) -> Array:
    """A rotation about a point near the centre, by up to half a radian there, that fades out around it."""
    centre = size / 2 + random.uniform(-0.06, 0.06, 2) * size
    angle = random.choice([-1, 1]) * random.uniform(0.45, 0.55)
    offset = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="xy"), axis=-1) + 0.5 - centre
    turn = angle * np.exp(-((offset / (0.28 * size)) ** 2).sum(axis=-1))
    x, y = offset[..., 0], offset[..., 1]
    return np.stack([np.cos(turn) * x - np.sin(turn) * y - x, np.sin(turn) * x + np.cos(turn) * y - y], axis=-1)


def looked_up(image: Array, displacement: Array) -> Array:
    """The image at the pixels plus their displacements, by cubic splines."""
    from scipy.ndimage import map_coordinates

    pixels = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1)
    places = np.moveaxis(pixels + displacement[..., ::-1], -1, 0)
    return np.asarray(map_coordinates(image, places, order=3, mode="nearest"))


def _photograph(name: str, size: int) -> Array:
    """In grey, its middle square, with few pixels."""
    from skimage import color, data, transform

    load: Callable[[], NDArray[np.uint8]] = getattr(data, name)
    image = load()
    grey = color.rgb2gray(image) if image.ndim == 3 else image / 255.0
    edge = min(grey.shape)
    top, left = ((n - edge) // 2 for n in grey.shape)
    middle = grey[top : top + edge, left : left + edge]
    resize: Callable[..., Array] = transform.resize
    return np.asarray(resize(middle, (size, size), anti_aliasing=True), np.float64)
