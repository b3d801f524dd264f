"""Inputs and localization networks that do not fit each other; and those that fit more than they were made for."""

import pytest
import torch
from torch import nn

from backends.torch.tests.models import draw, trained
from cpabx.errors import DtypeError, ShapeError
from cpabx.testing.layers import LAYERS
from cpabx_torch import layers

CONVOLUTIONS = {1: nn.LazyConv1d, 2: nn.LazyConv2d, 3: nn.LazyConv3d}
POOLINGS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveAvgPool3d}


def pooling(ndim):
    return nn.Sequential(CONVOLUTIONS[ndim](4, 3, padding=1), nn.ReLU(), POOLINGS[ndim](1))


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("late", [False, True])
def test_networks_that_pool_take_any_size(layer, late):
    ndim = layer.family.ndim
    nets = [pooling(ndim) for _ in range(2)]
    given = nets if layer.name == "STAffineCPAB" else nets[0]
    options = {} if late else {"input_shape": (2, 7, 6, 5)[: ndim + 1]}
    made = getattr(layers, layer.name)(localization=given, **layer.arguments, **options)
    for size in ((7, 6, 5), (4, 9, 8), (13, 3, 6)):
        images = torch.rand(2, 2, *size[:ndim])
        torch.testing.assert_close(made(images), images, rtol=0, atol=1e-5)
    with pytest.raises(ShapeError, match="number of channels"):
        made(torch.rand(2, 3, *(7, 6, 5)[:ndim]))


def test_after_parameters_were_loaded_into_a_layer_that_had_none():
    """Their size is not known then, but that it is not this one."""
    fresh = layers.STCPAB((2, 2))
    fresh.load_state_dict(trained("STCPAB", cells=(2, 2)).state_dict())
    with pytest.raises(ShapeError, match=r"parameters were made for; got \(N, 2, 30, 31\)"):
        fresh(torch.rand(1, 2, 30, 31))
    assert fresh(draw()).shape == draw().shape


def test_errors_of_the_network_itself_stay():
    """Where the size is right, it is not to blame; where it is not, the network's error is the cause."""

    class Stubborn(nn.Module):
        wrong = False

        def forward(self, images):
            if self.wrong:
                raise KeyError("something else")
            return images.mean((2, 3))

    layer = layers.STAffine(localization=Stubborn(), input_shape=(2, 12, 10))
    layer.localization[0].wrong = True
    with pytest.raises(KeyError, match="something else"):
        layer(draw())
    with pytest.raises(ShapeError) as caught:
        layer(torch.rand(1, 2, 5, 5))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("given", [torch.float64, torch.float16])
def test_images_of_another_precision(given):
    layer = trained("STCPAB")
    with pytest.raises(DtypeError, match=rf"torch.float32; got {given}.*\.to\(torch.float32\)"):
        layer(draw().to(given))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(draw()).shape == draw().shape


@pytest.mark.parametrize("what", [[[1.0]], None, draw().numpy(), "image"], ids=["list", "None", "numpy", "str"])
def test_what_is_no_tensor(what):
    with pytest.raises(DtypeError, match="as_tensor"):
        trained("STAffine")(what)


class Features(nn.Module):
    """A localization network that is one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


@pytest.mark.parametrize(
    ("function", "error", "match"),
    [
        (lambda x: x.sum(), ShapeError, r"got shape \(\)"),
        (lambda x: x[:, :0], ShapeError, r"got shape \(\d, 0"),
        (lambda x: (x.mean((2, 3)),), ShapeError, "got tuple"),
        (lambda x: {"features": x}, ShapeError, "got dict"),
        (lambda _: None, ShapeError, "got NoneType"),
        (lambda x: x.mean((0, 2, 3))[None].expand(5, -1), ShapeError, r"got 5 rows for \d images"),
        (lambda x: x.reshape(-1, 6), ShapeError, "Keep the batch"),
        (lambda x: x.mean((2, 3)).double(), DtypeError, "localization network.*got torch.float64"),
        (lambda x: x.mean((2, 3)).long(), DtypeError, "localization network.*got torch.int64"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_localization_networks_that_return_something_else(function, error, match, late):
    def call():
        options = {} if late else {"input_shape": (2, 12, 10)}
        layers.STCPAB((2, 2), localization=Features(function), **options)(draw())

    with pytest.raises(error, match=match):
        call()


def test_features_may_be_one_number_each_and_not_finite():
    layer = layers.STAffine(localization=Features(lambda x: x.mean((1, 2, 3))), input_shape=(2, 12, 10))
    torch.testing.assert_close(layer(draw()), draw(), rtol=0, atol=1e-5)
    layer.localization[0].function = lambda x: x.mean((1, 2, 3)) * torch.tensor([1, torch.nan, 1])
    assert layer(draw()).isnan().flatten(1).all(1).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", ["float32", 32, torch.int32, torch.complex64], ids=str)
def test_parameters_are_floats(dtype):
    with pytest.raises(DtypeError, match="floating-point"):
        layers.STAffine(dtype=dtype)


def test_any_iterable_of_layers_side_by_side():
    members = [trained("STAffine"), trained("STCPAB")]
    for given in (tuple(members), nn.ModuleList(members), iter(members)):
        assert len(layers.STParallel(given)(draw())) == 2
