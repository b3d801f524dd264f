"""How images are sampled: the options, the pixels as points, and what is special about fills, labels and series."""

from cpabx.sampling.grid import PixelGrid, pixel_grid
from cpabx.sampling.options import Sampling

__all__ = ["PixelGrid", "Sampling", "pixel_grid"]
