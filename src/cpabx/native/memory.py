"""How libcpab reads and writes the arrays of a framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from cpabx.native.device import Device

Array = Any


class Memory(Protocol):
    """What libcpab must know of arrays. A framework whose tensors have addresses gives one of these.

    Attributes:
        channels_last: images are (N, (z, (y,)) x, C), or else (N, C, (z, (y,)) x).
    """

    channels_last: bool

    @property
    def device(self) -> Callable[[Array], Device] | None:
        """None, or missing, where arrays are in the memory of the CPU. Else it takes the first array of a call, and
        gives the device that the call is for.
        """

    def contiguous(self, array: Array) -> Array:
        """The array, or a copy of it, dense and row-major."""

    def address(self, array: Array) -> int:
        """Where a contiguous array lies."""

    def itemsize(self, array: Array) -> int:
        """Bytes of a number: 4 for float32, 8 for float64."""

    def empty_like(self, array: Array, shape: Sequence[int]) -> Array:
        """A new contiguous array of a shape, with the type of another."""

    def added_up(self, gradients: Array) -> Array:
        """Gradients (N, P, n) of points that a batch shares: (1, P, n); or as they are, for a caller that adds."""

    def n_threads(self) -> int:
        """At most so many threads of the CPU may work; 0: ``CPABX_NUM_THREADS``, or all processors of this process."""


class HostArrays:
    """Arrays of numpy, with channels last."""

    channels_last = True
    device = None

    contiguous = staticmethod(np.ascontiguousarray)
    itemsize: Any = staticmethod(attrgetter("itemsize"))

    @staticmethod
    def address(array: np.ndarray[Any, Any]) -> int:
        address: int = array.__array_interface__["data"][0]
        return address

    @staticmethod
    def empty_like(array: np.ndarray[Any, Any], shape: Sequence[int]) -> np.ndarray[Any, Any]:
        return np.empty(shape, array.dtype)

    @staticmethod
    def added_up(gradients: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(gradients.sum(0, keepdims=True))

    @staticmethod
    def n_threads() -> int:
        return 0


HOST = HostArrays()
