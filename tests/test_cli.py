"""`python -m cpabx`: the first answer of every bug report."""

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

import cpabx
from cpabx import native, registry
from cpabx.__main__ import main
from cpabx.plugins import BackendInfo, Plugins, installed


def lines(capsys):
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if not line.startswith(" "))


@pytest.fixture
def numpy_only(monkeypatch):
    """The others take seconds to import, and have the same line."""
    only = {"numpy": installed()["numpy"]}
    monkeypatch.setattr(registry, "_plugins", Plugins(lambda: only))


def test_info_tells_versions_library_and_backends(capsys, numpy_only):
    assert main(["info"]) == 0
    said = lines(capsys)
    library = native.load()
    assert said["cpabx"].startswith(f"{cpabx.__version__}, plugin API ")
    assert said["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert f"{library.version}, ABI {library.abi_version}" in said["libcpab"]
    assert int(said["threads"]) == native.default_threads()
    assert re.match(rf"numpy \(cpabx {cpabx.__version__}\): numpy \d", said["backend"])


def test_info_prints_the_library_in_use(capsys, numpy_only):
    main(["info"])
    assert str(native.load().path) in capsys.readouterr().out


def test_info_tells_of_cuda_or_why_not(capsys, numpy_only, monkeypatch, tmp_path):
    """Neither the library nor a driver must be there."""
    assert main(["info"]) == 0
    here = lines(capsys)["cuda"]
    monkeypatch.setattr(native.library, "_CUDA_FILE_NAME", "libcpab_cuda_that_is_not_there.so")
    monkeypatch.setattr(native, "load_cuda", native.load_cuda.__wrapped__)
    monkeypatch.setattr("cpabx.native.driver._FILE_NAME", "libcuda_that_is_not_there.so")
    assert main(["info"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^cuda +no libcpab_cuda: none in .*CPAB_CUDA=ON", said, re.MULTILINE)
    assert re.search(r"^ +no driver: ", said, re.MULTILINE)
    assert here.startswith(("no libcpab_cuda: ", "libcpab_cuda "))


def test_a_library_in_the_place_of_a_driver(monkeypatch):
    """It has none of the functions, which is said, and no error."""
    monkeypatch.setattr("cpabx.native.driver._FILE_NAME", str(native.load().path))
    assert native.driver.described().startswith("no driver: ")


def test_backends_lists_every_installed_one(capsys):
    assert main(["backends"]) == 0
    out = capsys.readouterr().out
    for entry in cpabx.available_backends():
        (line,) = [line for line in out.splitlines() if line.startswith(f"backend   {entry.name} ")]
        assert entry.distribution in line
        assert (entry.problem or entry.framework) in line
        for ability in entry.supports:
            assert ability in line


def test_broken_backend_is_shown_with_its_reason(capsys, monkeypatch):
    broken = BackendInfo("broken", "cpabx-broken 1.0", problem="it is broken; mend it")
    monkeypatch.setattr(cpabx, "available_backends", lambda: (broken,))
    assert main(["backends"]) == 0
    assert "broken (cpabx-broken 1.0): it is broken; mend it" in capsys.readouterr().out


def test_notes_of_a_backend_follow_its_line(capsys, monkeypatch):
    noted = BackendInfo("noted", "cpabx-noted 1.0", "it 2.0", notes=("runs backwards", "uphill"))
    monkeypatch.setattr(cpabx, "available_backends", lambda: (noted,))
    assert main(["backends"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["          runs backwards", "          uphill"]


@pytest.mark.slow
def test_missing_library_is_told_and_fails(tmp_path):
    """In a new process, because the library is loaded once."""
    result = subprocess.run(
        [sys.executable, "-m", "cpabx", "info"],
        capture_output=True,
        text=True,
        env={**os.environ, "CPABX_LIBRARY_DIR": str(tmp_path)},
        check=False,
    )
    assert result.returncode == 1
    assert f"neither in {tmp_path}" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"), [("CPABX_NUM_THREADS", "many"), ("CPABX_LIBRARY_DIR", __file__), ("CPABX_NUM_THREADS", "0")]
)
def test_nonsense_in_the_environment_is_told_in_a_sentence(variable, value):
    result = subprocess.run(
        [sys.executable, "-m", "cpabx", "info"],
        capture_output=True,
        text=True,
        env={**os.environ, variable: value},
        check=False,
    )
    assert result.returncode == 1
    assert variable in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [[], ["informations"]])
def test_unknown_command_shows_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "info" in capsys.readouterr().err


@pytest.fixture
def commands(monkeypatch):
    """What other packages are said to bring: a name and a function, which is found in this module."""

    def bring(**functions):
        entries = [EntryPoint(name, f"{__name__}:{name}", "cpabx.commands") for name in functions]
        monkeypatch.setattr(EntryPoint, "load", lambda entry: functions[entry.name])
        monkeypatch.setattr("cpabx.__main__.entry_points", lambda **wanted: EntryPoints(entries).select(**wanted))

    return bring


def test_a_command_of_another_package_gets_what_follows(commands):
    given = []
    commands(count=lambda arguments: given.append(arguments) or 3)
    assert main(["count", "--all", "-h", "1"]) == 3
    assert given == [["--all", "-h", "1"]]


def test_commands_of_others_are_listed_and_take_no_place_of_ours(commands, capsys, numpy_only):
    commands(count=len, backends=len)
    assert main(["backends"]) == 0
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert re.search(r"^ +count +A command of ", said, re.MULTILINE)
    assert said.count("A command of") == 2  # experiment is always there


def test_errors_of_commands_are_a_sentence(commands, capsys):
    def refuse(arguments):
        raise cpabx.errors.OptionError("n must be whole", "0.5", "Round it.")

    commands(count=refuse)
    assert main(["count"]) == 1
    assert capsys.readouterr().err == "python -m cpabx count: n must be whole; got 0.5. Round it.\n"


def test_experiments_that_are_not_installed_are_named(commands, capsys):
    commands()
    assert main(["experiment", "digits"]) == 1
    assert "pip install cpabx-experiments" in capsys.readouterr().err
