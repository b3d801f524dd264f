"""Models of torch, exported with our translations: the numbers of torch from onnxruntime, for all sizes of a batch."""

import logging

import numpy as np
import onnx
import pytest

import cpabx
import cpabx.export
import cpabx_onnx
from cpabx.errors import MissingPackageError
from cpabx.sampling import Sampling

from .conftest import session_of

torch = pytest.importorskip("torch", reason="exports from torch")
pytest.importorskip("onnxscript", reason="torch exports by it")
pytest.importorskip("cpabx_torch", reason="whose operators are translated")

pytestmark = pytest.mark.slow


class Calls(torch.nn.Module):
    """Every operator that has a translation."""

    def __init__(self, ndim):
        super().__init__()
        self.flow = cpabx.Cpab((3,) * ndim)

    def forward(self, points, images, theta):
        at_points = cpabx.get_backend("torch").cpab_velocity
        there = self.flow.transform(points, theta)
        return (
            there,
            self.flow.inverse(there, theta),
            at_points(points, self.flow.velocity(theta), self.flow.tessellation),
            self.flow.jacobian(points, theta),
            self.flow.log_det_jacobian(points, theta),
            self.flow.warp(images, theta, padding_mode="border"),
            self.flow.warp(images, theta, output_size=(5,) * images[0, 0].ndim, mode="cubic"),
        )


def exported(model, args, path, **options):
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    cpabx.export.onnx(model, args, path, cpab="native", backend="torch", **options)
    return session_of(str(path))


def assert_same(session, model, args):
    expected = model(*args)
    expected = expected if isinstance(expected, tuple) else (expected,)
    names = [found.name for found in session.get_inputs()]
    results = session.run(None, dict(zip(names, (a.numpy() for a in args), strict=True)))
    for found, wanted in zip(results, expected, strict=True):
        assert found.shape == tuple(wanted.shape)
        np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=2e-6 if found.dtype == np.float32 else 1e-12)


@torch.no_grad()
def test_every_call(tmp_path):
    """With pictures of any size."""
    ndim, size = 2, (9, 8)
    model = Calls(ndim)

    def args(n, n_points, size=size):
        theta = model.flow.sample(n, seed=n, scale=0.4, backend="torch", dtype="float64")
        rng = np.random.default_rng(n)
        points, images = rng.uniform(-1, 1, (n, n_points, ndim)), rng.normal(size=(n, 2, *size))
        return *(torch.tensor(array, dtype=theta.dtype) for array in (points, images)), theta

    n, p = torch.export.Dim("n"), torch.export.Dim("p")
    pixels = {2 + axis: torch.export.Dim(f"size_{axis}", min=2) for axis in range(ndim)}
    shapes = ({0: n, 1: p}, {0: n, **pixels}, {0: n})
    session = exported(model.eval(), args(3, 6), tmp_path / "calls.onnx", dynamic_shapes=shapes)
    for n_items, n_points in ((1, 6), (7, 50), (100, 3)):
        assert_same(session, model, args(n_items, n_points))
    assert_same(session, model, args(2, 4, size=tuple(2 * n for n in size)))


@torch.no_grad()
def test_a_layer(tmp_path):
    """With a localization network, in two dimensions."""
    torch.manual_seed(0)
    shape = (1, 12, 10)
    model = cpabx.layers.STCPAB((4, 4), input_shape=shape, backend="torch").eval()
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    session = exported(model, (torch.rand(3, *shape),), tmp_path / "layer.onnx")
    for n_items in (1, 7, 100):
        assert_same(session, model, (torch.rand(n_items, *shape),))


@torch.no_grad()
def test_a_program_that_was_recorded_before(tmp_path):
    """With the table for torch's own exporter; sampling is an operator there, too."""
    flow, n = cpabx.Cpab((3, 2)), torch.export.Dim("n")

    class Steps(torch.nn.Module):
        def forward(self, images, points, theta):
            return cpabx.get_backend("torch").sample(images, flow.transform(points, theta), Sampling())

    def args(n_items):
        theta = flow.sample(n_items, seed=0, scale=0.4, backend="torch", dtype="float64")
        return torch.rand(n_items, 2, 9, 8).double(), torch.rand(n_items, 5, 2).double(), theta

    model = Steps()
    program = torch.export.export(model, args(3), dynamic_shapes=({0: n},) * 3)
    table = cpabx_onnx.translation_table()
    path = tmp_path / "steps.onnx"
    torch.onnx.export(program, f=path, dynamo=True, custom_translation_table=table, verbose=False)
    operators = {node.op_type for node in onnx.load(path).graph.node if node.domain == "cpabx"}
    assert operators == {"CpabTransform", "CpabSample"}
    assert_same(session_of(str(path)), model, args(7))


def test_without_the_package(monkeypatch, tmp_path):
    """What asks for its operators names it."""
    monkeypatch.setattr("cpabx.export.operators.entry_points", lambda **_: [])
    with pytest.raises(MissingPackageError, match="pip install cpabx-onnx"):
        exported(torch.nn.Identity(), (torch.rand(3, 2),), tmp_path / "none.onnx")
