"""docs/backends.md and the code say the same, and third parties can do with what it says."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from cpabx import hookspecs
from cpabx.backend import ABILITIES, Backend
from cpabx.native import arrays, functions

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/backends.md").read_text()
PLUGINS = {
    path.name: sorted(path.rglob("src/**/*.py")) for path in (ROOT / "backends/template", ROOT / "examples/plugins/jax")
}


def table(heading):
    """The rows of the table under a heading, first cells without their backquotes."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:1] == "|"]
    return {cells[0].strip("`"): cells[1:] for cells in rows[2:]}


def signature(function):
    """``(a, *, b=1)``, without types and without self."""
    signed = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signed.parameters.values() if p.name != "self"]
    return str(signed.replace(parameters=parameters, return_annotation=signed.empty))


def own_functions(module):
    return {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


def test_every_hook_is_documented():
    """And nothing else is, with its arguments."""
    hooks = {name: f for name, f in own_functions(hookspecs).items() if hasattr(f, "cpabx_spec")}
    assert len(hooks) > 1
    assert set(table("Hooks")) == {name + signature(hook) for name, hook in hooks.items()}


def test_every_class_attribute_is_documented():
    assert set(table("Class attributes")) == set(Backend.__annotations__)


def test_every_method_is_documented():
    """With its arguments and defaults, and whether it must be there."""
    members = {name: member for name, member in vars(Backend).items() if not name.startswith("_")}
    expected = {
        name if isinstance(member, property) else name + signature(member): (
            "must" if name in Backend.__abstractmethods__ else "may"
        )
        for name, member in members.items()
    }
    assert len(expected) > 20
    assert {member: cells[0] for member, cells in table("Methods").items()} == expected


def test_every_ability_is_documented():
    assert set(table("Abilities")) == ABILITIES


def test_every_native_function_is_documented():
    """With its arguments, but for the options that all have."""
    rows = {function.name: (*function.inputs, *function.problem) for function in functions.all_functions()}
    for name, function in own_functions(arrays).items():
        parameters = inspect.signature(function).parameters.values()
        rows.setdefault(name, tuple(p.name for p in parameters if p.kind is not p.VAR_KEYWORD))
    assert set(table("libcpab")) == {f"{name}({', '.join(names)})" for name, names in rows.items()}


def test_everything_has_a_description():
    for heading in ("Hooks", "Class attributes", "Methods", "Abilities", "libcpab"):
        for what, cells in table(heading).items():
            assert len(cells[-1]) > 5, what


def test_the_version_is_todays():
    assert f"It is {hookspecs.API_VERSION}." in PAGE
    assert f"plugin API {hookspecs.API_VERSION}*" in PAGE


def public_names():
    """By module, the names that the page allows."""
    result = {}
    for module, (names,) in table("Names that a backend may use").items():
        members = vars(importlib.import_module(module))
        if "__all__" in names:
            result[module] = set(members["__all__"])
        elif "`" in names:
            result[module] = set(re.findall(r"`(\w+)`", names))
        else:
            result[module] = {name for name in members if not name.startswith("_")}
        assert result[module] <= set(members), module
    return result


def uses(tree):
    """(module, name) of every import of cpabx, and of every attribute of what is imported."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "cpabx":
                    modules[alias.asname or "cpabx"] = alias.name if alias.asname else "cpabx"
                    yield alias.name, None
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cpabx":
            for alias in node.names:
                yield node.module, alias.name
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def forbidden(code):
    """What a program uses of cpabx that the page does not allow."""
    public, tree = public_names(), ast.parse(code)
    wrong = [
        (module, name)
        for module, name in uses(tree)
        if (module in public and name not in public[module] | {None, "*"})
        or (module not in public and inspect.ismodule(_imported(module)))
    ]
    private = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    ]
    return wrong + private


def _imported(module):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        return None  # a name in a module: its attributes are its own


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_use_public_names_only(plugin):
    """Template and JAX are written as outsiders would, so what they need is what outsiders get."""
    used = set()
    for path in PLUGINS[plugin]:
        code = path.read_text()
        assert forbidden(code) == [], path
        used |= {module for module, _ in uses(ast.parse(code))}
    assert {"cpabx", "cpabx.backend", "cpabx.native"} <= used


@pytest.mark.parametrize(
    "code",
    [
        "from cpabx.numpy_backend import NumpyBackend",
        "import cpabx.numpy_backend",
        "from cpabx import registry",
        "import cpabx; cpabx.registry.owner(1)",
        "from cpabx.native.status import raise_for_status",
        "from cpabx.native import functions; functions._compiled",
        "from cpabx.backend import _missing",
        "import cpabx; cpabx.Cpab((1, 1))._velocity",
        "import cpabx.backend as b; b.ModuleType",
    ],
)
def test_private_names_would_be_seen(code):
    assert forbidden(code)


def test_code_of_the_page_keeps_to_it():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) > 2
    assert [forbidden(block) for block in blocks] == [[]] * len(blocks)
