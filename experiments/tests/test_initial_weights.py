"""Initial weights: their distribution, and the identity at the end of a localization network."""

import numpy as np
import pytest

from cpabx_experiments.protocol.initial import initial_weights
from cpabx_experiments.protocol.models import TABLE3, network
from cpabx_experiments.protocol.network import shapes


@pytest.mark.parametrize("model", TABLE3)
def test_transformers_start_at_the_identity(model):
    net = network(model, "mnist")
    weights = initial_weights(net, 0)
    assert [weight.shape for weight in weights] == shapes(net)
    assert {weight.dtype for weight in weights} == {np.dtype(np.float32)}
    stages = net.transformer.stages if net.transformer else ()
    last = [i for i, shape in enumerate(shapes(net)) if any(shape == (32, stage.n_params) for stage in stages)]
    assert len(last) == len(stages)
    for i, stage in zip(last, stages, strict=True):
        assert not weights[i].any()
        np.testing.assert_array_equal(weights[i + 1], stage.identity(1, backend="numpy", dtype="float32")[0])


def test_kernels_are_uniform_with_the_variance_of_glorot():
    """The variance is 2 / (inputs + outputs), each times the size of the receptive field."""
    net = network("CNN", "cifar10")
    for weight in initial_weights(net, 3):
        if weight.ndim == 1:
            assert not weight.any()
            continue
        field = np.prod(weight.shape[:-2])
        expected = 2 / (field * sum(weight.shape[-2:]))
        assert weight.var() == pytest.approx(expected, rel=0.1)
        assert np.abs(weight).max() == pytest.approx(np.sqrt(3 * expected), rel=0.01)


def test_a_seed_makes_the_weights():
    net = network("ST-CPAB", "mnist")
    first, again, other = (initial_weights(net, seed) for seed in (1, 1, 2))
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[0], other[0])
