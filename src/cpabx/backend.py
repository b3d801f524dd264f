"""What a backend provides: a handful of array operations, the native call, and the layers.

The mathematics in :mod:`cpabx.transforms` is written once against this class. Besides the methods
below, tensors must support ``+ - * /``, unary minus, comparison and basic slicing.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cpabx.errors import DeviceError, UnsupportedError, shown
from cpabx.sampling.labels import take_pixels

if TYPE_CHECKING:
    from cpabx.portable.operations import Operations
    from cpabx.portable.strides import Strides
    from cpabx.sampling.options import Sampling
    from cpabx.tessellation import Tessellation

Tensor = Any

#: Abilities that a backend may declare in ``supports``; tests skip by these, never by name.
ABILITIES = frozenset({"autograd", "layers", "graph", "cuda", "double_backward", "random_state"})

#: Element types that transformations are computed in.
DTYPES = ("float32", "float64")


class Backend(abc.ABC):
    """Adapter from cpabx to one array framework.

    Class attributes:
        name: the entry point's name.
        api_version: the ``cpabx.hookspecs.API_VERSION`` that it was written for, as a literal.
        supports: a subset of :data:`ABILITIES`. ``autograd``: ``vjp`` goes through the framework's
            own differentiation, and ``transform`` and ``warp`` take part in it. ``layers``: those of
            :data:`cpabx.layers.LAYER_NAMES`, SpatialTransformer and STParallel exist. ``graph``: works when traced,
            with unknown batch size. ``cuda``: takes tensors on NVIDIA devices. ``double_backward``: second derivatives
            of ``cpab`` and ``cpab_warp``, and first ones of ``cpab_jvp`` and ``cpab_jacobian``. ``random_state``:
            ``normal`` draws without a generator, and follows the framework's global seed.
        channels_last: images are (N, H, W, C) rather than (N, C, H, W), and in 1D and 3D likewise.
    """

    name: ClassVar[str]
    api_version: ClassVar[int]
    supports: ClassVar[frozenset[str]]
    channels_last: ClassVar[bool]

    @property
    @abc.abstractmethod
    def framework_version(self) -> str:
        """Version of the framework, e.g. ``"torch 2.13.0"``."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for ``python -m cpabx info``: what a bug report about this backend must say besides."""
        return ()

    # -- tensors ---------------------------------------------------------------------------------

    @abc.abstractmethod
    def asarray(self, values: Any, *, dtype: str | None = None, like: Tensor | None = None) -> Tensor:
        """A tensor of the values, with the dtype (name) given, or dtype and device of ``like``.

        The values of a tensor that needs no conversion stay attached to its history.
        """

    def constant(self, values: np.ndarray[Any, Any], *, like: Tensor) -> Tensor:
        """A tensor of a read-only array, which a backend may keep for the next call."""
        return self.asarray(values, like=like)

    def clear_caches(self) -> None:  # noqa: B027 -- most keep nothing
        """Forgets what :meth:`constant` keeps."""

    def set_fallback(self, fallback: str | None) -> None:
        """Where calls go whose tensors are on a device that no libcpab works on: an error (None), or ``"cpu"``.

        Through the CPU, results have the same bits as there, and derivatives.
        """
        if fallback is not None:
            raise UnsupportedError(
                "fallback='cpu' needs a backend that has it", f"backend {self.name!r}", "Leave out fallback=."
            )

    def check_device_errors(self) -> None:  # noqa: B027 -- most wait for every call
        """Raises RangeError or DivergenceError for a call that has failed on a device since it was made.

        Only what is known by now, without waiting. A backend whose calls raise their own errors has nothing to say.
        """

    @abc.abstractmethod
    def to_numpy(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        """The values, on the host, without history: an array to read, which may share the tensor's memory."""

    def run_time_size(self, images: Tensor, axis: int) -> Tensor | None:
        """How many pixels there are along an axis, as a whole number that a graph computes; None if it is fixed.

        Required where :meth:`shape` has None for it, as well as :meth:`count_up`.
        """
        return None

    def count_up(self, n: Tensor) -> Tensor:
        """(n,) the float64 numbers 0, 1, 2, ... for an n from :meth:`run_time_size`, or a fixed one."""
        raise _missing(self, "images of unknown size")

    def known_values(self, tensor: Tensor) -> np.ndarray[Any, Any] | None:
        """The values as :meth:`to_numpy` has them, to say what is wrong with them; None if they are not known.

        They are not while a function is traced, and need not be where a look at them would wait for a device.
        What cannot be refused then becomes NaN.
        """
        return None

    @abc.abstractmethod
    def dtype(self, tensor: Tensor) -> str:
        """Name of the element type, e.g. ``"float32"``."""

    @abc.abstractmethod
    def device(self, tensor: Tensor) -> str | None:
        """Name of the device that holds the tensor, ``"cpu"`` for host memory; None if not known while tracing."""

    @abc.abstractmethod
    def shape(self, tensor: Tensor) -> tuple[int | None, ...]:
        """The shape; None for a size that is not known while tracing."""

    def are_ready(self, *values: Any) -> bool:
        """Whether values are tensors that :meth:`asarray` returns as they are, of one of :data:`DTYPES` and one device.

        A quick answer for what most calls are given. Where it is False, as by default, arguments are looked at one by
        one: so it may be False at any time, to be on the safe side.
        """
        return False

    def to_device(self, tensor: Tensor, device: Any) -> Tensor:
        """The tensor on a device, in whatever way the framework names it; None leaves it where it is.

        Raises:
            DeviceError: there is no such device.
        """
        if device is not None and shown(device).lower().strip("'") != "cpu":
            raise DeviceError(f"backend {self.name!r} has one device, the CPU", shown(device), "Leave out device=.")
        return tensor

    def tracing(self) -> bool:
        """Whether the framework makes a graph of this call, in which values of the host become constants."""
        return False

    # -- random numbers --------------------------------------------------------------------------

    def generator(self, seed: int) -> Any:
        """A random generator (or key) of the framework; numpy's if it has none, which all backends take."""
        return np.random.default_rng(seed)

    def normal(self, shape: Sequence[Any], *, generator: Any, device: Any, dtype: str) -> Tensor:
        """Standard normal numbers, drawn anew in each run of a graph.

        Args:
            shape: two sizes; the first is a whole number, or a scalar of the framework, whose value may not be
                known while tracing.
            generator: one of the framework's (numpy's do not come here); None is its global state, which its global
                seed sets. A framework that has none raises OptionError.
            device: as in :meth:`to_device`.
            dtype: name of the element type.

        Raises:
            OptionError: another object of the framework, or a size that is none.
        """
        raise _missing(self, "random numbers without seed=")

    # -- operations ------------------------------------------------------------------------------

    @abc.abstractmethod
    def reshape(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """``shape`` may have one -1."""

    @abc.abstractmethod
    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor: ...

    @abc.abstractmethod
    def take(self, tensor: Tensor, index: np.ndarray[Any, Any], axis: int) -> Tensor:
        """Elements of an axis by a 1D integer index known in advance."""

    def expand(self, tensor: Tensor, *, like: Tensor) -> Tensor:
        """(N, ...): a tensor (1, ...) once for each of the N items of another, if possible without a copy.

        A backend that traces without knowing N needs its own.
        """
        n = self.shape(like)[0]
        if n is None:
            raise _missing(self, "batches of unknown size beside one item")
        return self.take(tensor, np.zeros(n, np.int64), axis=0)

    @abc.abstractmethod
    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """Matrix product over the last two axes, broadcast over the others."""

    @abc.abstractmethod
    def matrix_transpose(self, a: Tensor) -> Tensor:
        """Swaps the last two axes."""

    @abc.abstractmethod
    def sum(self, tensor: Tensor, axis: int) -> Tensor: ...

    def max(self, tensor: Tensor, axis: int) -> Tensor:
        """The largest number along one axis, which is dropped. A backend that traces needs its own."""
        return self.asarray(self.to_numpy(tensor).max(axis), like=tensor)

    @abc.abstractmethod
    def log(self, tensor: Tensor) -> Tensor: ...

    @abc.abstractmethod
    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor: ...

    @abc.abstractmethod
    def expm(self, matrices: Tensor) -> Tensor:
        """Matrix exponential over the last two axes, differentiable everywhere."""

    # -- what the library is for -----------------------------------------------------------------

    @abc.abstractmethod
    def cpab(self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> Tensor:
        """Integrate: points (1 or N, P, n) along fields with vertex velocities (N, V, n).

        Differentiable with respect to both, where the backend supports ``autograd``. Use
        :func:`cpabx.native.arrays.transform` and :func:`cpabx.native.arrays.transform_vjp`.
        """

    def cpab_velocity(self, points: Tensor, velocity: Tensor, tessellation: Tessellation) -> Tensor:
        """(N, P, n) velocities at points (1 or N, P, n) of fields with vertex velocities (N, V, n).

        Differentiable once with respect to both, where the backend supports ``autograd``. This and the next
        two: see :mod:`cpabx.native.arrays`. A derivative that cannot be computed must be an error.
        """
        raise _missing(self, "CPAB velocities at points")

    def cpab_jvp(
        self,
        points: Tensor,
        velocity: Tensor,
        tangent_points: Tensor | None,
        tangent_velocity: Tensor | None,
        tessellation: Tessellation,
        time: float,
    ) -> Tensor:
        """(N, P, n) derivative of :meth:`cpab` along tangents in the shapes of points and velocity.

        None stands for zeros; one of the two is there. Differentiable once with respect to all four, where
        the backend supports ``double_backward``.
        """
        raise _missing(self, "Jacobian-vector products of CPAB transformations")

    def cpab_jacobian(
        self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float
    ) -> tuple[Tensor, Tensor]:
        """(N, P, n, n) derivatives of each result of :meth:`cpab` by its point, and (N, P) log |det|.

        Differentiable once with respect to both, where the backend supports ``double_backward``.
        """
        raise _missing(self, "Jacobians of CPAB transformations")

    @abc.abstractmethod
    def sample(self, images: Tensor, grid: Tensor, sampling: Sampling) -> Tensor:
        """Images at grid (N, H, W, 2), in general (N, ..., n), of (x, y, z) in [-1, 1]^n over the image.

        The mode is ``"linear"``, interpolation in every direction, ``"nearest"``, or ``"cubic"``, convolution by
        Keys' kernel with a = -3/4 in every direction. The padding mode is ``"zeros"``, ``"border"``,
        ``"reflection"`` or ``"wrap"``: pixel i is pixel i modulo their number. All options but cubic in 1D and 3D,
        and wrap, mean what they mean in ``torch.nn.functional.grid_sample``, also at and beyond the border, and so
        do derivatives. The fill is not of interest here. A place that is not finite is NaN. Images are in the
        backend's layout, with n axes of pixels. A mode or padding that a backend does not have must be an error.
        """

    def sample_series(self, series: Tensor, places: Tensor, lengths: Tensor, sampling: Sampling) -> Tensor:
        """Series at places (N, P, 1) of [-1, 1], which the first ``lengths`` (N,) samples of each series cover.

        As :meth:`sample`, of the i-th series up to its length alone, whatever is beyond. Lengths are whole numbers
        as floats, or NaN. This samples one after the other, so a backend that traces needs its own.
        """
        samples = []
        for i, length in enumerate(self.to_numpy(lengths)):
            n = int(length)
            one = series[i : i + 1, :n] if self.channels_last else series[i : i + 1, :, :n]
            samples.append(self.sample(one, places[i : i + 1], sampling))
        return self.concat(samples, axis=0) if samples else self.sample(series, places, sampling)

    def take_pixels(self, images: Tensor, places: Tensor, fill: Tensor) -> Tensor:
        """Pixels of images as they are, of integers or booleans, which have no derivative.

        Args:
            images: in the backend's layout.
            places: floats in this layout, with n channels: the numbers of a pixel along x, (y, (z)), counted
                from 1. What is 0 or NaN is nowhere.
            fill: (1,) or (C,) of the images' element type for what is nowhere.

        This goes through numpy, so a backend that traces needs its own.
        """
        arrays = (self.to_numpy(tensor) for tensor in (images, places, fill))
        taken = take_pixels(*arrays, channels_last=self.channels_last)
        return self.asarray(taken, like=images)

    def cpab_warp(
        self,
        images: Tensor,
        velocity: Tensor,
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> Tensor | None:
        """Images that cover the domain, sampled where :meth:`cpab` takes the pixels of an output of that size.

        For backends that have both in one pass, see :func:`cpabx.native.arrays.warp`. None where a backend has not,
        as by default: then images are warped by :meth:`cpab` and :meth:`sample`, one after the other. ``output_size``
        is in the order of an array's axes.
        """
        return None

    def cpab_warp_by_theta(
        self,
        images: Tensor,
        theta: Tensor,
        rows: np.ndarray[Any, Any],
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> Tensor | None:
        """:meth:`cpab_warp` by the velocities theta @ rows, for theta (N, d) and read-only rows (d, V * n).

        For backends in which one operation from theta to images costs less than several: of small images, most of what
        a call costs. None where a backend has not, or not for these tensors, as by default: then velocities are
        multiplied out, and :meth:`cpab_warp` is asked.
        """
        return None

    def portable_operations(self) -> Operations:
        """What the portable walk is made of, see :mod:`cpabx.portable`; with it, :meth:`sample` and :meth:`expm` are
        made of plain operations wherever :func:`cpabx.portable.context.is_portable`.
        """
        raise _missing(self, "CPAB transformations in plain operations")

    def cpab_portable(
        self, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float, strides: Strides
    ) -> Tensor:
        """:meth:`cpab` by the portable walk, one stride after another. A framework with loops may make one of them."""
        from cpabx.portable.walk import transform

        return transform(self.portable_operations(), points, velocity, tessellation, time, strides)

    def exports(self) -> ModuleType:
        """The module with the functions that :mod:`cpabx.export` calls, as far as the framework has such files."""
        raise _missing(self, "files for other programs")

    def vjp(self, function: Any, arguments: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
        """Vector-Jacobian product of ``function(*arguments)`` by automatic differentiation.

        Required with the ability ``autograd``. With ``double_backward``, the result is differentiable
        itself, with respect to arguments and cotangent.
        """
        raise _missing(self, "gradients by automatic differentiation")

    def layers(self) -> ModuleType:
        """The module with the classes of :mod:`cpabx.layers`, all in its ``__all__``.

        Required with the ability ``layers``.
        """
        raise _missing(self, "layers")

    def augmentations(self) -> ModuleType | None:
        """The module with the class RandomCPAB that :func:`cpabx.augment.RandomCPAB` makes; None if there is none."""
        return None

    def distributions(self) -> ModuleType:
        """The module with the classes of :mod:`cpabx.distributions`, as far as the framework has a place for them."""
        raise _missing(self, "distributions")

    def alignment(self) -> ModuleType:
        """The module with ``fitted``, which fits models of series for :class:`cpabx.align.TimeSeriesAligner`."""
        raise _missing(self, "fits of series")


def numpy_normal(shape: Sequence[int], dtype: str) -> np.ndarray[Any, Any]:
    """Standard normal numbers from the state that ``np.random.seed`` sets, for :meth:`Backend.normal` of frameworks
    that have none: an array of the host, so not while tracing.
    """
    numbers = np.random.standard_normal(tuple(shape))  # noqa: NPY002 - a Generator follows no global seed
    return np.asarray(numbers, dtype)


def _missing(backend: Backend, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} need a backend that has them",
        f"backend {backend.name!r}",
        "Pass tensors of another backend, such as torch, or its name; or upgrade this one's package.",
    )
