"""ONNX files of layers, run by onnxruntime: the numbers of torch, for any batch."""

import numpy as np
import pytest
import torch

import cpabx
from backends.torch.tests.models import Session, draw, trained
from cpabx import export
from cpabx.errors import UnsupportedError

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

#: Groups of affine maps beside these are made of the same operations, and each file takes its seconds.
PLAIN = ["STAffine", "STAffineDiffeo", "STHomography", "STThinPlateSpline"]
BATCH = {0: torch.export.Dim("n")}


def check(path, layer, draws):
    session = Session(path)
    for images in draws:
        with torch.no_grad():
            wanted = layer(images).numpy()
        np.testing.assert_allclose(session(images), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PLAIN)
def test_torchs_exporter_takes_every_family_without_flows(name, tmp_path):
    layer = trained(name).eval()
    torch.onnx.export(layer, (draw(2),), tmp_path / "a.onnx", dynamo=True, verbose=False, dynamic_shapes=(BATCH,))
    check(tmp_path / "a.onnx", layer, [draw(n) for n in (1, 7, 100)])


def test_a_cpab_layer_for_any_batch(tmp_path):
    layer = trained("STCPAB", cells=(2, 2)).eval()
    batches = [draw(n) for n in (1, 7, 100)]
    export.onnx(layer, (draw(2),), tmp_path / "a.onnx", strides=30)  # a loop, which ends when trajectories do
    check(tmp_path / "a.onnx", layer, batches)


def test_cpab_is_never_changed_silently(tmp_path):
    """Not by torch's own exporter, which says what to do instead."""
    layer = trained("STCPAB", cells=(2, 2)).eval()
    with pytest.raises(Exception, match=r"cpabx\.export\.onnx") as caught:
        torch.onnx.export(layer, (draw(2),), tmp_path / "a.onnx", dynamo=True, verbose=False)
    assert isinstance(caught.value.__cause__, UnsupportedError)


def test_too_few_strides_are_refused(tmp_path):
    layer = trained("STCPAB", cells=(2, 2)).eval()
    for module in layer.modules():
        if hasattr(module, "weight") and module.weight.ndim == 2:
            torch.nn.init.normal_(module.weight, std=1.0)
    with pytest.raises(UnsupportedError, match="results that are lost"):
        export.onnx(layer, (draw(8),), tmp_path / "a.onnx", strides=1)


def test_an_activation(tmp_path):
    activation = cpabx.layers.CPABActivation(cells=3, backend="torch")
    torch.nn.init.normal_(activation.theta, std=0.3)
    values = torch.linspace(-2, 2, 60).reshape(20, 3)
    export.onnx(activation, (values,), tmp_path / "a.onnx")
    check(tmp_path / "a.onnx", activation, [values, 0.5 * values[:7]])


def test_a_program_that_was_recorded_before(tmp_path):
    layer = trained("STAffine").eval()
    program = torch.export.export(layer, (draw(2),), dynamic_shapes=(BATCH,))
    table = export.translations("torch")
    torch.onnx.export(program, (), tmp_path / "a.onnx", dynamo=True, verbose=False, custom_translation_table=table)
    check(tmp_path / "a.onnx", layer, [draw(n) for n in (1, 5)])


@pytest.mark.parametrize(("family", "size"), [(cpabx.Affine(1), (9,)), (cpabx.Affine(3), (4, 5, 6))], ids=["1D", "3D"])
def test_signals_and_volumes(family, size, tmp_path):
    class Warp(torch.nn.Module):
        def forward(self, images, theta):
            return family.warp(images, theta)

    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 2, *size, generator=generator)
    identity = torch.tensor(family.identity_theta(), dtype=torch.float32)
    theta = identity + 0.1 * torch.randn(3, family.n_params, generator=generator)
    export.onnx(Warp(), (images, theta), tmp_path / "a.onnx")
    found = Session(tmp_path / "a.onnx")(images, theta)
    np.testing.assert_allclose(found, Warp()(images, theta).numpy(), rtol=1e-4, atol=1e-5)
