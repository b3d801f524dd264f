"""Solving homogeneous linear constraints for their last possible unknowns, sparse and dense.

Which unknowns become dependent, and their expressions in the free ones, are the reduced echelon form of
the constraints read from the last column: unique, in whatever order rows are taken.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: A constraint: sum of coefficient * unknown = 0.
Row = dict[int, float]

#: Coefficients are of size 1, so what is smaller is rounding.
NEGLIGIBLE = 1e-9


def solve_sparse(rows: Iterable[Row]) -> dict[int, Row]:
    """Each dependent unknown as a combination of free ones, for constraints of few terms."""
    echelon: dict[int, Row] = {}
    for row in rows:
        rest = {column: value for column, value in row.items() if abs(value) > NEGLIGIBLE}
        while rest:
            last = max(rest)
            value = rest.pop(last)
            if last not in echelon:
                echelon[last] = {column: -other / value for column, other in rest.items()}
                break
            _add(rest, echelon[last], value)
    for last in sorted(echelon):
        solved: Row = {}
        for column, value in echelon[last].items():
            _add(solved, echelon.get(column, {column: 1.0}), value)  # earlier ones are solved already
        echelon[last] = solved
    return echelon


def _add(row: Row, other: Row, factor: float) -> None:
    for column, value in other.items():
        total = row.pop(column, 0.0) + factor * value
        if abs(total) > NEGLIGIBLE:
            row[column] = total


def solve_dense(rows: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Eliminate in a dense matrix (rows, m): the (r,) dependent unknowns, and (r, m) combinations of the free ones."""
    work = rows.copy()
    pivots: list[int] = []
    for column in range(work.shape[1] - 1, -1, -1):
        rank = len(pivots)
        if rank == len(work):
            break
        best = rank + int(np.argmax(np.abs(work[rank:, column])))
        if abs(work[best, column]) < NEGLIGIBLE:
            continue
        work[[rank, best]] = work[[best, rank]]
        below = rank + 1 + np.flatnonzero(work[rank + 1 :, column])
        factors = work[below, column] / work[rank, column]
        work[below, : column + 1] -= factors[:, None] * work[rank, : column + 1]
        work[below, column] = 0
        pivots.append(column)
    dependent = np.array(pivots, dtype=np.int64)
    upper = work[: len(pivots)]
    solution = -np.asarray(np.linalg.solve(upper[:, dependent], upper), np.float64)
    solution[:, dependent] = 0
    solution[np.abs(solution) < NEGLIGIBLE * 1e-3] = 0
    return dependent, solution
