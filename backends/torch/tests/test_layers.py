"""The layers as torch modules; what all frameworks share is in the conformance suite."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import cpabx
from cpabx.errors import OptionError, ShapeError
from cpabx_torch import layers
from cpabx_torch.localization import ThetaLinear

SHAPE = (2, 12, 10)
LAYERS = [
    layers.STAffine,
    layers.STAffineDiffeo,
    layers.STHomography,
    layers.STThinPlateSpline,
    layers.STCPAB,
    layers.STAffineCPAB,
]


def images(n=3):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0))


def trained(layer):
    """A layer away from the identity."""
    generator = torch.Generator().manual_seed(1)
    for module in layer.modules():
        if isinstance(module, ThetaLinear):
            with torch.no_grad():
                module.weight.add_(0.05 * torch.randn(module.weight.shape, generator=generator))
    return layer


@pytest.mark.parametrize("make", LAYERS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_all_parameters_get_finite_gradients_from_the_first_step(make, localization):
    layer = make(input_shape=SHAPE, localization=localization)
    layer(images()).square().sum().backward()
    grads = [p.grad for p in layer.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)
    last = [m for m in layer.modules() if isinstance(m, ThetaLinear)]
    assert all(m.weight.grad.any() for m in last)


@pytest.mark.parametrize("make", LAYERS, ids=lambda c: c.__name__)
def test_lazy_and_eager_layers_are_the_same(make):
    torch.manual_seed(0)
    eager = make(input_shape=SHAPE)
    torch.manual_seed(0)
    lazy = make()
    lazy(images())
    assert [p.shape for p in lazy.parameters()] == [p.shape for p in eager.parameters()]
    lazy.load_state_dict(eager.state_dict())
    assert torch.equal(lazy(images()), eager(images()))


@pytest.mark.parametrize("make", LAYERS, ids=lambda c: c.__name__)
def test_copies_pickles_and_state_dicts(make):
    layer = trained(make(input_shape=SHAPE))
    expected = layer(images())
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    restored = make(input_shape=SHAPE)
    restored.load_state_dict(torch.load(buffer))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), restored):
        assert torch.equal(other(images()), expected)
    assert not torch.equal(expected, images())


def test_state_dict_holds_only_what_is_trained():
    layer = layers.STCPAB(input_shape=SHAPE)
    assert set(layer.state_dict()) == {name for name, _ in layer.named_parameters()}


def test_reset_parameters_returns_to_the_identity():
    layer = trained(layers.STAffineCPAB(input_shape=SHAPE))
    layer.reset_parameters()
    expected = layer.transformation.identity(3, backend="torch")
    assert torch.equal(layer.theta(images()), expected)


def test_double_precision_layer():
    layer = layers.STAffineCPAB(input_shape=SHAPE, dtype=torch.float64)
    assert layer(images().double()).dtype == torch.float64


def test_features_of_the_users_network_get_a_last_layer():
    features = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    layer = layers.STCPAB((2, 2), localization=features, input_shape=SHAPE)
    assert layer.theta(images()).shape == (3, 20)
    assert features[1].num_batches_tracked == 1  # the dry run did not count


def test_two_networks_for_two_stages():
    layer = layers.STAffineCPAB((2, 2), localization=("fcn", nn.Flatten()), input_shape=SHAPE)
    assert layer.theta(images()).shape == (3, 26)
    assert sum(p.numel() for p in layer.refinement.parameters()) == 2 * 12 * 10 * 20 + 20


def test_refinement_sees_the_affine_result():
    layer = trained(layers.STAffineCPAB((2, 2), input_shape=SHAPE))
    theta = layer.theta(images())
    between = cpabx.Affine().warp(images(), theta[:, :6])
    assert torch.equal(theta[:, 6:], layer.refinement(between))


def test_one_interpolation_keeps_what_two_lose():
    """Half a pixel there and back: composed, that is the identity; sampled twice, it is a blur (section 5.2)."""
    x, half_a_pixel = images(1), 1 / SHAPE[2]
    once, twice = (layers.STAffineCPAB((2, 2), input_shape=SHAPE, interpolate=i) for i in ("once", "twice"))
    basis = torch.from_numpy(once.transformation.inner.basis.matrix)
    back = torch.tensor([-half_a_pixel, 0.0], dtype=torch.float64).repeat(len(basis) // 2)
    with torch.no_grad():
        for layer in (once, twice):
            layer.localization[-1].bias[2] = half_a_pixel
            layer.refinement[-1].bias[:] = torch.linalg.lstsq(basis, back[:, None]).solution[:, 0]
    inner = (..., slice(1, -1))
    torch.testing.assert_close(once(x)[inner], x[inner], atol=1e-5, rtol=0)
    assert (twice(x) - x)[inner].abs().max() > 0.1


def test_output_size():
    layer = layers.STCPAB((2, 2), input_shape=SHAPE, output_size=(5, 7))
    assert layer(images()).shape == (3, 2, 5, 7)


def test_works_in_a_sequential_model_and_learns():
    torch.manual_seed(0)
    cpabx.set_backend("torch")
    model = nn.Sequential(cpabx.layers.STCPAB((2, 2), input_shape=SHAPE), nn.Flatten(), nn.LazyLinear(1))
    target = torch.tensor([[0.0], [1.0], [2.0]])
    model(images())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (model(images()) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert not torch.equal(model[0].theta(images()), torch.zeros(3, 20))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"localization": "rnn"}, OptionError),
        ({"localization": 3}, OptionError),
        ({"padding_mode": "wrap"}, OptionError),
        ({"output_size": (0, 3)}, OptionError),
        ({"input_shape": (12, 10)}, ShapeError),
    ],
)
def test_bad_options(options, error):
    with pytest.raises(error) as caught:
        layers.STCPAB(**options)
    assert caught.value.remedy


def test_bad_options_of_the_two_stage_layer():
    with pytest.raises(OptionError, match="interpolate"):
        layers.STAffineCPAB(interpolate="thrice")
    with pytest.raises(OptionError, match="pair"):
        layers.STAffineCPAB(localization=("cnn", "cnn", "cnn"))


def test_images_without_a_batch_axis():
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        layers.STCPAB()(images()[0])
