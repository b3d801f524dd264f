"""Data sets in their official formats, with the same arrays for every framework."""

from cpabx.experiments.data.dataset import Dataset, Pairs

__all__ = ["Dataset", "Pairs"]
