"""``Transformation.warp``: which pixel goes where."""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Affine, Composition, Cpab, Transformation
from cpabx.backend import Backend
from cpabx.sampling import Sampling, pixel_grid
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_theta,
    each_alignment,
    each_dimension,
    each_dtype,
    each_family,
    each_mode,
    each_padding,
    image_array,
    image_tensor,
    pixels_of,
    tensor,
)

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def warped(
    backend: Backend, family: Transformation, images: Array, theta: Array, *size: int, **options: object
) -> Array:
    result = family.warp(image_tensor(backend, images), tensor(backend, theta), size or None, **options)  # type: ignore[arg-type]
    return image_array(backend, result)


class TestWarping:
    @each_dtype
    @each_padding
    @each_alignment
    @each_family
    def test_identity_gives_the_image_back(
        self, backend: Backend, family: Transformation, dtype: str, padding_mode: str, align_corners: bool
    ) -> None:
        """For every option and every domain: an image covers the domain."""
        images = draw_images(2, *pixels_of(family, 3, 5, 7), 2, 0)
        result = family.warp(
            image_tensor(backend, images, dtype),
            family.identity(2, backend=backend.name, dtype=dtype),
            padding_mode=padding_mode,
            align_corners=align_corners,
        )
        assert backend.dtype(result) == dtype
        assert distance(image_array(backend, result), images) <= TOLERANCE[dtype]

    @each_mode
    @each_padding
    @each_alignment
    @each_dimension
    def test_identity_in_every_dimension(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        mode: str,
        padding_mode: str,
        align_corners: bool,
    ) -> None:
        """Signals, images and volumes, of the nearest pixel as well."""
        images = draw_images(2, *size, 2, 0)
        theta = np.zeros((2, family.n_params))
        result = warped(
            backend, family, images, theta, mode=mode, padding_mode=padding_mode, align_corners=align_corners
        )
        assert distance(result, images) <= 1e-12

    @each_mode
    @pytest.mark.parametrize("size", [(6,), (4, 5), (3, 4, 5)], ids=str)
    def test_x_is_along_the_last_axis(self, backend: Backend, size: tuple[int, ...], mode: str) -> None:
        """A constant field of one pixel along x, y or z: the image moves back by one along that axis."""
        ndim = len(size)
        family = Cpab((2,) * ndim, basis="nodal", outside="nearest")
        images = draw_images(1, *size, 2, 1)
        for coordinate in range(ndim):
            axis = ndim - 1 - coordinate  # of the pixels
            velocity = np.zeros((family.tessellation.n_vertices, ndim))
            velocity[:, coordinate] = 2 / size[axis]
            got = warped(backend, family, images, velocity.reshape(1, -1), mode=mode)
            expected = np.roll(images, -1, axis=axis + 1)
            np.moveaxis(expected, axis + 1, 0)[-1] = 0
            assert distance(got, expected) <= 1e-12

    @each_mode
    @each_padding
    @each_alignment
    @each_dimension
    def test_fused_is_transform_and_sample(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        mode: str,
        padding_mode: str,
        align_corners: bool,
    ) -> None:
        """What a backend does in one pass, if it does, is what two passes give, for any time."""
        images = image_tensor(backend, draw_images(2, *size, 2, 6))
        velocity = family.velocity(tensor(backend, draw_theta(family, 2, 6)))
        sampling, tess = Sampling(mode, padding_mode, align_corners), family.tessellation
        grid = pixel_grid(output_size, align_corners, family.domain)
        for time in (1.0, -0.5):
            fused = backend.cpab_warp(images, velocity, tess, time, output_size, sampling)
            if fused is None:
                pytest.skip(f"{backend.name} has no fused warp")
            moved = backend.cpab(grid.tensor(backend, like=velocity), velocity, tess, time)
            expected = image_array(backend, backend.sample(images, grid.places(backend, moved), sampling))
            got = image_array(backend, fused)
            assert got.shape == (2, *output_size, 2)
            assert distance(got, expected) <= 1e-12

    @each_dtype
    @each_dimension
    def test_by_theta_is_by_its_velocities(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...], dtype: str
    ) -> None:
        """One operation from theta to images, if a backend has it, gives the numbers of two."""
        basis = family.basis.to_dense()
        images, theta = image_tensor(backend, draw_images(2, *size, 2, 6), dtype), draw_theta(family, 2, 6)
        given = tensor(backend, theta, dtype)
        for time in (1.0, -0.5):
            problem = (family.tessellation, time, output_size, Sampling("cubic", "border"))
            got = backend.cpab_warp_by_theta(images, given, basis.rows, *problem)
            if got is None:
                pytest.skip(f"{backend.name} has no warp by theta")
            expected = backend.cpab_warp(images, family.velocity(given), *problem)
            assert backend.dtype(got) == dtype
            assert distance(image_array(backend, got), image_array(backend, expected)) <= TOLERANCE[dtype]

    @each_alignment
    @each_family
    def test_images_are_sampled_at_transformed_pixels(
        self, backend: Backend, family: Transformation, align_corners: bool
    ) -> None:
        """What families compute in advance for a grid is what they do to its points."""
        images, theta = draw_images(2, *pixels_of(family, 3, 5, 6), 2, 8), draw_theta(family, 2, 8)
        size = pixels_of(family, 2, 4, 7)
        grid = pixel_grid(size, align_corners, family.domain)
        moved = backend.to_numpy(family.transform(tensor(backend, grid.points), tensor(backend, theta)))
        low, high = np.array(family.domain).T
        places = ((moved - low) / (high - low) * 2 - 1).reshape(2, *size, family.ndim)
        expected = backend.sample(
            *(image_tensor(backend, images), tensor(backend, places)),
            Sampling(padding_mode="border", align_corners=align_corners),
        )
        got = warped(backend, family, images, theta, *size, padding_mode="border", align_corners=align_corners)
        assert distance(got, image_array(backend, expected)) <= 1e-11

    def test_signal_is_interpolated(self, backend: Backend) -> None:
        """In 1D against numpy's own interpolation at the transformed points."""
        family, signal = Cpab(6), draw_images(1, 20, 1, 7)
        theta, centres = draw_theta(family, 1, 7), np.linspace(-1, 1, 20)
        moved = family.transform(np.linspace(-1, 1, 31)[:, None], theta)[0, :, 0]
        expected = np.interp(moved, centres, signal[0, :, 0])
        got = warped(backend, family, signal, theta, 31, padding_mode="border", align_corners=True)
        assert distance(got[0, :, 0], expected) <= 1e-12

    def test_x_is_to_the_right_and_y_is_down(self, backend: Backend) -> None:
        """T maps output to input: adding to x takes pixels from the right, so the image moves left."""
        images = draw_images(1, 4, 5, 2, 1)
        right, down = np.array([[1, 0, 2 / 5, 0, 1, 0]]), np.array([[1, 0, 0, 0, 1, 2 / 4]])
        moved_left, moved_up = warped(backend, Affine(), images, right), warped(backend, Affine(), images, down)
        assert distance(moved_left[:, :, :-1], images[:, :, 1:]) <= 1e-12
        assert distance(moved_left[:, :, -1:], np.zeros((1, 4, 1, 2))) <= 1e-12
        assert distance(moved_up[:, :-1], images[:, 1:]) <= 1e-12

    def test_flips_and_transposes(self, backend: Backend) -> None:
        """Exact symmetries of the pixel grid, which a swap of axes would not survive."""
        images = draw_images(1, 4, 5, 2, 2)
        flip_x, flip_y = np.array([[-1.0, 0, 0, 0, 1, 0]]), np.array([[1.0, 0, 0, 0, -1, 0]])
        swap = np.array([[0.0, 1, 0, 1, 0, 0]])
        assert distance(warped(backend, Affine(), images, flip_x), images[:, :, ::-1]) <= 1e-12
        assert distance(warped(backend, Affine(), images, flip_y), images[:, ::-1]) <= 1e-12
        assert distance(warped(backend, Affine(), images, swap, 5, 4), np.swapaxes(images, 1, 2)) <= 1e-12

    def test_affine_maps_of_signals_and_volumes(self, backend: Backend) -> None:
        """Flips and translations along one axis, and a cyclic swap of all: exact symmetries of the pixels."""
        signals, volumes = draw_images(1, 5, 2, 15), draw_images(1, 3, 4, 5, 2, 15)
        for family, images in ((Affine(ndim=1), signals), (Affine(ndim=3), volumes)):
            ndim, identity = family.ndim, np.eye(family.ndim, family.ndim + 1)
            for coordinate in range(ndim):
                axis = ndim - coordinate  # of the images, whose first axis is N
                flip, shift = identity.copy(), identity.copy()
                flip[coordinate, coordinate] = -1
                shift[coordinate, ndim] = 2 / images.shape[axis]
                got = warped(backend, family, images, flip.reshape(1, -1))
                assert distance(got, np.flip(images, axis)) <= 1e-12
                got = warped(backend, family, images, shift.reshape(1, -1))
                expected = np.roll(images, -1, axis)
                np.moveaxis(expected, axis, 0)[-1] = 0
                assert distance(got, expected) <= 1e-12
        # T(x, y, z) = (y, z, x): what the result has along x, the volume has along z, and so on.
        cycle = np.eye(3, 4)[:, [2, 0, 1, 3]]
        got = warped(backend, Affine(ndim=3), volumes, cycle.reshape(1, -1), 4, 5, 3)
        assert distance(got, np.transpose(volumes, (0, 2, 3, 1, 4))) <= 1e-12

    @each_alignment
    @pytest.mark.parametrize("size", [(2, 3), (9, 4), (1, 1), (1, 6)], ids=str)
    def test_output_size_resamples_the_same_domain(
        self, backend: Backend, align_corners: bool, size: tuple[int, int]
    ) -> None:
        """An image that is linear in (x, y) stays so at any resolution, inside its outermost pixels."""
        theta = np.array([[0.4, 0.1, 0.05, -0.1, 0.4, 0.1]])  # stays inside

        def centres(n: int) -> Array:
            if align_corners:
                return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
            return (np.arange(n) + 0.5) * 2 / n - 1

        def ramp(x: Array, y: Array) -> Array:
            return np.stack([x, y, x + 2 * y], axis=-1)[None]

        images = ramp(*np.meshgrid(centres(8), centres(6)))
        x, y = np.meshgrid(centres(size[1]), centres(size[0]))
        a, b, c, d, e, f = theta[0]
        result = warped(backend, Affine(), images, theta, *size, align_corners=align_corners)
        assert distance(result, ramp(a * x + b * y + c, d * x + e * y + f)) <= 1e-12

    def test_padding_shows_beyond_the_border(self, backend: Backend) -> None:
        """Twice the view of a constant image: zeros around it, or more of the same."""
        images, theta = np.ones((1, 8, 8, 1)), np.array([[2.0, 0, 0, 0, 2, 0]])
        zeros = warped(backend, Affine(), images, theta)[0, :, :, 0]
        assert zeros[0, 0] == 0
        assert zeros[4, 4] == 1
        for mode in ("border", "reflection"):
            assert distance(warped(backend, Affine(), images, theta, padding_mode=mode), images) <= 1e-12

    def test_domain_is_a_matter_of_units(self, backend: Backend) -> None:
        """One field in two coordinate systems warps an image to the same pixels."""
        images, box = draw_images(2, 6, 5, 1, 3), ((0.0, 1.0), (-2.0, 3.0))
        standard, other = (Cpab((2, 3), basis="nodal", boundary="sliding", domain=d) for d in ((-1, 1), box))
        low, high = np.array(box).T
        theta = draw_theta(standard, 2, 4)
        # Nodal parameters are velocities, in units of the domain: find those of the scaled field.
        velocity = standard.velocity(theta) * (high - low) / 2
        dense = other.basis.to_dense().matrix
        scaled = np.linalg.lstsq(dense, velocity.reshape(2, -1).T, rcond=None)[0].T
        result = warped(backend, other, images, scaled)
        assert distance(result, warped(backend, standard, images, theta)) <= 1e-11
        assert distance(result, images) > 0.01

    def test_composition_is_warping_twice(self, backend: Backend) -> None:
        """Warping with outer, then inner, but for the second interpolation: exact on a linear image."""
        outer, inner = Affine(), Cpab((2, 2), boundary="fixed")
        a, c = np.array([[0.6, 0.1, 0.0, -0.1, 0.6, 0.1]]), 0.2 * draw_theta(inner, 1, 5)
        centres = (np.arange(12) + 0.5) / 6 - 1
        images = np.stack(np.meshgrid(centres, centres), axis=-1)[None]
        once = warped(backend, Composition(outer, inner), images, np.concatenate([a, c], axis=1))
        twice = warped(backend, inner, warped(backend, outer, images, a), c, padding_mode="border")
        inside = (slice(None), slice(1, -1), slice(1, -1))
        assert distance(once[inside], twice[inside]) <= 1e-12
