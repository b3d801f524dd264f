"""CPAB maps as transforms of torch.distributions."""

import pickle

import pytest
import torch
from torch.distributions import Independent, Normal, TransformedDistribution

import cpabx
from cpabx.distributions import CPABElementwise, CPABTransform
from cpabx.errors import OptionError, ShapeError

LINE, PLANE, SPACE = cpabx.Cpab(5, domain=(-2, 2)), cpabx.Cpab((3, 2)), cpabx.Cpab((2, 1, 1))


def theta_of(family, *batch, scale=0.4):
    count = int(torch.Size(batch).numel())
    theta = family.sample(count, seed=3, scale=scale, dtype="float64", backend="torch")
    return theta.reshape(*batch, family.n_params)


def points_of(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", [LINE, PLANE, SPACE], ids=["1D", "2D", "3D"])
@pytest.mark.parametrize(
    ("batch", "sample"), [((), (6,)), ((4,), (4,)), ((4,), (5, 4)), ((3, 1), (2, 3, 4)), ((1,), ())]
)
class TestVectors:
    def test_each_vector_goes_by_its_own_theta(self, family, batch, sample):
        """By a loop over the broadcast shape: axes are kept apart, whatever is first."""
        theta, x = theta_of(family, *batch), points_of(*sample, family.ndim)
        y = CPABTransform(family, theta)(x)
        shape = torch.broadcast_shapes(sample, batch)
        assert y.shape == (*shape, family.ndim)
        own = theta.expand(*shape, -1).reshape(-1, family.n_params)
        each = x.expand(*shape, -1).reshape(-1, family.ndim)
        for moved, before, t in zip(y.reshape(-1, family.ndim), each, own, strict=True):
            torch.testing.assert_close(moved, family.transform(before[None], t[None])[0, 0])

    def test_the_inverse_is_exact(self, family, batch, sample):
        transform, x = CPABTransform(family, theta_of(family, *batch)), points_of(*sample, family.ndim)
        back = transform.inv(transform(x))
        torch.testing.assert_close(back, x.expand_as(back), rtol=0, atol=1e-11)

    def test_log_det_is_that_of_automatic_differentiation(self, family, batch, sample):
        transform, x = CPABTransform(family, theta_of(family, *batch)), points_of(*sample, family.ndim)
        x = x.expand(transform.forward_shape(x.shape)).contiguous()
        y = transform(x)
        full = torch.autograd.functional.jacobian(transform, x).reshape(y.numel(), -1)
        size, n = y.numel() // family.ndim, family.ndim
        blocks = full.reshape(size, n, size, n).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        expected = torch.linalg.slogdet(blocks)[1].reshape(y.shape[:-1])
        torch.testing.assert_close(transform.log_abs_det_jacobian(x, y), expected)
        back = transform.inv(y)  # whose log det is kept for the next question
        torch.testing.assert_close(transform.log_abs_det_jacobian(back, y), expected)


def test_numbers_go_by_theta_of_their_place():
    theta, x = theta_of(LINE, 3, 4), points_of(5, 3, 4)
    transform = CPABElementwise(LINE, theta)
    y = transform(x)
    torch.testing.assert_close(y[2, 1, 3], LINE.transform(x[2, 1, 3].reshape(1, 1), theta[1, 3][None])[0, 0, 0])
    torch.testing.assert_close(transform.inv(y), x, rtol=0, atol=1e-11)
    slopes = torch.autograd.functional.jacobian(lambda t: transform(t).sum(), x)
    torch.testing.assert_close(transform.log_abs_det_jacobian(x, y), slopes.log())
    assert transform.forward_shape((5, 1, 1)) == (5, 3, 4)


def test_a_conditional_density_integrates_to_one():
    """For each theta, by quadrature; breaks between cells leave an error of the first order in the step."""
    theta = theta_of(LINE, 3, scale=0.8)
    density = TransformedDistribution(Normal(torch.zeros(3, dtype=torch.float64), 1.0), [CPABElementwise(LINE, theta)])
    x = torch.linspace(-40, 40, 80001, dtype=torch.float64)
    mass = density.log_prob(x[:, None]).exp().sum(0) * (x[1] - x[0])
    torch.testing.assert_close(mass, torch.ones_like(mass), rtol=0, atol=1e-3)


def test_a_density_of_the_plane_integrates_to_one():
    normal = Independent(Normal(torch.zeros(2, dtype=torch.float64), 0.5), 1)
    density = TransformedDistribution(normal, [CPABTransform(PLANE, theta_of(PLANE, scale=0.5))])
    axis = torch.linspace(-6, 6, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = density.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert abs(mass.item() - 1) < 2e-3


def test_gradients_of_the_log_likelihood():
    base = Independent(Normal(torch.zeros(2, dtype=torch.float64), 1.0), 1)

    def log_prob(theta, x):
        return TransformedDistribution(base, [CPABTransform(PLANE, theta)]).log_prob(x)

    theta = theta_of(PLANE, 2).requires_grad_()
    x = points_of(3, 2, 2).mul(0.7).requires_grad_()
    assert torch.autograd.gradcheck(log_prob, (theta, x))


def test_gradients_of_draws():
    theta = theta_of(LINE, 2).requires_grad_()
    x = points_of(4, 2)
    assert torch.autograd.gradcheck(lambda t: CPABElementwise(LINE, t)(x), (theta,))


def test_log_prob_follows_trajectories_back_and_no_more(monkeypatch):
    times = []
    own = cpabx.Cpab.transform_and_log_det

    def counted(self, points, theta, *, time=1.0, backend=None):
        times.append(time)
        return own(self, points, theta, time=time, backend=backend)

    monkeypatch.setattr(cpabx.Cpab, "transform_and_log_det", counted)
    normal = Independent(Normal(torch.zeros(2, dtype=torch.float64), 1.0), 1)
    TransformedDistribution(normal, [CPABTransform(PLANE, theta_of(PLANE))] * 2).log_prob(points_of(3, 2))
    assert times == [-1.0, -1.0]


def test_pickles_caches_and_equals():
    transform = CPABTransform(PLANE, theta_of(PLANE))
    x = points_of(3, 2)
    transform.inv(x)
    again = pickle.loads(pickle.dumps(transform))
    assert again == transform
    assert again != CPABTransform(PLANE, 2 * transform.theta)
    assert torch.equal(again(x), transform(x))
    cached = transform.with_cache()
    y = cached(x)
    assert cached.inv(y) is x


def test_float32_stays_float32():
    transform = CPABTransform(PLANE, theta_of(PLANE).float())
    x = points_of(3, 2).float()
    assert transform(x).dtype == transform.log_abs_det_jacobian(x, transform(x)).dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: CPABTransform(cpabx.Affine(), torch.zeros(6)), OptionError, "needs a cpabx.Cpab"),
        (lambda: CPABElementwise(PLANE, torch.zeros(PLANE.n_params)), OptionError, "in 1D"),
        (lambda: CPABTransform(PLANE, torch.zeros(3)), ShapeError, f"{PLANE.n_params}"),
        (lambda: CPABTransform(PLANE, theta_of(PLANE))(points_of(3, 3)), ShapeError, r"\(\.\.\., 2\)"),
        (lambda: CPABTransform(PLANE, theta_of(PLANE, 4))(points_of(3, 2)), ShapeError, "broadcast"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
