"""Contestants for the registration of a batch of pairs: cpabx, and other packages with what they recommend."""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.align.cases import Array, Pair

#: Displacements (*size, n) in pixels, in the order (x, y, z), of each pair.
Method = Callable[[Sequence[Pair]], list[Array]]


@dataclass(frozen=True)
class Rival:
    """A method, the package that it needs, and in how many dimensions it works."""

    name: str
    package: str
    method: Method
    dimensions: tuple[int, ...] = (2, 3)


def cpabx_in_a_batch(pairs: Sequence[Pair], **options: Any) -> list[Array]:
    import torch

    import cpabx

    moving, fixed = (
        torch.tensor(np.stack([getattr(pair, name) for pair in pairs]), dtype=torch.float32)[:, None]
        for name in ("moving", "fixed")
    )
    fitted = cpabx.register(moving, fixed, **options)
    return list(fitted.displacement(tuple(fixed.shape[2:]), units="voxels").double().numpy())


def one_by_one(method: Callable[[Array, Array], Array]) -> Method:
    return lambda pairs: [method(pair.moving, pair.fixed) for pair in pairs]


def demons(moving: Array, fixed: Array, *, filter_name: str, iterations: int = 100) -> Array:
    """Three levels, each of which starts from the field of the one before."""
    sitk = importlib.import_module("SimpleITK")
    images = [sitk.GetImageFromArray(image.astype(np.float32)) for image in (fixed, moving)]
    field = None
    for shrink in (4, 2, 1):
        smaller = [
            sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, shrink / 2), [shrink] * fixed.ndim)
            if shrink > 1
            else image
            for image in images
        ]
        method = getattr(sitk, filter_name)()
        method.SetNumberOfIterations(iterations)
        method.SetStandardDeviations(1.5)
        if field is None:
            field = method.Execute(*smaller)
        else:
            field = method.Execute(*smaller, sitk.Resample(field, smaller[0]))
    return np.asarray(sitk.GetArrayFromImage(field), np.float64)


def syn(moving: Array, fixed: Array, **options: Any) -> Array:
    """ANTs' symmetric normalisation without an affine part."""
    ants = importlib.import_module("ants")
    # ANTs' first axis is x.
    a, b = (ants.from_numpy(np.ascontiguousarray(image.T).astype(np.float32)) for image in (moving, fixed))
    with tempfile.TemporaryDirectory() as folder:
        found = ants.registration(fixed=b, moving=a, initial_transform="Identity", outprefix=f"{folder}/", **options)
        whole = ants.apply_transforms(b, a, found["fwdtransforms"], compose=f"{folder}/whole")
        field = ants.image_read(str(Path(whole))).numpy()
    n = fixed.ndim
    return np.asarray(field.transpose(*reversed(range(n)), n), np.float64)


#: Options of ANTs: those of its script antsRegistrationSyN.sh, which compares by local correlation; what the Python
#: function does by itself, but for the metric; and that with as many iterations as the script's.
SYN: dict[str, dict[str, Any]] = {
    "CC": {"type_of_transform": "antsRegistrationSyN[so]"},
    "mean squares": {"type_of_transform": "SyNOnly", "syn_metric": "meansquares"},
    "mean squares, longer": {
        "type_of_transform": "SyNOnly",
        "syn_metric": "meansquares",
        "reg_iterations": (100, 70, 50, 20),
    },
}


def flow(moving: Array, fixed: Array, *, name: str) -> Array:
    """scikit-image's optical flow, of rows and columns."""
    function = getattr(importlib.import_module("skimage.registration"), name)
    return np.asarray(np.moveaxis(function(fixed, moving), 0, -1)[..., ::-1], np.float64)


RIVALS = (
    Rival("cpabx.register", "cpabx", cpabx_in_a_batch),
    Rival("cpabx.register, symmetric", "cpabx", functools.partial(cpabx_in_a_batch, symmetric=True)),
    Rival(
        "SimpleITK demons",
        "SimpleITK",
        one_by_one(functools.partial(demons, filter_name="FastSymmetricForcesDemonsRegistrationFilter")),
    ),
    Rival(
        "SimpleITK diffeomorphic demons",
        "SimpleITK",
        one_by_one(functools.partial(demons, filter_name="DiffeomorphicDemonsRegistrationFilter")),
    ),
    *(Rival(f"ANTs SyN, {name}", "ants", one_by_one(functools.partial(syn, **chosen))) for name, chosen in SYN.items()),
    Rival("scikit-image TV-L1", "skimage", one_by_one(functools.partial(flow, name="optical_flow_tvl1"))),
    Rival("scikit-image iLK", "skimage", one_by_one(functools.partial(flow, name="optical_flow_ilk"))),
)
