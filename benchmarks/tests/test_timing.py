from benchmarks.timing import alternate


def test_contestants_take_turns_and_the_first_round_does_not_count():
    seen = []

    def contestant(name):
        def laps():
            seen.append(name)
            return {"task": float(len(seen))}

        return laps

    times = alternate({"a": contestant("a"), "b": contestant("b")}, rounds=2)
    assert seen == ["a", "b"] * 3
    assert times == {"a": {"task": [3.0, 5.0]}, "b": {"task": [4.0, 6.0]}}
