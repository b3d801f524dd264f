"""Data loaders' workers, and torch's own threads at work beside ours."""

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import cpabx

pytestmark = pytest.mark.slow

FAMILY = cpabx.Cpab((3, 3))
PATIENCE = 60  # seconds: a deadlock must not outlive the test


def warped(index):
    """An image warped by its own theta, and the gradient of its sum by theta."""
    generator = torch.Generator().manual_seed(index)
    theta = (0.3 * torch.randn(1, FAMILY.n_params, generator=generator)).requires_grad_()
    result = FAMILY.warp(torch.rand(1, 1, 90, 90, generator=generator), theta)
    return result[0].detach(), *torch.autograd.grad(result.sum(), theta)


class Warped(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return warped(index)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", sorted({"fork", "spawn"} & set(multiprocessing.get_all_start_methods())))
def test_workers_of_a_data_loader(two_threads, method):
    """After the parent has used its threads, torch's and ours."""
    expected = [warped(index) for index in range(len(Warped()))]
    loader = DataLoader(Warped(), num_workers=2, multiprocessing_context=method, timeout=PATIENCE)
    found = list(loader)
    assert len(found) == len(expected)
    for got, one in zip(found, expected, strict=True):
        for a, b in zip(got, one, strict=True):
            torch.testing.assert_close(a[0], b, rtol=1e-5, atol=1e-5)


def test_beside_the_threads_of_torch(two_threads):
    """Each pool of threads keeps out of the other's way: the same bits as alone, and no deadlock."""
    points, theta = torch.rand(4, 20_000, 2) * 2 - 1, 0.3 * torch.randn(4, FAMILY.n_params)
    expected, matrix = FAMILY.transform(points, theta), torch.rand(600, 600)
    done = threading.Event()

    def keep_torch_busy():
        while not done.is_set():
            (matrix @ matrix).sum()

    busy = threading.Thread(target=keep_torch_busy)
    busy.start()
    try:
        for _ in range(20):
            assert torch.equal(FAMILY.transform(points, theta), expected)
    finally:
        done.set()
        busy.join()


#: In a process where nothing has started threads yet: how many there are before and after a call of ours, which are
#: torch's if the next of its own loops starts none.
COUNT = """
import os, numpy, torch, cpabx
torch.set_num_threads(2)
points, theta = torch.from_numpy(numpy.zeros((1, 100_000, 2))), torch.zeros(1, 20, dtype=torch.float64)
counts = [len(os.listdir("/proc/self/task"))]
for work in (lambda: cpabx.Cpab((2, 2)).transform(points, theta), points.exp):
    work()
    counts.append(len(os.listdir("/proc/self/task")))
print(*counts)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
@pytest.mark.skipif("OpenMP" not in torch.__config__.parallel_info(), reason="torch has threads of another kind")
def test_loops_run_in_the_threads_of_torch():
    found = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, timeout=PATIENCE, check=True)
    before, after_ours, after_torch = map(int, found.stdout.split())
    assert after_ours == before + 1
    assert after_torch == after_ours
