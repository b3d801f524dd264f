"""Every kind of layer as ONNX in standard operators: one file for batches of all sizes, to 1e-5 of the layer."""

import numpy as np
import pytest
import torch
from torch import nn

import cpabx
from backends.torch.tests.models import Session, trained
from cpabx import export
from cpabx_torch import layers

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SIGNALS, PICTURES, VOLUMES = (2, 9), (1, 6, 5), (1, 3, 4, 2)


class Means(nn.Module):
    """Features of pictures of any size."""

    def forward(self, images):
        return torch.stack([images.mean((2, 3)), images.amax((2, 3)), images[:, :, 0, 0]], -1).flatten(1)


def made(name, shape, **options):
    """A layer whose theta depend on its input, behind as little of a network as there can be."""
    return trained(name, **{"input_shape": shape, "localization": nn.Flatten(), **options}).eval()


def composition():
    """A map of the user's own, with CPAB where STAffineCPAB has the affine part."""
    family = cpabx.Composition(cpabx.Cpab((3,)), cpabx.Affine(1))
    return made("SpatialTransformer", SIGNALS, transformation=family)


def parallel():
    members = [made("STCPAB", SIGNALS, cells=(3,)), made("STAffine", SIGNALS, ndim=1)]
    return layers.STParallel(members, merge="channels").eval()


#: A layer, and the shape of an image; in 1D where dimensions do not matter, since files of them are made sooner.
LAYERS = {
    "STCPAB in 1D": (lambda: made("STCPAB", SIGNALS, cells=(3,)), SIGNALS),
    "STCPAB in 3D": (lambda: made("STCPAB", VOLUMES, cells=(1, 2, 1)), VOLUMES),
    "STAffineCPAB": (lambda: made("STAffineCPAB", SIGNALS, cells=(3,), localization=[nn.Flatten()] * 2), SIGNALS),
    "STRecurrent, affine": (
        lambda: made("STRecurrent", PICTURES, transformation=cpabx.Affine(), recurrences=2),
        PICTURES,
    ),
    "STRecurrent, CPAB": (lambda: made("STRecurrent", SIGNALS, transformation=(3,), recurrences=2), SIGNALS),
    "STParallel": (parallel, SIGNALS),
    "Composition": (composition, SIGNALS),
}


def draw(n, shape):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n))


def check(session, layer, images):
    with torch.no_grad():
        wanted = layer(images).numpy()
    np.testing.assert_allclose(session(images), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_batches_of_any_size(name, tmp_path):
    make, shape = LAYERS[name]
    layer, path = make(), tmp_path / "layer.onnx"
    export.onnx(layer, (draw(100, shape),), path)
    assert {domain.domain for domain in onnx.load(path).opset_import} == {""}
    session = Session(path)
    for n in (1, 7, 100):
        images = draw(n, shape)
        assert (layer(images)[:, : shape[0]] - images).abs().max() > 0.01
        check(session, layer, images)


def test_pictures_of_any_size(tmp_path):
    """Of a layer that has an output size, and a localization that takes them."""
    layer, path = made("STCPAB", PICTURES, cells=(2, 1), localization=Means(), output_size=(4, 7)), tmp_path / "a.onnx"
    sizes = {0: torch.export.Dim("n"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    export.onnx(layer, (draw(100, PICTURES),), path, dynamic_shapes=(sizes,))
    session = Session(path)
    for n, size in ((1, (6, 5)), (7, (3, 11)), (100, (12, 4))):
        check(session, layer, draw(n, (1, *size)))
