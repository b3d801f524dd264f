"""Densities beside those of a neural spline flow."""
