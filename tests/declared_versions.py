"""The ranges of versions that the projects declare: ``python tests/declared_versions.py`` prints the lowest of each.

In the form of constraints for pip, which ``nox -s oldest`` installs by. A range is written in a pyproject.toml and
nowhere else; docs/versions.md says what passed with its ends.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
#: What users install.
PROJECTS = (".", "backends/torch", "backends/tensorflow", "experiments")


def declared() -> Iterator[Requirement]:
    """What the projects need of others, extras included."""
    for project in PROJECTS:
        table = tomllib.loads((ROOT / project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for group in (table["dependencies"], *table.get("optional-dependencies", {}).values()):
            yield from (it for it in map(Requirement, group) if not it.name.startswith("cpabx"))


def low_of(requirement: Requirement) -> str | None:
    """The version that a range begins with."""
    return next((it.version for it in requirement.specifier if it.operator == ">="), None)


def lows() -> dict[str, set[str | None]]:
    """By name, what each range of it begins with: one version, unless projects disagree."""
    found = defaultdict(set)
    for requirement in declared():
        found[requirement.name].add(low_of(requirement))
    return dict(found)


if __name__ == "__main__":
    print(*(f"{name}=={low}" for name, (low,) in sorted(lows().items())), sep="\n")
