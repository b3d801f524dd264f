"""The two contestants of the speed experiment in TensorFlow, each compiled to a graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cpabx import Cpab
from cpabx_experiments.probes.contest import Array, Call, Contestant
from cpabx_experiments.probes.pure_tensorflow import PureCpab


def contestants(family: Cpab, points: Array, theta: Array, steps: int) -> list[Contestant]:
    """Cpabx's exact operation, then the pure one; float32."""
    at, parameters = tf.constant(points), tf.constant(theta)
    pure = PureCpab(family, steps)

    def contestant(name: str, transform: Call) -> Contestant:
        def forward(theta: Any) -> Any:
            return transform(at, theta)

        def both(theta: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(theta)
                total = tf.reduce_sum(transform(at, theta))
            return tape.gradient(total, theta)

        # AutoGraph has nothing to rewrite here, and warns of syntax that it does not know.
        graphs = tf.function(forward, autograph=False), tf.function(both, autograph=False)
        return Contestant(name, *(lambda graph=graph: graph(parameters).numpy() for graph in graphs))

    return [contestant("cpabx", family.transform), contestant("pure TensorFlow operations", pure)]


__all__ = ["contestants"]
