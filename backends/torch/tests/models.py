"""Layers away from the identity, for tests of more than one file."""

import torch

from cpabx_torch import layers
from cpabx_torch.localization import ThetaLinear

SHAPE = (2, 12, 10)


def trained(name, **options):
    """A layer whose theta depends on its input, the same each time."""
    torch.manual_seed(0)
    layer = getattr(layers, name)(**{"input_shape": SHAPE, **options})
    for module in layer.modules():
        if isinstance(module, ThetaLinear):
            torch.nn.init.normal_(module.weight, std=0.05)
    return layer


def draw(n=3, seed=0):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def noisy_localization():
    """Features that differ from run to run, and count the runs."""
    norm = torch.nn.BatchNorm2d(4)
    return torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), norm, torch.nn.Flatten(), torch.nn.Dropout(0.5)), norm


class Session:
    """A file of ONNX, as another program sees it."""

    def __init__(self, path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path))

    def __call__(self, *inputs):
        names = [found.name for found in self.session.get_inputs()]
        return self.session.run(None, dict(zip(names, [x.numpy() for x in inputs], strict=True)))[0]
