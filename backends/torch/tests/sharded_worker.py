"""One of two processes that hold half of every parameter each (FSDP2): a step of training, and a checkpoint."""

import sys

import torch
from torch import distributed
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from backends.torch.tests.models import draw, trained
from cpabx_torch.layers import CPABActivation, STParallel


def model():
    """A layer of each kind, and plain ones."""
    members = [trained("STAffineCPAB", localization="fcn"), trained("STRecurrent", recurrences=2, localization="fcn")]
    parallel = STParallel(members, merge="channels")
    activation = CPABActivation(4)
    torch.nn.init.constant_(activation.theta, 0.1)
    return torch.nn.Sequential(parallel, activation, torch.nn.Flatten(), torch.nn.Linear(480, 3))


def trained_once(network, images):
    """The network after one step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    network(images).square().mean().backward()
    optimizer.step()
    return network


def main(path):
    distributed.init_process_group("gloo")
    rank, mesh = distributed.get_rank(), init_device_mesh("cpu", (distributed.get_world_size(),))
    network = model()
    for layer in (*network[0].layers, network[1], network):
        fully_shard(layer, mesh=mesh)
    assert all(isinstance(parameter, DTensor) for parameter in network.parameters())
    trained_once(network, draw(8).chunk(mesh.size())[rank])
    checkpoint.save({"model": get_model_state_dict(network)}, checkpoint_id=f"{path}/checkpoint")
    # Made without memory, then in parts: how models too large for one process start.
    empty = trained("STCPAB", device="meta")
    fully_shard(empty, mesh=mesh)
    empty.to_empty(device="cpu").reset_parameters()
    _, theta = empty(draw(2), return_theta=True)  # a call, which has the parameters gathered
    torch.save(theta.detach(), f"{path}/theta.{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
