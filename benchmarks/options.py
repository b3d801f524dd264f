"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Rounds per comparison, and the numbers of threads to compare with."""

    rounds: int = 7
    threads: tuple[int, ...] = (1, 2)
