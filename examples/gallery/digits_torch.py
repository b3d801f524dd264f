"""
Classify distorted digits in torch
==================================

A spatial transformer in front of a small network, and the same network without it. Needs
``cpabx[torch]`` and ``cpabx-experiments``; the data come with scikit-learn.

The digits are those of ``python -m cpabx experiment digits``: enlarged, put anywhere on a canvas of 42x42 pixels, and
bent by random CPAB transformations. Nobody tells the network where they are or how they were bent; it learns to undo
what stands in the way of the right answer.
"""

import torch
from _digits import load, means, show
from torch import nn

import cpabx

cpabx.set_backend("torch")
torch.manual_seed(0)
torch.set_num_threads(1)  # so small a network gains nothing from a second one

train, test = load()
x, y = torch.from_numpy(train.images).permute(0, 3, 1, 2), torch.from_numpy(train.labels)
x_test, y_test = torch.from_numpy(test.images).permute(0, 3, 1, 2), torch.from_numpy(test.labels)
print(f"{len(x)} images to train on, {len(x_test)} to test on, of other digits")

# %%
# Two networks
# ------------
#
# The layer takes a localization network of our own; it adds the last layer, from 32 features to theta, and starts as
# the identity. From the 42x42 pixels of the canvas it makes 21x21. The network without it gets means of 2x2 pixels.


def convolutions() -> list[nn.Module]:
    """Two convolutions, each with a maximum over 2x2 pixels."""
    first = [nn.LazyConv2d(8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    return [*first, nn.LazyConv2d(16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]


def classifier() -> list[nn.Module]:
    """From 21x21 pixels to the logits of ten digits."""
    return [*convolutions(), nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, 10)]


localization = nn.Sequential(nn.AvgPool2d(2), *convolutions(), nn.LazyLinear(32), nn.ReLU())
transformer = cpabx.layers.STCPAB(
    cpabx.Cpab((4, 4)), localization=localization, input_shape=(1, 42, 42), output_size=(21, 21)
)
networks = {
    "without": nn.Sequential(nn.AvgPool2d(2), *classifier()),
    "with STCPAB": nn.Sequential(transformer, *classifier()),
}

# %%
# Training
# --------
#
# As always: the layer is a module like any other.

EPOCHS, BATCH = 20, 50


def fit(network: nn.Module) -> None:
    """Adam, with a learning rate that falls to zero."""
    network(x[:1])  # creates the lazy parameters
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()


@torch.inference_mode()
def accuracy(network: nn.Module) -> float:
    """On the test set."""
    return (network(x_test).argmax(1) == y_test).float().mean().item()


results = {}
for name, network in networks.items():
    fit(network)
    results[name] = accuracy(network.eval())
    print(f"{name}: accuracy {results[name]:.3f}")

# %%
# What the classifier sees
# ------------------------
#
# The first test image of each digit, as it is given and as the transformer passes it on.

with torch.inference_mode():
    seen, theta = transformer(x_test)[:, 0].numpy(), transformer.theta(x_test)
given = test.images[..., 0]
first = [int((y_test == digit).nonzero()[0]) for digit in range(10)]
show({"given": given[first], "seen": seen[first]})

# %%
# The means over all test images of a digit: where images disagree they blur. The transformer brings the digits to one
# place and one size, and the means become readable.

show({"given": means(given, test.labels), "seen": means(seen, test.labels)})

# %%
# Every one of these transformations can be undone, and none folds:

grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 21)] * 2, indexing="xy"), -1).reshape(-1, 2)
moved = transformer.transformation.transform(grid, theta)
back = transformer.transformation.inverse(moved, theta)
log_area = transformer.transformation.log_det_jacobian(grid, theta)
print(f"there and back: off by {(back - grid).abs().max():.0e} at most")
print(f"areas change by factors from {log_area.exp().min():.2f} to {log_area.exp().max():.2f}")
