"""What maps cost by a prior."""

from __future__ import annotations

from cpabx import registry
from cpabx.backend import Tensor
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.priors.gaussian import GaussianPrior


def smoothness(theta: Tensor, prior: GaussianPrior) -> Tensor:
    """The mean of |z|^2 / 2 in the coordinates in which a prior is N(0, 1): minus its log density, but for a constant.

    Args:
        theta: (N, d), or (N, k * d) of k maps in a row, as :func:`cpabx.layers.STRecurrent` gives them.
        prior: such as ``cpabx.VelocityPrior(cpab, length_scale=0.5)``.

    Returns:
        A scalar: the sum over the maps in a row, and the mean over items.

    Raises:
        OptionError: the prior is none.
        ShapeError, DtypeError: theta has another shape, or is no array of floats.
    """
    if not isinstance(prior, GaussianPrior):
        raise OptionError(
            "prior must be one of theta", shown(prior), "For instance VelocityPrior(cpab, length_scale=0.5)."
        )
    backend = registry.backend_for(None, theta=theta)
    shape, d = backend.shape(theta), prior.n_params
    if len(shape) != 2 or not shape[0] or shape[1] is None or shape[1] % d or not shape[1]:
        raise ShapeError(
            f"theta must be (N, {d}), or that several times side by side", f"shape {shape}", "Check the prior."
        )
    white = prior.whiten(backend.reshape(theta, (-1, d)))
    flat = backend.reshape(white * white, (-1,))
    return backend.sum(flat, axis=0) / (2.0 * shape[0])
