"""Arrows are velocities, and paths are what `transform` gives at each time."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver

import cpabx
from cpabx import plot
from cpabx.errors import DtypeError, OptionError, ShapeError, UnsupportedError

FAMILIES = [cpabx.Cpab((2, 3)), cpabx.Cpab((3, 2), boundary="sliding", domain=((0, 2), (5, 6)))]


def field_of(family, seed=0):
    return family.sample(seed=seed, scale=0.5, dtype="float64")


def arrows(ax):
    (quiver,) = [c for c in ax.collections if isinstance(c, Quiver)]
    return quiver


def curves(ax, n):
    """The collection of n lines."""
    return next(c for c in ax.collections if isinstance(c, LineCollection) and len(c.get_segments()) == n)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_arrows_are_the_field(family):
    theta = field_of(family)
    quiver = arrows(plot.velocity_field(family, theta, n_arrows=7))
    tails = np.stack([quiver.X, quiver.Y], axis=1)
    assert len(np.unique(np.round(tails, 9), axis=0)) == 49
    np.testing.assert_allclose(np.stack([quiver.U, quiver.V], 1), family.velocity_at(tails, theta)[0], atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_arrows_point_where_points_go_on_paper(family):
    """In pixels: y points down, and so must an arrow of a positive velocity. The longest is a grid step long."""
    theta = field_of(family)
    ax = plot.velocity_field(family, theta, n_arrows=5, n_paths=0)
    ax.figure.canvas.draw()
    quiver = arrows(ax)
    shapes = [quiver.get_transform().transform(path.vertices) for path in quiver.get_paths()]
    on_paper = np.array([shape[np.linalg.norm(shape, axis=1).argmax()] for shape in shapes])  # the tip
    tails, velocity = np.stack([quiver.X, quiver.Y], 1), np.stack([quiver.U, quiver.V], 1)
    origin = ax.transData.transform(tails)
    expected = ax.transData.transform(tails + velocity) - origin
    long = np.linalg.norm(expected, axis=1) > 0.3 * np.linalg.norm(expected, axis=1).max()
    assert long.sum() > 5
    got, wanted = (v[long] / np.linalg.norm(v[long], axis=1, keepdims=True) for v in (on_paper, expected))
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    step = min(high - low for low, high in family.domain) / 5
    pixels = abs(np.diff(ax.transData.transform([(0, 0), (step, 0)])[:, 0])[0])
    np.testing.assert_allclose(np.linalg.norm(on_paper, axis=1).max(), pixels, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("time", [1.0, -0.5])
def test_paths_are_the_transformation_at_each_time(family, time):
    theta = field_of(family)
    lines = np.array(curves(plot.velocity_field(family, theta, n_paths=3, time=time), 9).get_segments())
    starts = lines[:, 0]
    low, high = np.array(family.domain).T
    assert ((starts > low) & (starts < high)).all()
    for k, t in enumerate(np.linspace(0, time, lines.shape[1])):
        np.testing.assert_allclose(lines[:, k], family.transform(starts, theta, time=t)[0], atol=1e-12)
    assert np.abs(lines[:, -1] - starts).max() > 0.02


def test_dots_are_where_paths_end():
    family = FAMILIES[0]
    ax = plot.paths(family, field_of(family), n_paths=4)
    ends = np.array(curves(ax, 16).get_segments())[:, -1]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), ends)


def test_paths_that_leave_the_domain_are_in_sight():
    family = cpabx.Cpab((1, 1))
    theta = family.sample(seed=1, scale=1.5, dtype="float64")
    ax = plot.paths(family, theta)
    ends = ax.lines[0].get_xydata()
    assert np.abs(ends).max() > 1.2
    inside = ax.transAxes.inverted().transform(ax.transData.transform(ends))
    assert ((inside > 0) & (inside < 1)).all()


def test_what_axes_showed_stays_in_sight():
    """A field over an image larger than the domain."""
    ax = plt.figure().add_subplot()
    ax.imshow(np.zeros((8, 8)), extent=(-3, 3, 3, -3))
    assert plot.velocity_field(FAMILIES[0], field_of(FAMILIES[0]), ax=ax) is ax
    assert ax.get_xlim()[0] <= -3
    assert ax.get_ylim()[0] >= 3 > -3 >= ax.get_ylim()[1]


def test_a_field_in_1d_is_a_graph():
    family = cpabx.Cpab(5, domain=(0, 1))
    theta = field_of(family)
    ax = plot.velocity_field(family, theta)
    x = np.random.default_rng(0).uniform(0, 1, 40)
    zero, graph = ax.lines
    drawn = np.interp(x, *graph.get_xydata().T)
    np.testing.assert_allclose(drawn, family.velocity_at(x[:, None], theta)[0, :, 0], atol=1e-12)
    assert not np.any(zero.get_ydata())


def test_paths_in_1d_are_over_time():
    family = cpabx.Cpab(5)
    theta = field_of(family)
    ax = plot.paths(family, theta, n_paths=9, time=2)
    lines = np.array(curves(ax, 9).get_segments())
    inside = ax.transAxes.inverted().transform(ax.transData.transform(lines.reshape(-1, 2)))
    assert ((inside > 0) & (inside < 1)).all()
    np.testing.assert_allclose(lines[:, [0, -1], 1], np.tile([0.0, 2.0], (9, 1)))
    for k in (0, 20, 64):
        moved = family.transform(lines[:, 0, :1], theta, time=lines[0, k, 1])[0]
        np.testing.assert_allclose(lines[:, k, :1], moved, atol=1e-12)


def test_no_motion():
    """Zero fields have no longest arrow to measure by."""
    ax = plot.velocity_field(FAMILIES[0], np.zeros(FAMILIES[0].n_params))
    ax.figure.canvas.draw()
    assert not np.any(arrows(ax).U)


@pytest.mark.parametrize("draw", [plot.velocity_field, plot.paths])
def test_what_cannot_be_drawn(draw):
    solid = cpabx.Cpab((2, 2, 2))
    with pytest.raises(UnsupportedError, match="3D"):
        draw(solid, np.zeros(solid.n_params))
    with pytest.raises(OptionError, match="Affine"):
        draw(cpabx.Affine(), np.zeros(6))
    flat = FAMILIES[0]
    with pytest.raises(ShapeError, match=r"2 of them.*theta\[i\]"):
        draw(flat, np.zeros((2, flat.n_params)))
    with pytest.raises(ShapeError, match=f"theta must be .N, {flat.n_params}"):
        draw(flat, np.zeros(3))
    with pytest.raises(OptionError, match="finite"):
        draw(flat, np.full(flat.n_params, np.nan))
    with pytest.raises(DtypeError, match="theta must be numbers"):
        draw(flat, "abc")
    with pytest.raises(OptionError, match="n_paths must be"):
        draw(flat, np.zeros(flat.n_params), n_paths=-1)
    with pytest.raises(OptionError, match="time must be"):
        draw(flat, np.zeros(flat.n_params), time=np.inf)
    assert plt.get_fignums() == []  # no empty figure is left of a call that fails
