"""The same training in torch and in TensorFlow."""

import numpy as np
import pytest

from cpabx_experiments.training.engines import Training
from experiments.tests.engine_cases import attributes, bars, disturbed, engine_of, network, pairs

CASES = [
    ("ST-Affine+CPAB", "classes", 3, bars(30)),
    ("ST-CPAB", "pairs", 1, pairs(30)),
    ("CNN", "attributes", 2, attributes(30)),
]


@pytest.mark.parametrize(("model", "task", "outputs", "data"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_three_steps_have_the_same_losses_and_weights(model, task, outputs, data):
    """Weights are copied from one engine to the other, away from the identity; each step is an epoch."""
    net, training = network(model, task=task, outputs=outputs), Training(epochs=4, batch=30, learning_rate=1e-3)
    first, second = (engine_of(name).trainer(net, training, 0) for name in ("torch", "tensorflow"))
    disturbed(first)
    second.set_weights(first.weights())
    for _ in range(4):  # the loss of the fourth is the one after three steps
        a, b = first.train(data), second.train(data)
        assert a.loss == pytest.approx(b.loss, abs=1e-4)
    # Adam makes whole steps of a gradient that is nothing but rounding, as that of a bias is which both images share.
    differences = [np.abs(a - b).ravel() for a, b in zip(first.weights(), second.weights(), strict=True)]
    assert np.mean(np.concatenate(differences) < 1e-5) > 0.99
    np.testing.assert_allclose(first.predict(data), second.predict(data), atol=1e-3)


def test_a_checkpoint_of_one_is_one_of_the_other(tmp_path):
    net, training, data = network(), Training(epochs=3, batch=10, learning_rate=1e-3, dropout=0.2), bars(30)
    first, second = (engine_of(name).trainer(net, training, 0) for name in ("torch", "tensorflow"))
    first.train(data)
    first.save(tmp_path / "file")
    second.load(tmp_path / "file")
    assert first.train(data).loss == pytest.approx(second.train(data).loss, abs=1e-4)
