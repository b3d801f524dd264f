"""Nothing to do is not an error: empty batches and no points give empty results."""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Cpab, Transformation
from cpabx.backend import Backend
from cpabx.testing.cases import draw_theta, each_dimension, each_family, image_array, image_tensor, pixels_of, tensor

SHAPES = [((0,), 3), ((3, 0), 3), ((1, 0), 3), ((4,), 0), ((0, 4), 0), ((1, 4), 0), ((0, 0), 0), ((0,), 0)]
each_shape = pytest.mark.parametrize(("shape", "n"), SHAPES, ids=str)


class TestEmptyInput:
    @each_shape
    @each_family
    def test_transform(self, backend: Backend, family: Transformation, shape: tuple[int, ...], n: int) -> None:
        """Points of a shape, n theta: the result is (n, P, ndim)."""
        theta = tensor(backend, draw_theta(family, n, 0))
        result = family.transform(tensor(backend, np.zeros((*shape, family.ndim))), theta)
        assert backend.to_numpy(result).shape == (n, shape[-1], family.ndim)

    @each_shape
    @each_family
    def test_vjp(self, backend: Backend, family: Transformation, shape: tuple[int, ...], n: int) -> None:
        """Gradients have the shapes of points and theta, and nothing adds up to zero."""
        theta, points = tensor(backend, draw_theta(family, n, 0)), tensor(backend, np.zeros((*shape, family.ndim)))
        grads = family.vjp(points, theta, tensor(backend, np.zeros((n, shape[-1], family.ndim))))
        grad_points, grad_theta = (backend.to_numpy(g) for g in grads)
        assert grad_points.shape == (*shape, family.ndim)
        assert grad_theta.shape == (n, family.n_params)
        assert not grad_points.any()
        assert not grad_theta.any()

    @each_family
    def test_warp(self, backend: Backend, family: Transformation) -> None:
        """No images, or images without channels."""
        for n, channels in ((0, 3), (2, 0), (0, 0)):
            own, other = pixels_of(family, 3, 4, 5), pixels_of(family, 2, 3, 2)
            images = image_tensor(backend, np.zeros((n, *own, channels)))
            for size in (None, other):
                result = family.warp(images, tensor(backend, draw_theta(family, n, 0)), size)
                assert image_array(backend, result).shape == (n, *(size or own), channels)

    @each_dimension
    def test_warp_in_every_dimension(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...]
    ) -> None:
        """And its gradients, of which those that something is left of are zero."""
        for n, channels in ((0, 3), (2, 0), (0, 0)):
            images, theta = (
                image_tensor(backend, np.zeros((n, *size, channels))),
                tensor(backend, draw_theta(family, n, 0)),
            )
            result = family.warp(images, theta, output_size)
            assert image_array(backend, result).shape == (n, *output_size, channels)
            if "autograd" in backend.supports:
                grads = backend.vjp(lambda i, t: family.warp(i, t, output_size), (images, theta), result)
                assert image_array(backend, grads[0]).shape == (n, *size, channels)
                assert backend.to_numpy(grads[1]).shape == (n, family.n_params)
                assert not backend.to_numpy(grads[1]).any()

    def test_velocity(self, backend: Backend) -> None:
        family = Cpab((2, 2))
        result = family.velocity(tensor(backend, np.zeros((0, 20))))
        assert backend.to_numpy(result).shape == (0, family.tessellation.n_vertices, 2)
