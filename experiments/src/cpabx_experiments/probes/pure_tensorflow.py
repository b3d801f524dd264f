"""CPAB in TensorFlow's own operations, differentiated by it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cpabx import Cpab
from cpabx_experiments.probes.pure import STEPS, check, velocity_maps


class PureCpab:
    """The flow of :class:`cpabx_experiments.probes.pure_torch.PureCpab`, in TensorFlow."""

    def __init__(self, family: Cpab, steps: int = STEPS, dtype: str = "float32") -> None:
        self.cells, self.steps = check(family), steps
        self.maps = tf.constant(velocity_maps(family), dtype)

    def __call__(self, points: Any, theta: Any) -> Any:
        """Points (P, 2) by theta (N, d) to (N, P, 2)."""
        flows = self._flows(theta)
        moved = tf.repeat(points[None], tf.shape(theta)[0], axis=0)
        for _ in range(self.steps):
            step = tf.gather(flows, self._regions(moved), axis=1, batch_dims=1)  # (N, P, 2, 3)
            moved = tf.linalg.matvec(step[..., :2], moved) + step[..., 2]
        return moved

    def _flows(self, theta: Any) -> Any:
        """(N, R, 2, 3) of one step."""
        velocity = tf.einsum("rckd,nd->nrck", self.maps, theta) / self.steps
        zero = tf.zeros_like(velocity[..., :1, :])
        return tf.linalg.expm(tf.concat([velocity, zero], axis=-2))[..., :2, :]

    def _regions(self, points: Any) -> Any:
        """(N, P), numbered as in :func:`cpabx_experiments.probes.pure.velocity_maps`."""
        nx, ny = self.cells
        x, y = tf.unstack(tf.stop_gradient(points), axis=-1)
        u, v = (tf.clip_by_value(x, -1, 1) + 1) / 2 * nx, (tf.clip_by_value(y, -1, 1) + 1) / 2 * ny
        i, j = tf.minimum(tf.floor(u), nx - 1), tf.minimum(tf.floor(v), ny - 1)
        p, q = u - i - 0.5, v - j - 0.5
        beside = tf.where(p > 0, 1, 3)
        triangle = tf.where(tf.abs(p) > tf.abs(q), beside, tf.where(q > 0, 2, 0))
        region = 4 * tf.cast(j * nx + i, tf.int32) + triangle
        corner = 4 * nx * ny + tf.cast(x > 0, tf.int32) + 2 * tf.cast(y > 0, tf.int32)
        return tf.where((tf.abs(x) > 1) & (tf.abs(y) > 1), corner, region)


__all__ = ["PureCpab"]
