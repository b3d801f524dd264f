"""The exact walk in standard array operations, with a number of strides that is fixed in advance.

Within a simplex, x' = A x + b, and a trajectory moves by d(t) = sum_k A^k v t^(k + 1) / (k + 1)!, v = A x + b. By
Cayley and Hamilton's theorem that is a_0(t) v + a_1(t) A v + ... with n numbers a_j, so a barycentric coordinate is
l_k(t) = l_k(0) + sum_j a_j(t) (gradient_k . A^j v), and its derivatives are as cheap: a' = e_0 + C a, C being the
companion matrix of A.

A stride looks where a whole step would end. Where a coordinate is negative there, or may have been on the way, it goes
to that place instead, by a parabola and a refinement of its root, and into the simplex behind the face. Where that
turns out to be behind another face, it stays and tries a shorter step in the next stride. So each stride is exact or
none, and a trajectory whose time is not over after the last one becomes NaN.

Times of strides are constants to automatic differentiation: since the field is continuous, they contribute nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cpabx.portable.complex import Complex, complex_of
from cpabx.portable.location import locate
from cpabx.portable.operations import Operations, Tensor
from cpabx.portable.strides import Strides
from cpabx.tessellation import Tessellation

Vector = list[Tensor]


class State(NamedTuple):
    """Where trajectories are: how far they have moved, in cells, the simplex, the time that is left, and the longest
    next step. Moves are smaller than positions, so their sum is the more exact of the two.
    """

    moved: Vector
    cell: Tensor
    left: Tensor
    most: Tensor


def transform(
    ops: Operations,
    points: Tensor,
    velocity: Tensor,
    tessellation: Tessellation,
    time: float,
    strides: Strides,
) -> Tensor:
    """Points (1 or N, P, n) along the flows of vertex velocities (N, V, n): (N, P, n).

    Args:
        ops: those of the framework whose tensors these are.
        points: (x, y, z) in units of the domain.
        velocity: at the vertices, likewise.
        tessellation: where velocities may bend.
        time: how long; -1 is the inverse.
        strides: how many at most, and how precise.

    Returns:
        (N, P, n), the same as libcpab's to rounding; NaN where a trajectory takes more strides.
    """
    walk = Walk(ops, points, velocity, tessellation, time, strides)
    for _ in range(strides.number):
        walk.stride()
    return walk.result()


class Walk:
    """A walk under way; arguments are those of :func:`transform`."""

    def __init__(
        self,
        ops: Operations,
        points: Tensor,
        velocity: Tensor,
        tessellation: Tessellation,
        time: float,
        strides: Strides,
    ) -> None:
        self.ops, self.points, self.strides = ops, points, strides
        complex_ = complex_of(tessellation)
        per_unit = np.array(tessellation.cells) / (tessellation.upper - tessellation.lower)
        in_cells = velocity * ops.constant(per_unit * time, like=velocity)
        self.table = make_table(ops, complex_, in_cells, strides.reach)
        self._scale, lower = per_unit.tolist(), tessellation.lower.tolist()
        self.first = [(points[..., d] - lower[d]) * self._scale[d] for d in range(tessellation.ndim)]
        start = locate(ops, [ops.detach(x) for x in self.first], tessellation.cells, complex_.start)
        one = start * 0 + 1
        self.state = State([start * 0 for _ in self.first], start, one, one)

    def stride(self) -> None:
        """One more."""
        self.state = self.after(self.state)

    def after(self, state: State) -> State:
        """Where trajectories are one stride later."""
        return stride(self.ops, self.table, self.first, state, self.strides)

    def result(self) -> Tensor:
        """Where the points are, NaN if their time is not over."""
        left = self.state.left
        lost = self.ops.where(left > 0, left * 0 + float("nan"), 0.0)
        moved = [move / scale + lost for move, scale in zip(self.state.moved, self._scale, strict=True)]
        return self.ops.stack([self.points[..., d] + move for d, move in enumerate(moved)])


def make_table(ops: Operations, complex_: Complex, velocity: Tensor, reach: float) -> Tensor:
    """(N, C, R): all that a stride must know of its simplex, from the velocities (N, V, n) in cells.

    A and b by rows, the longest time, then for all nodes the rows of coordinates, and the neighbours.
    """
    n = complex_.ndim
    velocity = ops.with_ideal(velocity, ops.constant(complex_.ideal, like=velocity))
    matrix: Any = 0
    for k in range(n + 1):
        gradient = ops.constant(complex_.coordinates[:, k].reshape(-1, n + 1), like=velocity)
        at_node = ops.nodes(velocity, complex_.nodes[:, k])
        columns = [at_node[..., i] for i in range(n)]
        matrix = [
            [(0 if not k else matrix[i][j]) + columns[i] * gradient[:, j] for j in range(n + 1)] for i in range(n)
        ]
    norm: Any = None
    for i in range(n):
        total: Any = 0
        for j in range(n):
            entry = ops.detach(matrix[i][j])
            total = total + ops.maximum(entry, -entry)
        norm = total if norm is None else ops.maximum(norm, total)
    longest = reach / ops.maximum(norm, reach)
    own = ops.stack([entry for row in matrix for entry in row] + [longest])
    same = np.concatenate([complex_.coordinates.reshape(len(complex_.nodes), -1), complex_.neighbours], 1)
    return ops.joined(own, ops.constant(same[None], like=velocity))


class Cell(NamedTuple):
    """A row of the table."""

    linear: list[Vector]
    shift: Vector
    gradient: list[Vector]
    constant: Vector
    longest: Tensor
    neighbour: Vector


def cell_of(row: Sequence[Tensor], n: int) -> Cell:
    """The columns of a row by their names."""
    matrix = [list(row[i * (n + 1) : (i + 1) * (n + 1)]) for i in range(n)]
    at = n * (n + 1) + 1
    faces = [list(row[at + k * (n + 1) : at + (k + 1) * (n + 1)]) for k in range(n + 1)]
    return Cell(
        [line[:n] for line in matrix],
        [line[n] for line in matrix],
        [line[:n] for line in faces],
        [line[n] for line in faces],
        row[at - 1],
        list(row[at + (n + 1) ** 2 :]),
    )


def dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """The product of two vectors."""
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def stride(ops: Operations, table: Tensor, first: Vector, state: State, strides: Strides) -> State:
    """One stride of all trajectories, which began at ``first``."""
    n = len(first)
    x = [start + move for start, move in zip(first, state.moved, strict=True)]
    cell = cell_of(ops.rows(table, state.cell), n)
    powers = [[dot(row, x) + shift for row, shift in zip(cell.linear, cell.shift, strict=True)]]
    for _ in range(n - 1):
        powers.append([dot(row, powers[-1]) for row in cell.linear])
    companion = characteristic(cell.linear)
    fixed = [ops.detach(c) for c in companion]
    start, slopes = _faces(ops, cell, x, powers)

    step = ops.minimum(ops.minimum(state.left, state.most), cell.longest)
    exit_ = first_exit(ops, start, slopes, coefficients(fixed, step, strides.terms), step)
    time = exit_.time
    for _ in range(strides.refinements):
        a = coefficients(companion, time, strides.terms)
        rates = derivatives(companion, a)
        shift = _correction(ops, exit_, [[ops.detach(x) for x in b] for b in (a, *rates)], time, step)
        time = time + shift
    a = [_moved(x, shift) for x in zip(a, *rates, strict=True)]

    there = [ops.detach(x) for x in a]
    accepted = _is_inside(ops, start, slopes, there)
    crosses = accepted & exit_.leaves & (exit_.start + dot(there, exit_.slopes) < _tolerances(start[0])[1])
    a = [ops.where(accepted, x, 0.0) for x in a]
    moved = [dot(a, [power[d] for power in powers]) for d in range(n)]
    behind = cell.neighbour[0]
    for k in range(1, n + 1):
        behind = ops.where(exit_.chosen[k - 1], cell.neighbour[k], behind)
    return State(
        [before + move for before, move in zip(state.moved, moved, strict=True)],
        ops.where(crosses, behind, state.cell),
        state.left - ops.where(accepted, time, 0.0),
        ops.where(accepted, time * 0 + 1, 0.75 * time),
    )


def characteristic(a: list[Vector]) -> Vector:
    """The numbers c with which A^n = sum_j c_j A^j."""
    if len(a) == 1:
        return [a[0][0]]
    if len(a) == 2:
        return [a[0][1] * a[1][0] - a[0][0] * a[1][1], a[0][0] + a[1][1]]
    minors = [a[1][1] * a[2][2] - a[1][2] * a[2][1], a[1][2] * a[2][0] - a[1][0] * a[2][2]]
    minors.append(a[1][0] * a[2][1] - a[1][1] * a[2][0])
    others = a[0][0] * (a[1][1] + a[2][2]) - a[0][1] * a[1][0] - a[0][2] * a[2][0]
    return [dot(a[0], minors), -(others + minors[0]), a[0][0] + a[1][1] + a[2][2]]


def coefficients(companion: Vector, time: Tensor, terms: int) -> Vector:
    """Numbers a(t) = sum_(k < terms) C^k e_0 t^(k + 1) / (k + 1)!, by Horner's scheme, in units of powers of t."""
    n, power = len(companion), [time]
    for _ in range(n - 1):
        power.append(power[-1] * time)
    scaled = [c * p for c, p in zip(companion, reversed(power), strict=True)]
    y: list[Any] = [scaled[0] * (1 / math.factorial(terms)) + 1 / math.factorial(terms - 1)] if n == 1 else []
    if n > 1:
        y = [1 / math.factorial(terms), *[0.0] * (n - 1)]
    for k in range(terms - 1 - (n == 1), 0, -1):
        last = y[-1]
        y = [last * scaled[0] + 1 / math.factorial(k)] + [y[j - 1] + last * scaled[j] for j in range(1, n)]
    return [p * x for p, x in zip(power, y, strict=True)]


def derivatives(companion: Vector, a: Vector) -> tuple[Vector, Vector, Vector]:
    """The first three of them: a' = e_0 + C a, a'' = C a', a''' = C a''."""
    first = [c * a[-1] + (a[j - 1] if j else 1) for j, c in enumerate(companion)]
    second = [c * first[-1] + (first[j - 1] if j else 0) for j, c in enumerate(companion)]
    third = [c * second[-1] + (second[j - 1] if j else 0) for j, c in enumerate(companion)]
    return first, second, third


def _moved(series: Sequence[Tensor], shift: Tensor) -> Tensor:
    """A number a little later, by itself and its first three derivatives."""
    value, first, second, third = series
    return value + shift * (first + shift * (0.5 * second + shift * (third * (1 / 6))))


def _faces(ops: Operations, cell: Cell, x: Vector, powers: list[Vector]) -> tuple[Vector, list[Vector]]:
    """Barycentric coordinates, and their derivatives along each A^j v: for n + 1 faces, and n by them."""
    x, powers = [ops.detach(u) for u in x], [[ops.detach(u) for u in power] for power in powers]
    start = [dot(row, x) + shift for row, shift in zip(cell.gradient, cell.constant, strict=True)]
    return start, [[dot(row, power) for power in powers] for row in cell.gradient]


class Exit(NamedTuple):
    """The face that a step leaves through, if it does, and a guess of when.

    ``chosen`` has for each face but the first whether it, or a later one, replaces those before it.
    """

    leaves: Tensor
    chosen: Vector
    start: Tensor
    slopes: Vector
    time: Tensor


def first_exit(ops: Operations, start: Vector, slopes: list[Vector], a: Vector, step: Tensor) -> Exit:
    """By what is known at both ends of a step.

    A coordinate that falls at first and is positive at the end may dip below zero in between. The step then ends
    where the parabola through both ends is lowest, and the next stride sees it there.
    """
    slack, near = _tolerances(start[0])
    best: Any = None
    chosen: Vector = []
    for at, slope in zip(start, slopes, strict=True):
        move, falls = dot(a, slope), step * slope[0]
        out = at + move < -slack
        lowest = falls / (2 * (falls - move))
        dips = (falls < 0) & (at + falls * lowest < -near)
        part = ops.where(out, -at / move, ops.where(dips, lowest, 2.0))
        this = [part, at, *slope]
        if best is None:
            best = this
            continue
        earlier = part < best[0]
        chosen.append(earlier)
        best = [_select(ops, earlier, x, y) for x, y in zip(this, best, strict=True)]
    part, at, *slope = best
    move = dot(a, slope)
    out = at + move < -slack
    falls = step * slope[0]
    guess = falling_root(ops, ops.maximum(at, 0.0), falls, move - falls)
    part = ops.where(out, guess, part)
    return Exit(out, chosen, at, slope, step * ops.minimum(ops.where(part > 0, part, 0.0), 1.0))


def _select(ops: Operations, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return ops.where(condition, a, b)


def falling_root(ops: Operations, e: Tensor, slope: Tensor, bend: Tensor) -> Tensor:
    """The root of e + slope s + bend s^2 where it falls below zero; stable for both signs of the slope."""
    root = ops.sqrt(ops.maximum(slope * slope - 4 * bend * e, 0.0))
    rises = slope > 0
    below = ops.where(rises, 2 * bend, root - slope)
    above = ops.where(rises, -slope - root, 2 * e)
    return ops.where(below * below > 0, above / below, 0.0)


def _correction(ops: Operations, exit_: Exit, a: list[Vector], time: Tensor, step: Tensor) -> Tensor:
    """What to add to the guessed time of an exit; within the step, and nothing where there is none."""
    value, slope, bend = (dot(b, exit_.slopes) for b in a[:3])
    root = time + falling_root(ops, exit_.start + value, slope, 0.5 * bend)
    at_once = ops.where(exit_.slopes[0] > 0, time, 0.0)
    root = ops.minimum(ops.where(root > 0, root, at_once), step)
    return ops.where(exit_.leaves, root - time, 0.0)


def _is_inside(ops: Operations, start: Vector, slopes: list[Vector], a: Vector) -> Tensor:
    """Whether a trajectory has not passed other faces, as far as that matters; those that it came in by may do."""
    least: Any = None
    _, near = _tolerances(start[0])
    for at, slope in zip(start, slopes, strict=True):
        move = dot(a, slope)
        own = ops.maximum(at + move, move)
        least = own if least is None else ops.minimum(least, own)
    return least >= -near


def _tolerances(x: Tensor) -> tuple[float, float]:
    """How far behind a face, in barycentric units, rounding may put a point; and how far does no harm.

    The harm is a field that is off by so much for a time that is as short: its square.
    """
    return (4e-6, 3e-5) if "32" in str(x.dtype) else (1e-12, 1e-9)
