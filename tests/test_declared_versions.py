"""Ranges of versions are declared once, begin somewhere, and are those that docs/versions.md says were tested."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.declared_versions import PROJECTS, ROOT, declared, low_of, lows

PAGE = (ROOT / "docs/versions.md").read_text(encoding="utf-8")
#: | name | lowest | highest |
ROW = re.compile(r"^\| ([\w-]+) \| ([\d.]+) \| ([\d.]+|not run) \|$", re.MULTILINE)
ROWS = {name: (low, high) for name, low, high in ROW.findall(PAGE)}


def test_every_range_begins_with_one_version():
    assert {name: found for name, found in lows().items() if None in found or len(found) > 1} == {}


def test_tests_are_not_run_with_less_than_is_declared():
    """Where the groups for development name a package that users install, too."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    ranges = [Requirement(it) for group in groups.values() for it in group]
    below = [str(it) for it in ranges if it.name in lows() and low_of(it) and {low_of(it)} != lows()[it.name]]
    assert below == []


@pytest.mark.parametrize("name", sorted(lows()))
def test_the_page_says_what_was_tested(name):
    low, high = ROWS[name]
    assert {Version(low)} == set(map(Version, lows()[name]))
    if high == "not run":
        return
    assert all(Version(high) in requirement.specifier for requirement in declared() if requirement.name == name)


@pytest.mark.parametrize("project", PROJECTS)
def test_all_projects_need_the_same_python(project):
    table = tomllib.loads((ROOT / project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert table["requires-python"] == f">={ROWS['Python'][0]}"
