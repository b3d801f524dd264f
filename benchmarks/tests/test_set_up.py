from benchmarks import set_up
from benchmarks.child import ChildError
from benchmarks.options import Options


def by_case(rows):
    return {row.task: row for row in rows}


def test_what_is_slow_is_measured_once_and_the_rest_in_every_round(monkeypatch):
    seconds = {"nodal": 0.1, "fine": set_up.SLOW + 1, "coarse": 0.2, "libcpab": 20.0}
    monkeypatch.setattr(set_up, "result_of", lambda module, name, unit: seconds[name] if unit == "s" else 3.0)
    rows = by_case(set_up.rows(Options(rounds=4)))
    assert rows["time, (64, 64), nodal, d = 16642"].ours.values == [0.1] * 4
    assert rows["time, (64, 64), nodal, d = 16642"].met is True
    assert rows["time, (8, 8, 8), orthonormal"].ours.values == [set_up.SLOW + 1]
    assert rows["peak memory, (8, 8, 8), orthonormal"].ours.values == [3.0]
    assert rows["time, (3, 3, 3), orthonormal"].other.values == [20.0]


def test_a_peer_that_fails_costs_its_own_row_only(monkeypatch):
    def result_of(module, name, unit):
        if name == "libcpab":
            raise ChildError("no module")
        return 0.1

    monkeypatch.setattr(set_up, "result_of", result_of)
    problems = {task: row.problem for task, row in by_case(set_up.rows(Options(rounds=1))).items()}
    assert problems.pop("time, (3, 3, 3), orthonormal") == "no module"
    assert not any(problems.values())
