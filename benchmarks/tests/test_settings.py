import numpy as np
import pytest

from benchmarks.settings import Setting, drawn, mean_displacement, scaled


def test_the_grid_covers_the_domain_with_x_fastest():
    points = Setting((4, 2), batch=1, side=3).points(0, 1)
    assert points[:4].tolist() == [[0, 0], [0.5, 0], [1, 0], [0, 0.5]]
    assert points[-1].tolist() == [1, 1]


def test_points_moved_in_one_call():
    assert Setting((2, 2, 2), batch=4, side=32).n_moved == 4 * 32**3


def test_displacement_is_relative_to_the_domain():
    points = np.zeros((5, 2))
    assert mean_displacement(points + np.array([3, 4]), points, width=2) == pytest.approx(2.5)


@pytest.mark.parametrize("wanted", [0.02, 0.15, 7.0])
def test_scaled_reaches_the_displacement(wanted):
    theta = drawn(3, batch=4)
    found = scaled(lambda t: float(np.abs(t).mean()) ** 2, theta, wanted)
    assert np.abs(found).mean() ** 2 == pytest.approx(wanted, rel=1e-5)
    assert found / theta == pytest.approx(np.full((4, 3), found[0, 0] / theta[0, 0]))


def test_fields_that_do_not_move_anything_cannot_be_scaled():
    with pytest.raises(ValueError, match="mean displacement"):
        scaled(lambda t: 0.0, drawn(3, batch=4), 0.05)
