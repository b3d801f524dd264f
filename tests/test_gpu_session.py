"""What runs on a GPU, without one: the list of steps, what is asked of a machine, and how steps are run."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gpu import __main__ as command
from tests.gpu import machine as machines
from tests.gpu import sources
from tests.gpu.machine import Machine
from tests.gpu.runner import FAILED, LEFT_OUT, OUT_OF_TIME, PASSED, Runner, Step, table
from tests.gpu.steps import SANITIZED, SECONDS, TOOLS, steps

ROOT = Path(__file__).parents[1]
DEVICE = dict(zip(machines.QUERY, ["NVIDIA H100 80GB HBM3", "580.65.06", "9.0", "1980 MHz", "81559 MiB"], strict=True))
TORCH = {"version": "2.11.0", "cuda": "13.0", "devices": ["NVIDIA H100"], "capabilities": [[9, 0]]}


def whole_machine(**changes):
    tools = dict.fromkeys(("nvcc", "cmake", "ninja", "make", "compiler", "sanitizer"), "/usr/bin/tool")
    packages = dict.fromkeys((*machines.PACKAGES, *machines.EXTRAS), True)
    return Machine(**{**tools, "devices": [DEVICE], "packages": packages, "torch": TORCH, **changes})


def python(program):
    return [sys.executable, "-c", program]


@pytest.fixture
def runner(tmp_path):
    return Runner(60, tmp_path / "printed", {"OF_ALL": "a"}, quiet=True)


# -- steps are run -----------------------------------------------------------------------------------


def test_a_step_that_fails_prevents_those_alone_that_need_it(runner):
    fails, passes = python("import sys; sys.exit(3)"), python("pass")
    results = runner.run(
        [
            Step("first", [passes, fails, python("raise SystemExit('never run')")], 30),
            Step("second", [passes], 30),
            Step("third", [passes], 30, needs="first"),
            Step("fourth", [passes], 30, needs="second"),
            Step("fifth", [passes], 30, without="no tool"),
        ]
    )
    assert [r.outcome for r in results] == [FAILED, PASSED, LEFT_OUT, PASSED, LEFT_OUT]
    assert [r.fine for r in results] == [False, True, False, True, True]
    assert results[0].why.startswith("status 3 of ")
    assert "first" in results[2].why
    assert "| fifth | left out | 0 | no tool |" in table(results)


def test_what_a_step_prints_is_kept_with_its_commands(runner, tmp_path):
    program = "import os; print(os.environ['OF_ALL'] + os.environ['ITS_OWN'])"
    runner.run([Step("one", [python(program)] * 2, 30, env={"ITS_OWN": "b"})])
    kept = (tmp_path / "printed" / "one.txt").read_text().splitlines()
    assert kept[1::2] == ["ab", "ab"]
    assert all(line.startswith(f"$ {sys.executable}") for line in kept[::2])


@pytest.mark.slow
def test_a_step_ends_at_its_time_with_all_that_it_started(runner, tmp_path):
    """Its children as well, which would go on computing on the device."""
    child = tmp_path / "child"
    program = (
        "import os, pathlib, subprocess, sys, time\n"
        f"one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(one.pid))\n"
        "time.sleep(60)"
    )
    start = time.monotonic()
    slow, after = runner.run([Step("slow", [python(program)], 3), Step("after", [python("pass")], 30)])
    assert time.monotonic() - start < 30
    assert (slow.outcome, after.outcome) == (OUT_OF_TIME, PASSED)
    assert not slow.fine
    status = Path(f"/proc/{child.read_text()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_time_of_all_steps_bounds_each(tmp_path):
    runner = Runner(1.0, tmp_path, {}, quiet=True)
    waits = Step("waits", [python("import time; time.sleep(60)")], 30)
    results = runner.run([waits, Step("after", [python("pass")], 30)])
    assert [r.outcome for r in results] == [OUT_OF_TIME, OUT_OF_TIME]
    assert results[0].seconds < 20
    assert "over before" in results[1].why


def test_a_program_that_is_not_there(runner):
    (result,) = runner.run([Step("one", [["no-such-program"]], 30)])
    assert result.outcome == FAILED
    assert "no-such-program could not be started" in result.why


# -- what a machine has ------------------------------------------------------------------------------


def test_all_that_is_missing_is_said_at_once(monkeypatch, capsys):
    monkeypatch.setattr(machines, "find", Machine)
    assert command.main([]) == 2
    said = capsys.readouterr().err
    for what in ("GPU and its driver", "nvcc", "C++ compiler", "cmake", "ninja or make", *machines.PACKAGES):
        assert f"  - {what}" in said or what in said, what
    assert not whole_machine().missing()
    assert not whole_machine(ninja=None, sanitizer=None).missing()


@pytest.mark.parametrize("torch", [{"version": "2.11.0", "cuda": None, "devices": []}, {"problem": "ImportError: x"}])
def test_a_torch_without_a_device_is_missing(torch):
    (lack,) = whole_machine(torch=torch).missing()
    assert "a torch that sees a CUDA device" in lack
    assert "CUDA None" in lack or "ImportError: x" in lack


def test_a_machine_is_asked(tmp_path):
    """With tools that answer as the true ones do."""
    nvcc = tmp_path / "bin" / "nvcc"
    for tool in (nvcc, nvcc.with_name("compute-sanitizer")):
        tool.parent.mkdir(exist_ok=True)
        tool.write_text("#!/bin/sh\necho Build cuda_13.0\n")
        tool.chmod(0o755)

    def ask(asked):
        if asked[0] == "nvidia-smi":
            return ", ".join(DEVICE.values()) + "\n"
        if asked[0] == str(nvcc):
            return machines.answer(asked)
        return json.dumps({"found": dict.fromkeys(asked[3:], True), "torch": TORCH})

    found = machines.find({"CUDACXX": str(nvcc)}, ask)
    assert found.devices == [DEVICE]
    assert found.architectures == "90-real"
    assert found.nvcc == str(nvcc)
    assert found.sanitizer == str(nvcc.with_name("compute-sanitizer"))
    assert found.toolkit == "Build cuda_13.0"
    assert found.packages["scipy"]
    assert machines.find({"CUDA_HOME": str(tmp_path), "CUDACXX": "no-such-nvcc"}, ask).nvcc == str(nvcc)


@pytest.mark.slow
def test_packages_of_this_python_are_found():
    told = json.loads(machines.answer([*python(machines.PROBE), "numpy", "cffi", "no_such_package", "torch"]))
    assert told["found"]["numpy"]
    assert not told["found"]["no_such_package"]


def test_a_tool_that_fails_says_nothing():
    assert machines.answer(["no-such-program"]) == machines.answer(python("import sys; print(1); sys.exit(1)")) == ""


# -- the list of steps -------------------------------------------------------------------------------


def listed(machine):
    return steps(machine, ROOT, ROOT / "build", ROOT / "benchmark.json", {})


def test_what_steps_name_is_there():
    programs = re.search(r"set\(cuda_adapted_tests ([^)]*)\)", (ROOT / "libcpab/tests/CMakeLists.txt").read_text())[1]
    there = {"gpu_primitives", *(f"gpu_{name}" for name in programs.split())}
    assert set(SANITIZED) <= there
    every = listed(whole_machine())
    named = [word for step in every for call in step.commands for word in call if re.match(r"(backends|tests)/", word)]
    assert len(named) >= 3
    assert all((ROOT / word).is_file() for word in named)
    assert all(step.needs in {s.name for s in every[:i]} for i, step in enumerate(every) if step.needs)


def test_each_step_has_less_time_than_all_have():
    assert all(step.at_most < SECONDS / 2 for step in listed(whole_machine()))


def test_steps_are_left_out_by_name_of_what_is_not_here():
    lacking = {s.name: s.without for s in listed(whole_machine(sanitizer=None, packages={})) if s.without}
    assert set(lacking) == {*TOOLS, "conformance"}
    assert not any(s.without for s in listed(whole_machine()))


def test_all_devices_are_compiled_for():
    torch = {**TORCH, "devices": ["a", "b", "c"], "capabilities": [[9, 0], [7, 5], [9, 0]]}
    (configure, _) = listed(whole_machine(torch=torch))[0].commands
    assert "-DCPAB_CUDA_ARCHITECTURES=75-real;90-real" in configure


def test_make_where_there_is_no_ninja():
    (configure, _) = listed(whole_machine(ninja=None))[0].commands
    assert "Unix Makefiles" in configure
    assert "-DCPAB_CUDA_ARCHITECTURES=90-real" in configure


# -- packages from their sources ---------------------------------------------------------------------


def test_metadata_of_the_sources(tmp_path):
    sources.write_metadata(ROOT / "backends/torch", tmp_path)
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert found.metadata["Name"] == "cpabx-torch"
    assert re.fullmatch(r"\d+(\.\d+)+", found.version)
    assert {(e.group, e.name, e.value) for e in found.entry_points} == {
        ("cpabx.backends", "torch", "cpabx_torch.plugin")
    }


@pytest.mark.slow
def test_the_sources_work_without_an_installation(tmp_path):
    """A Python that has none of the packages finds the plugins by their sources."""
    env = sources.environment(ROOT, tmp_path / "metadata", tmp_path / "libraries")
    assert (tmp_path / "libraries" / "cpab.h").is_file()
    program = (
        "import cpabx, json; print(json.dumps([cpabx.__file__, cpabx.__version__, "
        "[b.name for b in cpabx.available_backends(load=False)]]))"
    )
    done = subprocess.run(python(program), env={**os.environ, **env}, capture_output=True, text=True, check=True)
    file, version, names = json.loads(done.stdout)
    assert Path(file) == ROOT / "src/cpabx/__init__.py"
    assert version == importlib.metadata.version("cpabx")
    assert {"numpy", "torch"} <= set(names)


# -- all of it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "outcome"), [(0, PASSED), (1, FAILED)])
def test_a_run_writes_what_it_found(tmp_path, monkeypatch, capsys, status, outcome):
    """With commands in the place of the true ones, of which the benchmark's leaves a file."""
    monkeypatch.setattr(machines, "find", whole_machine)

    def stubs(machine, root, build, benchmark, env):
        measured = python(f"import pathlib; pathlib.Path({str(benchmark)!r}).write_text('[1]')")
        ends = python(f"import sys; sys.exit({status})")
        return [Step("build", [python("pass")], 30), Step("benchmark", [measured, ends], 30), Step("c", [ends], 30)]

    monkeypatch.setattr(command, "steps", stubs)
    chosen = ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "all.json"), "--only", "benchmark"]
    assert command.main(chosen) == status
    told = json.loads((tmp_path / "all.json").read_text())
    assert [(s["name"], s["outcome"]) for s in told["steps"]] == [("build", PASSED), ("benchmark", outcome)]
    assert told["benchmark"] == [1]
    assert told["machine"]["devices"] == [DEVICE]
    assert f"| benchmark | {outcome} |" in capsys.readouterr().out
    assert command.main([*chosen, "no_such_step"]) == 2
