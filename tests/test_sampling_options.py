"""``Sampling``: the options of one warp, made once."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from cpabx.errors import OptionError
from cpabx.sampling import Sampling

DEFAULTS = {"mode": "linear", "padding_mode": "zeros", "align_corners": False, "fill": 0}


def checked(ndim=2, **options):
    given = DEFAULTS | options
    of_series = given.pop("of_series", False)
    return Sampling.checked(**given, ndim=ndim, of_series=of_series)


def test_defaults_are_those_of_warp():
    assert checked() == Sampling()


def test_it_is_a_value():
    """Immutable, hashable, and equal by what it says: what keys of caches and static arguments of tracers must be."""
    one, other = checked(fill=(1, 2), mode="nearest"), Sampling("nearest", fill=(1, 2))
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.mode = "cubic"


@pytest.mark.parametrize(
    ("ndim", "name", "mode"),
    [(2, "bilinear", "linear"), (2, "bicubic", "cubic"), (3, "trilinear", "linear"), (3, "tricubic", "cubic")],
)
def test_names_of_one_dimension(ndim, name, mode):
    assert checked(ndim, mode=name).mode == mode
    for other in {1, 2, 3} - {ndim}:
        with pytest.raises(OptionError, match=f"Use mode='{mode}'"):
            checked(other, mode=name)


def test_circular_is_wrap():
    assert checked(padding_mode="circular") == Sampling(padding_mode="wrap")


@pytest.mark.parametrize("fill", [2, 2.0, np.float32(2), np.array([2]), [2], (2,)], ids=repr)
def test_one_fill_in_many_forms(fill):
    assert checked(fill=fill) == Sampling(fill=(2,))


def test_large_labels_stay_exact():
    assert checked(fill=2**63 - 1).fill == (2**63 - 1,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "bilinear"),  # a name that needs the number of dimensions
        ("mode", None),
        ("padding_mode", "circular"),
        ("padding_mode", ["zeros"]),
        ("align_corners", "no"),
    ],
)
def test_no_object_has_options_that_do_not_exist(name, value):
    with pytest.raises(OptionError, match=name):
        Sampling(**{name: value})


@pytest.mark.parametrize("fill", [float("nan"), "0", None, [], [[1], [2]], [1, "a"]], ids=repr)
def test_fill_that_is_no_number(fill):
    with pytest.raises(OptionError, match="fill must be a finite number"):
        checked(fill=fill)


def test_fill_beside_another_padding():
    """There is nothing to fill; but beyond the lengths of series there is."""
    with pytest.raises(OptionError, match="fill goes with padding_mode='zeros'"):
        checked(fill=1, padding_mode="border")
    assert checked(fill=1, padding_mode="border", of_series=True).fill == (1,)


@pytest.mark.parametrize("fill", [0.5, [0.5, 1.0]], ids=repr)
def test_config_makes_an_equal_one(fill):
    one = checked(mode="bicubic", fill=fill, align_corners=np.bool_(True))
    config = json.loads(json.dumps(one.config))
    assert config["fill"] == fill
    assert checked(**config) == one
