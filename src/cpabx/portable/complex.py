"""The tessellation as the portable walk reads it: simplices that cover all of R^n, and what is behind each face.

Everything is in units of cells: the domain is [0, cells[0]] x [0, cells[1]] x ... Behind each part of the border lies a
ghost, a simplex with *ideal* nodes: the outward normals of the sides that it is beyond, directions of weight 0. A point
is u = sum_k l_k node_k with sum_k l_k weight_k = 1, in ghosts as in simplices of the domain.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from cpabx.tessellation import Tessellation
from cpabx.tracing import kept

Array = np.ndarray[Any, Any]


class Complex(NamedTuple):
    """Simplices, those of the domain first; every array in float64 or int64."""

    #: (C, n + 1) the nodes of each: vertices, then ideal ones.
    nodes: Array
    #: (C, n + 1, n + 1): l = coordinates @ [u; 1].
    coordinates: Array
    #: (C, n + 1) the simplex behind the face opposite to each node; itself where nothing gets to.
    neighbours: Array
    #: (2 n, V): velocities of ideal nodes from those of vertices, all 0 for ``outside="nearest"``.
    ideal: Array
    #: For a box, of those of the domain and a layer around them, and each of its simplices: where a point starts.
    start: Array

    @property
    def ndim(self) -> int:
        return int(self.nodes.shape[1]) - 1


@kept(16)
def complex_of(tessellation: Tessellation) -> Complex:
    """The complex of a tessellation."""
    n, cells = tessellation.ndim, np.array(tessellation.cells)
    vertices = (tessellation.vertices - tessellation.lower) / (tessellation.upper - tessellation.lower) * cells
    vertices = np.round(2 * vertices) / 2
    inner = np.array(tessellation.cell_vertices)
    ghosts, homes, sides = _ghosts(inner, vertices, cells)
    nodes = np.concatenate([inner, ghosts])
    positions = np.concatenate([vertices, _normals(n)])
    weights = np.concatenate([np.ones(len(vertices)), np.zeros(2 * n)])
    homogeneous = np.concatenate([positions, weights[:, None]], 1)[nodes]
    coordinates = np.swapaxes(np.linalg.inv(homogeneous), 1, 2)
    neighbours = _neighbours(nodes)
    ideal = np.zeros((2 * n, len(vertices)))
    if tessellation.outside == "linear":
        _add_side_derivatives(ideal, inner, coordinates, neighbours, nodes)
    start = _start(cells, len(inner), homes, sides)
    for array in (nodes, coordinates, neighbours, ideal, start):
        array.flags.writeable = False
    return Complex(nodes, coordinates, neighbours, ideal, start)


def _normals(n: int) -> Array:
    """(2 n, n): of the low and the high side of each axis."""
    return np.concatenate([[-row, row] for row in np.eye(n)])


def _ghosts(inner: Array, vertices: Array, cells: Array) -> tuple[Array, Array, Array]:
    """Nodes of ghosts, a simplex of the domain that each lies behind, and the sides (-1, 0, 1) that it is beyond."""
    n = len(cells)
    found, homes, sides = [np.zeros((0, n + 1), np.int64)], [], []
    for side in itertools.product((0, -1, 1), repeat=n):
        axes = [axis for axis in range(n) if side[axis]]
        if not axes:
            continue
        wall = np.where(np.array(side) > 0, cells, 0)
        on_walls = (vertices[:, axes] == wall[axes]).all(1)[inner]
        home = np.flatnonzero(on_walls.sum(1) == n + 1 - len(axes))
        faces = np.sort(inner[home][on_walls[home]].reshape(len(home), -1), 1)
        faces, first = np.unique(faces, axis=0, return_index=True)
        normals = [len(vertices) + 2 * axis + (side[axis] > 0) for axis in axes]
        found.append(np.concatenate([faces, np.tile(normals, (len(faces), 1))], 1))
        homes.append(home[first])
        sides.append(np.tile(side, (len(faces), 1)))
    return np.concatenate(found), np.concatenate(homes), np.concatenate(sides)


def _neighbours(nodes: Array) -> Array:
    """(C, n + 1): two simplices with the same face are neighbours."""
    n_cells, slots = nodes.shape
    faces = np.concatenate([np.sort(np.delete(nodes, k, 1), 1) for k in range(slots)])  # by slot, then by cell
    cell = np.tile(np.arange(n_cells), slots)
    order = np.lexsort(faces.T)
    same = (faces[order[1:]] == faces[order[:-1]]).all(1)
    neighbour = cell.copy()
    a, b = order[:-1][same], order[1:][same]
    neighbour[a], neighbour[b] = cell[b], cell[a]
    return neighbour.reshape(slots, n_cells).T


def _add_side_derivatives(ideal: Array, inner: Array, coordinates: Array, neighbours: Array, nodes: Array) -> None:
    """A side's outward derivative, the mean of those of the simplices that have a face there."""
    n, n_vertices = nodes.shape[1] - 1, ideal.shape[1]
    for which, normal in enumerate(_normals(n)):
        ghost, slot = np.nonzero((nodes == n_vertices + which) & ((nodes >= n_vertices).sum(1, keepdims=True) == 1))
        behind = neighbours[ghost, slot]
        along = coordinates[behind, :, :n] @ normal / len(behind)
        np.add.at(ideal[which], inner[behind], along)


def _start(cells: Array, n_inner: int, homes: Array, sides: Array) -> Array:
    """(boxes and a layer around them, x fastest, simplices of a box)."""
    per_box = n_inner // int(np.prod(cells))
    start = np.full((int(np.prod(cells + 2)), per_box), -1)
    box = np.stack(np.unravel_index(np.arange(n_inner) // per_box, tuple(cells), order="F"), 1)
    part = np.arange(n_inner) % per_box

    def extended(box: Array) -> Array:
        return np.asarray(np.ravel_multi_index(tuple((box + 1).T), tuple(cells + 2), order="F"))

    start[extended(box), part] = np.arange(n_inner)
    ghosts, beyond = n_inner + np.arange(len(homes)), extended(box[homes] + sides)
    start[beyond] = ghosts[:, None]  # for parts that touch the side in less than a face
    start[beyond, part[homes]] = ghosts
    return start.reshape(-1)
