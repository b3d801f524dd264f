"""How far a fit is, on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from cpabx.errors import MissingPackageError
from cpabx.registration.lbfgs import Minimum
from cpabx.registration.pyramid import Level


@contextmanager
def bar(levels: tuple[Level, ...], iterations: int) -> Iterator[Callable[[int, Minimum], None]]:
    """A bar by rich for as long as the context lasts, which what it yields moves on."""
    try:
        from rich.progress import Progress
    except ImportError as error:
        raise MissingPackageError("progress=True needs rich", "none", "Run: pip install cpabx[align]") from error
    with Progress() as progress:
        task = progress.add_task("", total=len(levels) * iterations)

        def watch(number: int, best: Minimum) -> None:
            text = f"{levels[number].cells}, mean loss {np.mean(best.loss):.4g}"
            progress.update(task, completed=number * iterations + best.evaluations, description=text)

        yield watch
        progress.update(task, completed=len(levels) * iterations)
