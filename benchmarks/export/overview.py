"""All rows as one table, layers by targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.export.measure import Outcome
from benchmarks.report import line


def overview(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Lines of Markdown; a cell has the error and the time against that of the native layer, or what went wrong."""
    targets, layers = (list(dict.fromkeys(getattr(o, name) for o in outcomes)) for name in ("target", "layer"))
    found = {(o.layer, o.target): o for o in outcomes}
    yield line(["layer", *targets])
    yield line(["---"] * (len(targets) + 1))
    for layer in layers:
        if layer != "all":  # of a target that is not installed
            cells = (found.get((layer, target)) or found.get(("all", target)) for target in targets)
            yield line([layer, *map(_cell, cells)])


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return outcome.problem.partition(":")[0] or f"{outcome.error:.0e}, {outcome.times:.2g}"
