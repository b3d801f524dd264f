"""Derivatives of flows in a tessellation: those of libcpab, along the trajectories."""

from __future__ import annotations

import abc

from cpabx.backend import Backend, Tensor
from cpabx.tessellation import Tessellation
from cpabx.transforms.base import Transformation


class DifferentiableFlow(Transformation):
    """T(x) = phi(x, time), phi' = v(phi), with its velocity, Jacobian-vector product and Jacobian."""

    tessellation: Tessellation

    _is_flow = True

    @abc.abstractmethod
    def _velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V, n) velocities at the vertices, linear in theta (N, d)."""

    def velocity_at(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """The velocity field at points, v(x) = A_c x + b_c in the cell c that holds x: eq. 5 of the paper.

        Args:
            points: (P, n), shared by all theta, or (N, P, n), in units of the domain, also outside of it.
            theta: (N, d), or (1, d), shared by all points.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, P, n), in units of the domain per unit of time. Frameworks differentiate it once.

        Raises:
            RangeError: a field is too large to be integrated.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen, points, theta = self._checked(points, theta, backend)
        return chosen.cpab_velocity(points, self._velocity(chosen, theta), self.tessellation)

    def push_forward(
        self,
        backend: Backend,
        points: Tensor,
        theta: Tensor,
        tangent_points: Tensor | None,
        tangent_theta: Tensor | None,
        *,
        time: float = 1.0,
    ) -> Tensor:
        change = None if tangent_theta is None else self._velocity(backend, tangent_theta)
        fields = self._velocity(backend, theta)
        return backend.cpab_jvp(points, fields, tangent_points, change, self.tessellation, time)

    def _jacobian(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> tuple[Tensor, Tensor | None]:
        return backend.cpab_jacobian(points, self._velocity(backend, theta), self.tessellation, time)
