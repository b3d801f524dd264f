"""CPAB maps as bijectors of TensorFlow Probability, which is imported with this module."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cpabx import registry
from cpabx.distributions.checks import checked_flow
from cpabx.errors import MissingPackageError, UnsupportedError
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import as_floats
from cpabx_tensorflow.maps_of_batches import log_det, moved

try:
    from tensorflow_probability import bijectors as tfb
    from tensorflow_probability import util as tfp_util
except ImportError as error:
    raise MissingPackageError(
        "distributions of TensorFlow need TensorFlow Probability",
        f"an environment without it ({error})",
        "pip install cpabx[probability]",
    ) from error


class _Flow(tfb.Bijector):  # type: ignore[misc]
    """What both bijectors share."""

    elementwise = False

    def __init__(self, cpab: Cpab, theta: Any, *, validate_args: bool = False, name: str | None = None) -> None:
        parameters = dict(locals())
        name = name or type(self).__name__
        with tf.name_scope(name) as scope:
            (theta,) = as_floats(registry.get_backend("tensorflow"), theta=theta)
            self.cpab = checked_flow(cpab, tuple(theta.shape), elementwise=self.elementwise)
            self.theta = theta
            super().__init__(
                forward_min_event_ndims=0 if self.elementwise else 1,
                validate_args=validate_args,
                parameters=parameters,
                dtype=theta.dtype,
                name=scope,
            )

    @classmethod
    def _is_increasing(cls, **kwargs: Any) -> bool:
        return True

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, Any]:
        return {"theta": tfp_util.ParameterProperties(event_ndims=1)}

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        return self._without_axis(moved(self.cpab, self._with_axis(x), self.theta, 1.0))

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        return self._without_axis(moved(self.cpab, self._with_axis(y), self.theta, -1.0))

    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        return log_det(self.cpab, self._with_axis(x), self.theta, 1.0)

    def _inverse_log_det_jacobian(self, y: tf.Tensor) -> tf.Tensor:
        return log_det(self.cpab, self._with_axis(y), self.theta, -1.0)

    def _with_axis(self, x: tf.Tensor) -> tf.Tensor:
        return x[..., None] if self.elementwise else x

    def _without_axis(self, x: tf.Tensor) -> tf.Tensor:
        return x[..., 0] if self.elementwise else x


class CPABTransform(_Flow):
    """x to T^theta(x) for vectors (..., n); see :func:`cpabx.distributions.CPABTransform`.

    Args:
        cpab: the family.
        theta: (d,) or (..., d).
        validate_args, name: as in bijectors of TensorFlow Probability.
    """


class CPABElementwise(_Flow):
    """x to T^theta(x) for numbers; see :func:`cpabx.distributions.CPABElementwise`.

    Args:
        cpab: the family, in 1D.
        theta: (d,) or (..., d), a map for each number of x, with which it broadcasts.
        validate_args, name: as in bijectors of TensorFlow Probability.
    """

    elementwise = True


def CPABFlow(*arguments: Any, **options: Any) -> Any:
    """Raises UnsupportedError: the flow that is fitted exists in torch; here, chain bijectors."""
    raise UnsupportedError(
        "CPABFlow exists in torch", "the backend 'tensorflow'", "Chain CPABTransform, or cpabx.set_backend('torch')."
    )


__all__ = ["CPABElementwise", "CPABFlow", "CPABTransform"]
