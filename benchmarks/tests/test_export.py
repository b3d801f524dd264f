"""The table of layers by targets: errors are found, what fails or is not there is a row, and JSON holds all."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.export import __main__ as command
from benchmarks.export import measure
from benchmarks.export.cases import BATCHES, CASES
from benchmarks.export.measure import Outcome
from benchmarks.export.overview import overview
from benchmarks.export.targets import TARGETS, Target

CASE = CASES["STAffine"]


@dataclasses.dataclass(frozen=True)
class Made(Target):
    """What a function makes of images, beside what doubles them."""

    served: object = None

    def prepare(self, case, threads):
        return (lambda images: 2 * images), lambda folder: self.served


def outcome(served, **options):
    target = Made(**{"name": "made", "framework": "torch", "function": "", "packages": (), **options}, served=served)
    (row,) = command.rows([target], [CASE], rounds=1, threads=1)
    return row


@pytest.mark.parametrize("n", BATCHES)
def test_the_error_is_that_of_the_worst_batch(n):
    row = outcome(lambda images: 2 * images + (0.25 if len(images) == n else 0))
    assert row.error == pytest.approx(0.25, rel=1e-6)
    assert not row.problem
    assert row.times > 0


def test_nan_is_an_error():
    row = outcome(lambda images: np.where(images > 0.999, np.nan, 2 * images))
    assert row.error == np.inf
    json.dumps(row.as_json(), allow_nan=False)


def test_what_fails_is_a_row(capsys):
    def fail(images):
        raise ValueError("no\nsuch size")

    assert outcome(fail).problem == "ValueError: no such size"


def test_what_is_not_installed_is_a_row():
    row = outcome(None, packages=("json", "no_such_package.part"))
    assert row.problem == "not installed: no_such_package.part"
    assert command.cells(row)[:2] == ["all", "made"]


def test_targets_have_what_makes_them():
    """Names of functions, which are looked up late."""
    for framework in ("torch", "tensorflow"):
        source = (measure.Path(command.__file__).with_name(f"of_{framework}.py")).read_text()
        for target in TARGETS.values():
            if target.framework == framework:
                assert f"def {target.function}(layer" in source


def test_an_overview_has_a_row_for_each_layer():
    outcomes = [
        Outcome("A", "one", error=2e-6, native=2.0, seconds=3.0, made=0.0),
        Outcome("B", "one", problem="ValueError: no such size"),
        Outcome("all", "two", problem="not installed: two"),
        Outcome("A", "three", error=float("inf"), native=1.0, seconds=20.0, made=0.0),
    ]
    assert list(overview(outcomes)) == [
        "| layer | one | two | three |",
        "| --- | --- | --- | --- |",
        "| A | 2e-06, 1.5 | not installed | inf, 20 |",
        "| B | ValueError | not installed |  |",
    ]


@pytest.mark.slow
def test_a_table(tmp_path, capsys):
    arguments = ["--targets", "export", "--layers", "STAffine", "--rounds", "1", "--json", str(tmp_path / "table.json")]
    assert command.main(arguments) == 0
    (row,) = json.loads((tmp_path / "table.json").read_text())
    assert row["error"] <= 1e-6
    assert "| STAffine | export |" in capsys.readouterr().out
