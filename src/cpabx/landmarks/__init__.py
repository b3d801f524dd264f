"""Maps fitted to landmarks."""

from cpabx.landmarks.fit import fit_landmarks
from cpabx.landmarks.result import FittedLandmarks

__all__ = ["FittedLandmarks", "fit_landmarks"]
