"""What is kept between calls: bounded in bytes, gone with its owner, and on request."""

import gc

import pytest
import torch

import cpabx
from cpabx import registry, tracing

FAMILIES = [
    cpabx.AffineDiffeo(),
    cpabx.AffineDiffeo(ndim=3),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((4, 4)),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
    cpabx.Cpab((4, 4)),
]


def kept_bytes():
    return tracing.nbytes_kept() + constants().nbytes


def constants():
    return registry.get_backend("torch")._constants


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f"{type(f).__name__}{f.ndim}D")
def test_images_of_many_sizes(family):
    """Small ones, for which whole grids are kept, and large ones."""
    gc.collect()
    cpabx.clear_caches()
    assert kept_bytes() == 0
    most = 0
    for dtype in (torch.float32, torch.float64):
        theta = family.identity(1, backend="torch").to(dtype)
        for i in range(40):
            side = (24 + i, 40, 40) if family.ndim == 3 else (160 + 4 * i, 128) if i % 2 else (600 + 8 * i, 400)
            family.warp(torch.zeros(1, 1, *side, dtype=dtype), theta)
            most = max(most, kept_bytes())
    assert 0 < most < 32 << 20
    cpabx.clear_caches()
    assert kept_bytes() == 0


def test_constants_die_with_their_array():
    """A family's basis lives as long as the family, and so does its twin."""
    cpabx.clear_caches()
    families = [cpabx.Cpab((n, 3)) for n in (2, 3, 4)]
    for family in families:
        theta = family.sample(2, seed=0, backend="torch")
        first = family.velocity(theta)
        assert torch.equal(family.velocity(theta), first)
    assert len(constants()) == 3
    del family
    for left in (2, 1, 0):
        families.pop()
        gc.collect()
        assert len(constants()) == left


def test_tessellations_live_as_long_as_they_are_used():
    from cpabx.tessellation import _living

    tessellation = cpabx.Tessellation((7, 5), domain=(0, 3))
    assert cpabx.Tessellation((7, 5), domain=(0, 3)).handle is tessellation.handle
    before = len(_living)
    del tessellation
    gc.collect()
    assert len(_living) == before - 1
