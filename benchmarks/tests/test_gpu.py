"""The benchmark of a GPU, without one: all that it measures runs on the CPU, and its numbers add up."""

import contextlib
import json
import shutil
import types
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the benchmark of a GPU runs in torch")

import torch

import cpabx
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import clocks, estimates, peers, results, tasks
from benchmarks.settings import LARGE, PLANE, Setting

ROOT = Path(__file__).parents[2]
CPU = estimates.Device("a CPU", 2, 1e9)
SMALL = (Setting((2, 2), 3, 6), Setting((1, 1, 1), 2, 3), Setting((3,), 2, 9))
needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler called c++")


@pytest.fixture(scope="module")
def measured():
    return command.run(clocks.HostClock(), CPU, settings=SMALL, displacements=(0.05,), rounds=1)


# -- everything runs ---------------------------------------------------------------------------------


@needs_compiler
def test_everything_is_measured(measured):
    assert [r.problem for r in measured.results if r.problem] == []
    assert all(r.eager > 0 and r.graph is None for r in measured.results)
    who = {setting: {(r.task, r.who) for r in measured.results if r.setting == setting} for setting in SMALL}
    ours = {(name, tasks.OURS) for name in ("transform", "transform_vjp", tasks.WARP, tasks.WARP_THETA)}
    assert all(ours <= found for found in who.values())
    exact = [r for r in measured.results if r.task in (tasks.TRANSFORM, tasks.TRANSFORM_VJP) and "cpabx" in r.who]
    assert all(r.same_bits and 0 < r.error < 1e-5 for r in exact)
    assert len(exact) == 2 * len(SMALL) + 2
    others = {name for _, name in who[SMALL[0]]} - {tasks.OURS}
    assert len(others) == 6


def test_what_was_measured_can_be_written(measured):
    told = json.loads(json.dumps(measured.as_json()))
    assert len(told["results"]) == len(measured.results)
    assert len(told["estimates"]) == len(estimates.ESTIMATES)
    tables = measured.tables()
    assert tables.count("\n| forward") == 3
    assert "2D (2, 2), batch 3, 6x6" in tables
    assert "No switch" in tables


def test_what_fails_costs_its_own_row(monkeypatch, tmp_path):
    def one_fails(self, folder):
        def fails():
            raise ZeroDivisionError("by nothing")

        yield tasks.Task("a", "x", 1, lambda: torch.zeros(1))
        yield tasks.Task("b", "x", 1, fails)
        yield tasks.Task("c", "x", 1, None, problem="no tool")

    monkeypatch.setattr(tasks.Case, "tasks", one_fails)
    case = tasks.Case(SMALL[0], 0.05, torch.device("cpu"))
    a, b, c = command.measured(case, clocks.HostClock(), 1, tmp_path)
    assert a.eager > 0
    assert b.problem == "ZeroDivisionError: by nothing"
    assert "not measured: no tool" in results.cells(c, CPU, 1.0)


def test_when_the_time_is_over_the_rest_says_so():
    found = command.run(clocks.HostClock(), CPU, settings=SMALL[:2], displacements=(0.05,), rounds=1, seconds=-1)
    assert [r.problem for r in found.results] == ["the time was over"] * 2


def test_without_a_device(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command.main([]) == 2
    assert "sees a CUDA device" in capsys.readouterr().err


# -- events and graphs -------------------------------------------------------------------------------


class FakeEvent:
    """Of a device that takes 3 ms for everything."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        pass

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return 3.0


@pytest.fixture
def fake_cuda(monkeypatch):
    """What the clock asks of torch.cuda, answered by nobody; gives the graphs that were replayed."""
    replayed = []
    stream = types.SimpleNamespace(wait_stream=lambda other: None)
    answers = {
        "Event": FakeEvent,
        "synchronize": lambda place: None,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda one: contextlib.nullcontext(),
        "CUDAGraph": lambda: types.SimpleNamespace(replay=lambda: replayed.append(1)),
        "graph": lambda graph: contextlib.nullcontext(),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return replayed


def test_runs_are_timed_by_events_and_replayed_as_graphs(fake_cuda):
    calls = []
    clock = clocks.CudaClock()
    contestant = command.Contestant(clock, tasks.Task("a", "x", 1, lambda: calls.append(1) or ()))
    assert len(calls) == 2 + 3 + 1 + 4  # for bits, before the capture, in it, and to know how often
    calls.clear()
    assert contestant.laps() == {"eager": 0.003 / 2, "graph": 0.003 / 2}
    assert len(calls) == 2
    assert len(fake_cuda) == 4 + 2


def test_what_cannot_be_captured_is_still_timed(fake_cuda, tmp_path, monkeypatch):
    def refused(graph):
        raise RuntimeError("it waits\nfor the device")

    monkeypatch.setattr(torch.cuda, "graph", refused)
    monkeypatch.setattr(tasks.Case, "tasks", lambda self, folder: [tasks.Task("a", "x", 1, tuple)])
    case = tasks.Case(SMALL[0], 0.05, torch.device("cpu"))
    (found,) = command.measured(case, clocks.CudaClock(), 1, tmp_path)
    assert found.eager == 0.003 / 2
    assert "RuntimeError: it waits" in results.cells(found, CPU, 1.0)


def test_bits_and_errors_of_results():
    """A task whose second result is another, and one that is off by a hundredth of its largest number."""
    count = iter(range(10))
    clock = clocks.HostClock()
    other = command.Contestant(clock, tasks.Task("a", "x", 1, lambda: torch.tensor([next(count)])))
    assert not other.same_bits
    task = tasks.Task("a", "x", 1, lambda: torch.tensor([[4.04, 1.0], [9, 9]]), exact=lambda: torch.tensor([[4.0, 1]]))
    off = command.Contestant(clock, task)
    assert off.same_bits
    assert off.error == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(("taken", "wanted"), [(1e-3, 3), (1.0, 1), (0.0, clocks.MOST_REPEATS)])
def test_short_runs_are_repeated(taken, wanted):
    assert clocks.repeats(types.SimpleNamespace(seconds=lambda run, n: taken), None) == wanted


def test_cycles_are_those_that_nvidia_smi_tells(monkeypatch):
    asked = []

    def answer(command, **options):
        asked.append(command)
        return types.SimpleNamespace(stdout="1755\n")

    monkeypatch.setattr(clocks.subprocess, "run", answer)
    assert clocks.hertz_under_load(clocks.HostClock(), lambda: None) == 1.755e9
    assert "--query-gpu=clocks.sm" in asked[0]
    monkeypatch.setattr(clocks.subprocess, "run", lambda *_, **__: types.SimpleNamespace(stdout="[N/A]\n"))
    assert clocks.hertz_under_load(clocks.HostClock(), lambda: None) is None


# -- the peers' formula ------------------------------------------------------------------------------


@needs_compiler
def test_the_peers_formula_is_near_the_exact_one(tmp_path):
    """Fifty steps err by what crossings are off, and so do their derivatives."""
    case = tasks.Case(Setting((3, 2), 2, 9), 0.05, torch.device("cpu"))
    steps = peers.Steps(peers.compiled(tmp_path, case.place), case.family, case.place)
    moved = steps.transform(case.points, steps.steps(case.velocity))
    theta = case.theta.clone().requires_grad_()
    exact = case.family.transform(case.points, theta)
    error, displacement = ((exact - other).detach().abs().max() for other in (moved, case.points))
    assert float(error) < min(1e-2, 0.1 * float(displacement))
    grad = steps.transform_vjp(case.points, steps.velocities(case.velocity), case.cotangent)
    (expected,) = torch.autograd.grad(exact, theta, case.cotangent)
    assert float((grad - expected).norm()) < 0.02 * float(expected.norm())


def test_without_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(peers.NotCompiledError, match="no compiler"):
        peers.compiled(tmp_path, torch.device("cpu"))


def test_strips_hold_all_pixels_column_by_column():
    order = tasks.in_strips(6)
    assert sorted(order) == list(range(36))
    assert order[:5].tolist() == [0, 6, 12, 18, 1]
    assert order[24:27].tolist() == [24, 30, 25]  # the last strip has two rows


def test_fields_have_the_displacement(tmp_path):
    case = tasks.Case(PLANE, 0.15, torch.device("cpu"))
    moved = case.family.transform(case.points, case.theta) - case.points
    assert float(moved.norm(dim=-1).mean()) / 2 == pytest.approx(0.15, rel=0.03)


# -- estimates ---------------------------------------------------------------------------------------


def test_the_page_has_the_table_of_the_estimates():
    page = (ROOT / "docs" / "cuda.md").read_text(encoding="utf-8")
    assert estimates.markdown() in page
    assert estimates.sentence() in " ".join(page.split())


def test_a_measurement_that_is_as_estimated_uses_the_share_of_slots():
    """The formula, backwards."""
    estimate, device = estimates.ESTIMATES[0], estimates.DEVICES[0]
    slots = device.slots * estimates.USED
    seconds = estimate.issued(PLANE.n_moved) / slots
    result = results.Result(PLANE, 0.05, "transform", tasks.OURS, PLANE.n_moved, graph=seconds, eager=1.0, n_bytes=10)
    assert result.share_of_slots(device) == pytest.approx(estimates.USED)
    least, most = estimate.points_per_second(device)
    assert min(abs(result.points_per_second / speed - 1) for speed in (least, most)) < 1e-12
    assert result.share_of_bandwidth(20 / seconds) == pytest.approx(0.5)
    found = results.Measured(device, 1.0, {}, [result]).beside_estimates()
    assert found[0][-1] == "60%"
    assert found[0][-2] == f"{result.points_per_second / 1e9:.3g}"
    assert found[1][-2:] == ("", "")


def test_what_was_not_counted_has_no_estimate():
    assert estimates.of(PLANE, 0.02, "transform") is None
    assert estimates.of(LARGE, 0.05, "transform") is estimates.ESTIMATES[2]
    assert cpabx.Cpab(PLANE.cells).n_params == 58
