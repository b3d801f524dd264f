"""Training on as many processes as there are, by Hugging Face's accelerate: each has a part of every batch of data.

    accelerate launch examples/scale/accelerated.py FOLDER                      # as `accelerate config` has it
    ACCELERATE_USE_CPU=true torchrun --standalone --nproc-per-node 2 examples/scale/accelerated.py FOLDER

A layer of cpabx is a module like others: the program is one for any number of processes. Where accelerate divides
parameters as well (``--use_fsdp``, on GPUs), it does so by ``fully_shard``, which layers of cpabx take.
"""

import sys

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

import cpabx


def figures(n):
    """Images of squares and of crosses somewhere, and which they are."""
    images, labels = 0.1 * torch.rand(n, 1, 16, 16), torch.arange(n) % 2
    for image, label, (x, y) in zip(images[:, 0], labels, torch.randint(2, 9, (n, 2)), strict=True):
        image[y : y + 5, x : x + 5] += torch.ones(5, 5) if label else torch.eye(5).maximum(torch.eye(5).flip(0))
    return TensorDataset(images, labels)


def main(path):
    torch.manual_seed(0)
    accelerator = Accelerator()
    layer = cpabx.layers.STAffineCPAB((2, 2), input_shape=(1, 16, 16), backend="torch")
    model = torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(256, 2))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    model, optimizer, batches = accelerator.prepare(model, optimizer, DataLoader(figures(512), 32, shuffle=True))
    for _ in range(4):
        for images, labels in batches:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
    hits = accelerator.gather_for_metrics((model(images).argmax(-1) == labels).float())
    accelerator.print(f"{accelerator.num_processes} processes, {hits.mean():.0%} of the last batch")
    accelerator.save_model(model, path)


if __name__ == "__main__":
    main(sys.argv[1])
