"""Densities by change of variables: CPAB maps as bijectors, and a normalizing flow made of them.

What the functions return belongs to the backend in force, or to that of theta: in torch a
``torch.distributions.Transform``, in TensorFlow a bijector of TensorFlow Probability. Inverses are exact, as those of
flows are: the field followed backwards. The logarithm of the Jacobian's determinant is the integral of the field's
divergence along the trajectory, in closed form, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cpabx import registry
from cpabx.backend import Tensor
from cpabx.tessellation import Interval
from cpabx.transforms import Cpab


def CPABTransform(cpab: Cpab, theta: Tensor, *, backend: str | None = None, **options: Any) -> Any:
    """A bijection of R^n, x to T^theta(x), on vectors in the last axis.

    Args:
        cpab: the family, in 1D, 2D or 3D. Outside of its domain the field goes on as ``outside`` says.
        theta: (d,), one map; or (..., d), one for each member of a batch, as a network predicts them from a
            context. It broadcasts with the axes of x but for the last.
        backend: only to insist on one.
        **options: of the framework's class, as ``cache_size`` in torch or ``name`` in TensorFlow Probability.

    Returns:
        A ``torch.distributions.Transform``, or a bijector of TensorFlow Probability.

    Raises:
        OptionError: no Cpab.
        ShapeError, DtypeError: theta does not fit it.
        MissingPackageError: TensorFlow Probability is not installed.
        UnsupportedError: the backend has no distributions.
    """
    chosen = registry.backend_for(backend, theta=theta)
    return chosen.distributions().CPABTransform(cpab, theta, **options)


def CPABElementwise(cpab: Cpab, theta: Tensor, *, backend: str | None = None, **options: Any) -> Any:
    """A bijection of R, for each number of a tensor: with theta that a network predicts, the piece of which coupling
    and autoregressive flows are made.

    Args:
        cpab: the family, in 1D.
        theta: (d,), or (..., d), which broadcasts with x: (N, F, d) has a map for each of F features of N examples.
        backend: only to insist on one.
        **options: of the framework's class.

    Returns:
        As :func:`CPABTransform`, but of events without axes.

    Raises:
        OptionError: no Cpab, or one of more dimensions.
        ShapeError, DtypeError: theta does not fit it.
        MissingPackageError: TensorFlow Probability is not installed.
        UnsupportedError: the backend has no distributions.
    """
    chosen = registry.backend_for(backend, theta=theta)
    return chosen.distributions().CPABElementwise(cpab, theta, **options)


def CPABFlow(
    cells: Sequence[int] | int = (16, 16),
    *,
    fields: int = 3,
    length_scale: float = 1.0,
    scale: float = 1.0,
    kernel: str = "gaussian",
    domain: Interval = (-3.0, 3.0),
    data: Tensor | None = None,
    backend: str | None = None,
    **options: Any,
) -> Any:
    """A normalizing flow: a normal distribution, moved by CPAB fields with an affine map after each.

    Its parameters are not theta, but whitened coordinates of a :class:`cpabx.VelocityPrior`, which start at zero:
    steps of an optimiser are then smooth fields, and fine tessellations and stacks as well conditioned as coarse ones.

    Args:
        cells: of each field, (nx,) to (nx, ny, nz): of as many dimensions as the data.
        fields: how many maps follow each other.
        length_scale: of the prior, in units of standardised data. Long ones generalise, short ones fit finer detail.
        scale: of the prior, how far points move, in these units.
        kernel: of the prior.
        domain: where fields may bend, in the same units, along every axis; they go on linearly outside.
        data: (P, n), at least n + 1 points: they are standardised, by their mean and the root of their covariance.
            Without data, nothing is.
        backend: only to differ from the backend in force.
        **options: ``device`` and ``dtype`` in torch.

    Returns:
        A ``torch.nn.Module`` with ``log_prob``, ``sample``, ``distribution``, ``penalty`` and ``fit``.

    Raises:
        OptionError: an option that does not exist, or as in :class:`cpabx.VelocityPrior`.
        TessellationError: impossible cells or domain.
        ShapeError, DtypeError: the data do not fit the cells, or are too few.
        UnsupportedError: the backend has no such flow: torch has.
    """
    chosen = registry.backend_for(backend, data=data)
    flow = chosen.distributions().CPABFlow
    return flow(
        cells,
        fields=fields,
        length_scale=length_scale,
        scale=scale,
        kernel=kernel,
        domain=domain,
        data=data,
        **options,
    )


__all__ = ["CPABElementwise", "CPABFlow", "CPABTransform"]
