"""Images and pixel grids, moved by a family."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.options import flag
from cpabx.sampling.fill import warp_filled
from cpabx.sampling.grid import PixelGrid, RunTimeGrid, checked_units, pixel_grid
from cpabx.sampling.labels import are_labels, warp_labels
from cpabx.sampling.lengths import only_series
from cpabx.sampling.options import Sampling
from cpabx.sampling.size import check_known, check_room, checked_size, image_size, is_shared
from cpabx.transforms.arguments import as_floats, floats_beside
from cpabx.transforms.family import Family
from cpabx.transforms.not_finite import whole_items
from cpabx.transforms.series import checked_lengths, warp_series
from cpabx.transforms.sharing import expanded, one_for_all

#: The fill of what is sampled without one.
_NOTHING = (0.0,)


class Warping(Family):
    """Images where T^theta looks them up."""

    def warp(
        self,
        images: Tensor,
        theta: Tensor,
        output_size: tuple[int, ...] | None = None,
        *,
        mode: str = "linear",
        padding_mode: str = "zeros",
        align_corners: bool = False,
        fill: Any = 0,
        lengths: Any = None,
        inverse: bool = False,
        backend: str | None = None,
    ) -> Tensor:
        """Sample images at the transformed grid: result(x) = image(T^theta(x)).

        One image serves many theta, and one theta many images: where there is one of them, N = 1, it is as if it were
        there N times, and its gradient is the sum. In a graph it must be known to be one; where neither number is
        known, they must be equal.

        Args:
            images: (N, C, H, W) in torch, (N, H, W, C) in TensorFlow and numpy; for transformations in 1D
                signals (N, C, L), in 3D volumes (N, C, D, H, W), or with channels last. They cover the domain;
                x goes along the last of the axes of pixels, y along the one before it, z along depth.
                Integers and booleans are label maps, for ``mode="nearest"`` alone.
            theta: (N, d), as many as images, or one of both.
            output_size: (height, width) of the result, (length,) or (depth, height, width); that of the
                images by default.
            mode: ``"linear"``, interpolation between the 2, 4 or 8 pixels around a point; ``"cubic"``, cubic
                convolution of the 4, 16 or 64 around it; or ``"nearest"``. ``"bilinear"`` and ``"bicubic"`` are
                names of the first two in 2D, ``"trilinear"`` and ``"tricubic"`` in 3D.
            padding_mode: ``"zeros"``, ``"border"``, ``"reflection"`` or ``"wrap"``, also called ``"circular"``, and
            align_corners: as in ``torch.nn.functional.grid_sample``, which has no wrap: there pixel i is pixel i
                modulo their number, with either alignment.
            fill: what takes the place of zeros outside of the images: a number, or one for each channel.
                The result is that of images - fill, plus fill.
            lengths: in 1D, (N,) whole numbers, for series of different lengths in one batch: the first so many
                samples of each are what covers the domain, and the result is what it would be of these alone. What
                is beyond them is padding, which may hold anything: it is ``fill`` in the result, and has no
                gradient. ``"nan"``: padding is what is NaN to the end, see :func:`cpabx.lengths_of`. With
                ``output_size``, all results are as long as that, and have no padding.
            inverse: look up by the inverse map instead: result(T^theta(x)) = image(x), which moves what the image
                shows along T.
            backend: only to insist on one.

        Returns:
            Images of ``output_size``. Items whose theta is not finite are NaN. Label maps keep their element
            type, have no gradient, and ``fill`` where others are NaN.

        Raises:
            OptionError: unknown mode or padding mode, an impossible size, or a fill that is no value of the images,
                not one for each channel, or beside another padding than zeros; lengths that are impossible, or not
                in 1D.
            UnsupportedError: the inverse of a family that has none.
            MatrixError: that of a singular matrix, as in :meth:`inverse`.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, images=images, theta=theta)
        sampling = Sampling.checked(
            mode, padding_mode, align_corners, fill, ndim=self.ndim, of_series=lengths is not None
        )
        size = None if output_size is None else checked_size(output_size, self.ndim)
        if flag("inverse", inverse):
            self._check_inverse()
        return self.warp_with(chosen, images, theta, sampling, size, lengths=lengths, time=-1.0 if inverse else 1.0)

    def warp_with(
        self,
        backend: Backend,
        images: Tensor,
        theta: Tensor,
        sampling: Sampling,
        output_size: tuple[int, ...] | None = None,
        *,
        lengths: Any = None,
        time: float = 1.0,
    ) -> Tensor:
        """What :meth:`warp` computes, with options that are checked: what layers call.

        Args:
            backend: the one of images and theta.
            images: as in :meth:`warp`.
            theta: as in :meth:`warp`.
            sampling: the mode, padding mode, alignment and fill.
            output_size: as in :meth:`warp`, checked.
            lengths: as in :meth:`warp`.
            time: as in :meth:`apply`: -1 is the inverse, of a family that has one.

        Returns:
            Images of ``output_size``, as :meth:`warp` does.

        Raises:
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
            OptionError: a fill or lengths that do not go with the images.
        """
        labels = False
        if not backend.are_ready(theta, images):
            labels = registry.owner(images) is not None and are_labels(backend, images, sampling.mode)
            if labels:
                theta, images = floats_beside(backend, theta, images)
            else:
                theta, images = as_floats(backend, theta=theta, images=images)
        theta = self.flat_theta(backend, theta)
        size = image_size(backend, images, theta, self.ndim)
        if output_size is not None:
            size = output_size
            if not backend.tracing() and backend.device(images) == "cpu":
                n = backend.shape(theta if is_shared(backend, images, theta) else images)[0]
                channels = backend.shape(images)[-1 if backend.channels_last else 1]
                check_room((n, channels, *size), np.dtype(backend.dtype(images)).itemsize)
        if labels:
            check_known(backend, images, self.ndim, "label maps")
        grid = pixel_grid(size, sampling.align_corners, self.domain)
        if lengths is None and not labels and sampling.fill == _NOTHING:  # most calls
            return one_for_all(self, backend, images, theta, grid, sampling, time=time)
        warp: Callable[..., Tensor] = functools.partial(one_for_all, self, time=time)
        if lengths is not None:
            only_series(self.ndim)
            check_known(backend, images, self.ndim, "lengths")
            own = checked_lengths(backend, lengths, images, theta)
            theta, images, own = expanded(backend, theta, images, own)
            warp = functools.partial(warp_series, self, lengths=own, resampled=output_size is not None, time=time)
        if labels:
            return warp_labels(warp, backend, images, theta, grid, sampling)
        if any(sampling.fill):
            return warp_filled(warp, backend, images, theta, grid, sampling)
        return warp(backend, images, theta, grid, sampling)

    def grid(
        self,
        theta: Tensor,
        size: tuple[int, ...],
        *,
        units: str = "domain",
        displacement: bool = False,
        inverse: bool = False,
        align_corners: bool = False,
        backend: str | None = None,
    ) -> Tensor:
        """Where T^theta takes the pixels of an image that covers the domain, or how far.

        Args:
            theta: (N, d).
            size: (height, width), (length,) or (depth, height, width) of the image.
            units: ``"domain"``: T(x) as :meth:`transform` has it. ``"unit"``: the image is [-1, 1]^n, as
                ``torch.nn.functional.grid_sample`` takes it. ``"voxels"`` or ``"pixels"``: pixel i has its centre at
                i, as ``scipy.ndimage.map_coordinates`` takes it, but for the order of coordinates.
            displacement: T(x) - x in these units, instead of T(x).
            inverse: of the inverse map.
            align_corners: where pixels are, as in :meth:`warp`. One pixel along an axis has no width if corners are
                aligned, and its coordinate in voxels is 0.
            backend: only to insist on one.

        Returns:
            ``(N, *size, n)``, with coordinates in the order (x, y, z), x along the last axis of pixels; of the type and
            on the device of theta, and differentiable by it. NaN for items whose theta is not finite.

        Raises:
            OptionError: unknown units, or an impossible size.
            UnsupportedError: the inverse of a family that has none.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, theta=theta)
        units, size = checked_units(units), checked_size(size, self.ndim, "size")
        (theta,) = as_floats(chosen, theta=theta)
        grid = pixel_grid(size, flag("align_corners", align_corners), self.domain)
        if flag("inverse", inverse):
            self._check_inverse()
        moved = self._moved(chosen, self.flat_theta(chosen, theta), grid, -1.0 if inverse else 1.0)
        return grid.in_units(chosen, moved, units, displacement=flag("displacement", displacement))

    # -- what families and layers build on --------------------------------------------------------

    def places(self, backend: Backend, theta: Tensor, grid: PixelGrid, *, time: float = 1.0) -> Tensor:
        """The places that :meth:`warp` samples images at, of arguments that are checked.

        Args:
            backend: the one of theta.
            theta: (N, d).
            grid: the pixels of the result.
            time: as in :meth:`apply`: -1 is the inverse.

        Returns:
            ``(N, *size, n)`` of (x, y[, z]) in [-1, 1]^n over the images.
        """
        return grid.places(backend, self._moved(backend, theta, grid, time))

    def _warp(
        self,
        backend: Backend,
        images: Tensor,
        theta: Tensor,
        grid: PixelGrid,
        sampling: Sampling,
        *,
        time: float = 1.0,
    ) -> Tensor:
        """:meth:`warp` with arguments that are checked, as many images as theta."""
        return backend.sample(images, self.places(backend, theta, grid, time=time), sampling)

    def _moved(self, backend: Backend, theta: Tensor, grid: PixelGrid, time: float) -> Tensor:
        """(N, P, n): the pixels of a grid where T takes them; NaN for a theta that is not finite."""
        theta = theta if self.spreads_nan else whole_items(backend, theta)
        if time == 1 and not isinstance(grid, RunTimeGrid):
            return self.apply_to_grid(backend, grid, theta)
        return self.apply(backend, grid.tensor(backend, like=theta), theta, time=time)
