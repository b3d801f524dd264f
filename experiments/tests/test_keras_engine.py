"""Graphs of TensorFlow are made once."""

from cpabx_experiments.training.engines import Training
from experiments.tests.engine_cases import bars, engine_of, network


def test_the_last_smaller_batch_takes_no_graph_of_its_own():
    trainer = engine_of("tensorflow").trainer(network(), Training(epochs=2, batch=10), 0)
    for n in (25, 27):
        trainer.train(bars(n))
        trainer.predict(bars(n))
    assert trainer._run_step.experimental_get_tracing_count() == 1
    assert trainer._run_model.experimental_get_tracing_count() == 1
