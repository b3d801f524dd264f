"""Descriptions of networks: sizes, counts and budgets."""

import pytest

from cpabx.errors import OptionError
from cpabx_experiments.protocol.network import Convolution, Features, Network, Transformer, count, fit_budget, shapes

CNN = Features(reduce=2, convolutions=(Convolution(4, 3), Convolution(6)), dense=(7,))


def test_weights_written_out_by_hand():
    """A 13x10x2 image in blocks of 2x2: 6x5, after the poolings 3x2 and 1x1."""
    transformer = Transformer("STAffineCPAB", Features(dense=(3,)))
    network = Network((13, 10, 2), CNN, 5, transformer=transformer)
    localization = [[(260, 3), (3,), (3, n), (n,)] for n in (6, 58)]
    classifier = [(3, 3, 2, 4), (4,), (5, 5, 4, 6), (6,), (6, 7), (7,), (7, 5), (5,)]
    assert shapes(network) == [*localization[0], *localization[1], *classifier]
    assert count(network) == 2 * 783 + 4 * 6 + 4 * 58 + (76 + 606 + 49 + 40)


def test_the_classifier_sees_the_view():
    network = Network((8, 8, 1), Features(), 2, view=(4, 4))
    assert shapes(network) == [(16, 2), (2,)]
    assert network.block == 2


@pytest.mark.parametrize("dense", [(1,), (12, 1)])
@pytest.mark.parametrize("budget", [9_000, 50_000])
def test_a_fitted_width_is_the_nearest_one(dense, budget):
    network = Network((20, 20, 1), Features(dense=dense), 10)
    width = fit_budget(network, budget).classifier.dense[-1]
    distance = {
        n: abs(count(Network((20, 20, 1), Features(dense=(*dense[:-1], n)), 10)) - budget)
        for n in (width - 1, width, width + 1)
    }
    assert min(distance, key=distance.__getitem__) == width


def test_a_budget_out_of_reach_is_refused():
    with pytest.raises(OptionError, match="at the nearest width"):
        fit_budget(Network((20, 20, 1), Features(dense=(1,)), 10), 300)
    with pytest.raises(OptionError, match="a classifier without one"):
        fit_budget(Network((20, 20, 1), Features(), 10), 300)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"task": "ranking"}, "task must be one of"),
        ({"task": "pairs"}, "one output"),
        ({"view": (3, 4)}, "must fall into blocks"),
        ({"view": (4, 3)}, "must fall into blocks"),
        ({"view": (4, 8)}, "must fall into blocks"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, message):
    with pytest.raises(OptionError, match=message):
        Network((8, 8, 1), Features(), 2, **parts)


def test_too_many_poolings_are_refused():
    with pytest.raises(OptionError, match="Pool less"):
        count(Network((3, 3, 1), CNN, 2))


def test_a_layer_that_is_none_is_refused():
    with pytest.raises(OptionError, match="STAffineCPAB"):
        count(Network((8, 8, 1), CNN, 2, transformer=Transformer("STRigid", Features())))
