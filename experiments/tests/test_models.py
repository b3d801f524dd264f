"""The networks of section 5: names, budgets, and one base for all."""

import pytest

from cpabx.errors import OptionError
from cpabx_experiments.protocol.models import BASES, MODELS, TABLE2, TABLE3, network
from cpabx_experiments.protocol.network import count

TABLE1 = {
    "mnist-rts": ((42, 42, 1), 10, 400_000),
    "mnist-cpab": ((42, 42, 1), 10, 400_000),
    "mnist": ((28, 28, 1), 10, 400_000),
    "fashion-mnist": ((28, 28, 1), 10, 400_000),
    "cifar10": ((32, 32, 3), 10, 1_000_000),
    "cifar100": ((32, 32, 3), 100, 1_000_000),
    "lfw": ((250, 250, 3), 1, 200_000),
}


@pytest.mark.parametrize("data", TABLE1)
def test_networks_have_the_budget_of_table_1(data):
    image, outputs, budget = TABLE1[data]
    for model in {*TABLE3, *(TABLE2 if "mnist" in data else ())}:
        found = network(model, data)
        assert (found.image, found.outputs) == (image, outputs)
        assert abs(count(found) - budget) <= 0.02 * budget, model


@pytest.mark.parametrize("side", [32, 64, 100, 127, 128, 250])
def test_faces_may_have_another_side(side):
    for model in TABLE3:
        found = network(model, "lfw", side=side)
        assert found.image == (side, side, 3)
        assert abs(count(found) - 200_000) <= 4_000


def test_a_budget_may_be_another_one():
    for model in TABLE3:
        assert abs(count(network(model, "celeba", budget=5_000_000)) - 5_000_000) <= 100_000


@pytest.mark.parametrize("data", BASES)
def test_all_networks_of_a_data_set_have_one_base(data):
    """A transformer takes nothing from the classifier but width of its hidden layer."""
    plain = network("CNN", data)
    for model in TABLE3[1:]:
        found = network(model, data)
        assert found.classifier.convolutions == plain.classifier.convolutions
        assert len(found.classifier.dense) == 1
        assert found.classifier.dense[-1] < plain.classifier.dense[-1]


def test_names_say_which_localization():
    fcn, cnn = network("ST-CPAB FCN", "mnist-rts"), network("ST-CPAB CNN", "mnist-rts")
    assert not fcn.transformer.localization.convolutions
    assert len(cnn.transformer.localization.convolutions) == 2
    assert fcn.classifier.convolutions == cnn.classifier.convolutions
    assert cnn == network("ST-CPAB", "mnist-rts")
    assert not network("FCN", "mnist-rts").classifier.convolutions


def test_families_are_those_of_the_paper():
    dimensions = {
        model: found.transformer.family.n_params for model in TABLE3[1:] if (found := network(model, "mnist"))
    }
    assert list(dimensions.values()) == [6, 6, 8, 32, 58, 64]


def test_a_large_face_in_a_small_view_has_the_base_of_the_view():
    large, small = network("ST-CPAB", "lfw", side=250, view=(64, 64)), network("ST-CPAB", "lfw", side=64)
    assert large.classifier.convolutions == small.classifier.convolutions


@pytest.mark.parametrize("data", ["mnist-cpab", "mnist"])
def test_the_full_networks_have_the_same_budget(data):
    for model in {*TABLE2, *TABLE3} - {"FCN"}:
        found = network(model, data, full=True)
        assert [(one.filters, one.size) for one in found.classifier.convolutions] == [(32, 9), (64, 7)]
        assert abs(count(found) - 400_000) <= 8_000, model
        assert found.transformer is None or found.transformer.localization.reduce == 1


def test_all_names_make_networks():
    assert all(network(model, "mnist-rts") for model in MODELS)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("ST-Rigid", "mnist"), {}, "a model must be one of FCN, CNN, ST-Affine"),
        (("CNN", "svhn"), {}, "a data set must be one of digits, mnist-rts"),
        (("CNN", "mnist"), {"side": 64}, "side is an option of lfw"),
        (("CNN", "lfw"), {"side": 31}, "at least 32"),
        (("CNN", "lfw"), {"side": 250, "view": (60, 60)}, "must fall into blocks"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, options, message):
    with pytest.raises(OptionError, match=message):
        network(*arguments, **options)
