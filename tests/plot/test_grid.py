"""Lines of a deformed grid are the transformation of straight lines."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import cpabx
from cpabx import plot
from cpabx.errors import OptionError, UnsupportedError

FAMILIES = [
    cpabx.Cpab((3, 2), boundary="sliding", domain=((0, 2), (5, 6))),
    cpabx.Cpab((2, 2)),
    cpabx.Affine(),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 3)),
    cpabx.Composition(cpabx.AffineDiffeo(), cpabx.Cpab((2, 2))),
]


def grid_of(ax, n_lines):
    """(2 n, P, 2), whatever else the axes hold."""
    return np.array(next(c for c in ax.collections if len(c.get_segments()) == 2 * n_lines).get_segments())


def straight(family, n_lines, n_points):
    """The same by hand: lines along x, then along y."""
    (x0, x1), (y0, y1) = family.domain
    x, y = np.linspace(x0, x1, n_points), np.linspace(y0, y1, n_points)
    rows = [np.stack([x, np.full_like(x, c)], 1) for c in np.linspace(y0, y1, n_lines)]
    columns = [np.stack([np.full_like(y, c), y], 1) for c in np.linspace(x0, x1, n_lines)]
    return np.array(rows + columns)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_lines_are_moved_lines(family):
    theta = family.sample(seed=2, scale=0.2, dtype="float64")
    drawn = grid_of(plot.deformed_grid(family, theta, n_lines=5), 5)
    lines = straight(family, 5, drawn.shape[1])
    expected = family.transform(lines.reshape(-1, 2), theta)[0].reshape(lines.shape)
    assert np.abs(expected - lines).max() > 0.01
    np.testing.assert_allclose(drawn, expected, atol=1e-12)


def test_the_inverse_straightens_the_grid():
    family = FAMILIES[0]
    theta = family.sample(seed=2, scale=0.4, dtype="float64")
    drawn = grid_of(plot.deformed_grid(family, theta, n_lines=4, inverse=True), 4)
    back = family.transform(drawn.reshape(-1, 2), theta)[0].reshape(drawn.shape)
    np.testing.assert_allclose(back, straight(family, 4, drawn.shape[1]), atol=1e-12)


def test_the_identity_is_straight():
    family = FAMILIES[4]
    drawn = grid_of(plot.deformed_grid(family, family.identity()), 21)
    np.testing.assert_allclose(drawn, straight(family, 21, drawn.shape[1]), atol=1e-12)


def test_in_1d_it_is_the_graph():
    family = cpabx.Cpab(4, boundary="sliding", domain=(0, 3))
    theta = family.sample(seed=0, scale=1, dtype="float64")
    ax = plot.deformed_grid(family, theta)
    diagonal, graph = (c.get_segments()[0] for c in ax.collections)
    np.testing.assert_allclose(diagonal, [[0, 0], [3, 3]])
    np.testing.assert_allclose(graph[[0, -1]], [[0, 0], [3, 3]], atol=1e-12)  # the border stays
    np.testing.assert_allclose(graph[:, 1:], family.transform(graph[:, :1], theta)[0], atol=1e-12)
    assert ax.get_ylim()[0] < ax.get_ylim()[1]  # a graph, not a picture: y points up


def test_all_lines_are_in_sight_and_y_points_down():
    family = cpabx.Affine()
    ax = plot.deformed_grid(family, [3.0, 0, 1, 0, 1, 0])
    inside = ax.transAxes.inverted().transform(ax.transData.transform(grid_of(ax, 21).reshape(-1, 2)))
    assert ((inside > 0) & (inside < 1)).all()
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_what_cannot_be_drawn():
    with pytest.raises(UnsupportedError, match="inverse"):
        plot.deformed_grid(cpabx.ThinPlateSpline(), cpabx.ThinPlateSpline().identity(), inverse=True)
    with pytest.raises(UnsupportedError, match="3D"):
        plot.deformed_grid(cpabx.Cpab((1, 1, 1)), cpabx.Cpab((1, 1, 1)).identity())
    with pytest.raises(OptionError, match="family"):
        plot.deformed_grid("Affine", [1])
    with pytest.raises(OptionError, match="n_lines must be a whole number from 2 to 1000; got 1"):
        plot.deformed_grid(cpabx.Affine(), cpabx.Affine().identity(), n_lines=1)
    assert plt.get_fignums() == []
