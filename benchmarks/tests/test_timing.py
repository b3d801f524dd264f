from benchmarks.timing import SHORT, alternate


def recorder(seen, name, taken):
    def laps():
        seen.append(name)
        return {"task": taken + len(seen)}

    return laps


def test_contestants_take_turns_and_the_first_round_does_not_count():
    seen = []
    times = alternate({name: recorder(seen, name, SHORT) for name in "ab"}, rounds=2)
    assert seen == ["a", "b"] * 3
    assert times == {"a": {"task": [SHORT + 3, SHORT + 5]}, "b": {"task": [SHORT + 4, SHORT + 6]}}


def test_of_short_runs_the_second_counts():
    seen = []
    times = alternate({"short": recorder(seen, "short", -100), "long": recorder(seen, "long", SHORT)}, rounds=1)
    assert seen == ["short", "short", "long"] * 2
    assert times == {"short": {"task": [-100 + 5]}, "long": {"task": [SHORT + 6]}}
