"""Axes of images in the layout of a backend, for what is written once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.sampling.layout import pixel_axes


def pixel_shape(backend: Backend, images: Tensor) -> tuple[int, ...]:
    """(H, W), (L,) or (D, H, W) of a batch of images."""
    shape = backend.shape(images)
    return tuple(int(shape[axis] or 0) for axis in pixel_axes(len(shape) - 2, channels_last=backend.channels_last))


def along(backend: Backend, images: Tensor, axis: int, matrix: NDArray[np.float64]) -> Tensor:
    """The product of a matrix (m, n) with the images along one of their axes of pixels, of n."""
    shape = [int(n or 0) for n in backend.shape(images)]
    where = pixel_axes(len(shape) - 2, channels_last=backend.channels_last)[axis]
    columns = backend.reshape(images, (math.prod(shape[:where]), shape[where], math.prod(shape[where + 1 :])))
    product = backend.matmul(backend.constant(matrix, like=images), columns)
    return backend.reshape(product, (*shape[:where], len(matrix), *shape[where + 1 :]))


def total(backend: Backend, tensor: Tensor) -> Tensor:
    """(N,) sums of all else."""
    shape = [int(n or 0) for n in backend.shape(tensor)]
    return backend.sum(backend.reshape(tensor, (shape[0], math.prod(shape[1:]))), axis=1)


def channel_sum(backend: Backend, images: Tensor) -> Tensor:
    """Images with one channel, the sum of all."""
    axis = len(backend.shape(images)) - 1 if backend.channels_last else 1
    shape = [1 if i == axis else int(n or 0) for i, n in enumerate(backend.shape(images))]
    return backend.reshape(backend.sum(images, axis=axis), shape)


def channels(backend: Backend, images: Tensor) -> int:
    """How many there are."""
    return int(backend.shape(images)[-1 if backend.channels_last else 1] or 0)


def items(backend: Backend, tensor: Tensor, index: NDArray[np.int64]) -> Tensor:
    """These items of a batch; the batch itself, if these are all."""
    return tensor if len(index) == backend.shape(tensor)[0] else backend.take(tensor, index, axis=0)


def channels_last_array(backend: Backend, images: Tensor) -> NDArray[np.float64]:
    """(N, H, W, C) on the host in float64."""
    array = np.asarray(backend.to_numpy(images), np.float64)
    return array if backend.channels_last else np.moveaxis(array, 1, -1)
