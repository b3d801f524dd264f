"""Run by a fresh Python with modules to import: the library against an integrator that shares nothing with it."""

import importlib
import sys

import numpy as np

import cpabx
from cpabx.__main__ import main
from cpabx.testing.oracle_gradient import GradientOracle

for module in sys.argv[1:]:
    importlib.import_module(module)

family, rng = cpabx.Cpab((3, 2)), np.random.default_rng(0)
theta, points = family.sample(1, seed=1).astype(np.float64), rng.uniform(-1, 1, (20, 2))
field = GradientOracle(family).field(theta[0])
expected = np.array([field.flow(point) for point in points])
np.testing.assert_allclose(family.transform(points, theta)[0], expected, rtol=0, atol=1e-9)
np.testing.assert_array_less(1e-3, np.abs(expected - points).max())  # something moved
sys.exit(main(["info"]))
