"""What the suite tries things on: families, parameters, points, images; and how it compares."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabx import (
    Affine,
    AffineDiffeo,
    Composition,
    Cpab,
    Homography,
    Rigid,
    ScaleTranslate,
    Similarity,
    Tessellation,
    ThinPlateSpline,
    Transformation,
)
from cpabx.backend import Backend, Tensor

Array = NDArray[Any]

CELLS = ((1, 1), (2, 2), (4, 4), (3, 5))

#: Every kind of Cpab: boundary x outside x basis x tessellation.
CPABS = tuple(
    Cpab(cells, boundary=boundary, outside=outside, basis=basis)
    for boundary, outside, basis, cells in itertools.product(
        ("free", "sliding", "fixed"), ("linear", "nearest"), ("orthonormal", "nodal"), CELLS
    )
)

#: One or two of every family; the Cpabs differ in everything else, the domain included. Those of a family in
#: 1D and 3D alone are in IN_ALL_DIMENSIONS.
FAMILIES: tuple[Transformation, ...] = (
    Affine(),
    AffineDiffeo(),
    Homography(),
    ThinPlateSpline(),
    ThinPlateSpline((2, 3)),
    Cpab(),
    Cpab((3, 5), boundary="sliding", outside="linear", basis="nodal"),
    Cpab((2, 2), outside="nearest", domain=((0, 1), (-2, 3))),
    Composition(Affine(), Cpab((2, 2))),
    Composition(Cpab((3, 2), boundary="fixed"), AffineDiffeo()),
    Composition(Cpab((3, 3)), AffineDiffeo(), Cpab((2, 1), boundary="sliding")),
    Similarity(),
    Rigid(ndim=3),
    ScaleTranslate(),
    Affine(ndim=1),
    Affine(ndim=3),
    AffineDiffeo(ndim=1),
    AffineDiffeo(ndim=3),
    Composition(Affine(ndim=1), Cpab(3)),
    Composition(Affine(ndim=3), Cpab((1, 2, 1))),
)


#: CPAB in 1D, 2D and 3D, with the sizes of images to warp: that of the input, and that of the output.
IN_ALL_DIMENSIONS = (
    (Cpab(5), (9,), (6,)),
    (Cpab(4, boundary="sliding", domain=(0, 3)), (8,), (11,)),
    (Cpab((2, 3), domain=((0, 1), (-2, 3))), (5, 6), (4, 3)),
    (Cpab((2, 1, 2)), (3, 4, 5), (4, 3, 2)),
    (Cpab((1, 2, 1), outside="nearest", domain=((0, 1), (-2, 3), (5, 6))), (4, 3, 3), (2, 3, 4)),
)


def name_of(value: Any) -> str | None:
    """A short id for pytest, with none of the characters that shells dislike."""
    if isinstance(value, Cpab):
        tess, default = value.tessellation, value.domain == ((-1, 1),) * value.ndim
        size = "x".join(map(str, tess.cells))
        return "-".join([size, value.boundary, tess.outside, value.config["basis"], *([] if default else ["domain"])])
    if isinstance(value, Composition):
        return "-after-".join(str(name_of(part)) for part in value.parts)
    if isinstance(value, Transformation) and list(value.config) == ["ndim"] and value.ndim != 2:
        return f"{type(value).__name__}-{value.ndim}D"
    if isinstance(value, ThinPlateSpline):
        return "TPS-" + "x".join(map(str, value.control_points))
    return type(value).__name__ if isinstance(value, Transformation) else None


each_cpab = pytest.mark.parametrize("family", CPABS, ids=name_of)
each_dimension = pytest.mark.parametrize(
    ("family", "size", "output_size"), IN_ALL_DIMENSIONS, ids=[name_of(case[0]) for case in IN_ALL_DIMENSIONS]
)
each_family = pytest.mark.parametrize("family", FAMILIES, ids=name_of)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_padding = pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection", "wrap"])
each_mode = pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
each_alignment = pytest.mark.parametrize("align_corners", [False, True])


def words_of(value: Any) -> str:
    """Names a case as every process does: without addresses."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", str(value))


def needs(backend: Backend, *abilities: str) -> None:
    """Skips the test unless the backend declares the abilities."""
    missing = set(abilities) - backend.supports
    if missing:
        pytest.skip(f"{backend.name} does not declare {', '.join(sorted(missing))}")


# -- values, always drawn in float64 by numpy ----------------------------------------------------


def draw_theta(family: Transformation, n: int, seed: int) -> Array:
    """(n, d) parameters that move points by a good part of the domain.

    An orthonormal theta of N(0, 1) gives |A| of about 1 in every triangle; nodal ones are
    velocities, whose differences across a triangle count several times.
    """
    orthonormal = isinstance(family, Cpab) and family.config["basis"] == "orthonormal"
    noise = np.random.default_rng(seed).standard_normal((n, family.n_params))
    return family.identity_theta() + (1.0 if orthonormal else 0.25) * noise


def draw_points(family: Transformation, shape: tuple[int, ...], seed: int, *, beyond: float = 0.2) -> Array:
    """(*shape, n) points of the domain and, by default, a fifth of its size around it."""
    low, high = np.array(family.domain).T
    unit = np.random.default_rng(seed).uniform(-beyond, 1 + beyond, (*shape, family.ndim))
    return np.asarray(low + unit * (high - low))


def points_on_faces(tess: Tessellation, n: int, seed: int) -> Array:
    """(3 n, 2): n vertices, n points on grid lines, n on diagonals."""
    rng = np.random.default_rng(seed)
    corners = tess.vertices[tess.cell_vertices]  # C, 3, 2; the first two may be any
    centre_of = tess.vertices[-int(np.prod(tess.cells)) :].repeat(4, axis=0)
    is_centre = (np.abs(corners - centre_of[:, None]) < 1e-12).all(-1)
    edges = corners[~is_centre].reshape(-1, 2, 2)
    chosen = rng.integers(len(edges), size=(2, n))
    part = rng.uniform(size=(2, n, 1))
    on_grid = edges[chosen[0], 0] * part[0] + edges[chosen[0], 1] * (1 - part[0])
    on_diagonal = edges[chosen[1], 0] * part[1] + centre_of[chosen[1]] * (1 - part[1])
    vertices = tess.vertices[rng.integers(tess.n_vertices, size=n)]
    return np.concatenate([vertices, on_grid, on_diagonal])


def draw_images(n: int, *size_channels_seed: int) -> Array:
    """(N, *size, C) in [0, 1]: ``draw_images(2, 5, 7, 3, 0)`` are two images of 5 x 7 pixels with 3 channels."""
    *shape, seed = size_channels_seed
    return np.random.default_rng(seed).uniform(size=(n, *shape))


def pixels_of(family: Transformation, *size: int) -> tuple[int, ...]:
    """As many axes of pixels as the family has dimensions: the last ones of ``size``, which has three."""
    return size[3 - family.ndim :]


# -- between numpy and a backend -----------------------------------------------------------------


def tensor(backend: Backend, values: Any, dtype: str = "float64") -> Tensor:
    # A copy: frameworks complain about arrays that are read only.
    return backend.asarray(np.array(values, dtype=dtype), dtype=dtype)


def image_tensor(backend: Backend, images: Array, dtype: str = "float64") -> Tensor:
    """From (N, H, W, C), or with fewer or more axes of pixels, to the backend's layout."""
    return tensor(backend, images if backend.channels_last else np.moveaxis(images, -1, 1), dtype)


def image_array(backend: Backend, images: Tensor) -> Array:
    """From the backend's layout to (N, H, W, C), or with fewer or more axes of pixels."""
    values = backend.to_numpy(images)
    return values if backend.channels_last else np.moveaxis(values, 1, -1)


def distance(got: Array, expected: Array) -> float:
    """Largest difference, relative to max(1, |expected|) per number. NaN if any differs from NaN."""
    assert got.shape == expected.shape
    if got.size == 0:
        return 0.0
    return float(np.max(np.abs(got - expected) / np.maximum(1, np.abs(expected))))
