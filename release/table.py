"""The table of what was built, for a terminal and for docs/platforms.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from release.projects import ROOT

PAGE = ROOT / "docs" / "platforms.md"
BEGIN, END = "<!-- wheels: begin -->", "<!-- wheels: end -->"
HEADINGS = ("file", "MB", "looked into", "installed and run", "C tests")


@dataclass(frozen=True)
class Row:
    """A file that was built.

    Attributes:
        file: its name.
        size: in MB.
        checked: by which checks it has passed.
        installed: whether it was installed and ran.
        tests: whether the C tests ran.
    """

    file: str
    size: str
    checked: str
    installed: str
    tests: str


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f}"


def show(rows: Iterable[Row]) -> None:
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*astuple(row), style="red" if "FAILED" in "".join(astuple(row)) else "")
    Console(width=180).print(table)


def markdown(rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(HEADINGS) + " |", "| --- " * len(HEADINGS) + "|"]
    lines += ["| `" + row.file + "` | " + " | ".join(astuple(row)[1:]) + " |" for row in rows]
    return "\n".join(lines)


def write(rows: Iterable[Row], page: Path = PAGE) -> None:
    """Puts the table between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}", encoding="utf-8")
