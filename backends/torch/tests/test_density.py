"""The normalizing flow of CPAB fields."""

import copy
import pickle
import sys

import pytest
import torch

import cpabx
from cpabx.distributions import CPABFlow
from cpabx.errors import DtypeError, OptionError, ShapeError


def ring(n=400, seed=0, dtype=torch.float64):
    """Points around a circle, stretched, turned and far from the origin."""
    generator = torch.Generator().manual_seed(seed)
    angle, radius = (
        torch.rand(n, generator=generator, dtype=dtype) * 6.2832,
        torch.randn(n, generator=generator).to(dtype),
    )
    x, y = (1 + 0.1 * radius) * angle.cos(), (1 + 0.1 * radius) * angle.sin()
    return torch.stack([3 * x + y, 0.5 * y], dim=-1) + torch.tensor([10.0, -5.0], dtype=dtype)


def moved_flow(data=None, ndim=2, scale=0.5, **options):
    """A flow away from its start."""
    flow = CPABFlow((4,) * ndim, fields=2, data=data, backend="torch", dtype=torch.float64, **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        flow.white.copy_(scale * torch.randn(flow.white.shape, generator=generator, dtype=torch.float64))
        flow.affine.copy_(0.2 * torch.randn(flow.affine.shape, generator=generator, dtype=torch.float64))
    return flow


def test_starts_as_the_normal_distribution_of_the_data():
    data = ring()
    flow = CPABFlow((4, 4), data=data, backend="torch")
    normal = torch.distributions.MultivariateNormal(data.mean(0), torch.cov(data.T, correction=0))
    torch.testing.assert_close(flow.log_prob(data), normal.log_prob(data))
    assert flow.penalty() == 0


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_log_prob_is_that_of_its_map_by_automatic_differentiation(ndim):
    flow = moved_flow(ndim=ndim)
    x = torch.randn(5, ndim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    jacobians = torch.autograd.functional.jacobian(lambda p: flow.normalise(p)[0].sum(0), x).permute(1, 0, 2)
    normal, log_det = flow.normalise(x)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobians)[1])
    base = torch.distributions.Normal(0.0, 1.0).log_prob(normal).sum(-1)
    torch.testing.assert_close(flow.log_prob(x), base + log_det)


def test_generate_undoes_normalise():
    flow, data = moved_flow(ring()), ring(seed=1)
    torch.testing.assert_close(flow.generate(flow.normalise(data)[0]), data, rtol=0, atol=1e-10)


def test_the_density_integrates_to_one():
    flow = moved_flow(scale=0.3)
    axis = torch.linspace(-12, 12, 601, dtype=torch.float64)
    with torch.no_grad():
        mass = flow.log_prob(torch.cartesian_prod(axis, axis)).exp().sum() * (axis[1] - axis[0]) ** 2
    assert abs(mass.item() - 1) < 2e-3


def test_the_distribution_of_torch_is_the_same():
    flow, data = moved_flow(ring()), ring(seed=1)
    distribution = flow.distribution()
    torch.testing.assert_close(distribution.log_prob(data), flow.log_prob(data))
    torch.manual_seed(4)
    drawn = distribution.rsample((7,))
    torch.manual_seed(4)
    torch.testing.assert_close(flow.generate(torch.randn(7, 2, dtype=torch.float64)), drawn)


def test_gradients():
    flow, data = moved_flow(ring(5)), ring(5, seed=1)

    def loss(white, affine, points):
        parameters = {"white": white, "affine": affine}
        return torch.func.functional_call(flow, parameters, (points,))

    white, affine = flow.white.detach().requires_grad_(), flow.affine.detach().requires_grad_()
    assert torch.autograd.gradcheck(loss, (white, affine, data.requires_grad_()), atol=1e-4)


def test_a_fit_reaches_what_a_normal_distribution_cannot():
    """The entropy of the ring is about 0.9 below that of the normal distribution with its covariance."""
    data, other = ring(dtype=torch.float32), ring(2000, seed=2, dtype=torch.float32)
    flow = CPABFlow((8, 8), fields=2, data=data, backend="torch")
    before = -flow.log_prob(other).mean().item()
    fit = flow.fit(data, iterations=60)
    assert fit.finished
    assert len(fit.losses) == 60
    after = -flow.log_prob(other).mean().item()
    assert after < before - 0.5
    drawn = flow.sample(2000, generator=torch.Generator().manual_seed(0))
    assert not drawn.requires_grad
    torch.testing.assert_close(drawn.mean(0), other.mean(0), rtol=0, atol=0.3)


def test_the_most_probable_flow_is_less_far_than_the_likeliest():
    data = ring(50)
    norms = []
    for weight in (0.0, 1.0, 10.0):
        flow = CPABFlow((4, 4), fields=1, data=data, backend="torch")
        flow.fit(data, iterations=40, weight=weight)
        norms.append(flow.penalty().item())
    assert norms[0] > norms[1] > norms[2] > 0


def test_a_batch_takes_a_part_of_the_data():
    data = ring(64)
    flow = CPABFlow((4, 4), fields=1, data=data, backend="torch")
    seen = []
    flow.log_prob, own = lambda points: seen.append(points) or own(points), flow.log_prob
    flow.fit(data, iterations=3, batch_size=16)
    assert [len(points) for points in seen] == [16] * 3
    assert not torch.equal(seen[0], seen[1])


def test_divergence_is_said_and_leaves_what_was_before():
    flow = CPABFlow((4, 4), fields=1, data=ring(20), backend="torch")
    fit = flow.fit(ring(20), iterations=50, learning_rate=1e6)
    assert not fit.finished
    assert "learning_rate" in fit.message
    assert flow.log_prob(ring(20)).isfinite().all()


def test_an_interrupt_keeps_what_was_reached(monkeypatch):
    flow, calls = CPABFlow((4, 4), fields=1, data=ring(20), backend="torch"), []

    def once(self):
        calls.append(self)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return self.white.square().sum()

    monkeypatch.setattr(type(flow), "penalty", once)
    fit = flow.fit(ring(20), iterations=50)
    assert (fit.finished, fit.message) == (False, "interrupted")
    assert flow.white.any()
    assert pickle.loads(pickle.dumps(fit)) == fit


def test_progress_shows_the_loss(capsys):
    flow = CPABFlow((4, 4), fields=1, data=ring(20), backend="torch")
    fit = flow.fit(ring(20), iterations=2, progress=True)
    assert f"{fit.losses[-1]:.4f}" in capsys.readouterr().out


def test_state_copies_and_starts_anew():
    data = ring(30)
    flow = moved_flow(data)
    other = CPABFlow((4, 4), fields=2, backend="torch", dtype=torch.float64)
    other.load_state_dict(flow.state_dict())
    torch.testing.assert_close(other.log_prob(data), flow.log_prob(data))
    for copied in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        assert torch.equal(copied.log_prob(data), flow.log_prob(data))
    flow.reset_parameters()
    assert not flow.theta().any()
    assert "fields=2" in repr(flow)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: CPABFlow((2, 2), fields=0, backend="torch"), OptionError, "fields"),
        (lambda: CPABFlow((2, 2), kernel="box", backend="torch"), OptionError, "kernel"),
        (lambda: CPABFlow((2, 2), data=torch.zeros(9, 2)), ShapeError, "fill all 2 dimensions"),
        (lambda: CPABFlow((2, 2), data=torch.eye(2)), ShapeError, "3 points"),
        (lambda: CPABFlow((2, 2), data=torch.full((9, 2), torch.nan)), ShapeError, "finite"),
        (lambda: CPABFlow((2, 2), data=torch.zeros(9, 3)), ShapeError, r"\(P, 2\)"),
        (lambda: CPABFlow((2, 2), backend="torch")(torch.zeros(3, 2).double()), DtypeError, "float32"),
        (lambda: CPABFlow((2, 2), backend="torch").fit(torch.full((3, 2), torch.inf)), OptionError, "finite"),
        (lambda: CPABFlow((2, 2), backend="torch").fit(torch.zeros(0, 2)), OptionError, "one at least"),
        (lambda: CPABFlow((2, 2), backend="torch").fit(torch.eye(2), learning_rate=-1), OptionError, "learning_rate"),
        (lambda: CPABFlow((2, 2), backend="torch").sample(0), OptionError, "n must"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_progress_needs_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(cpabx.errors.MissingPackageError, match=r"cpabx\[align\]"):
        CPABFlow((2, 2), data=ring(20), backend="torch").fit(ring(20), iterations=1, progress=True)
