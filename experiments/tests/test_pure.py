"""CPAB in frameworks' own operations comes to cpabx's exact one as its steps become small: two routes to one map."""

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.errors import OptionError
from cpabx.testing.plugin import backend_or_skip
from cpabx_experiments.probes import contest, speed
from cpabx_experiments.probes.pure import velocity_maps

FAMILIES = [Cpab((4, 4)), Cpab((2, 3)), Cpab((1, 1))]


def theta_of(family, n=3):
    return 0.5 * np.random.default_rng(0).standard_normal((n, family.n_params))


#: Also beyond the sides and the corners.
POINTS = np.random.default_rng(1).uniform(-1.4, 1.4, (100, 2))


def torch_pure(family, steps):
    torch = pytest.importorskip("torch")
    from cpabx_experiments.probes.pure_torch import PureCpab

    pure = PureCpab(family, steps, torch.float64)

    def run(points, theta):
        theta = torch.from_numpy(theta).requires_grad_()
        moved = pure(torch.from_numpy(points), theta)
        (gradient,) = torch.autograd.grad((moved**2).sum(), theta)
        return moved.detach().numpy(), gradient.numpy()

    return run


def tensorflow_pure(family, steps):
    tf = pytest.importorskip("tensorflow")
    from cpabx_experiments.probes.pure_tensorflow import PureCpab

    pure = PureCpab(family, steps, "float64")

    def run(points, theta):
        theta = tf.constant(theta)
        with tf.GradientTape() as tape:
            tape.watch(theta)
            moved = pure(tf.constant(points), theta)
            total = tf.reduce_sum(moved**2)
        return moved.numpy(), tape.gradient(total, theta).numpy()

    return run


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_velocity_maps_give_the_velocity_everywhere(family):
    theta = theta_of(family)
    nx, ny = family.tessellation.cells
    expected = family.velocity_at(POINTS, theta)
    maps = np.einsum("rckd,nd->nrck", velocity_maps(family), theta)
    homogeneous = np.concatenate([POINTS, np.ones((len(POINTS), 1))], axis=1)
    candidates = np.einsum("nrck,pk->nprc", maps, homogeneous)
    closest = np.abs(candidates - expected[:, :, None]).max(-1).min(2)
    assert maps.shape[1] == 4 * nx * ny + 4
    assert closest.max() < 1e-12  # some region has it; which one, the maps below must find


@pytest.mark.parametrize("pure", [torch_pure, tensorflow_pure])
@pytest.mark.parametrize("family", FAMILIES[:2], ids=repr)
def test_the_error_is_of_second_order_in_the_step(pure, family):
    theta = theta_of(family)
    exact = family.transform(POINTS, theta)
    gradient = family.vjp(POINTS, theta, 2 * exact)[1]
    errors = []
    for steps in (5, 20):
        moved, found = pure(family, steps)(POINTS, theta)
        errors.append((np.abs(moved - exact).max(), np.abs(found - gradient).max() / np.abs(gradient).max()))
    (coarse, coarse_gradient), (fine, fine_gradient) = errors
    assert coarse < 2e-2
    assert fine < coarse / 8  # 16, but the largest error depends on where steps meet borders
    assert fine_gradient < min(0.03, coarse_gradient / 2)  # at a border the gradient jumps: first order


@pytest.mark.parametrize("pure", [torch_pure, tensorflow_pure])
def test_one_step_is_exact_where_there_is_but_one_cell(pure):
    """A field that is affine in the whole plane is integrated without error, in however few steps."""
    family = Cpab((2, 2))
    vertices = family.tessellation.vertices
    a = np.array([[0.3, -0.5, 0.1], [0.4, 0.2, -0.2]])
    field = np.concatenate([vertices, np.ones((len(vertices), 1))], axis=1) @ a.T
    theta, *_ = np.linalg.lstsq(family.basis.to_dense().matrix, field.ravel(), rcond=None)
    moved, _ = pure(family, 1)(POINTS, theta[None])
    assert np.abs(moved - family.transform(POINTS, theta[None])).max() < 1e-12


@pytest.mark.parametrize(
    "family", [Cpab((3,)), Cpab((2, 2), boundary="fixed"), Cpab((2, 2), domain=((0, 1), (0, 1)))], ids=repr
)
def test_what_is_not_written_out_is_refused(family):
    with pytest.raises(OptionError, match="pure form"):
        velocity_maps(family)


def test_calls_take_turns_and_the_first_does_not_count():
    order = []
    found = contest.medians({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert set(found) == {"a", "b"}


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_both_contestants_compute_the_same(backend):
    backend_or_skip(backend)
    seconds, (apart, gradients_apart) = speed.operation_seconds(backend, batch=2, side=5, rounds=1, steps=4)
    assert len(seconds) == 4
    assert all(value > 0 for value in seconds.values())
    assert 0 < apart < 0.02
    assert 0 < gradients_apart < 0.2
