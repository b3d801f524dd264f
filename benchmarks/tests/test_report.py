import json

import pytest

from benchmarks.report import AtMost, Measured, Report, Row, TimesLess, TimesMore, cells

OURS, OTHER = Measured("cpabx", [0.5, 0.001, 0.002]), Measured("peer", [0.3, 0.2, 0.1], (1e-5, 2e-6))


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (TimesLess(100), 100, True),
        (TimesLess(101), 100, False),
        (TimesMore(0.01), 0.01, True),
        (TimesMore(0.009), 0.01, False),
        (AtMost(0.002, "s"), 0.002, True),
        (AtMost(0.0019, "s"), 0.002, False),
    ],
)
def test_targets_are_judged_by_medians(target, value, met):
    row = Row("w", "t", 1, OURS, OTHER, target)
    assert row.value == pytest.approx(value)
    assert row.met is met


def test_a_row_without_target_shows_how_many_times_as_much_the_other_takes():
    row = Row("w", "t", 1, OURS, OTHER, count=1000)
    assert row.met is None
    assert cells(row) == [
        *("w", "t", "1", "2 ms, 2e+03 ns a point", "peer: 200 ms", "100 times", ""),
        "peer 1.0e-05 (2.0e-06)",
    ]


def test_a_limit_needs_no_other():
    assert Row("w", "t", 1, Measured("cpabx", [3.0]), target=AtMost(8, "MiB"), unit="MiB").met is True
    assert Row("w", "t", 1, Measured("cpabx", [3.0])).value is None


def test_what_was_not_measured_is_neither_met_nor_missed():
    row = Row("w", "t", 1, target=TimesLess(5), problem="peer is\nnot installed")
    assert row.met is None
    assert "not measured: peer is not installed" in cells(row)


def test_a_report_is_complete_if_nothing_failed(capsys):
    report = Report({"processor": "p"}, rounds=3)
    assert not report.complete
    report.begin()
    report.add(Row("w", "t", 1, OURS, OTHER, TimesLess(1000)))
    assert report.complete
    report.end()
    assert "0 of 1 targets are met" in capsys.readouterr().out
    report.add(Row("w", "t", problem="why"))
    assert not report.complete


def test_json_holds_all_rounds_and_says_nan_in_words():
    row = Row("w", "t", 1, OURS, Measured("peer", [float("nan")]), unit="")
    report = Report({"processor": "p"}, rounds=3, rows=[row])
    found = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert found["rows"][0]["ours"]["values"] == OURS.values
    assert found["rows"][0]["other"]["values"] == ["nan"]
