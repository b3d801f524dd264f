"""Registration of torch's tensors by functions of the user's, and what ends it."""

import numpy as np
import pytest
import torch

import cpabx
from cpabx.errors import DivergenceError, OptionError, ShapeError, UnsupportedError
from cpabx.registration import fitting
from cpabx.testing.registration import OPTIONS, error, pair

BACKEND = cpabx.get_backend("torch")


@pytest.fixture
def images():
    moving, fixed, truth = pair(2)
    return *(torch.tensor(x).movedim(-1, 1) for x in (moving, fixed)), truth


def settings(**other):
    return OPTIONS | {"levels": [(2, 2), (4, 4)]} | other


def squares(warped, fixed):
    return (warped - fixed).square().mean(dim=(1, 2, 3)) / fixed.var()


def test_any_function_is_a_loss(images):
    """The same one as a named one gives the same map, and with a mask it sees weights of mean 1."""
    moving, fixed, truth = images
    fitted = cpabx.register(moving, fixed, loss=squares, **settings())
    assert error(BACKEND, fitted, truth) < 0.2
    seen = []

    def weighted(warped, fixed, weights):
        seen.append(weights)
        return ((warped - fixed).square() * weights).mean(dim=(1, 2, 3))

    mask = np.ones((32, 32), bool)
    mask[:5] = False
    cpabx.register(moving, fixed, loss=weighted, mask=mask, **settings(iterations=2))
    assert seen[-1].shape == (1, 1, 32, 32)
    assert float(seen[-1].mean()) == pytest.approx(1)
    with pytest.raises(ShapeError, match="one number for each pair"):
        cpabx.register(moving, fixed, loss=lambda a, b: a - b, **settings())


def test_what_is_not_finite_is_said(images):
    moving, fixed, _ = images
    with pytest.raises(DivergenceError, match="finite loss"):
        cpabx.register(moving, fixed, loss=lambda a, b: squares(a, b) * torch.nan, **settings())


def test_a_pair_that_diverges_leaves_others_alone(images):
    moving, fixed, truth = images
    both = [torch.cat([x, x]) for x in (moving, fixed)]

    def loss(warped, fixed):
        return squares(warped, fixed) * torch.tensor([1.0, torch.nan])[: len(warped)]

    fitted = cpabx.register(*both, loss=loss, **settings())
    assert error(BACKEND, fitted[0], truth) < 0.2
    assert fitted.message[1].startswith("diverged at level (2, 2): raise weight")
    assert not fitted.converged[1]
    assert float(fitted.theta[1].abs().max()) == 0


def test_an_interrupt_returns_the_best_so_far(images):
    moving, fixed, _ = images
    calls = []

    def loss(warped, fixed):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return squares(warped, fixed)

    fitted = cpabx.register(moving, fixed, loss=loss, **settings())
    assert fitted.message == ("interrupted at level (2, 2)",)
    assert fitted.transformation.tessellation.cells == (2, 2)
    before = float(squares(moving, fixed))
    assert float(squares(fitted.warp(moving, padding_mode="border"), fixed)) < before


def test_progress_and_sizes(images, capsys):
    """A bar ends full; images of other sizes and types go together."""
    moving, fixed, _ = images
    larger = torch.nn.functional.interpolate(moving, (50, 40), mode="bicubic")
    fitted = cpabx.register(larger, fixed, progress=True, **settings(iterations=20))
    assert "done" in capsys.readouterr().out
    assert fitted.warp(larger, (32, 32)).shape == fixed.shape


def test_areas_stay_within_limits():
    """Where nothing holds them, a picture that cannot match another is torn; the default holds them."""
    random = np.random.default_rng(0)
    images = [torch.nn.functional.avg_pool2d(torch.tensor(random.uniform(size=(1, 1, 96, 96))), 3) for _ in range(2)]
    extents = []
    for stretching in (0.0, 100.0):
        fitted = cpabx.register(*images, levels=[(2, 2), (4, 4), (8, 8)], stretching=stretching)
        measured = cpabx.stretch.stretch(fitted.transformation, fitted.theta, (32, 32))
        extents.append(measured.largest_area[0] / measured.smallest_area[0])
    assert extents[1] < 60 < extents[0]


def test_pairs_whose_areas_leave_their_limits_are_held_more(monkeypatch):
    """Without that they leave them; a pair that fits as it is, is the same with and without."""
    random = np.random.default_rng(0)
    noise = [torch.nn.functional.avg_pool2d(torch.tensor(random.uniform(size=(1, 1, 96, 96))), 3) for _ in range(2)]
    images = [torch.cat([own, noise[0]]) for own in noise]
    options = {"levels": [(2, 2), (4, 4), (8, 8)], "areas": (0.25, 4.0), "stretching": 3.0}
    genuine, losses = fitting._hold_areas, []

    def watched(objective, best, *rest):
        genuine(objective, best, *rest)
        losses.extend([best.loss, objective(best.x, np.arange(2))[0]])

    monkeypatch.setattr(fitting, "_hold_areas", watched)
    held = cpabx.register(*images, **options)
    np.testing.assert_allclose(*losses, rtol=1e-6, err_msg="losses of pairs that are held more compare with others")
    monkeypatch.setattr(fitting, "RAISED", ())
    as_it_is = cpabx.register(*images, **options)
    extents = []
    for fitted in (held, as_it_is):
        grid = fitted.displacement((32, 32), units="voxels").numpy()
        areas = 1 + np.gradient(grid[..., 0], axis=2)
        areas = areas * (1 + np.gradient(grid[..., 1], axis=1))
        areas = areas - np.gradient(grid[..., 0], axis=1) * np.gradient(grid[..., 1], axis=2)
        extents.append((areas[0].min(), areas[0].max()))
    assert extents[0][0] >= 0.25
    assert extents[0][1] <= 4
    assert extents[1][0] < 0.25 or extents[1][1] > 4
    assert (held.theta[1] == as_it_is.theta[1]).all()


@pytest.mark.parametrize(
    ("value", "what"), [(0.0, "an image without any"), (-1.0, "negative or NaN"), (torch.nan, "negative or NaN")]
)
def test_masks_that_are_none(images, value, what):
    """What is wrong with them is said."""
    moving, fixed, _ = images
    with pytest.raises(OptionError, match=what):
        cpabx.register(moving, fixed, mask=torch.full(fixed.shape[2:], value))


def test_a_backend_that_does_not_differentiate_names_those_that_do(images):
    with pytest.raises(UnsupportedError, match="torch or TensorFlow"):
        cpabx.register(*(image.movedim(1, -1).numpy() for image in images[:2]))
