"""Contestants for the transformation of points by CPAB fields: cpabx, libcpab and difw.

All take points (P, n) and theta (N, d) of torch, and return (N, P, n).
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import cpp_extension

import cpabx
from benchmarks.machine import version

#: Of both peers.
DOMAIN = (0.0, 1.0)


class PeerError(Exception):
    """A peer cannot be measured; says why."""


class Contestant(Protocol):
    name: str

    def transform(self, points: Tensor, theta: Tensor) -> Tensor: ...


class Peer(Contestant, Protocol):
    """One whose fields we can take."""

    @property
    def basis(self) -> NDArray[np.float64]: ...


class Ours:
    name = "cpabx"

    def __init__(self, family: cpabx.Cpab) -> None:
        self.family = family

    def transform(self, points: Tensor, theta: Tensor) -> Tensor:
        return self.family.transform(points, theta)  # type: ignore[no-any-return]


class Libcpab:
    """PyPI's, in pure torch: its wheel lacks the sources that it would compile."""

    def __init__(self, cells: tuple[int, ...]) -> None:
        self.name = f"libcpab {required('libcpab')}"
        self.family = importlib.import_module("libcpab").Cpab(list(cells), zero_boundary=False)

    @property
    def basis(self) -> NDArray[np.float64]:
        return np.asarray(self.family.get_basis(), dtype=np.float64)

    def transform(self, points: Tensor, theta: Tensor) -> Tensor:
        return self.family.transform_grid(points.T.contiguous(), theta).transpose(1, 2)  # type: ignore[no-any-return]


class Difw:
    """1D, closed form, compiled with -O3."""

    def __init__(self, cells: tuple[int, ...]) -> None:
        self.name = f"difw {required('difw')} (-O3)"
        with compiled_with("-O3") as said:
            transformer = importlib.import_module("difw.backend.pytorch.transformer")
        if not transformer._cpu_success:
            raise PeerError(f"difw could not compile its extension: {said.getvalue()}")
        difw = importlib.import_module("difw")
        # Orthonormal, as libcpab's and ours. Fields drawn in the others throw a few points far out of the domain,
        # and these then make up most of the mean displacement.
        self.family = difw.Cpab(cells[0], backend="pytorch", zero_boundary=False, basis="svd")

    @property
    def basis(self) -> NDArray[np.float64]:
        return np.asarray(self.family.params.B, dtype=np.float64)

    def transform(self, points: Tensor, theta: Tensor) -> Tensor:
        return self.family.transform_grid(points[:, 0], theta)[..., None]  # type: ignore[no-any-return]


def required(distribution: str) -> str:
    """The version of what must be installed."""
    found = version(distribution)
    if found is None:
        raise PeerError(f"{distribution} is not installed")
    return found


@contextlib.contextmanager
def compiled_with(*flags: str) -> Iterator[io.StringIO]:
    """Extensions that a module compiles when it is imported get these flags instead of its own.

    difw asks for -Ofast, with which gcc 12 makes warps that are not even monotone. What the module prints is kept.
    """
    load = cpp_extension.load

    def load_with_flags(name: str, *arguments: Any, **options: Any) -> Any:
        if options.pop("with_cuda", False):
            raise PeerError("only the CPU is measured")
        # Another name: the module's own build of it stays what it is.
        return load(f"{name}_benchmarks", *arguments, **options | {"extra_cflags": list(flags), "verbose": False})

    cpp_extension.load = load_with_flags
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            yield said
    finally:
        cpp_extension.load = load
