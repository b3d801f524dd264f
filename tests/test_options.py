"""Families that cannot be made, and calls that make no sense, in any backend."""

import numpy as np
import pytest

import cpabx
from cpabx import Affine, AffineDiffeo, Composition, Cpab, ThinPlateSpline
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


@pytest.mark.parametrize("make", [Affine, AffineDiffeo])
@pytest.mark.parametrize("ndim", [0, 4, -1, 2.0, "2", None, (2,)], ids=repr)
def test_impossible_dimensions(make, ndim):
    with pytest.raises(OptionError, match="ndim must be 1, 2 or 3") as caught:
        make(ndim)
    assert complete(caught.value)


@pytest.mark.parametrize("parts", [(Affine(), Cpab((2, 2, 2))), (Cpab((2, 2, 2)), Affine())], ids=repr)
def test_parts_of_other_dimensions_are_told_how_to_fit(parts):
    """Whichever comes first: 2 is the default, so it is what nobody chose."""
    with pytest.raises(OptionError, match=r"For instance cpabx.Affine\(ndim=3\)"):
        Composition(*parts)


@pytest.mark.parametrize(("family", "received"), [(Affine(), 12), (AffineDiffeo(ndim=3), 2)], ids=repr)
def test_theta_of_another_dimension_is_recognised(family, received):
    with pytest.raises(cpabx.errors.ShapeError, match=rf"{received} is the dimension of \w+\(ndim=[13]\)"):
        family.transform(np.zeros((4, family.ndim)), np.zeros((1, received)))


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


@pytest.mark.parametrize("name", cpabx.layers.LAYER_NAMES)
def test_layers_without_a_backend_that_exists(name):
    with pytest.raises(BackendNotFoundError) as caught:
        getattr(cpabx.layers, name)(backend="qqq")
    assert complete(caught.value)


def test_arguments_of_no_known_type():
    """An object of a user's own is neither a tensor nor numbers."""
    with pytest.raises(cpabx.errors.DtypeError) as caught:
        Affine().transform(object(), np.zeros((1, 6)))
    assert complete(caught.value)
