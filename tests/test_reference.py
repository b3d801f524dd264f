"""The reference in docs/api leaves no public name out."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import cpabx

ROOT = Path(__file__).parents[1]
REFERENCE = "\n".join(page.read_text() for page in sorted((ROOT / "docs/api").glob("*.md")))


#: A string, and the decorator that cpabx.hookspecs explains.
WITHOUT_ENTRY = {"__version__", "hookimpl"}


@pytest.mark.parametrize("name", sorted(set(cpabx.__all__) - WITHOUT_ENTRY))
def test_public_names(name):
    """Each class and function has its entry, each module all of its members."""
    value = getattr(cpabx, name)
    if isinstance(value, ModuleType):
        assert re.search(rf"automodule:: cpabx\.{name}\n +:members:\n", REFERENCE)
    else:
        assert re.search(rf"auto(class|function):: {name}\n", REFERENCE)


def test_functions_of_the_c_library():
    """The page names every function that computes: those that take a call."""
    header = (ROOT / "libcpab/include/cpab.h").read_text()
    computing = set(re.findall(r"CPAB_API cpab_status (cpab_\w+)\(cpab_call ", header))
    assert len(computing) > 5
    table = re.findall(r"^\| (`cpab_.*?) \|", (ROOT / "docs/api/c.md").read_text(), re.MULTILINE)
    assert set(re.findall("cpab_[a-z_]+", "".join(table))) == computing
