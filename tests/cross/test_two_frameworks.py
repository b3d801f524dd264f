"""One model in torch and in Keras, with the same weights: the same output, the same gradients of all of them.

Runs where both are installed.
"""

import numpy as np
import pytest

from cpabx.testing.plugin import required_backends

if not {"torch", "tensorflow"} <= required_backends():
    for package in ("torch", "keras", "cpabx_torch", "cpabx_tensorflow"):
        pytest.importorskip(package, reason="compares torch and Keras")

import keras
import tensorflow as tf
import torch

from cpabx.testing.layers import LAYERS, layers_in
from cpabx_tensorflow import layers as keras_layers
from cpabx_torch import layers as torch_layers

pytestmark = pytest.mark.slow

N, CHANNELS, MAPS = 3, 2, 4
SIZES = {1: (15,), 2: (11, 9), 3: (6, 7, 5)}
OUTPUT_SIZES = {1: (7,), 2: (5, 6), 3: (4, 3, 5)}

#: Of the largest entry of an output or a gradient.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}

each_precision = pytest.mark.parametrize("dtype", TOLERANCE)
each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


# -- from one layout to the other ------------------------------------------------------------------


def channels_first(images):
    return np.moveaxis(np.asarray(images), -1, 1)


def in_torchs_order(kernel, flattened):
    """A kernel of Keras, (*size, in, out) or (in, out), as torch has it: out first, then in.

    ``flattened`` is the shape of the feature maps that a dense layer sees in a row, (*size, C) in Keras.
    """
    kernel = np.asarray(kernel)
    if flattened is not None:
        kernel = np.moveaxis(kernel.reshape(*flattened, -1), -2, 0).reshape(kernel.shape)
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def parts(layer):
    """The layers with kernels in a layer of Keras, in torch's order, each with the shape that was flattened."""
    if isinstance(layer, keras_layers.STParallel):
        inside = layer.layers
    elif isinstance(layer, keras_layers.SpatialTransformer):
        inside = layer._networks
    else:
        inside = layer.layers
    flattened = None
    for each in inside:
        if isinstance(each, keras.layers.Flatten):
            flattened = each.input.shape[1:] if len(each.input.shape) > 2 else None
        elif hasattr(each, "kernel"):
            yield each, flattened
            flattened = None
        elif each.weights:
            yield from parts(each)


def modules(module):
    """The modules with weights in a module of torch."""
    return [m for m in module.modules() if isinstance(m, (torch.nn.Linear, torch.nn.modules.conv._ConvNd))]


def copy_weights(ours, theirs):
    for (layer, flattened), module in zip(parts(ours), modules(theirs), strict=True):
        with torch.no_grad():
            module.weight.copy_(torch.tensor(in_torchs_order(layer.kernel, flattened)))
            module.bias.copy_(torch.tensor(np.asarray(layer.bias)))


def train(ours):
    """Weights away from where they start: those of the last layers from zero, and theta from the identity."""
    rng = np.random.default_rng(1)
    for layer, _ in parts(ours):
        kernel, bias = layer.get_weights()
        layer.set_weights([w + 0.02 * rng.standard_normal(w.shape) for w in (kernel, bias)])


# -- comparison --------------------------------------------------------------------------------------


def close(got, expected, tolerance):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    assert got.shape == expected.shape
    largest = np.abs(expected).max()
    assert largest > 1e-3
    assert np.abs(got - expected).max() <= tolerance * largest


def compare(ours, theirs, shape, dtype, *, call=lambda model, x: model(x)):
    """Output and gradients of a model of Keras and its twin of torch, on one batch."""
    train(ours)
    copy_weights(ours, theirs)
    rng = np.random.default_rng(2)
    x, tolerance = rng.uniform(size=(N, *shape)).astype(dtype), TOLERANCE[dtype]
    here, there = tf.constant(x), torch.tensor(channels_first(x)).requires_grad_()

    expected = call(theirs, there)
    cotangent = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.tensor(cotangent))
    with tf.GradientTape() as tape:
        tape.watch(here)
        got = call(ours, here)
    found = list(parts(ours))
    weights = [[layer.kernel.value, layer.bias.value] for layer, _ in found]
    last_first = np.moveaxis(cotangent, 1, -1) if cotangent.ndim > 2 else cotangent
    grad_input, grads = tape.gradient(got, [here, weights], last_first)

    close(channels_first(got) if cotangent.ndim > 2 else got, expected.detach(), tolerance)
    close(channels_first(grad_input), there.grad, tolerance)
    assert len(ours.trainable_variables) == 2 * len(found) == len(list(theirs.parameters()))
    for (kernel, bias), (_, flattened), module in zip(grads, found, modules(theirs), strict=True):
        close(in_torchs_order(kernel, flattened), module.weight.grad, tolerance)
        close(bias, module.bias.grad, tolerance)


def pair(layer, shape, dtype, **options):
    """A layer in Keras and in torch, for feature maps (*size, C)."""
    options = {**layer.arguments, **options}
    ours = getattr(keras_layers, layer.name)(input_shape=shape, dtype=dtype, **options)
    theirs = getattr(torch_layers, layer.name)(
        input_shape=(shape[-1], *shape[:-1]), dtype=getattr(torch, dtype), **options
    )
    return ours, theirs


def network(layer, dtype, **options):
    """A convolution, the layer on its feature maps, and a dense layer."""
    ndim = layer.family.ndim
    shape, output_size, wide = (*SIZES[ndim], CHANNELS), OUTPUT_SIZES[ndim], {"dtype": getattr(torch, dtype)}
    maps = (*(n - 2 for n in SIZES[ndim]), MAPS)
    ours, theirs = pair(layer, maps, dtype, output_size=output_size, **options)
    convolution = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[ndim]
    model = keras.Sequential(
        [
            keras.Input(shape, dtype=dtype),
            convolution(MAPS, 3, activation="tanh", dtype=dtype),
            ours,
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(5, dtype=dtype),
        ]
    )
    convolution = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[ndim]
    twin = torch.nn.Sequential(
        convolution(CHANNELS, MAPS, 3, **wide),
        torch.nn.Tanh(),
        theirs,
        torch.nn.Flatten(),
        torch.nn.Linear(MAPS * int(np.prod(output_size)), 5, **wide),
    )
    return model, twin, shape


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@each_precision
@each_layer
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_networks(layer, localization, dtype):
    """Every family in every dimension that it has, in the middle of a network."""
    ours, theirs, shape = network(layer, dtype, localization=localization, padding_mode="border")
    compare(ours, theirs, shape, dtype)


@each_layer
@pytest.mark.parametrize("options", [{"align_corners": True}, {"padding_mode": "reflection"}], ids=str)
def test_sampling_options(layer, options):
    """Of a layer alone, the size of whose result is that of its input."""
    shape = (*SIZES[layer.family.ndim], CHANNELS)
    compare(*pair(layer, shape, "float64", localization="fcn", **options), shape, "float64")


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_two_passes_of_interpolation(ndim):
    shape, layer = (*SIZES[ndim], CHANNELS), layers_in(ndim)[f"STAffineCPAB-{ndim}D"]
    compare(*pair(layer, shape, "float64", interpolate="twice"), shape, "float64")


@each_precision
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_in_a_row(ndim, dtype):
    """One layer, called three times: gradients of its weights are sums of three."""
    shape, layer = (*SIZES[ndim], CHANNELS), layers_in(ndim)[f"STCPAB-{ndim}D"]

    def thrice(layer, x):
        return layer(layer(layer(x)))

    compare(*pair(layer, shape, dtype, padding_mode="border"), shape, dtype, call=thrice)


@each_precision
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_side_by_side(ndim, dtype):
    """All families of a dimension, on one input."""
    shape = (*SIZES[ndim], CHANNELS)
    pairs = [pair(layer, shape, dtype, localization="fcn") for layer in layers_in(ndim).values()]
    ours, theirs = zip(*pairs, strict=True)
    both = (
        module.STParallel(list(layers), merge="channels")
        for module, layers in ((keras_layers, ours), (torch_layers, theirs))
    )
    compare(*both, shape, dtype)
