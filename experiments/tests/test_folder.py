"""Folders of results: whose they are, what ``--fresh`` removes and when, and what nobody may touch."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from cpabx_experiments import cli, conduct, options
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.output import aside, folder
from cpabx_experiments.protocol.jobs import jobs
from cpabx_experiments.protocol.material import Material
from cpabx_experiments.training.run import FOLDER, perform, record_of, weights_of
from experiments.tests.run_cases import PROTOCOL, FakeEngine, digits, run_in

pytest.importorskip("cpabx_torch", reason="a configuration names the version of the engine's package")

REPORTS = ("results.md", "results.csv", "epochs.csv", "samples.png", folder.CONFIGURATION)


def claim(out, mode=None, protocol=PROTOCOL, name="mnist", backend="torch"):
    files = folder.files_of(out, protocol, REPORTS)
    return folder.Claim(out, folder.settings(name, backend, protocol), files, mode)


@contextlib.contextmanager
def taken(out, mode=None, protocol=PROTOCOL, **changes):
    with folder.taken(claim(out, mode, protocol, **changes), FakeEngine(), protocol) as forget:
        yield forget


def content(out):
    """Of every file below a folder, hidden ones, too."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def make(out, protocol=PROTOCOL):
    """A folder that has a complete run."""
    with taken(out, protocol=protocol):
        perform(run_in(out, protocol=protocol))
        (out / "results.md").write_text("results of the first run")
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def begun(made, tmp_path):
    shutil.copytree(made, tmp_path / "begun")
    return tmp_path / "begun"


# -- whose it is -----------------------------------------------------------------------------------


def test_a_run_with_the_same_settings_is_gone_on_with(begun):
    for mode in (None, "resume"):
        folder.check(claim(begun, mode))
        with taken(begun, mode):
            assert folder.complete(begun, PROTOCOL) == 4


def test_so_is_one_of_other_networks_and_seeds_but_not_of_another_basis(begun):
    other = replace(PROTOCOL, models=("CNN", "ST-CPAB"), seeds=(1, 2))
    with taken(begun, "resume", other):
        assert folder.complete(begun, other) == 1
    other = replace(other, basis="normalized")
    with pytest.raises(ExperimentError, match="basis is 'orthonormal' there and 'normalized' here"):
        folder.check(claim(begun, None, other))


@pytest.mark.parametrize(
    ("name", "backend", "said"),
    [("fashion-mnist", "torch", "experiment is 'mnist' there"), ("mnist", "tensorflow", "backend is 'torch' there")],
)
def test_another_run_is_left_alone(begun, name, backend, said):
    before = content(begun)
    with pytest.raises(ExperimentError, match=said):
        folder.check(claim(begun, None, name=name, backend=backend))
    assert content(begun) == before


def test_all_runs_of_a_folder_are_on_its_list(begun):
    """Otherwise --fresh would leave what the first of them wrote, or take what is somebody else's."""
    more = replace(PROTOCOL, models=("ST-CPAB",), seeds=(5,))
    with taken(begun, None, more):
        perform(run_in(begun, protocol=more))
    with taken(begun, "fresh", replace(PROTOCOL, seeds=(9,))) as forget:
        forget()
    assert [path.name for path in begun.rglob("*") if path.is_file()] == [folder.CONFIGURATION]


@pytest.mark.parametrize("mode", [None, "resume", "fresh"])
@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"settings": {"lr": 1}}',
        '{"made by": "cpabx experiment"}',
        "[" * 100_000,
        '{"made by": "cpabx experiment", "settings": {}, "files": ["../precious.npz"]}',
        '{"made by": "cpabx experiment", "settings": {}, "files": ["/etc/precious.json"]}',
        '{"made by": "cpabx experiment", "settings": {}, "files": ["checkpoints/../../precious.npz"]}',
        '{"made by": "cpabx experiment", "settings": {}, "files": ["precious.py"]}',
    ],
)
def test_a_configuration_that_is_not_ours_makes_the_folder_somebody_elses(begun, mode, text):
    (begun / folder.CONFIGURATION).write_text(text)
    before = content(begun)
    with pytest.raises(ExperimentError, match=r"configuration\.json must be the configuration of a run.*another --out"):
        folder.check(claim(begun, mode))
    with pytest.raises(ExperimentError, match=r"configuration\.json must be"), taken(begun, mode):
        pytest.fail("it was taken")
    assert content(begun) == before


@pytest.mark.parametrize("mode", [None, "fresh"])
@pytest.mark.parametrize("name", ["results.csv", "samples.png", "checkpoints/CNN_rate0.001_seed0.npz"])
@pytest.mark.parametrize("link", [False, True])
def test_files_of_somebody_else_are_not_written_over(tmp_path, mode, name, link):
    """In a folder without a configuration: it is not a run's, though its names are."""
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    if link:
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_text("mine")
    with pytest.raises(ExperimentError, match=rf"files that no run there has written: {name}") as caught:
        folder.check(claim(tmp_path / "out", mode))
    assert str(tmp_path / "out") in str(caught.value)
    assert os.path.lexists(path)


# -- fresh -----------------------------------------------------------------------------------------

THEIRS = ["notes.txt", "data.npz", "checkpoints/notes.txt", "checkpoints/my_model.npz", "checkpoints/settings.json"]


def test_fresh_removes_what_runs_wrote_and_nothing_else(begun):
    for name in THEIRS:
        (begun / name).write_text("mine")
    with taken(begun, "fresh", replace(PROTOCOL, models=("ST-CPAB",)), name="other", backend="tensorflow") as forget:
        forget()
    assert set(content(begun)) == {*THEIRS, folder.CONFIGURATION}
    assert folder.others(begun) == "data.npz, notes.txt, checkpoints/my_model.npz, checkpoints/notes.txt, " + THEIRS[-1]


def test_fresh_in_a_folder_that_no_run_has_removes_nothing(tmp_path):
    for name in THEIRS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    with taken(tmp_path, "fresh"):
        perform(run_in(tmp_path))
    assert all((tmp_path / name).read_text() == "mine" for name in THEIRS)


def fail_in_an_epoch(out, error, *, begins):
    seeds = (0, 7)
    with taken(out, "fresh", replace(PROTOCOL, seeds=seeds)):
        for job in jobs(replace(PROTOCOL, seeds=seeds)):
            assert not record_of(out, job).exists()
            if begins:
                record_of(out, job).write_text("half of an epoch")
        raise error("it failed")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError, OSError])
@pytest.mark.parametrize("begins", [False, True])
def test_a_failure_before_the_first_epoch_puts_everything_back(begun, error, begins):
    before = content(begun)
    with pytest.raises(error) as caught:
        fail_in_an_epoch(begun, error, begins=begins)
    assert content(begun) == before
    assert caught.value.__notes__ == [aside.PUT_BACK]


class Killed(BaseException):
    """The process is gone: nothing that it would have done afterwards is done."""


def test_killed_between_any_two_steps_nothing_is_half_gone(begun, tmp_path, monkeypatch):
    """The next run finds all of the old results, or, when an epoch of the new one was written, none."""
    old = content(begun)
    other = replace(PROTOCOL, models=("CNN",), seeds=(0, 3))
    seen = set()
    for steps in range(60):
        out = tmp_path / f"killed{steps}"
        shutil.copytree(begun, out)
        left, reached = [steps], False

        def killing(function, left=left):
            def call(*arguments, **options):
                if left[0] <= 0:
                    raise Killed
                left[0] -= 1
                return function(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in ("mkdir", "rename", "replace", "unlink", "rmdir"):
                patch.setattr(os, name, killing(getattr(os, name)))
            with contextlib.suppress(Killed), taken(out, "fresh", other) as forget:
                conduct.run.records.Record(1).write(record_of(out, jobs(other)[0]))
                forget()
                reached = True
        folder._mend(out)
        found = content(out)
        assert not [name for name in found if name.startswith(".cpabx")]
        mine = {name: text for name, text in found.items() if not name.rpartition("/")[2].startswith(".")}
        if mine == old:
            seen.add("old")
        else:
            assert set(mine) == {folder.CONFIGURATION, record_of(out, jobs(other)[0]).relative_to(out).as_posix()}
            seen.add("new")
        if reached:
            break
    assert reached
    assert seen == {"old", "new"}


def test_checkpoints_that_are_a_link_to_another_folder_are_not_removed(begun, tmp_path):
    shutil.move(begun / FOLDER, tmp_path / "elsewhere")
    (begun / FOLDER).symlink_to(tmp_path / "elsewhere")
    before = content(tmp_path / "elsewhere")
    with pytest.raises(ExperimentError, match="a link to another folder"):
        folder.check(claim(begun, "fresh"))
    with taken(begun, "resume"):
        assert folder.complete(begun, PROTOCOL) == 4  # but they may be gone on with
    assert content(tmp_path / "elsewhere") == before


def test_a_link_among_the_results_is_removed_and_not_what_it_leads_to(begun, tmp_path):
    (tmp_path / "precious").write_text("precious")
    path = weights_of(begun, jobs(PROTOCOL)[0])
    path.unlink()
    path.symlink_to(tmp_path / "precious")
    with taken(begun, "fresh", replace(PROTOCOL, seeds=(5,))) as forget:
        forget()
    assert not os.path.lexists(path)
    assert (tmp_path / "precious").read_text() == "precious"


# -- folders that take nothing ---------------------------------------------------------------------


@pytest.mark.parametrize("which", [".", FOLDER])
@pytest.mark.parametrize("mode", [None, "fresh"])
def test_a_folder_that_cannot_be_written_to_is_found_first(begun, monkeypatch, which, mode):
    """Permissions do not hold for the system's administrator, so the answer is made up."""
    before = content(begun)
    monkeypatch.setattr(os, "access", lambda path, how: os.fspath(path) != os.fspath(begun / which))
    with pytest.raises(ExperimentError, match="which takes no files"):
        folder.check(claim(begun, mode))
    assert content(begun) == before


def make_file(path):
    path.write_text("")


def make_link(path):
    path.symlink_to("nowhere")


def make_fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize("kind", [make_file, make_link, make_fifo])
@pytest.mark.parametrize("name", [".", FOLDER])
def test_a_folder_that_is_none_is_found_first(tmp_path, kind, name):
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    kind(tmp_path / "out" / name)
    with pytest.raises(ExperimentError, match=r"must be a folder.*which is a (file|link to nothing)"):
        folder.check(claim(tmp_path / "out"))


@pytest.mark.parametrize("name", [folder.CONFIGURATION, "checkpoints/CNN_rate0.001_seed0.json"])
def test_a_fifo_among_the_results_is_not_waited_for(begun, name):
    (begun / name).unlink()
    os.mkfifo(begun / name)
    with pytest.raises(ExperimentError, match="a FIFO"), taken(begun):
        perform(run_in(begun))


# -- two at a time ---------------------------------------------------------------------------------


def test_a_second_run_in_one_folder_is_refused_and_the_next_one_is_not(begun):
    pytest.importorskip("fcntl", reason="this system cannot lock a folder")
    with taken(begun):
        before = content(begun)
        for mode in (None, "resume", "fresh"):
            with (
                pytest.raises(ExperimentError, match=r"one run at a time.*another that is at work"),
                taken(begun, mode),
            ):
                pytest.fail("it was taken twice")
        assert content(begun) == before
    with taken(begun):
        pass


def test_the_lock_is_between_processes_and_ends_with_one(begun):
    pytest.importorskip("fcntl", reason="this system cannot lock a folder")
    code = (
        "import sys, time; from pathlib import Path; from cpabx_experiments.files import alone\n"
        "with alone(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, begun], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(ExperimentError, match="another that is at work"), taken(begun):
            pass
        other.kill()
        other.wait()
        with taken(begun):
            pass


# -- the command -----------------------------------------------------------------------------------


def chosen(out, *more):
    return options.parse(["mnist", "--out", str(out), "--models", "CNN", "--seeds", "1", "--epochs", "2", *more])


@pytest.fixture
def fake(monkeypatch):
    """Data and an engine that cost nothing."""
    for module in ("rich", "matplotlib"):
        pytest.importorskip(module)
    engine, whole = FakeEngine(), Material(digits(), digits())
    monkeypatch.setattr(conduct, "load_engine", lambda name: engine)
    monkeypatch.setattr(conduct, "material", lambda *arguments: lambda job: whole)
    return engine


@pytest.mark.parametrize("wrong", ["data", "device", "picture", "engine"])
def test_fresh_removes_nothing_before_everything_else_was_checked(tmp_path, fake, monkeypatch, wrong):
    opts = chosen(tmp_path / "out")
    conduct.conduct(opts, opts.protocol)
    before = content(tmp_path / "out")

    def fails(*arguments):
        assert content(tmp_path / "out") == before
        raise ExperimentError("asked", "got", "do")

    more = ["--show", "nowhere.png"] if wrong == "picture" else []
    where = {"data": (conduct, "material"), "device": (fake, "prepare"), "engine": (conduct, "load_engine")}
    if wrong in where:
        monkeypatch.setattr(*where[wrong], fails)
    opts = chosen(tmp_path / "out", "--fresh", *more)
    with pytest.raises(ExperimentError):
        conduct.conduct(opts, opts.protocol)
    assert content(tmp_path / "out") == before


def test_fresh_says_what_it_left_alone(tmp_path, fake):
    out = tmp_path / "out"
    opts = chosen(out)
    conduct.conduct(opts, opts.protocol)
    (out / FOLDER / "my_model.npz").write_text("mine")
    calls = len(fake.calls)
    opts = chosen(out, "--fresh")
    said = conduct.conduct(opts, opts.protocol)
    assert f"Left alone in {out}, for no run wrote it: checkpoints/my_model.npz." in said
    assert len(fake.calls) == 2 * calls  # trained anew
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_in_a_fresh_run_says_whose_results_are_there(tmp_path, fake, monkeypatch, capsys, epoch):
    out = tmp_path / "out"
    opts = chosen(out)
    conduct.conduct(opts, opts.protocol)
    before = content(out)
    fake.interrupt_at = len(fake.calls) + epoch
    arguments = ["mnist", "--out", str(out), "--models", "CNN", "--seeds", "1", "--epochs", "2", "--fresh"]
    assert cli.main(arguments) == 130
    said = capsys.readouterr().err
    assert (aside.PUT_BACK in said) == (content(out) == before) == (epoch == 1)
    if epoch == 2:
        assert "0 of 1 trainings are complete" in said


def test_a_dry_run_of_a_fresh_run_removes_nothing(begun, capsys):
    before = content(begun)
    assert cli.main(["mnist", "--dry-run", "--fresh", "--out", str(begun)]) == 0
    assert content(begun) == before


def test_the_configuration_lists_files_and_says_who_made_it(begun):
    found = json.loads((begun / folder.CONFIGURATION).read_text())
    assert found["made by"] == "cpabx experiment"
    assert set(content(begun)) <= {*found["files"]}
    assert dataclasses.asdict(PROTOCOL)["data"] == found["settings"]["protocol"]["data"]
