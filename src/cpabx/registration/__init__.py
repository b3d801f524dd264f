"""Registration of images: the CPAB transformation that makes one look like another."""

from cpabx.registration.losses import Correlation, Huber, LocalCorrelation, Loss, MeanSquares, MutualInformation
from cpabx.registration.pairs import register

__all__ = [
    "Correlation",
    "Huber",
    "LocalCorrelation",
    "Loss",
    "MeanSquares",
    "MutualInformation",
    "register",
]
