"""Gradients from the variational equation, exact to rounding, to test against.

For a field v = sum_k theta_k v_k, z = d phi / d theta_k obeys z' = A z + v_k(phi) along the trajectory, A being
the derivative of v: within a region, a linear equation with constant coefficients. Its adjoint over one segment
is the Frechet derivative of the matrix exponential, which scipy computes. At a face, z would jump by the
change of v there times that of the crossing time; v is continuous, so it does not.

The trajectories are those of :class:`cpabx.testing.oracle_nd.OracleND`: nothing is shared with libcpab.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm_frechet

from cpabx import Cpab
from cpabx.testing.oracle_nd import OracleND, Region

Array = NDArray[np.float64]


class Gradient(NamedTuple):
    """Where a point ends (n,), and the gradients of cotangent . phi(x, time): (n,) and (d,)."""

    moved: Array
    points: Array
    theta: Array


class GradientOracle:
    """Gradients of ``family``, of whose basis only the vertex velocities of each field are used."""

    def __init__(self, family: Cpab) -> None:
        self.family = family
        self._basis = [self.field(row) for row in np.eye(family.n_params)]
        self._generators: dict[Region, Array] = {}

    def field(self, theta: Array) -> OracleND:
        """The oracle of one theta (d,)."""
        tess = self.family.tessellation
        velocity = np.asarray(self.family.velocity(theta[None]))[0]
        return OracleND(tess.vertices, tess.cell_vertices, velocity, tess.lower, tess.upper, tess.outside)

    def vjp(self, field: OracleND, x: Array, cotangent: Array, time: float = 1.0) -> Gradient:
        """For one point (n,) and the field of some theta, from :meth:`field`."""
        *segments, end = field.path(x, time)
        sign, grad = np.sign(time), np.zeros(self.family.n_params)
        adjoint = np.append(cotangent, 0.0)
        for region, start, duration in reversed(segments):
            transposed = sign * duration * field.generator(region).T
            flow, integral = expm_frechet(transposed, duration * np.outer(adjoint, np.append(start, 1.0)))
            grad += sign * np.einsum("kij,ij->k", self._by_theta(region), integral)
            adjoint = flow @ adjoint
        return Gradient(end.start, adjoint[: field.n], grad)

    def _by_theta(self, region: Region) -> Array:
        """(d, n + 1, n + 1): what each field of the basis contributes to a region's generator."""
        if region not in self._generators:
            size = self.family.ndim + 1
            generators = [field.generator(region) for field in self._basis]
            self._generators[region] = np.array(generators).reshape(-1, size, size)
        return self._generators[region]
