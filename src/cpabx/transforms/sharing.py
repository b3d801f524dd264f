"""One image with many theta, and one theta with many images: what is there once is not copied where it need not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpabx.backend import Backend, Tensor
from cpabx.sampling import PixelGrid, Sampling
from cpabx.sampling.size import is_shared

if TYPE_CHECKING:
    from cpabx.transforms.warping import Warping


def expanded(backend: Backend, theta: Tensor, images: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Theta, images and lengths, as many of each: for series, which are small."""
    if is_shared(backend, theta, images):
        theta = backend.expand(theta, like=images)
    elif is_shared(backend, images, theta):
        images, lengths = (backend.expand(tensor, like=theta) for tensor in (images, lengths))
    return theta, images, lengths


def one_for_all(
    family: Warping,
    backend: Backend,
    images: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    sampling: Sampling,
    *,
    time: float,
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` of images and theta, as many of both, or one of them for all of the others."""
    if backend.shape(theta)[0] == backend.shape(images)[0]:  # most calls
        return family._warp(backend, images, theta, grid, sampling, time=time)
    if is_shared(backend, theta, images):
        return _by_one_theta(family, backend, images, theta, grid, sampling, time)
    if is_shared(backend, images, theta):
        images = backend.expand(images, like=theta)
    return family._warp(backend, images, theta, grid, sampling, time=time)


def _by_one_theta(
    family: Warping,
    backend: Backend,
    images: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    sampling: Sampling,
    time: float,
) -> Tensor:
    """The map is computed once: with channels first, many images are one with many channels."""
    if backend.channels_last:
        places = backend.expand(family.places(backend, theta, grid, time=time), like=images)
        return backend.sample(images, places, sampling)
    n, channels, *size = backend.shape(images)
    assert n is not None
    assert channels is not None
    one = backend.reshape(images, (1, n * channels, *(-1 if axis is None else axis for axis in size)))
    warped = family._warp(backend, one, theta, grid, sampling, time=time)
    return backend.reshape(warped, (n, channels, *backend.shape(warped)[2:]))  # type: ignore[arg-type]
