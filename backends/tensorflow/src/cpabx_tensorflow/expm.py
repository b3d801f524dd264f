"""The matrix exponential.

Not ``tf.linalg.expm``: it is as accurate, but one matrix that is not finite makes its whole batch NaN.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_TERMS = 14  # 0.5^15 / 15! = 2e-17


@tf.custom_gradient  # type: ignore[misc]
def expm(matrices: tf.Tensor) -> Any:
    """exp(A) over the last two axes, (..., n, n); differentiable any number of times.

    The adjoint of the derivative at A is the derivative at A^T, which is a block of the exponential of
    a matrix twice as large (Higham, Functions of Matrices, eq. 3.16), as in cpabx.AffineDiffeo.
    """

    def grad(cotangent: tf.Tensor) -> tf.Tensor:
        n = matrices.shape[-1]
        # Linear in the cotangent, whose size must not decide how often the block is halved.
        size = tf.stop_gradient(tf.reduce_max(tf.abs(cotangent), axis=(-1, -2), keepdims=True))
        size = tf.where(tf.math.is_finite(size) & (size > 0), size, tf.ones_like(size))
        transposed = tf.linalg.matrix_transpose(matrices)
        upper = tf.concat([transposed, cotangent / size], axis=-1)
        lower = tf.concat([tf.zeros_like(transposed), transposed], axis=-1)
        return expm(tf.concat([upper, lower], axis=-2))[..., :n, n:] * size

    return _scaling_and_squaring(matrices), grad


def _scaling_and_squaring(matrices: tf.Tensor) -> tf.Tensor:
    """Taylor series of A / 2^s, squared s times; s is chosen per matrix: |A / 2^s| is at most 1/2."""
    norm = tf.reduce_max(tf.reduce_sum(tf.abs(matrices), axis=-1), axis=-1)
    exponent = tf.math.ceil(tf.math.log(norm) / tf.math.log(tf.constant(2, norm.dtype))) + 1
    exponent = tf.where(tf.math.is_finite(norm), tf.maximum(exponent, 0), tf.zeros_like(norm))
    scaled = matrices * tf.pow(tf.constant(2, norm.dtype), -exponent)[..., None, None]
    identity = tf.eye(matrices.shape[-1], dtype=matrices.dtype)
    result = tf.zeros_like(scaled) + identity
    for k in range(_TERMS, 0, -1):
        result = identity + scaled @ result / k

    squarings = tf.cast(exponent, tf.int32)

    def square(i: tf.Tensor, result: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return i + 1, tf.where((i < squarings)[..., None, None], result @ result, result)

    most = tf.reduce_max(tf.concat([[0], tf.reshape(squarings, [-1])], axis=0))  # of none: 0
    _, result = tf.while_loop(lambda i, _: i < most, square, (tf.constant(0), result))
    return result
