"""One of two processes: the gradients of its half of a batch, averaged by DistributedDataParallel, to a file."""

import sys

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from backends.torch.tests.models import draw, trained


def model(name):
    return torch.nn.Sequential(trained(name), torch.nn.Flatten(), torch.nn.Linear(240, 3))


def gradients(network, images):
    network(images).square().mean().backward()
    return [parameter.grad for parameter in network.parameters()]


def main(path, name):
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    torch.manual_seed(rank)  # DDP starts all processes from the weights of the first
    network = DistributedDataParallel(model(name))
    grads = gradients(network, draw(8).chunk(distributed.get_world_size())[rank])
    torch.save(grads, f"{path}/{name}.{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
