"""The HTML of each thing: its name, what one asks of it first, and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from cpabx import registry
from cpabx.fitted import FittedTransformation
from cpabx.notebook import drawings
from cpabx.tessellation import Tessellation
from cpabx.transforms import Cpab, Transformation

#: Maps of a fit that are drawn, and letters of a text.
MOST_MAPS, MOST_LETTERS = 4, 300


def html(thing: Any) -> str | None:
    """HTML of a family, a tessellation or a fit, at most 64 KB; None if it cannot be made: its text is shown then."""
    try:
        return _page(thing)
    except Exception:  # of any kind: a family may be a stranger's, and what notebooks show must never fail
        return None


def _page(thing: Any) -> str:
    if isinstance(thing, FittedTransformation):
        return _fit(thing)
    if isinstance(thing, Transformation):
        return _family(thing)
    return _tessellation(thing)


def _family(family: Transformation) -> str:
    facts = {"parameters": family.n_params, **_space(family), "inverse": "yes" if family.has_inverse else "no"}
    pictures = [("a random map", drawings.of_family(family))]
    if family.n_params > drawings.MOST_PARAMETERS:
        pictures = [("the identity", pictures[0][1])]
    if isinstance(family, Cpab):
        pictures.insert(0, (_cells(family.tessellation), drawings.of_tessellation(family.tessellation)))
    return _written(repr(family), facts, pictures)


def _tessellation(tess: Tessellation) -> str:
    facts = {"cells": tess.n_cells, "vertices": tess.n_vertices, **_space(tess)}
    return _written(repr(tess), facts, [(_cells(tess), drawings.of_tessellation(tess))])


def _fit(fitted: FittedTransformation) -> str:
    n, some = len(fitted), fitted[: min(len(fitted), MOST_MAPS)]
    thetas = registry.backend_for(theta=some.theta).to_numpy(some.theta).astype(np.float64)
    pictures = []
    for i, theta in enumerate(thetas):
        said = [f"{i}", *(f"loss {level[i]:.3g}" for level in some.loss[-1:]), *some.message[i : i + 1]]
        drawn = drawings.of_map(fitted.transformation, theta[None], inverse=fitted.inverted)
        pictures.append((": ".join(said), drawn))
    facts: dict[str, Any] = {"maps": f"{n}, of which the first {MOST_MAPS} are drawn" if n > MOST_MAPS else n}
    if len(fitted.converged):
        facts["converged"] = f"{int(np.sum(fitted.converged))} of {n}"
    if fitted.loss:
        facts["mean loss by level"] = ", ".join(f"{np.mean(level):.4g}" for level in fitted.loss)
    if len(distances := getattr(fitted, "distances", ())):
        facts["mean distance of landmarks"] = f"{np.mean(distances):.4g}"
    which = "Inverses" if fitted.inverted else "Maps"
    return _written(f"{type(fitted).__name__}: {which} of {fitted.transformation!r}", facts, pictures)


def _space(thing: Transformation | Tessellation) -> dict[str, Any]:
    sides = " x ".join(f"[{low:g}, {high:g}]" for low, high in thing.domain)
    return {"domain": f"{thing.ndim}D, {sides}"}


def _cells(tess: Tessellation) -> str:
    kind = ("intervals", "rectangles of 4 triangles", "boxes of 5 tetrahedra")[tess.ndim - 1]
    few = "" if tess.n_cells <= drawings.MOST_CELLS else ", too many to be drawn"
    return f"{' x '.join(map(str, tess.cells))} {kind}{few}"


def _written(title: str, facts: dict[str, Any], pictures: Sequence[tuple[str, str]]) -> str:
    """All of it, with texts escaped and cut."""
    rows = "".join(f"<tr><td><b>{escape(name)}</b></td><td>{_cut(value)}</td></tr>" for name, value in facts.items())
    figures = "".join(
        f'<figure style="margin:4px 12px 4px 0;max-width:200px">{svg}'
        f'<figcaption style="font-size:smaller">{_cut(caption)}</figcaption></figure>'
        for caption, svg in pictures
    )
    return (
        f"<div><code>{_cut(title)}</code><table>{rows}</table>"
        f'<div style="display:flex;flex-wrap:wrap">{figures}</div></div>'
    )


def _cut(text: Any) -> str:
    text = str(text)
    return escape(text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 4]} ...")
