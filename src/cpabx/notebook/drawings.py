"""Pictures of a map and of a tessellation, in 1D to 3D."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cpabx.notebook.svg import Array, Strokes, picture
from cpabx.plot.canvas import FLOW
from cpabx.plot.cells import edges
from cpabx.tessellation import Interval, Tessellation
from cpabx.transforms import Transformation

Domain = tuple[Interval, ...]

#: Lines along each axis, and points of a line, by the number of dimensions.
_LINES, _POINTS = {2: 9, 3: 3}, {1: 97, 2: 33, 3: 9}
#: Simplices of the largest tessellation that is drawn, and parameters of the largest family of which a map is drawn.
MOST_CELLS, MOST_PARAMETERS = 800, 2000
#: What a mean displacement looks like, in parts of the domain's longer side.
_VISIBLE = 0.05
#: Where the third axis goes on the page.
_DEPTH = np.array([0.45, -0.35])


def of_map(transformation: Transformation, theta: Array, *, inverse: bool = False) -> str:
    """A grid as one map moves it, theta (1, d); in 1D the map's graph."""
    move = transformation.inverse if inverse else transformation.transform
    return _moved(transformation.domain, lambda points: np.asarray(move(points, theta)[0]))


def of_family(transformation: Transformation) -> str:
    """A map of the family, drawn by chance but always the same, and such that one sees it."""
    if transformation.n_params > MOST_PARAMETERS:
        return _moved(transformation.domain, lambda points: points)
    points = straight(transformation.domain).reshape(-1, transformation.ndim)
    width = max(high - low for low, high in transformation.domain)

    def drawn(scale: float) -> Array:
        theta = transformation.sample(1, seed=0, scale=scale, dtype="float64", backend="numpy")
        return np.asarray(theta)

    least = 0.1
    moved = np.linalg.norm(transformation.transform(points, drawn(least))[0] - points, axis=-1)
    mean = float(np.mean(moved[np.isfinite(moved)])) / width
    return of_map(transformation, drawn(least * min(max(_VISIBLE / max(mean, 1e-9), 0.1), 10.0)))


def of_tessellation(tess: Tessellation) -> str:
    """The edges of its cells, or of its domain alone where there are too many."""
    if tess.ndim == 1:
        return _knots(tess)
    if tess.n_cells > MOST_CELLS:
        return _framed([Strokes(_border(tess.domain))], tess.domain)
    return _framed([Strokes(_on_page(tess.vertices)[edges(tess)], opacity=0.7)], tess.domain)


def _knots(tess: Tessellation) -> str:
    """On a line."""
    low, high = tess.domain[0]
    tall = (high - low) / 8
    x = tess.vertices[:, 0] if tess.n_cells <= MOST_CELLS else np.array([low, high])
    knots = np.stack([np.stack([x, np.full_like(x, y)], -1) for y in (-tall, tall)], 1)
    axis = Strokes([np.array([(low, 0.0), (high, 0.0)])])
    return picture([Strokes(knots, opacity=0.7), axis], np.array([low, -tall]), np.array([high, tall]))


def straight(domain: Domain) -> Array:
    """(L, P, n): the lines of a regular grid, those along the first axis first; in 1D one."""
    ndim = len(domain)
    t = np.linspace(0, 1, _POINTS[ndim])
    at = np.linspace(0, 1, _LINES[ndim]) if ndim > 1 else np.zeros(1)
    others = np.stack(np.meshgrid(*[at] * (ndim - 1), indexing="ij"), -1).reshape(-1, ndim - 1) if ndim > 1 else at[:0]
    lines = []
    for axis in range(ndim):
        for fixed in others if ndim > 1 else [at[:0]]:
            lines.append(np.insert(np.tile(fixed, (len(t), 1)), axis, t, axis=1))
    low, high = np.array(domain).T
    placed: Array = low + np.array(lines) * (high - low)
    return placed


def _moved(domain: Domain, move: Callable[[Array], Array]) -> str:
    lines = straight(domain)
    with np.errstate(all="ignore"):  # a map may take points to infinity
        moved = move(lines.reshape(-1, len(domain))).reshape(lines.shape)
    if len(domain) == 1:
        return _graph(lines[0, :, 0], moved[0, :, 0])
    strokes = [Strokes(_border(domain), opacity=0.4), Strokes(_on_page(moved), width=1.0, colour=FLOW)]
    return _framed(strokes, domain)


def _graph(x: Array, y: Array) -> str:
    """Y points up here, as graphs are drawn."""
    low, high = np.array([x[0], -x[-1]]), np.array([x[-1], -x[0]])
    identity = Strokes([np.stack([x[[0, -1]], -x[[0, -1]]], -1)], opacity=0.4)
    frame = Strokes([np.array([low, (low[0], high[1]), high, (high[0], low[1]), low])], opacity=0.4)
    return picture([frame, identity, Strokes([np.stack([x, -y], -1)], width=1.6, colour=FLOW)], low, high)


def _framed(strokes: list[Strokes], domain: Domain) -> str:
    corners = _on_page(np.stack(np.meshgrid(*domain, indexing="ij"), -1).reshape(-1, len(domain)))
    return picture(strokes, corners.min(0), corners.max(0))


def _border(domain: Domain) -> list[Array]:
    """The edges of the box, in 2D and 3D."""
    ndim = len(domain)
    corners = np.stack(np.meshgrid(*domain, indexing="ij"), -1).reshape(-1, ndim)
    pairs = [(i, i | 1 << k) for i in range(2**ndim) for k in range(ndim) if not i & 1 << k]
    return [_on_page(corners[list(pair)]) for pair in pairs]


def _on_page(points: Array) -> Array:
    """(..., n) as (..., 2): volumes are seen from an oblique angle."""
    return points if points.shape[-1] == 2 else points[..., :2] + points[..., 2:] * _DEPTH
