"""Derivatives of flows by name: what a transformation does nearby, without automatic differentiation."""

from __future__ import annotations

import abc
from typing import Any

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError
from cpabx.tessellation import Tessellation
from cpabx.transforms.arguments import as_floats, finite_time
from cpabx.transforms.base import Transformation


class DifferentiableFlow(Transformation):
    """T(x) = phi(x, time), phi' = v(phi), with its velocity, Jacobian-vector product and Jacobian."""

    tessellation: Tessellation

    @abc.abstractmethod
    def _velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V, n) velocities at the vertices, linear in theta (N, d)."""

    def velocity_at(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """The velocity field at points, v(x) = A_c x + b_c in the cell c that holds x: eq. 5 of the paper.

        Args:
            points: (P, n), shared by all theta, or (N, P, n), in units of the domain, also outside of it.
            theta: (N, d).
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, P, n), in units of the domain per unit of time. Frameworks differentiate it once.

        Raises:
            RangeError: a field is too large to be integrated.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen, points, theta = self._checked(points, theta, backend)
        return chosen.cpab_velocity(points, self._velocity(chosen, theta), self.tessellation)

    def jvp(
        self,
        points: Tensor,
        theta: Tensor,
        tangent_points: Tensor | None = None,
        tangent_theta: Tensor | None = None,
        *,
        time: float = 1.0,
        backend: str | None = None,
    ) -> Tensor:
        """The Jacobian-vector product: how T^theta(x) changes as points and theta change in a direction.

        d/de T^(theta + e u)(x + e w) at e = 0, for w = ``tangent_points`` and u = ``tangent_theta``. It is
        the adjoint of :meth:`vjp`, and costs about twice a :meth:`transform`.

        Args:
            points: (P, n), shared by all theta, or (N, P, n).
            theta: (N, d).
            tangent_points: in the shape of points, or None if they stay.
            tangent_theta: in the shape of theta, or None if it stays.
            time: how long to follow the flow.
            backend: only to insist on one.

        Returns:
            (N, P, n). Frameworks differentiate it once, with respect to all four.

        Raises:
            OptionError: no direction is given.
            ShapeError: a tangent has another shape than what it is a tangent of.
            RangeError, DivergenceError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        if tangent_points is None and tangent_theta is None:
            raise OptionError("jvp needs a direction", "none", "Pass tangent_points, tangent_theta, or both.")
        time = finite_time(time)
        chosen, points, theta = self._checked(points, theta, backend)
        if tangent_points is not None:
            tangent_points = self._tangent(chosen, "points", points, tangent_points)
        velocity = None
        if tangent_theta is not None:
            velocity = self._velocity(chosen, self._tangent(chosen, "theta", theta, tangent_theta))
        fields = self._velocity(chosen, theta)
        return chosen.cpab_jvp(points, fields, tangent_points, velocity, self.tessellation, time)

    def jacobian(self, points: Tensor, theta: Tensor, *, time: float = 1.0, backend: str | None = None) -> Tensor:
        """The matrices dT/dx: entry (i, j) is the derivative of the result's coordinate i by the point's j.

        Args:
            points: (P, n), shared by all theta, or (N, P, n).
            theta: (N, d).
            time: how long to follow the flow; -1 gives those of the inverse.
            backend: only to insist on one.

        Returns:
            (N, P, n, n). Frameworks differentiate it once.

        Raises:
            RangeError, DivergenceError, ShapeError, DtypeError, DeviceError, BackendMismatchError: as in
                :meth:`transform`.
        """
        return self._jacobian(points, theta, time, backend)[0]

    def log_det_jacobian(
        self, points: Tensor, theta: Tensor, *, time: float = 1.0, backend: str | None = None
    ) -> Tensor:
        """The logarithm of det dT/dx: how volumes change, the integral of div v along the trajectory.

        Arguments and errors as in :meth:`jacobian`. The density of T(x), for x of density p, is
        p(x) exp(-log_det). Finite where the determinant itself would over- or underflow.

        Returns:
            (N, P). Frameworks differentiate it once.
        """
        return self._jacobian(points, theta, time, backend)[1]

    def _jacobian(self, points: Tensor, theta: Tensor, time: Any, name: str | None) -> tuple[Tensor, Tensor]:
        time = finite_time(time)
        chosen, points, theta = self._checked(points, theta, name)
        return chosen.cpab_jacobian(points, self._velocity(chosen, theta), self.tessellation, time)

    def _tangent(self, backend: Backend, name: str, of: Tensor, given: Tensor) -> Tensor:
        """A tangent of a checked argument, in its shape."""
        tangent: Tensor
        _, tangent = as_floats(backend, **{name: of, f"tangent_{name}": given})
        expected, got = backend.shape(of), backend.shape(tangent)
        if len(got) == 2 and len(expected) == 3 and expected[0] in (1, None):
            tangent = tangent[None]
            got = (1, *got)
        fits = len(got) == len(expected) and all(
            a is None or b is None or a == b for a, b in zip(got, expected, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"tangent_{name} must have the shape of {name}, {expected}",
                f"{backend.shape(given) if hasattr(given, 'shape') else got}",
                f"Pass one number for each of {name}.",
            )
        return tangent
