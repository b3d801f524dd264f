"""CPAB maps of vectors (..., n) by theta (..., d), which broadcast with each other as distributions do."""

from __future__ import annotations

import tensorflow as tf

from cpabx.errors import ShapeError
from cpabx.transforms import Cpab


def moved(cpab: Cpab, x: tf.Tensor, theta: tf.Tensor, time: float) -> tf.Tensor:
    """(..., n): T^theta(x), for as long as ``time`` says."""
    points, flat, shape = _side_by_side(cpab, x, theta)
    return _as_before(cpab.transform(points, flat, time=time), shape, theta)


def log_det(cpab: Cpab, x: tf.Tensor, theta: tf.Tensor, time: float) -> tf.Tensor:
    """(...): log |det dT/dx|."""
    points, flat, shape = _side_by_side(cpab, x, theta)
    return _as_before(cpab.log_det_jacobian(points, flat, time=time)[..., None], shape, theta)[..., 0]


def _is_one(theta: tf.Tensor) -> bool:
    return theta.shape[:-1].num_elements() == 1  # type: ignore[no-any-return]


def _side_by_side(cpab: Cpab, x: tf.Tensor, theta: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Points (P, n) or (N, P, n), theta (N, d), and the shape of the result but for its last axis."""
    n, d = cpab.ndim, cpab.n_params
    if not x.shape.rank or x.shape[-1] not in (n, None):
        raise ShapeError(f"x must be (..., {n}) for {cpab!r}", f"shape {x.shape}", "Reshape it.")
    try:
        tf.broadcast_static_shape(x.shape[:-1], theta.shape[:-1])
    except ValueError:
        raise ShapeError(
            "x and theta must broadcast with each other, but for their last axes",
            f"shapes {x.shape} and {theta.shape}",
            "Add axes of length 1.",
        ) from None
    shape = tf.broadcast_dynamic_shape(tf.shape(x)[:-1], tf.shape(theta)[:-1])
    points = tf.broadcast_to(x, tf.concat([shape, [n]], axis=0))
    if _is_one(theta):
        return tf.reshape(points, (-1, n)), tf.reshape(theta, (1, d)), shape
    many = shape[tf.size(shape) - (theta.shape.rank - 1) :]
    flat = tf.reshape(tf.broadcast_to(theta, tf.concat([many, [d]], axis=0)), (-1, d))
    points = tf.reshape(points, tf.stack([-1, tf.shape(flat)[0], n]))
    return tf.transpose(points, (1, 0, 2)), flat, shape


def _as_before(result: tf.Tensor, shape: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
    """A result (N, P, k) as (*shape, k)."""
    if not _is_one(theta):
        result = tf.transpose(result, (1, 0, 2))
    return tf.reshape(result, tf.concat([shape, [result.shape[-1]]], axis=0))
