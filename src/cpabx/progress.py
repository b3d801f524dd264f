"""How far long work is: a bar by rich, on the terminal, and in notebooks where ipywidgets is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cpabx.errors import MissingPackageError

#: To be called as work goes on, with what to say about it, and how much is done: one step more by default.
Watch = Callable[[str, int | None], None]


@contextmanager
def bar(total: int, *, shown: bool) -> Iterator[Watch]:
    """Shows a bar of so many steps for as long as the context lasts, if it is to be shown.

    Raises:
        MissingPackageError: it is, and rich is not installed.
    """
    if not shown:
        yield lambda text, done: None
        return
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError as error:
        raise MissingPackageError(
            "progress=True needs rich", f"an environment without it ({error})", "Run: pip install cpabx[align]"
        ) from error
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=total)

        def watch(text: str, done: int | None = None) -> None:
            progress.update(task, description=text, advance=1 if done is None else None, completed=done)

        yield watch
