"""Code of plugins that would end the process, wherever cpabx calls it, gets a sentence; Ctrl-C goes through."""

import sys
import textwrap
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from cpabx import errors
from cpabx.__main__ import main
from cpabx.plugins import Plugins

PLUGIN = """
    import sys
    import cpabx
    from cpabx.numpy_backend import NumpyBackend

    class GaveUp(BaseException):
        "As some frameworks for tests have."

    def there(place):
        if place == {place!r}:
            {statement}

    class Leaver(NumpyBackend):
        name = "leaver"

        @property
        def framework_version(self):
            there("version")
            return "leaver 1"

    @cpabx.hookimpl
    def cpabx_tensor_modules():
        there("tensors")
        return ("leaver",)

    @cpabx.hookimpl
    def cpabx_backend():
        there("backend")
        return Leaver()

    def command(arguments):
        return 0

    there("import")
"""
LEAVING = {"sys.exit(3)": "SystemExit: 3", "raise SystemExit": "SystemExit", "raise GaveUp('no')": "GaveUp: no"}


@pytest.fixture
def leaving(tmp_path, monkeypatch):
    """The entry point of a plugin that makes this statement at this place."""

    def made(place, statement, group="cpabx.backends", value="cpabx_leaver"):
        (tmp_path / "cpabx_leaver.py").write_text(textwrap.dedent(PLUGIN.format(place=place, statement=statement)))
        return EntryPoint("leaver", value, group)

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    yield made
    sys.modules.pop("cpabx_leaver", None)


@pytest.mark.parametrize("statement", LEAVING)
@pytest.mark.parametrize("place", ["import", "tensors", "backend"])
def test_a_backend_that_exits_cannot_be_loaded(leaving, place, statement):
    entry = leaving(place, statement)
    with pytest.raises(errors.BackendLoadError, match="backend 'leaver'") as caught:
        Plugins(lambda: {"leaver": [entry]}).load("leaver")
    assert LEAVING[statement] in caught.value.received
    assert "pip install -U" in caught.value.remedy


@pytest.mark.parametrize("place", ["import", "tensors", "backend", "version"])
def test_listing_goes_on_after_one_that_exits(leaving, place):
    entry = leaving(place, "sys.exit(3)")
    (line,) = Plugins(lambda: {"leaver": [entry]}).listed(load=True)
    assert "SystemExit: 3" in line.problem


def test_a_tensor_of_others_is_looked_up_past_one_that_exits(leaving):
    entry = leaving("tensors", "sys.exit(3)")
    assert Plugins(lambda: {"leaver": [entry]}).owner_of(type("Tensor", (), {"__module__": "elsewhere"})) is None


@pytest.mark.parametrize("place", ["import", "tensors", "backend"])
def test_ctrl_c_is_its_users(leaving, place):
    entry = leaving(place, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Plugins(lambda: {"leaver": [entry]}).load("leaver")


def test_a_command_whose_import_exits_is_told(leaving, monkeypatch, capsys):
    """One that exits while it runs means it: that is its status."""
    entry = leaving("import", "sys.exit(0)", "cpabx.commands", "cpabx_leaver:command")
    monkeypatch.setattr("cpabx.__main__.entry_points", lambda **wanted: EntryPoints([entry]).select(**wanted))
    assert main(["leaver"]) == 1
    assert "the command 'leaver' (cpabx_leaver:command) must load; got SystemExit: 0" in capsys.readouterr().err
