"""Tables, numbers and the progress that is told."""

import csv
import dataclasses
import io
import json
import math

import numpy as np
import pytest

from cpabx_experiments.output import figures, report
from cpabx_experiments.output.results import lines, mean
from cpabx_experiments.protocol import paper
from cpabx_experiments.protocol.jobs import Job
from cpabx_experiments.protocol.models import TABLE2, TABLE3
from cpabx_experiments.training.progress import Estimate, duration
from cpabx_experiments.training.records import Record, Row
from experiments.tests.run_cases import PROTOCOL, FakeEngine


def record(accuracy, seconds=(1.0, 3.0), diverged=""):
    rows = [Row(0.5, 0.25, seconds[0]), Row(0.25, 0.5, seconds[1], accuracy, 0.5)]
    return Record(1000, rows[:1] if diverged else rows, diverged, complete=True)


RESULTS = {
    Job("CNN", 0, 1e-3): record(0.5),
    Job("ST-Affine", 0, 1e-3): record(0.7),
    Job("CNN", 1, 1e-3): record(0.7),
    Job("ST-Affine", 1, 1e-3): record(0.8),
    Job("CNN", 2, 1e-3): record(None, diverged="too large"),
    Job("ST-Affine", 2, 1e-3): record(0.9, (2.0, 6.0)),
}


def read(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.parametrize("n", [2, 3, 7])
def test_standard_error_is_numpys(n):
    values = np.random.default_rng(n).random(n)
    found = mean(list(values))
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / math.sqrt(n))


def test_means_of_one_and_none_have_no_error():
    assert (mean([0.5]).value, str(mean([0.5]))) == (0.5, "0.5000")
    assert math.isnan(mean([0.5]).error)
    assert math.isnan(mean([]).value)
    assert str(mean([])) == ""


def test_gains_are_taken_seed_by_seed_without_those_that_diverged():
    plain, affine = lines(RESULTS)
    assert (plain.accuracy.value, plain.diverged, plain.gain.n) == (pytest.approx(0.6), 1, 0)
    assert affine.accuracy.value == pytest.approx(0.8)
    assert (affine.gain.value, affine.gain.n, affine.wins) == (pytest.approx(0.15), 2, 2)
    assert affine.gain.error == pytest.approx(0.05)  # of 0.2 and 0.1
    assert (affine.epoch_seconds, affine.seconds, affine.test_seconds) == (2.5, pytest.approx(16 / 3), 0.5)


def test_epochs_and_trainings_as_csv_keep_all_digits():
    epochs, trainings = read(report.epochs_csv(RESULTS)), read(report.results_csv(RESULTS))
    assert len(epochs) == 11
    assert len(trainings) == 6
    assert [float(line["test_accuracy"]) for line in trainings if line["test_accuracy"]] == [0.5, 0.7, 0.7, 0.8, 0.9]
    assert [line["diverged"] for line in trainings] == [""] * 4 + ["too large", ""]
    assert [line["test_accuracy"] for line in epochs[:2]] == ["", "0.5"]
    third = {Job("CNN", 0, 1e-3): Record(1, [Row(1 / 3, 2 / 3, 1.0, probes={"x": 0.1})])}
    (line,) = read(report.epochs_csv(third))
    assert (float(line["loss"]), float(line["training_accuracy"]), float(line["x"])) == (1 / 3, 2 / 3, 0.1)


def test_the_table_has_the_papers_figures_beside_ours():
    header, _, plain, affine = (
        [cell.strip() for cell in line.strip("| \n").split("|")] for line in report.table("mnist", RESULTS).splitlines()
    )
    found = dict(zip(header, affine, strict=True))
    assert (found["model"], found["paper"], found["accuracy"]) == ("ST-Affine", "0.993", "0.8000 ± 0.0577")
    assert (found["gain over CNN"], found["seeds with a gain"]) == ("+0.1500 ± 0.0500", "2 of 2")
    assert dict(zip(header, plain, strict=True))["diverged"] == "1"
    assert "paper's training" not in header  # Table 3 has none
    assert "learning rate" not in header


@pytest.mark.parametrize("name", ["mnist-rts", "mnist-cpab", *paper.TABLE3, "lfw-unrestricted"])
def test_the_paper_has_a_figure_for_every_model_of_its_tables(name):
    assert tuple(paper.figures(name)) == (TABLE2 if name.startswith("mnist-") else TABLE3)
    assert all(0.6 < figure.accuracy < 1 for figure in paper.figures(name).values())


def test_the_best_of_each_column_is_the_papers_bold_one():
    """The paper prints these in bold: a slip in copying a column would move one."""
    bold = {
        "mnist-rts": "ST-Affine+CPAB CNN",
        "mnist-cpab": "ST-Affine+CPAB CNN",
        "fashion-mnist": "CNN",
        "cifar10": "ST-CPAB",
        "cifar100": "ST-CPAB",
        "lfw": "ST-Affine+CPAB",
        "celeba": "ST-Affine+CPAB",
    }
    for name, best in bold.items():
        found = paper.figures(name)
        assert max(found, key=lambda model: found[model].accuracy) == best


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-:--"), (0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_time_left_is_that_of_the_epochs_left_model_by_model():
    estimate = Estimate(PROTOCOL)  # 4 epochs of 2 models and 2 seeds
    assert estimate.seconds_left is None
    plain, affine = Job("CNN", 0, 1e-3), Job("ST-Affine", 0, 1e-3)
    rows = [Row(0, 0, 2.0), Row(0, 0, 2.0), Row(0, 0, 2.0, 0.5, 1.0)]
    estimate.note(plain, Record(1, rows[:1]))
    assert estimate.seconds_left == 2.0 * 15  # nothing is known of the other model
    estimate.note(affine, Record(1, [Row(0, 0, 10.0)]))
    assert estimate.seconds_left == 2.0 * (3 + 4) + 10.0 * (3 + 4)
    estimate.note(affine, Record(1, [Row(0, 0, 10.0)], "diverged"))
    assert estimate.done == 1 + 4
    assert estimate.seconds_left == 2.0 * (3 + 4) + 10.0 * 4


def test_the_configuration_tells_settings_versions_and_machine(tmp_path):
    pytest.importorskip("cpabx_torch")
    from cpabx_experiments.output import folder

    mine = folder.settings("mnist", "torch", PROTOCOL)
    claim = folder.Claim(tmp_path, mine, folder.files_of(tmp_path, PROTOCOL, []))
    with folder.taken(claim, FakeEngine(), PROTOCOL):
        found = json.loads((tmp_path / folder.CONFIGURATION).read_bytes())
    assert set(found["files"]) == claim.files
    assert found["settings"]["protocol"]["training"]["learning_rate"] == 1e-3
    assert (found["models"], found["seeds"]) == (["CNN", "ST-Affine"], [0, 1])
    assert found["versions"]["framework"] == "fake 1.0"
    assert set(found["versions"]) == {"cpabx", "cpabx-torch", "framework", "numpy", "python"}
    assert found["machine"]["processes"] == 1


def test_pictures_are_png_with_a_row_for_every_model():
    pytest.importorskip("matplotlib")
    rows = [(name, np.random.default_rng(0).random((3, 5, 4, 1))) for name in ("a", "b")]
    figure = figures.samples(rows)
    assert len(figure.axes) == 6
    assert figures.as_png(figure).startswith(b"\x89PNG")


def test_pictures_side_by_side_have_a_column_for_every_model():
    pytest.importorskip("matplotlib")
    columns = [(name, np.random.default_rng(0).random((3, 5, 4, 1))) for name in ("a", "b")]
    axes = np.reshape(figures.side_by_side(columns).axes, (3, 2))
    assert [ax.get_title() for ax in axes.ravel()] == ["a", "b", "", "", "", ""]
    for row in range(3):
        for column, (_, images) in enumerate(columns):
            assert np.array_equal(axes[row, column].get_images()[0].get_array(), images[row, ..., 0])


def test_curves_show_means_of_the_trainings_that_did_not_diverge():
    pytest.importorskip("matplotlib")
    training, test = figures.curves(RESULTS).axes
    plain, affine = training.get_lines()
    assert list(plain.get_ydata()) == [0.25, 0.5]
    (_, affine) = test.get_lines()
    assert list(affine.get_xdata()) == [2]  # the test set was asked after the second epoch alone
    assert affine.get_ydata()[0] == pytest.approx(0.8)


def test_samples_are_the_first_of_each_class():
    from experiments.tests.run_cases import digits

    data = digits()
    assert np.array_equal(figures.chosen(data), data.images[:10])
    reverse = data.take(np.arange(len(data))[::-1])
    assert np.array_equal(figures.chosen(reverse), reverse.images[:10][::-1])
    attributes = dataclasses.replace(data, labels=np.zeros((20, 3), np.float32))
    assert np.array_equal(figures.chosen(attributes), data.images[:8])
