"""The augmentation of plain tensors, which needs no torchvision: seeds, batches, types, workers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import cpabx
from cpabx.errors import DtypeError, OptionError, ShapeError
from cpabx_torch import augment_values


def make(*arguments, **options):
    return cpabx.augment.RandomCPAB(*arguments, backend="torch", **options)


def images(*shape, dtype=torch.float32, seed=0):
    x = torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
    return x.to(dtype) if dtype.is_floating_point else (x * 255).to(dtype)


def test_seeds_follow_torch():
    augment, x = make((3, 3)), images(4, 3, 20, 30)
    torch.manual_seed(5)
    first, second = augment(x), augment(x)
    torch.manual_seed(5)
    assert torch.equal(augment(x), first)
    assert not torch.equal(first, second)


def test_each_image_has_its_own_map():
    x = images(1, 3, 20, 30).expand(4, -1, -1, -1)
    torch.manual_seed(0)
    each, one = make((3, 3))(x), make((3, 3), per_image=False)(x)
    assert all(not torch.equal(each[0], other) for other in each[1:])
    assert all(torch.equal(one[0], other) for other in one[1:])
    assert not torch.equal(one[0], x[0])


def test_it_is_the_warp_by_theta_of_the_field():
    augment, x = make((3, 3), amplitude=0.08), images(4, 3, 20, 30)
    torch.manual_seed(3)
    warped = augment(x)
    torch.manual_seed(3)
    field = cpabx.augment.RandomField((3, 3), amplitude=0.08)
    theta = field.sample(4, backend="torch")
    torch.testing.assert_close(warped, field.cpab.warp(x, theta, padding_mode="border"), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30), (1, 20, 30), (2, 3, 20, 30), (2, 4, 3, 20, 30)])
def test_batches_have_any_axes(shape):
    augment, x = make((2, 2)), images(*shape)
    warped = augment(x)
    assert warped.shape == x.shape
    assert not torch.equal(warped, x)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int16, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_types_stay(dtype):
    augment, x = make((2, 2)), images(2, 3, 20, 30, dtype=dtype)
    torch.manual_seed(0)
    warped = augment(x)
    torch.manual_seed(0)
    exact = make((2, 2))(x.double() if dtype == torch.float64 else x.float())
    assert warped.dtype == dtype
    expected = exact.to(dtype) if dtype.is_floating_point else torch.floor(exact + 0.5).to(dtype)
    assert torch.equal(warped, expected)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_p_is_the_share_of_images_that_are_warped(p):
    augment, x = make((2, 2), p=p), images(1, 1, 6, 6).expand(2000, -1, -1, -1)
    torch.manual_seed(1)
    changed = (augment(x) != x).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(p, abs=0.04)


def test_input_is_left_alone():
    for p in (0.5, 1.0):
        x = images(8, 3, 20, 30)
        before = x.clone()
        make((2, 2), p=p)(x)
        assert torch.equal(x, before)


def test_only_the_first_tensor_is_an_image():
    x, y = images(2, 3, 20, 30), torch.tensor([4, 5])
    warped, labels, rest = make((2, 2))(x, y, {"name": "digits"})
    assert labels is y
    assert rest == {"name": "digits"}
    assert not torch.equal(warped, x)
    assert set(make((2, 2))({"image": x, "label": y})) == {"image", "label"}


def test_images_have_gradients():
    x = images(2, 1, 8, 8, dtype=torch.float64).requires_grad_()
    for p in (0.5, 1.0):
        augment = make((2, 2), p=p)

        def seeded(x, augment=augment):
            torch.manual_seed(7)
            return augment(x)

        assert torch.autograd.gradcheck(seeded, (x,))


@pytest.mark.parametrize("shape", [(0, 3, 20, 30), (2, 3, 0, 30)])
def test_empty_batches(shape):
    assert make((2, 2))(images(*shape)).shape == shape


def test_what_is_no_image():
    with pytest.raises(ShapeError):
        make((2, 2))(torch.zeros(5))
    with pytest.raises(DtypeError):
        make((2, 2))(torch.zeros(3, 4, 4, dtype=torch.bool))
    with pytest.raises(OptionError, match="amplitude"):
        make((2, 2), amplitude=-1)


def test_nothing_to_transform():
    assert make((2, 2))({"label": 3}) == {"label": 3}


def test_copies_are_equal():
    augment = make(cpabx.Cpab((2, 2), boundary="fixed"), p=0.4, fill=0.0)
    x = images(9, 1, 10, 10)
    torch.manual_seed(2)
    expected = augment(x)
    for again in (pickle.loads(pickle.dumps(augment)), copy.deepcopy(augment)):
        torch.manual_seed(2)
        assert torch.equal(again(x), expected)
        assert repr(again) == repr(augment)


class Augmented(Dataset):
    def __init__(self):
        self.augment, self.image = make((2, 2)), images(1, 12, 12)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.augment(self.image)


@pytest.mark.slow
def test_workers_differ_and_repeat():
    def batches(seed):
        loader = DataLoader(Augmented(), batch_size=2, num_workers=2, generator=torch.Generator().manual_seed(seed))
        return torch.cat(list(loader))

    first = batches(0)
    assert len(torch.unique(first.flatten(1), dim=0)) == 8
    assert torch.equal(batches(0), first)
    assert not torch.equal(batches(1), first)


def test_plain_protocol_is_torchvisions(monkeypatch):
    """Both base classes call the same two methods; here the one without torchvision, wherever torchvision is."""

    class Doubled(augment_values.PlainTransform):
        def make_params(self, flat_inputs):
            return {"factor": 2, "n": len(flat_inputs)}

        def transform(self, inpt, params):
            return inpt * params["factor"] * params["n"]

    one, two = torch.ones(2), torch.ones(3)
    assert torch.equal(Doubled()(one), 2 * one)
    first, second = Doubled()(one, two)
    assert torch.equal(first, 2 * one)
    assert second is two
    assert Doubled()(3) == 3


@pytest.mark.parametrize("given", [np.zeros((8, 8, 3)), {"image": np.zeros((8, 8, 3)), "label": 3}], ids=["one", "two"])
def test_arrays_of_numpy_are_not_left_as_they_are_in_silence(given):
    with pytest.raises(DtypeError, match="from_numpy"):
        make((2, 2))(given)


def test_arrays_of_numpy_beside_an_image():
    _, beside = make((2, 2))((images(1, 3, 8, 8), array := np.zeros((2, 2))))
    assert beside is array
