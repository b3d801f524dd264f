"""Tensors that are no arrays of numbers side by side: one error at the door, with the argument and the layout."""

import warnings

import numpy as np
import pytest
import torch

import cpabx
from cpabx import plot
from cpabx.errors import DtypeError

FAMILY = cpabx.Cpab((2, 1))
THETA, POINTS, IMAGES = torch.ones(2, FAMILY.n_params), torch.ones(2, 3, 2), torch.ones(2, 1, 4, 4)

LAYOUTS = {
    "sparse_coo": lambda dense: dense.to_sparse(),
    "sparse_csr": lambda dense: dense.reshape(len(dense), -1).to_sparse_csr(),
    "nested": lambda dense: torch.nested.nested_tensor(list(dense)),
    "jagged": lambda dense: torch.nested.nested_tensor(list(dense), layout=torch.jagged),
    "mkldnn": lambda dense: dense.to_mkldnn(),
    "quint8": lambda dense: torch.quantize_per_tensor(dense, 0.1, 0, torch.quint8),
    "MaskedTensor": lambda dense: torch.masked.masked_tensor(dense, dense > 0),
    "UninitializedParameter": lambda dense: torch.nn.parameter.UninitializedParameter(),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_other_layouts_are_refused_by_name(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of what is a prototype
        try:
            theta, points, images = map(LAYOUTS[kind], (THETA, POINTS, IMAGES))
        except (RuntimeError, NotImplementedError) as error:
            pytest.skip(f"this torch makes none: {error}")
        for name, call in {
            "theta": lambda: FAMILY.transform(POINTS, theta),
            "points": lambda: FAMILY.transform(points, THETA),
            "images": lambda: FAMILY.warp(images, THETA),
            "cotangent": lambda: FAMILY.vjp(POINTS, THETA, points),
            "tangent_theta": lambda: FAMILY.jvp(POINTS, THETA, None, theta),
        }.items():
            with pytest.raises(DtypeError, match=f"{name} must be") as caught:
                call()
            assert (kind if kind != "jagged" else "nested") in str(caught.value)
            assert len(str(caught.value)) < 300
        with pytest.raises(DtypeError, match="theta must be"):
            FAMILY.velocity(theta)
        with pytest.raises(DtypeError, match="theta must be"):
            plot.deformed_grid(FAMILY, theta)


def test_tensors_without_values_where_values_are_needed():
    """On meta there are shapes alone: enough for a transformation, not for a picture."""
    theta = torch.zeros(1, FAMILY.n_params, device="meta")
    assert FAMILY.velocity(theta).shape == (1, FAMILY.tessellation.n_vertices, 2)
    with pytest.raises(DtypeError, match="theta must be numbers that can be read; got float32 on meta"):
        plot.deformed_grid(FAMILY, theta)


def test_arrays_without_numbers():
    """Of numpy beside numpy's: masks would be lost, and fields have no numbers of their own."""
    theta = THETA.numpy()
    for wrong in (np.ma.masked_array(theta, theta > 0), theta.astype(object), theta.astype([("x", "f4")])):
        with pytest.raises(DtypeError, match="theta must be"):
            FAMILY.transform(POINTS.numpy(), wrong)
