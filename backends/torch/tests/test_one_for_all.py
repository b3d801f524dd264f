"""One image for many theta, and one theta for many images: compiled, exported, and without copies."""

import pytest
import torch

import cpabx

FLOW, AFFINE = cpabx.Cpab((2, 2)), cpabx.Affine()
each_family = pytest.mark.parametrize("family", [FLOW, AFFINE], ids=["flow", "affine"])


def given(family, n_images, n_theta):
    images = torch.rand(n_images, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return images, family.sample(n_theta, seed=0, backend="torch", dtype="float64")


class Warp(torch.nn.Module):
    def __init__(self, family):
        super().__init__()
        self.family = family

    def forward(self, images, theta):
        return self.family.warp(images, theta, inverse=True)


@each_family
@pytest.mark.parametrize(("n_images", "n_theta"), [(1, 3), (3, 1)])
def test_exported_programs_take_any_number(family, n_images, n_theta):
    many = torch.export.Dim("many", min=2, max=64)
    shapes = ({0: many} if n_images > 1 else {}, {0: many} if n_theta > 1 else {})
    program = torch.export.export(Warp(family), given(family, n_images, n_theta), dynamic_shapes=shapes).module()
    for n in (3, 5):
        images, theta = given(family, n if n_images > 1 else 1, n if n_theta > 1 else 1)
        assert torch.allclose(program(images, theta), family.warp(images, theta, inverse=True))


@pytest.mark.parametrize(("n_images", "n_theta"), [(1, 3), (3, 1)])
def test_second_derivatives(n_images, n_theta):
    images, theta = given(FLOW, n_images, n_theta)
    images.requires_grad_()
    theta.requires_grad_()

    def warp(images, theta):
        return FLOW.warp(images, theta, mode="cubic")

    assert torch.autograd.gradgradcheck(warp, (images[:, :1], theta), atol=1e-4, fast_mode=True)


def test_an_expanded_image_has_the_memory_of_one():
    images = given(AFFINE, 1, 3)[0]
    expanded = cpabx.get_backend("torch").expand(images, like=torch.zeros(1000, 1))
    assert expanded.shape[0] == 1000
    assert expanded.untyped_storage().nbytes() == images.untyped_storage().nbytes()
