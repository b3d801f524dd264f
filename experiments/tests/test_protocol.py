"""Protocols: every experiment of the paper has two that can be carried out as far as networks go."""

import pytest

from cpabx.errors import OptionError
from cpabx_experiments.protocol.experiments import FULL, NAMES, REDUCED, changed, expected_seconds, protocol
from cpabx_experiments.protocol.jobs import Job, jobs, parameters
from cpabx_experiments.protocol.models import BASES, TABLE2, TABLE3
from cpabx_experiments.protocol.network import TOLERANCE

ALL = [*((name, False) for name in REDUCED), *((name, True) for name in FULL)]


def test_both_protocols_exist_for_every_experiment_of_the_paper():
    assert set(REDUCED) == set(NAMES) - {"speed"}
    assert set(FULL) == set(REDUCED) - {"digits"}
    with pytest.raises(OptionError, match="digits has one protocol, which is not the paper's; got --full"):
        protocol("digits", full=True)


def test_the_protocol_of_the_digits():
    chosen = protocol("digits")
    assert (chosen.models, len(chosen.seeds), chosen.view) == (TABLE3, 3, (21, 21))
    assert all(n == pytest.approx(50_000, rel=0.02) for n in parameters(chosen).values())
    assert (chosen.training.epochs, chosen.training.batch, chosen.training.learning_rate) == (20, 50, 3e-3)


@pytest.mark.parametrize(("name", "full"), ALL)
def test_every_network_can_be_made_and_has_the_budget_of_its_data_set(name, full):
    chosen = protocol(name, full=full)
    for n in parameters(chosen).values():
        assert n == pytest.approx(BASES[chosen.data].budget, rel=TOLERANCE)


@pytest.mark.parametrize(("name", "full"), ALL)
def test_a_standard_error_can_be_had_and_the_test_set_is_asked_last(name, full):
    chosen = protocol(name, full=full)
    assert len(chosen.seeds) >= (1 if name == "pca" else 3)
    assert chosen.every <= chosen.training.epochs
    assert chosen.training.batch == (50 if name == "digits" else 100)


def test_the_full_protocol_of_table_2_is_the_papers():
    for name in ("mnist-rts", "mnist-cpab"):
        chosen = protocol(name, full=True)
        assert (chosen.training.epochs, chosen.training.learning_rate, chosen.training.schedule) == (
            100,
            1e-4,
            "constant",
        )
        assert (chosen.training.dropout, chosen.train, len(chosen.seeds)) == (0, 50_000, 5)
        assert chosen.models == TABLE2


def test_lfw_is_tested_on_all_ten_folds():
    assert {job.fold for job in jobs(protocol("lfw", full=True))} == set(range(10))
    assert protocol("lfw").models == TABLE3


def test_a_training_is_the_protocols_at_the_jobs_rate():
    chosen = protocol("robustness")
    assert len(jobs(chosen)) == len(chosen.models) * len(chosen.rates) * len(chosen.seeds)
    assert Job("ST-CPAB", 0, 0.5).training(chosen).learning_rate == 0.5
    assert Job("ST-CPAB", 0, 0.5).training(chosen).epochs == chosen.training.epochs


def test_epochs_subset_and_seeds_can_be_changed():
    chosen = changed(protocol("mnist-rts"), epochs=3, subset=7, seeds=2)
    assert (chosen.training.epochs, chosen.train, chosen.seeds) == (3, 7, (0, 1))
    assert changed(protocol("lfw")) == protocol("lfw")


def test_some_networks_can_be_chosen_in_the_protocols_order():
    chosen = changed(protocol("mnist-rts"), models=["ST-CPAB CNN", "CNN"])
    assert chosen.models == ("CNN", "ST-CPAB CNN")
    with pytest.raises(OptionError, match=r"ST-Affine\+CPAB CNN; got ST-TPS, ST-CPAB\. Choose among them"):
        changed(protocol("mnist-rts"), models=["CNN", "ST-TPS", "ST-CPAB"])


def test_another_basis_is_that_of_every_cpab_of_the_networks():
    chosen = changed(protocol("mnist-rts"), basis="normalized")
    families = [Job(name, 0, 1.0).network(chosen).transformer.family for name in ("ST-CPAB CNN", "ST-Affine+CPAB CNN")]
    assert [families[0].config["basis"], families[1].inner.config["basis"]] == ["normalized"] * 2
    assert parameters(chosen) == parameters(protocol("mnist-rts"))
    with pytest.raises(OptionError, match=r"one of orthonormal, normalized, nodal; got 'svd'"):
        changed(chosen, basis="svd")


@pytest.mark.parametrize(("wrong", "right"), [("mnist-rst", "mnist-rts"), ("fashion", "fashion-mnist"), ("lwf", "lfw")])
def test_unknown_names_get_suggestions(wrong, right):
    with pytest.raises(OptionError, match=f"Did you mean '{right}'"):
        protocol(wrong)


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(OptionError, match=r"mnist-rts, mnist-cpab, mnist.*Choose one"):
        protocol("xyz")


def test_expected_time_is_told_where_it_was_measured():
    chosen = protocol("mnist-rts")
    whole = expected_seconds("mnist-rts", chosen)
    assert whole is not None
    assert expected_seconds("mnist-rts", changed(chosen, epochs=3, subset=1000)) == pytest.approx(
        whole * (3 * 1000) / (20 * 20_000)
    )
    assert expected_seconds("mnist-rts", protocol("mnist-rts", full=True)) is None
    assert expected_seconds("lfw", protocol("lfw")) is None
    formed = protocol("lfw-unrestricted")  # 8,000 pairs
    half = expected_seconds("lfw-unrestricted", changed(formed, subset=4_000))
    assert expected_seconds("lfw-unrestricted", formed) == pytest.approx(2 * half)
    assert max(whole, expected_seconds("mnist-cpab", protocol("mnist-cpab"))) < 3600  # side by side on two cores
