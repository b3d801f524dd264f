"""Gaussian distributions of theta: fields that are smooth."""

from cpabx.priors.gaussian import GaussianPrior
from cpabx.priors.smooth import SmoothPrior
from cpabx.priors.velocity import VelocityPrior

__all__ = ["GaussianPrior", "SmoothPrior", "VelocityPrior"]
