"""The weights that a network starts with: the same in both frameworks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx_experiments.protocol.network import Network, Shape, shapes


def initial_weights(network: Network, seed: int) -> list[NDArray[Any]]:
    """All weights, in the order of :func:`cpabx_experiments.protocol.network.shapes`.

    Kernels are uniform in +- sqrt(6 / (inputs + outputs)) (Glorot and Bengio, AISTATS 2010; TensorFlow's default, which
    the paper used), biases 0. The last layer of a localization network gives the identity, whatever its input
    (section 4.1).
    """
    rng = np.random.default_rng((seed, 0x1417))
    weights = [_kernel(shape, rng) if len(shape) > 1 else np.zeros(shape, np.float32) for shape in shapes(network)]
    if network.transformer:
        per_stage = len(network.transformer.localization.shapes(network.image)) + 2
        for i, family in enumerate(network.transformer.stages):
            last = (i + 1) * per_stage - 1
            weights[last - 1] = np.zeros_like(weights[last - 1])
            weights[last] = np.asarray(family.identity(1, backend="numpy", dtype="float32")[0])
    return weights


def _kernel(shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    field = math.prod(shape[:-2])
    bound = math.sqrt(6 / (field * (shape[-2] + shape[-1])))
    return rng.uniform(-bound, bound, shape).astype(np.float32)
