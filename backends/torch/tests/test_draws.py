"""Draws in graphs: torch.compile, torch.export, jit.trace, vmap; and the seeds and generators that they follow."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

import cpabx
from cpabx.errors import BackendMismatchError, DeviceError, UnsupportedError

FAMILY = cpabx.Cpab((2, 2))
PRIOR = cpabx.SmoothPrior(FAMILY, length_scale=0.5)
D = FAMILY.n_params
each_source = pytest.mark.parametrize("source", [FAMILY, PRIOR], ids=["family", "prior"])


@pytest.fixture(autouse=True)
def _torch():
    torch._dynamo.reset()
    with cpabx.use_backend("torch"):
        yield


def compiled(function, **options):
    return torch.compile(function, fullgraph=True, backend="aot_eager", **options)


def all_differ(*thetas):
    rows = [row for theta in thetas for row in theta]
    return all(not torch.isclose(a, b).any() for a, b in itertools.combinations(rows, 2))


@each_source
def test_compiled_functions_draw_in_each_call(source):
    """For any number of parameter vectors; the prior's mean keeps its gradient."""
    draw = compiled(lambda x: source.sample(x.shape[0]) + 0 * x, dynamic=True)
    draws = [draw(torch.zeros(n, D)) for n in (2, 2, 5)]
    assert all_differ(*draws)
    if source is PRIOR:
        mean = torch.zeros(D, requires_grad=True)
        compiled(lambda m: source.sample(3, mean=m))(mean).sum().backward()
        assert torch.equal(mean.grad, torch.full((D,), 3.0))


@each_source
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_seed_is_a_constant_of_a_graph(source, dynamic):
    draw = compiled(lambda x: source.sample(x.shape[0], seed=3), dynamic=dynamic)
    for _ in range(2):
        assert torch.equal(draw(torch.zeros(2)), source.sample(2, seed=3))


def test_inductor():
    """The default compiler has generators of its own, which the global seed sets."""
    draw = torch.compile(lambda x: FAMILY.sample(2) + x, fullgraph=True)
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append((draw(torch.zeros(D)), draw(torch.zeros(D))))
    assert all(torch.equal(a, b) for a, b in zip(*draws[:2], strict=True))
    assert all_differ(*draws[0], *draws[2])


def test_in_a_process_that_has_not_drawn_before():
    """Nothing is made or kept yet when the compiler comes by."""
    program = """
import torch, cpabx
cpabx.set_backend("torch")
family = cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2)))
prior = cpabx.SmoothPrior(cpabx.Cpab((2, 2)), length_scale=0.5)
for function in (
    lambda x: family.sample(2) + x,
    lambda x: prior.sample(2) + x,
    lambda x: family.identity(2) + x,
    lambda x: prior.log_density(prior.theta_from(torch.ones(2, prior.cpab.n_params)) + x),
):
    torch._dynamo.reset()
    draw = torch.compile(function, fullgraph=True, backend="aot_eager")
    assert draw(torch.zeros(1)).isfinite().all()
"""
    subprocess.run([sys.executable, "-W", "error:Dynamo", "-c", program], check=True, timeout=120)


class Draw(torch.nn.Module):
    def forward(self, x):
        return FAMILY.sample(x.shape[0]) + PRIOR.sample(x.shape[0]) + 0 * x


def test_exported_programs_draw_in_each_run(tmp_path):
    """For any number, also in another process."""
    shapes = {"x": {0: torch.export.Dim("n", min=2, max=64)}}
    program = torch.export.export(Draw(), (torch.zeros(3, D),), dynamic_shapes=shapes)
    run = program.module()
    assert all_differ(run(torch.zeros(3, D)), run(torch.zeros(5, D)))
    torch.export.save(program, tmp_path / "draw.pt2")
    code = """
import sys, torch
run = torch.export.load(sys.argv[1]).module()
first, second = run(torch.zeros(4, int(sys.argv[2]))), run(torch.zeros(4, int(sys.argv[2])))
assert first.shape[0] == 4 and not torch.isclose(first, second).any()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "draw.pt2"), str(D)], check=True, timeout=120)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_traced_functions_draw_in_each_call():
    run = torch.jit.trace(lambda x: FAMILY.sample(2) + 0 * x, torch.zeros(D), check_trace=False)
    assert all_differ(run(torch.zeros(D)), run(torch.zeros(D)))


@each_source
def test_vmap(source):
    """Other numbers for each item, if it is told so."""
    draw = torch.func.vmap(lambda x: source.sample(1)[0] + 0 * x, randomness="different")
    assert all_differ(draw(torch.zeros(4, D)))


@each_source
def test_seeds_and_generators_are_followed(source):
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(torch.cat([source.sample(2), source.sample(2)]))
    assert torch.equal(draws[0], draws[1])
    assert all_differ(draws[0], draws[2])
    generator, noise = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    for _ in range(2):
        expected = source.theta_from(torch.randn(2, D, generator=noise))
        assert torch.equal(source.sample(2, generator=generator), expected)


class Drawn(torch.utils.data.Dataset):
    def __init__(self, backend):
        self.backend = backend

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return torch.as_tensor(FAMILY.sample(1, backend=self.backend)[0])


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_workers_of_a_data_loader_draw_differently(backend):
    """And the same after the same seed: torch seeds its own generator and numpy's in each worker."""
    epochs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        loader = torch.utils.data.DataLoader(Drawn(backend), batch_size=None, num_workers=2)
        epochs.append(torch.stack(list(loader)))
    assert torch.equal(epochs[0], epochs[1])
    assert all_differ(epochs[0], epochs[2])


@each_source
def test_numbers_of_the_host_are_refused_in_a_graph(source):
    generator = np.random.default_rng(0)

    class Host(torch.nn.Module):
        def forward(self, x):
            return source.sample(1, generator=generator) + x

    with pytest.raises(UnsupportedError, match="numpy generator"):
        torch.export.export(Host(), (torch.zeros(D),), strict=False)
    with pytest.raises(UnsupportedError, match="numpy generator"):
        torch.compile(Host(), backend="eager")(torch.zeros(D))
    assert all_differ(Host()(torch.zeros(D)), Host()(torch.zeros(D)))


def test_a_generator_chooses_backend_and_device():
    generator = torch.Generator()
    with cpabx.use_backend("numpy"):
        assert FAMILY.sample(1, generator=generator).device == generator.device
    with pytest.raises(BackendMismatchError, match="torch"):
        FAMILY.sample(1, generator=generator, backend="numpy")
    for device in ("meta", torch.device("meta")):
        for theta in (
            FAMILY.sample(2, device=device),
            FAMILY.sample(2, seed=0, device=device),
            FAMILY.sample(2, generator=generator, device=device),
            FAMILY.identity(2, device=device),
            PRIOR.sample(2, mean=torch.zeros(D, device="meta")),
        ):
            assert theta.is_meta
            assert theta.shape == (2, D)
    if not torch.cuda.is_available():
        for make in (FAMILY.sample, FAMILY.identity, PRIOR.sample):
            with pytest.raises(DeviceError, match="cuda"):
                make(1, device="cuda")
