"""Runs: what is stopped goes on to the same end, and what is done is not done again."""

import dataclasses
import json

import pytest

from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.protocol.jobs import Job, jobs
from cpabx_experiments.training.run import FOLDER, perform, record_of, weights_of
from experiments.tests.run_cases import PROTOCOL, FakeEngine, numbers, run_in

EPOCHS = 4 * 4  # of 2 models and 2 seeds


def test_every_model_is_trained_with_every_seed_for_all_epochs(tmp_path):
    results = perform(run_in(tmp_path))
    assert list(results) == jobs(PROTOCOL)
    assert len({(job.model, job.seed) for job in results}) == 4
    assert all(len(record.rows) == 4 and record.complete for record in results.values())


@pytest.mark.parametrize("stop", range(1, EPOCHS + 1, 3))
def test_stopped_anywhere_it_goes_on_to_the_same_bits(tmp_path, stop):
    whole = perform(run_in(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        perform(run_in(tmp_path / "parts", FakeEngine(interrupt_at=stop)))
    engine = FakeEngine()
    assert numbers(perform(run_in(tmp_path / "parts", engine))) == numbers(whole)
    assert len(engine.calls) == EPOCHS - (stop - 1)  # all whole epochs were kept


class Torn(BaseException):
    """The machine goes down."""


# A record and a checkpoint are written each epoch, and another record after each training.
@pytest.mark.parametrize("writes", range(1, 2 * 6 + 3))
def test_torn_between_any_two_writes_it_goes_on_to_the_same_bits(tmp_path, monkeypatch, writes):
    """A record and a checkpoint are two files; neither may be ahead of the other for good."""
    from cpabx_experiments.training.records import Record
    from experiments.tests.run_cases import FakeTrainer

    short = {"training": dataclasses.replace(PROTOCOL.training, epochs=3), "seeds": (0,)}
    whole = perform(run_in(tmp_path / "whole", **short))
    left = [writes]

    def torn(method):
        def call(self, path):
            method(self, path)
            left[0] -= 1
            if not left[0]:
                raise Torn

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", torn(Record.write))
        patch.setattr(FakeTrainer, "save", torn(FakeTrainer.save))
        with pytest.raises(Torn):
            perform(run_in(tmp_path / "parts", **short))
    assert numbers(perform(run_in(tmp_path / "parts", **short))) == numbers(whole)


def test_what_is_complete_is_not_even_built_again(tmp_path):
    results, engine = perform(run_in(tmp_path)), FakeEngine()
    assert perform(run_in(tmp_path, engine)) == results
    assert (engine.made, engine.calls) == ([], [])


def test_more_seeds_cost_only_the_new_ones(tmp_path):
    before, engine = perform(run_in(tmp_path)), FakeEngine()
    after = perform(run_in(tmp_path, engine, seeds=(0, 1, 2)))
    assert {seed for seed, _ in engine.calls} == {2}
    assert {job: record for job, record in after.items() if job.seed < 2} == before


def test_the_test_set_is_asked_every_so_many_epochs_and_after_the_last(tmp_path):
    results = perform(run_in(tmp_path, every=3))
    for record in results.values():
        assert [row.test is not None for row in record.rows] == [False, False, True, True]
        assert record.accuracy == record.rows[-1].test


def test_a_divergence_is_a_result_and_the_next_training_goes_on(tmp_path):
    run = run_in(tmp_path, rates=(1e-3, 10.0))
    results = perform(run)
    for job, record in results.items():
        assert bool(record.diverged) == (job.rate > 1)
        assert (record.accuracy is None) == (job.rate > 1)
        assert weights_of(tmp_path, job).exists() == (job.rate < 1)
    engine = FakeEngine()
    assert perform(dataclasses.replace(run, engine=engine)) == results
    assert engine.calls == []


def test_other_processes_than_the_first_write_nothing(tmp_path):
    perform(run_in(tmp_path, FakeEngine(rank=1)))
    assert list(tmp_path.iterdir()) == []


def test_ticks_come_before_each_epoch_and_at_the_end(tmp_path):
    seen = []
    perform(run_in(tmp_path), lambda job, record: seen.append((job, len(record.rows))))
    assert seen == [(job, n) for job in jobs(PROTOCOL) for n in range(5)]


def test_augmentation_is_the_protocols(tmp_path):
    for augmented in (False, True):
        engine = FakeEngine()
        perform(run_in(tmp_path / str(augmented), engine, augmented=augmented))
        assert all((change is not None) == augmented for _, change in engine.made)


def test_files_of_different_trainings_have_different_names():
    found = jobs(
        dataclasses.replace(PROTOCOL, models=("ST-Affine", "ST-Affine+CPAB", "ST-Affine CNN"), rates=(1e-3, 1e-4))
    )
    assert len({job.stem for job in found}) == len(found) == 12
    assert all(
        set(job.stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") for job in found
    )


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"parameters": 1, "rows": [{"no": 1}], "diverged": "", "complete": true}']
)
def test_a_damaged_record_is_named(tmp_path, content):
    perform(run_in(tmp_path))
    path = record_of(tmp_path, Job("CNN", 0, 1e-3))
    path.write_text(content)
    with pytest.raises(ExperimentError, match=path.name):
        perform(run_in(tmp_path))


def test_records_are_readable_by_others(tmp_path):
    perform(run_in(tmp_path))
    found = [json.loads(path.read_text()) for path in sorted((tmp_path / FOLDER).glob("*.json"))]
    assert [len(record["rows"]) for record in found] == [4] * 4
