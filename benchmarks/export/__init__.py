"""Layers by what serves them, with errors and times against native calls: ``python -m benchmarks.export``."""
