"""The peers' formula in a kernel of its own: see peers.cu, which is compiled for what it is to run on."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import cpabx

SOURCE = Path(__file__).with_name("peers.cu")
#: Of the peers.
STEPS = 50


class NotCompiledError(Exception):
    """Why there is nothing to compare with."""


def compiled(folder: Path, place: torch.device) -> Any:
    """The library, for a device or for the CPU.

    Raises:
        NotCompiledError: there is no compiler, or it failed.
    """
    target = folder / f"libpeers_{place.type}.so"
    if place.type == "cuda":
        major, minor = torch.cuda.get_device_capability(place)
        flags = ["-O3", f"-arch=sm_{major}{minor}", "-Xcompiler", "-fPIC"]
        compiler = shutil.which(os.environ.get("CUDACXX") or "nvcc")
    else:
        flags, compiler = ["-x", "c++", "-O2", "-fPIC"], shutil.which(os.environ.get("CXX") or "c++")
    if compiler is None:
        raise NotCompiledError("no compiler of peers.cu: CUDACXX names nvcc where it is not in PATH")
    command = [compiler, *flags, "-shared", "-o", str(target), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotCompiledError(f"peers.cu does not compile: {done.stderr.strip().splitlines()[-1:]}")
    return ctypes.CDLL(str(target))


class Problem(ctypes.Structure):
    """That of peers.cu."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("points", "maps", "basis", "cell", "out")),
        *((name, ctypes.c_int64) for name in ("n_batch", "n_points", "n_cells", "n_params")),
        *((name, ctypes.c_int32) for name in ("nx", "ny", "n_steps")),
    ]


class Steps:
    """A family in two dimensions as the peers compute it, on the domain [-1, 1]^2.

    Args:
        library: of :func:`compiled`, for `place`.
    """

    def __init__(self, library: Any, family: cpabx.Cpab, place: torch.device) -> None:
        self._library, self._place = library, place
        tess = family.tessellation
        self._cells = tess.cells
        corners = tess.vertices[tess.cell_vertices]  # C, 3, 2
        self._n_cells = len(corners)
        homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], -1)
        self._inverse = self._put(np.linalg.inv(homogeneous), torch.float64)
        self._corners = self._put(tess.cell_vertices, torch.int64)
        self._order = self._put(_numbers(corners, tess.cells), torch.int32)
        unit = np.eye(family.n_params)
        self._basis = self._affine(self._put(family.velocity(unit), torch.float64)).float().contiguous()

    def _put(self, values: Any, dtype: torch.dtype) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=dtype, device=self._place)

    def _affine(self, velocity: Tensor) -> Tensor:
        """(N, C, 2, 3) maps from (x, y, 1) to velocities, of fields with vertex velocities (N, V, 2)."""
        return torch.matmul(self._inverse, velocity.double()[:, self._corners]).transpose(-1, -2)

    def velocities(self, velocity: Tensor) -> Tensor:
        """(N, C, 2, 3) maps from places to velocities, for fields with vertex velocities (N, V, 2)."""
        return self._affine(velocity).float().contiguous()

    def steps(self, velocity: Tensor) -> Tensor:
        """(N, C, 2, 3) maps of one step."""
        maps = torch.nn.functional.pad(self._affine(velocity), (0, 0, 0, 1)) / STEPS
        moves: Tensor = torch.linalg.matrix_exp(maps)
        return moves[:, :, :2].float().contiguous()

    def transform(self, points: Tensor, steps: Tensor) -> Tensor:
        """(N, P, 2), for points (P, 2)."""
        out = points.new_empty(len(steps), *points.shape)
        self._call(self._library.peers_move, points, steps, out)
        return out

    def transform_vjp(self, points: Tensor, maps: Tensor, grad_out: Tensor) -> Tensor:
        """(N, d), the gradient of theta."""
        out = points.new_empty(len(self._basis), len(maps), *points.shape)
        self._call(self._library.peers_differentiate, points, maps, out)
        return torch.einsum("knpc,npc->nk", out, grad_out)

    def _call(self, function: Any, points: Tensor, maps: Tensor, out: Tensor) -> None:
        stream = torch.cuda.current_stream(self._place).cuda_stream if self._place.type == "cuda" else 0
        problem = Problem(
            *(tensor.data_ptr() for tensor in (points, maps, self._basis, self._order, out)),
            len(maps), len(points), self._n_cells, len(self._basis), *self._cells, STEPS,
        )  # fmt: skip
        if status := function(ctypes.byref(problem), ctypes.c_void_p(stream)):
            raise RuntimeError(f"a launch of peers.cu failed with CUDA's error {status}")


def _numbers(corners: NDArray[np.float64], cells: tuple[int, ...]) -> NDArray[np.int64]:
    """(ny, nx, 4) numbers of triangles, by the side of both diagonals on which their middle lies."""
    nx, ny = cells
    numbers = np.full((ny, nx, 4), -1)
    for number, middle in enumerate(corners.mean(1)):
        x, y = (middle + 1) / 2 * [nx, ny]
        ix, iy = int(x), int(y)
        rising, falling = int(y - iy >= x - ix), int(y - iy >= 1 - (x - ix))
        numbers[iy, ix, rising + 2 * falling] = number
    return numbers
