"""Families that cannot be made, and calls that make no sense, in any backend."""

import numpy as np
import pytest

import cpabx
from cpabx import Affine, Composition, Cpab, ThinPlateSpline
from cpabx.errors import BackendNotFoundError, OptionError


def complete(error):
    return all((error.asked, error.received, error.remedy))


@pytest.mark.parametrize(
    "points", [(1, 4), (4, 1), (0, 0), (-2, 4), (4,), (4, 4, 4), 4, "44", None, (2.5, 4), (101, 100)], ids=repr
)
def test_impossible_control_points(points):
    with pytest.raises(OptionError, match="control_points") as caught:
        ThinPlateSpline(points)
    assert complete(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        (Affine(), "Affine"),
        (None, Affine()),
        (Affine, Affine()),
        (Affine(), Cpab((2, 2), domain=(0, 1))),
        (Affine(), Cpab(3)),
        (Affine(), Affine(), "Affine"),
        (Affine(), Affine(), Cpab((2, 2), domain=(0, 1))),
    ],
    ids=["a name", "nothing", "a class", "two domains", "two dimensions", "a third name", "a third domain"],
)
def test_impossible_compositions(parts):
    with pytest.raises(OptionError) as caught:
        Composition(*parts)
    assert complete(caught.value)


@pytest.mark.parametrize("name", cpabx.backend.LAYER_NAMES)
def test_layers_without_a_backend_that_exists(name):
    with pytest.raises(BackendNotFoundError) as caught:
        getattr(cpabx.layers, name)(backend="qqq")
    assert complete(caught.value)


def test_arguments_of_no_known_type():
    """An object of a user's own is neither a tensor nor numbers."""
    with pytest.raises(cpabx.errors.DtypeError) as caught:
        Affine().transform(object(), np.zeros((1, 6)))
    assert complete(caught.value)
