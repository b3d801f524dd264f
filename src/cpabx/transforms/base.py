"""What all families share: drawing theta, checking arguments, warping images."""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import ShapeError, UnsupportedError
from cpabx.options import flag
from cpabx.sampling.fill import warp_filled
from cpabx.sampling.grid import PixelGrid, RunTimeGrid, checked_units, pixel_grid
from cpabx.sampling.labels import are_labels, warp_labels
from cpabx.sampling.lengths import only_series
from cpabx.sampling.options import Sampling
from cpabx.sampling.size import check_known, check_room, checked_size, image_size
from cpabx.tracing import constant_while_tracing, kept_by_owner
from cpabx.transforms.arguments import as_floats, count, finite, float_name, floats_beside
from cpabx.transforms.draws import checked_noise, draw
from cpabx.transforms.not_finite import whole_items, with_nan
from cpabx.transforms.series import checked_lengths, warp_series

Array = NDArray[Any]

#: Most numbers of a matrix that families keep for a grid: 8 MiB.
MOST_KEPT = 1 << 20


def frozen(array: Array) -> Array:
    """The array, read only: others will use it, too."""
    array.flags.writeable = False
    return array


class Transformation(abc.ABC):
    """A parametrised family of maps T^theta of R^n to itself.

    Immutable, picklable, and equal to any other with the same ``config``. A layer uses T from
    *output* to *input* coordinates, as grid samplers expect.

    A family of your own is a subclass with :attr:`n_params`, :attr:`config`, :meth:`identity_theta` and :meth:`apply`;
    :attr:`ndim`, :attr:`domain`, :attr:`has_inverse`, :attr:`spreads_nan`, :meth:`apply_to_grid` and :meth:`pull_back`
    are there to be overridden where the defaults do not fit. All other methods follow from these.
    """

    # -- what a family defines -------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def n_params(self) -> int:
        """d, the size of theta."""

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """The arguments that make an equal transformation."""

    @property
    def ndim(self) -> int:
        """n, the number of coordinates of a point."""
        return 2

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        """What an image covers in :meth:`warp`, (lower, upper) per axis."""
        return ((-1.0, 1.0),) * self.ndim

    @property
    def has_inverse(self) -> bool:
        """Whether :meth:`apply` with ``time=-1`` is the inverse."""
        return False

    @property
    def spreads_nan(self) -> bool:
        """Whether :meth:`apply` itself makes NaN of all results that depend on a number that is not finite.

        Where it does not, :meth:`transform` and :meth:`warp` see to it, at the cost of a few sums.
        """
        return False

    @abc.abstractmethod
    def identity_theta(self) -> Array:
        """The parameters of the identity: (d,) in float64."""

    @abc.abstractmethod
    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        """The map in the operations of a backend, of arguments that are checked: what :meth:`transform` calls.

        Args:
            backend: has the operations; tensors also have ``+ - * /``, comparison and slices.
            points: (1, P, n), shared by all theta, or (N, P, n).
            theta: (N, d).
            time: 1 is the map, and -1 its inverse, which is asked for only if there is one. Flows take any number.

        Returns:
            (N, P, n).
        """

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        """The map at the pixels of an image: what :meth:`warp` calls.

        The default applies the map to their positions. A family may do the same faster, with matrices that are
        computed once for a grid.

        Args:
            backend: has the operations.
            grid: the pixels, of a size that is known.
            theta: (N, d), checked.

        Returns:
            (N, P, n).
        """
        return self.apply(backend, grid.tensor(backend, like=theta), theta)

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        """The gradient of the map in numpy: what :meth:`vjp` calls where the framework does not differentiate.

        Args:
            points: (N, P, n).
            theta: (N, d).
            cotangent: (N, P, n), the gradient of a loss with respect to the result.

        Returns:
            The gradients with respect to points (N, P, n) and theta (N, d).

        Raises:
            UnsupportedError: the family does not define it.
        """
        raise UnsupportedError(
            "gradients in numpy need a family with pull_back", repr(self), "Define it, or use tensors of a framework."
        )

    # -- what follows for images -----------------------------------------------------------------

    def places(self, backend: Backend, theta: Tensor, grid: PixelGrid) -> Tensor:
        """The places that :meth:`warp` samples images at, of arguments that are checked.

        Args:
            backend: the one of theta.
            theta: (N, d).
            grid: the pixels of the result.

        Returns:
            ``(N, *size, n)`` of (x, y[, z]) in [-1, 1]^n over the images.
        """
        return grid.places(backend, self._moved(backend, theta, grid))

    def _warp(self, backend: Backend, images: Tensor, theta: Tensor, grid: PixelGrid, sampling: Sampling) -> Tensor:
        """:meth:`warp` with arguments that are checked."""
        return backend.sample(images, self.places(backend, theta, grid), sampling)

    def _moved(self, backend: Backend, theta: Tensor, grid: PixelGrid) -> Tensor:
        """(N, P, n): the pixels of a grid where T takes them; NaN for a theta that is not finite."""
        theta = theta if self.spreads_nan else whole_items(backend, theta)
        if isinstance(grid, RunTimeGrid):
            return self.apply(backend, grid.tensor(backend, like=theta), theta)
        return self.apply_to_grid(backend, grid, theta)

    # -- parameters ------------------------------------------------------------------------------

    def identity(self, n: int = 1, *, backend: str | None = None, device: Any = None, dtype: str = "float32") -> Tensor:
        """Parameters of the identity map.

        Args:
            n: how many.
            backend: in which to return them; by default the one in force.
            device: as in :meth:`sample`.
            dtype: of the result.

        Returns:
            (n, d).
        """
        chosen = registry.backend_for(backend)
        return _repeated_identity(self, count(n), chosen.name, device, float_name(dtype))

    def sample(
        self,
        n: Any = 1,
        *,
        seed: int | None = None,
        generator: Any = None,
        scale: float = 0.1,
        backend: str | None = None,
        device: Any = None,
        dtype: str = "float32",
    ) -> Tensor:
        """Random parameters: those of the identity plus ``scale`` times N(0, 1).

        Without ``seed`` and ``generator`` the numbers are the framework's own, and follow its global seed:
        ``torch.manual_seed``; ``keras.utils.set_random_seed`` or ``tf.random.set_seed``; ``np.random.seed``. In a
        graph (``torch.compile``, ``torch.export``, ``tf.function``, ``tf.data``, Keras layers) they are drawn anew
        in each run. With a global seed, TensorFlow repeats them in each pass over a ``tf.data`` set and each new graph,
        as its own operations do. JAX has no such state: it draws numpy's numbers, and under ``jit`` needs a key.

        Args:
            n: how many; in a graph also a scalar of its framework.
            seed: a whole number, 0 or more. It gives the same numbers in every backend, those of
                ``np.random.default_rng(seed)``, at every call; in a graph they are a constant.
            generator: a ``torch.Generator``, ``tf.random.Generator``, ``keras.random.SeedGenerator`` or key of JAX,
                which also chooses the backend. A numpy ``Generator`` serves every backend, and with that seed
                gives the numbers of ``seed``; in a graph it is refused.
            scale: the standard deviation, a number. A tensor goes into :meth:`theta_from`.
            backend: in which to return them; by default the generator's, or else the one in force.
            device: where; by default where the framework puts new tensors, or a torch generator has its own.
            dtype: of the result.

        Returns:
            (n, d).

        Raises:
            OptionError: a seed, generator, scale or number that is none, or a seed and a generator.
            BackendMismatchError: a generator of another framework than the backend.
            DeviceError: the framework has no such device.
            UnsupportedError: the backend has no random numbers of its own, or they would become a constant of
                another framework's graph.
        """
        number = finite("scale", scale, "Pass a number; tensors go into theta_from(scale * noise, scale=1).")
        if seed is not None:  # a constant, also for a compiler that lets numbers change: this returns what it is given
            number = math.ldexp(*math.frexp(number))
        return draw(self, n, number, seed=seed, generator=generator, backend=backend, device=device, dtype=dtype)

    def theta_from(self, noise: Tensor, *, scale: float = 0.1, backend: str | None = None) -> Tensor:
        """The parameters of the identity plus ``scale`` times noise: :meth:`sample` of numbers that are given.

        Args:
            noise: (N, d).
            scale: a number.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, d), with the dtype and device of noise, differentiable.

        Raises:
            ShapeError, DtypeError, BackendMismatchError: as in :meth:`transform`.
            OptionError: a scale that is no finite number.
        """
        number = finite("scale", scale, "Pass a number; multiply noise by tensors before.")
        chosen, noise = checked_noise(noise, self.n_params, backend)
        return self.theta_of_noise(chosen, noise, number)

    def theta_of_noise(self, backend: Backend, noise: Tensor, scale: float) -> Tensor:
        """What :meth:`theta_from` computes, of arguments that are checked.

        Args:
            backend: the one of noise.
            noise: (N, d).
            scale: a number.

        Returns:
            (N, d).
        """
        return backend.constant(_identity_of(self), like=noise) + scale * noise

    # -- maps ------------------------------------------------------------------------------------

    def transform(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Apply T^theta to points.

        Args:
            points: (P, n), shared by all theta, or (N, P, n); (x,), (x, y) or (x, y, z). Images have x along
                their last axis of pixels, to the right, y along the one before it, down, and z along depth.
            theta: (N, d). Affine maps and homographies take their matrices as well.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, P, n), with the dtype and device of theta.

        Raises:
            MatrixError: a matrix is none of the family's.
            ShapeError, DtypeError, DeviceError: the arguments do not fit each other.
            BackendMismatchError: they belong to two frameworks.
        """
        return self._transform(points, theta, backend)

    def inverse(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Apply the inverse of T^theta.

        Arguments as in :meth:`transform`.

        Returns:
            (N, P, n), as :meth:`transform` does.

        Raises:
            UnsupportedError: the family has none: :class:`ThinPlateSpline`, and compositions with one.
            MatrixError: a matrix is singular, as those of :class:`Affine` and :class:`Homography` may be.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        if not self.has_inverse:
            raise UnsupportedError(
                "an inverse needs a family that has one",
                ", ".join(self._without_inverse()),
                "Maps may fold here; those of Cpab never do.",
            )
        return self._transform(points, theta, backend, time=-1.0)

    def _without_inverse(self) -> list[str]:
        """What keeps the family from having an inverse."""
        return [repr(self)]

    def _transform(self, points: Tensor, theta: Tensor, backend: str | None, *, time: float = 1.0) -> Tensor:
        chosen, points, theta = self._checked(points, theta, backend)
        moved = self.apply(chosen, points, theta, time=time)
        return moved if self.spreads_nan else with_nan(chosen, moved, points, theta)

    def vjp(self, points: Tensor, theta: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
        """Vector-Jacobian product of :meth:`transform`, in any backend.

        Where the framework differentiates, this goes through it, and can be differentiated again; else it
        is computed by hand.

        Args:
            points: as in :meth:`transform`.
            theta: as in :meth:`transform`.
            cotangent: (N, P, n), the gradient of a loss with respect to the result.

        Returns:
            The gradients of points and theta, in their shapes.
        """
        backend, checked, flat = self._checked(points, theta, None)
        theta, cotangent = as_floats(backend, theta=backend.asarray(theta, like=flat), cotangent=cotangent)
        expected = (*backend.shape(theta)[:1], *backend.shape(checked)[1:])
        if backend.shape(cotangent) != expected:
            raise ShapeError(
                f"cotangent must have the result's shape {expected}",
                f"{backend.shape(cotangent)}",
                "Pass one number per coordinate of the result.",
            )
        if "autograd" in backend.supports:
            grads = backend.vjp(
                lambda p, t: self.apply(backend, p, self._flat(backend, t)), (checked, theta), cotangent
            )
        else:
            arrays = [backend.to_numpy(x) for x in (checked, flat, cotangent)]
            everywhere = np.broadcast_to(arrays[0], arrays[2].shape)
            grad_points, grad_flat = self.pull_back(everywhere, arrays[1], arrays[2])
            grad_theta = self._pull_back_flat(backend.to_numpy(theta), grad_flat)
            if len(arrays[0]) == 1:
                grad_points = grad_points.sum(0, keepdims=True)
            grads = (backend.asarray(grad_points, like=theta), backend.asarray(grad_theta, like=theta))
        shape = backend.shape(backend.asarray(points, like=theta))
        return backend.reshape(grads[0], [-1 if size is None else size for size in shape]), grads[1]

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
        backend: str | None = None,
    ) -> Tensor:
        """Sample images at the transformed grid: result(x) = image(T^theta(x)).

        Args:
            images: (N, C, H, W) in torch, (N, H, W, C) in TensorFlow and numpy; for transformations in 1D
                signals (N, C, L), in 3D volumes (N, C, D, H, W), or with channels last. They cover the domain;
                x goes along the last of the axes of pixels, y along the one before it, z along depth.
                Integers and booleans are label maps, for ``mode="nearest"`` alone.
            theta: (N, d).
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
            backend: only to insist on one.

        Returns:
            Images of ``output_size``. Items whose theta is not finite are NaN. Label maps keep their element
            type, have no gradient, and ``fill`` where others are NaN.

        Raises:
            OptionError: unknown mode or padding mode, an impossible size, or a fill that is no value of the images,
                not one for each channel, or beside another padding than zeros; lengths that are impossible, or not
                in 1D.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, images=images, theta=theta)
        sampling = Sampling.checked(
            mode, padding_mode, align_corners, fill, ndim=self.ndim, of_series=lengths is not None
        )
        size = None if output_size is None else checked_size(output_size, self.ndim)
        return self.warp_with(chosen, images, theta, sampling, size, lengths=lengths)

    def warp_with(
        self,
        backend: Backend,
        images: Tensor,
        theta: Tensor,
        sampling: Sampling,
        output_size: tuple[int, ...] | None = None,
        *,
        lengths: Any = None,
    ) -> Tensor:
        """What :meth:`warp` computes, with options that are checked: what layers call.

        Args:
            backend: the one of images and theta.
            images: as in :meth:`warp`.
            theta: as in :meth:`warp`.
            sampling: the mode, padding mode, alignment and fill.
            output_size: as in :meth:`warp`, checked.
            lengths: as in :meth:`warp`.

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
                n, *axes = backend.shape(images)
                check_room(
                    (n, axes[-1 if backend.channels_last else 0], *size), np.dtype(backend.dtype(images)).itemsize
                )
        if labels:
            check_known(backend, images, self.ndim, "label maps")
        warp: Callable[..., Tensor] = self._warp
        if lengths is not None:
            only_series(self.ndim)
            check_known(backend, images, self.ndim, "lengths")
            own = checked_lengths(backend, lengths, images, theta)
            warp = functools.partial(warp_series, self, lengths=own, resampled=output_size is not None)
        grid = pixel_grid(size, sampling.align_corners, self.domain)
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
            align_corners: where pixels are, as in :meth:`warp`. One pixel along an axis has no width if corners are
                aligned, and its coordinate in voxels is 0.
            backend: only to insist on one.

        Returns:
            ``(N, *size, n)``, with coordinates in the order (x, y, z), x along the last axis of pixels; of the type and
            on the device of theta, and differentiable by it. NaN for items whose theta is not finite.

        Raises:
            OptionError: unknown units, or an impossible size.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, theta=theta)
        units, size = checked_units(units), checked_size(size, self.ndim, "size")
        (theta,) = as_floats(chosen, theta=theta)
        grid = pixel_grid(size, flag("align_corners", align_corners), self.domain)
        moved = self._moved(chosen, self.flat_theta(chosen, theta), grid)
        return grid.in_units(chosen, moved, units, displacement=flag("displacement", displacement))

    # -- arguments -------------------------------------------------------------------------------

    def _checked(self, points: Tensor, theta: Tensor, name: str | None) -> tuple[Backend, Tensor, Tensor]:
        backend = registry.backend_for(name, points=points, theta=theta)
        theta, points = as_floats(backend, theta=theta, points=points)
        theta = self.flat_theta(backend, theta)
        shape, n = backend.shape(points), backend.shape(theta)[0]
        if len(shape) not in (2, 3) or shape[-1] != self.ndim:
            raise ShapeError(
                f"points must be (P, {self.ndim}) or (N, P, {self.ndim})",
                f"shape {shape}",
                f"The last axis has the {self.ndim} coordinates.",
            )
        if len(shape) == 2:
            points = backend.reshape(points, (1, -1 if shape[0] is None else shape[0], self.ndim))
        elif shape[0] not in (None, 1, n) and n is not None:
            raise ShapeError(
                "points (N, P, n) and theta (N, d) must have one N",
                f"{shape[0]} and {n}",
                "Repeat one of them, or pass points (P, n) that all theta share.",
            )
        return backend, points, theta

    def flat_theta(self, backend: Backend, theta: Tensor) -> Tensor:
        """Theta as (N, d), also where a family takes matrices.

        Args:
            backend: the one of theta.
            theta: a tensor of floats.

        Returns:
            (N, d).

        Raises:
            ShapeError: it is neither (N, d) nor a form that the family takes.
            MatrixError: it holds a matrix that is none of the family's.
        """
        flat = self._flat(backend, theta) if self._forms else theta
        shape = backend.shape(flat)
        if len(shape) != 2 or shape[1] != self.n_params:
            forms = " or ".join(f"(N, {', '.join(map(str, form))})" for form in ((self.n_params,), *self._forms))
            raise ShapeError(f"theta must be {forms} for {self!r}", f"shape {shape}", self._theta_hint(shape))
        return flat

    #: Shapes of theta for one map, besides (d,), that ``_flat`` takes.
    _forms: tuple[tuple[int, ...], ...] = ()

    def _flat(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, d) of any of the forms; what has none of them stays as it is."""
        return theta

    def _pull_back_flat(self, theta: Array, grad: Array) -> Array:
        """The gradient of theta in its own form, from that of ``_flat``'s result (N, d), in numpy."""
        return grad

    def _theta_hint(self, shape: tuple[int | None, ...]) -> str:
        from cpabx.transforms.hints import shape_hint

        return shape_hint(self, shape, self._forms)

    # -- identity of the object ------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Transformation) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"{type(self).__name__}({arguments})"


@kept_by_owner
def _identity_of(family: Transformation) -> Array:
    return frozen(family.identity_theta())


@constant_while_tracing
def _repeated_identity(family: Transformation, n: int, backend: str, device: Any, dtype: str) -> Tensor:
    chosen = registry.get_backend(backend)
    return chosen.to_device(chosen.asarray(np.tile(family.identity_theta(), (n, 1)), dtype=dtype), device)
