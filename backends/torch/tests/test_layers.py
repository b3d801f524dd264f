"""The layers as torch modules; what all frameworks share is in the conformance suite."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import cpabx
from cpabx.errors import OptionError, ShapeError
from cpabx.testing.layers import LAYERS
from cpabx_torch import layers
from cpabx_torch.localization import ThetaLinear

SHAPE = (2, 12, 10)
SHAPES = {1: (2, 12), 2: SHAPE, 3: (2, 4, 6, 5)}
each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def images(n=3, shape=SHAPE, dtype=torch.float32):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def inputs(layer, n=3, dtype=torch.float32):
    return images(n, SHAPES[layer.family.ndim], dtype)


def make(layer, **options):
    """A layer of the conformance suite's list."""
    options = {"input_shape": SHAPES[layer.family.ndim], **layer.arguments, **options}
    return getattr(layers, layer.name)(**options)


def trained(layer):
    """A layer away from the identity."""
    generator = torch.Generator().manual_seed(1)
    for module in layer.modules():
        if isinstance(module, ThetaLinear):
            with torch.no_grad():
                noise = torch.randn(module.weight.shape, generator=generator, dtype=module.weight.dtype)
                module.weight.add_(0.05 * noise)
    return layer


@each_layer
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_all_parameters_get_finite_gradients_from_the_first_step(layer, localization):
    module = make(layer, localization=localization)
    module(inputs(layer)).square().sum().backward()
    grads = [p.grad for p in module.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)
    last = [m for m in module.modules() if isinstance(m, ThetaLinear)]
    assert all(m.weight.grad.any() for m in last)


@each_layer
def test_lazy_and_eager_layers_are_the_same(layer):
    torch.manual_seed(0)
    eager = make(layer)
    torch.manual_seed(0)
    lazy = make(layer, input_shape=None)
    lazy(inputs(layer))
    assert [p.shape for p in lazy.parameters()] == [p.shape for p in eager.parameters()]
    lazy.load_state_dict(eager.state_dict())
    assert torch.equal(lazy(inputs(layer)), eager(inputs(layer)))


def restored(module, fresh):
    """A fresh module with the state of another, by way of a file."""
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer))
    return fresh


@each_layer
def test_copies_pickles_and_state_dicts(layer):
    module, x = trained(make(layer)), inputs(layer)
    expected = module(x)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), restored(module, make(layer))):
        assert torch.equal(other(x), expected)
    assert (expected - x).abs().max() > 0.01


@each_layer
def test_the_representation_says_what_the_layer_does(layer):
    module = make(layer, output_size=(7, 8, 9)[-layer.family.ndim :], padding_mode="border")
    shown = repr(module)
    for part in (repr(layer.family), f"output_size={module.options.output_size}", "padding_mode='border'"):
        assert part in shown


# -- gradients -------------------------------------------------------------------------------------


def check_gradients(module, x):
    """Of the input and all parameters, against central differences along random directions."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    leaves = [t.detach().clone().requires_grad_() for t in (x, *parameters)]

    def call(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, leaves, fast_mode=True)


@each_layer
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_gradients(layer, localization):
    torch.manual_seed(0)
    module = trained(make(layer, localization=localization, dtype=torch.float64, padding_mode="border"))
    check_gradients(module, inputs(layer, 2, torch.float64))


class Twice(nn.Module):
    """One layer, called again on what it returned."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(self.layer(x))


@pytest.mark.parametrize("name", ["STCPAB-1D", "STAffineDiffeo", "STAffineCPAB", "STCPAB-3D"])
def test_gradients_of_shared_weights_add_up(name):
    torch.manual_seed(0)
    layer, options = LAYERS[name], {"dtype": torch.float64, "padding_mode": "border"}
    module, x = trained(make(layer, **options)), inputs(layer, 2, torch.float64)
    check_gradients(Twice(module), x)
    loss = Twice(module)(x).square().sum()
    shared = torch.autograd.grad(loss, list(module.parameters()))
    first, second = copy.deepcopy(module), copy.deepcopy(module)
    second(first(x)).square().sum().backward()
    for got, a, b in zip(shared, first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(got, a.grad + b.grad)


def test_gradients_in_the_middle_of_a_network():
    """Feature maps of 7 channels and odd sizes, another size of the result, more layers before and after."""
    torch.manual_seed(0)
    options = {"dtype": torch.float64, "padding_mode": "border"}
    module = nn.Sequential(
        nn.Conv2d(2, 7, 4, dtype=torch.float64),
        layers.STAffineCPAB((2, 2), input_shape=(7, 9, 7), output_size=(7, 5), **options),
        nn.Tanh(),
        nn.Conv2d(7, 3, 3, dtype=torch.float64),
        layers.STThinPlateSpline((2, 2), input_shape=(3, 5, 3), localization="fcn", **options),
    )
    check_gradients(trained(module), images(2, dtype=torch.float64))


# -- side by side ----------------------------------------------------------------------------------


def parallel(dtype=torch.float32, merge="channels"):
    options = {"input_shape": SHAPE, "output_size": (6, 5), "dtype": dtype}
    return layers.STParallel([layers.STCPAB((2, 2), **options), layers.STAffineDiffeo(**options)], merge=merge)


def test_gradients_of_layers_side_by_side():
    torch.manual_seed(0)
    check_gradients(trained(parallel(torch.float64)), images(2, dtype=torch.float64))


def test_layers_side_by_side_are_one_module():
    module = trained(parallel())
    expected = module(images())
    assert expected.shape == (3, 4, 6, 5)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), restored(module, parallel())):
        assert torch.equal(other(images()), expected)
    assert "merge='channels'" in repr(module)
    module.reset_parameters()
    for theta, layer in zip(module.theta(images()), module.layers, strict=True):
        assert torch.equal(theta, layer.transformation.identity(3, backend="torch"))


def test_layers_side_by_side_learn_different_transformations():
    """Two prototypes, of which each input takes the better one: a shift to the left, and one to the right."""
    torch.manual_seed(0)
    x = torch.nn.functional.avg_pool2d(images(8), 3, 1, 1)
    target = torch.where((torch.arange(8) < 4)[:, None, None, None], x.roll(1, -1), x.roll(-1, -1))
    options = {"input_shape": SHAPE, "padding_mode": "border"}
    module = layers.STParallel([layers.STAffine(**options) for _ in range(2)])
    with torch.no_grad():  # at one theta both would get one gradient
        for layer, shift in zip(module.layers, (-0.02, 0.02), strict=True):
            layer.localization[-1].bias[2] = shift
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        each = torch.stack([(result - target).square().mean((1, 2, 3)) for result in module(x)])
        loss = each.min(0).values.mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert set(each.argmin(0).tolist()) == {0, 1}


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
    with cpabx.use_backend("torch"):
        layer = cpabx.layers.STCPAB((2, 2), input_shape=SHAPE)
    model = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(1))
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
        ({"padding_mode": "periodic"}, OptionError),
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
