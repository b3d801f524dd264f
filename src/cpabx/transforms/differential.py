"""What maps do nearby, by name: derivatives without automatic differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError
from cpabx.sampling.size import is_shared
from cpabx.tracing import kept
from cpabx.transforms.arguments import as_floats, finite_time
from cpabx.transforms.family import Array, Family, frozen
from cpabx.transforms.maps import Maps
from cpabx.transforms.not_finite import nan_or_zero


class Differential(Maps):
    """Directional derivatives of T^theta, its Jacobian, and how volumes change."""

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
            theta: (N, d), or (1, d), shared by all points.
            tangent_points: in the shape of points, or None if they stay.
            tangent_theta: in the shape of theta, or None if it stays.
            time: 1 is the map, and -1 its inverse, if there is one; for how long to follow a flow.
            backend: only to insist on one.

        Returns:
            (N, P, n). Frameworks differentiate it once, with respect to all four.

        Raises:
            OptionError: no direction is given, or a time that the family has not.
            ShapeError: a tangent has another shape than what it is a tangent of.
            UnsupportedError: the inverse of a family that has none, or a family of one's own with neither
                :meth:`push_forward` nor, in numpy, :meth:`pull_back`.
            RangeError, DivergenceError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        if tangent_points is None and tangent_theta is None:
            raise OptionError("jvp needs a direction", "none", "Pass tangent_points, tangent_theta, or both.")
        time = self._checked_time(time)
        chosen, checked, flat = self._checked(points, theta, backend)
        if tangent_points is not None:
            tangent_points = _tangent(chosen, "points", checked, tangent_points)
        if tangent_theta is not None:
            given = chosen.asarray(theta, like=flat)
            along = self._flat_tangent(chosen, given, _tangent(chosen, "theta", given, tangent_theta))
            tangent_theta = chosen.expand(along, like=flat) if is_shared(chosen, along, flat) else along
        moved = self.push_forward(chosen, checked, flat, tangent_points, tangent_theta, time=time)
        return moved if self.spreads_nan else moved + nan_or_zero(chosen, checked, flat)

    def jacobian(self, points: Tensor, theta: Tensor, *, time: float = 1.0, backend: str | None = None) -> Tensor:
        """The matrices dT/dx: entry (i, j) is the derivative of the result's coordinate i by the point's j.

        Args:
            points: (P, n), shared by all theta, or (N, P, n).
            theta: (N, d), or (1, d), shared by all points.
            time: 1 is the map, and -1 its inverse, if there is one; for how long to follow a flow.
            backend: only to insist on one.

        Returns:
            (N, P, n, n). Frameworks differentiate it once.

        Raises:
            OptionError: a time that the family has not.
            UnsupportedError: as in :meth:`jvp`.
            RangeError, DivergenceError, ShapeError, DtypeError, DeviceError, BackendMismatchError: as in
                :meth:`transform`.
        """
        time = self._checked_time(time)
        chosen, points, theta = self._checked(points, theta, backend)
        matrices, _ = self._jacobian(chosen, points, theta, time)
        return matrices if self.spreads_nan else matrices + nan_or_zero(chosen, points, theta)[:, :, :, None]

    def log_det_jacobian(
        self, points: Tensor, theta: Tensor, *, time: float = 1.0, backend: str | None = None
    ) -> Tensor:
        """The logarithm of |det dT/dx|: how volumes change; of a flow the integral of div v along the trajectory.

        Arguments and errors as in :meth:`jacobian`. The density of T(x), for x of density p, is
        p(x) exp(-log_det). For a flow it is finite where the determinant itself would over- or underflow.

        Returns:
            (N, P). Frameworks differentiate it once.
        """
        time = self._checked_time(time)
        chosen, points, theta = self._checked(points, theta, backend)
        log_det = self._log_det(chosen, points, theta, time)
        return log_det if self.spreads_nan else log_det + nan_or_zero(chosen, points, theta)[:, :, 0]

    def transform_and_log_det(
        self, points: Tensor, theta: Tensor, *, time: float = 1.0, backend: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """T(x) and log |det dT/dx|, as normalizing flows need both.

        Of a :class:`Composition` each part is followed once, from where the one before it leads. Of a :class:`Cpab` the
        two are two calls of libcpab, of which that of :meth:`log_det_jacobian` takes most of the time.

        Args:
            points: (P, n), shared by all theta, or (N, P, n).
            theta: (N, d), or (1, d), shared by all points.
            time: 1 is the map, and -1 its inverse, if there is one; for how long to follow a flow.
            backend: only to insist on one.

        Returns:
            (N, P, n) and (N, P). Frameworks differentiate the first as :meth:`transform`, the second once.

        Raises:
            OptionError: a time that the family has not.
            UnsupportedError: as in :meth:`jvp`.
            RangeError, DivergenceError, ShapeError, DtypeError, DeviceError, BackendMismatchError: as in
                :meth:`transform`.
        """
        time = self._checked_time(time)
        chosen, points, theta = self._checked(points, theta, backend)
        moved, log_det = self._moved_and_log_det(chosen, points, theta, time)
        if self.spreads_nan:
            return moved, log_det
        lost = nan_or_zero(chosen, points, theta)
        return moved + lost, log_det + lost[:, :, 0]

    # -- what families do faster, or exactly -------------------------------------------------------

    def _jacobian(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> tuple[Tensor, Tensor | None]:
        """(N, P, n, n) derivatives by points, column by column; and (N, P) log |det|, if it comes along."""
        columns, n = [], self.ndim
        for axis in range(n):
            along = points * 0 + backend.constant(_unit(n, axis), like=points)
            columns.append(self.push_forward(backend, points, theta, along, None, time=time)[:, :, :, None])
        return (columns[0] if n == 1 else backend.concat(columns, axis=-1)), None

    def _log_det(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> Tensor:
        """(N, P) log |det|."""
        matrices, log_det = self._jacobian(backend, points, theta, time)
        return _log_abs_det(backend, matrices, self.ndim) if log_det is None else log_det

    def _moved_and_log_det(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> tuple[Tensor, Tensor]:
        return self.apply(backend, points, theta, time=time), self._log_det(backend, points, theta, time)

    # -- arguments ---------------------------------------------------------------------------------

    #: Whether :meth:`apply` takes any time, as flows do.
    _is_flow: bool = False

    def _checked_time(self, time: Any) -> float:
        number = finite_time(time)
        if self._is_flow or number == 1:
            return number
        if number != -1:
            raise OptionError(
                "time must be 1, or -1 for the inverse, of a family that is no flow",
                f"{number} for {self!r}",
                "Follow a cpabx.Cpab or cpabx.AffineDiffeo for other times.",
            )
        self._check_inverse()
        return number

    def _flat_tangent(self, backend: Backend, theta: Tensor, tangent: Tensor) -> Tensor:
        """(N, d): the derivative of ``_flat`` at theta, of any of its forms."""
        return tangent


def _tangent(backend: Backend, name: str, of: Tensor, given: Tensor) -> Tensor:
    """A tangent of a checked argument, in its shape."""
    tangent: Tensor
    _, tangent = as_floats(backend, **{name: of, f"tangent_{name}": given})
    expected, got = backend.shape(of), backend.shape(tangent)
    if name == "points" and len(got) == 2 and len(expected) == 3 and expected[0] in (1, None):
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


def _log_abs_det(backend: Backend, matrices: Tensor, n: int) -> Tensor:
    """(N, P) log |det| of matrices (N, P, n, n), n = 1, 2 or 3."""

    def entry(i: int, j: int) -> Tensor:
        return matrices[:, :, i, j]

    def minor(i: int, j: int) -> Tensor:  # cyclic, which has the sign in it
        a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
        return entry(a, c) * entry(b, d) - entry(a, d) * entry(b, c)

    if n == 1:
        determinant = entry(0, 0)
    elif n == 2:
        determinant = entry(0, 0) * entry(1, 1) - entry(0, 1) * entry(1, 0)
    else:
        determinant = entry(0, 0) * minor(0, 0) + entry(0, 1) * minor(0, 1) + entry(0, 2) * minor(0, 2)
    return backend.log(backend.where(determinant < 0, -determinant, determinant))


@kept(6)
def _unit(n: int, axis: int) -> Array:
    """(n,) the unit vector along an axis."""
    return frozen(np.eye(n)[axis])


def pushed_by_vjp(
    family: Family, backend: Backend, points: Tensor, theta: Tensor, tangents: Any, time: float
) -> Tensor:
    """The Jacobian-vector product of a family that says nothing of it, from vector-Jacobian products.

    Those of frameworks are linear in the cotangent, and their own transpose is the product. Numpy's are taken one
    coordinate of one point at a time.
    """
    if "double_backward" in backend.supports:
        total, nothing = None, family.apply(backend, points, theta, time=time) * 0
        for which, tangent in enumerate(tangents):
            if tangent is None:
                continue

            def pulled(cotangent: Tensor, which: int = which) -> Tensor:
                def of_one(argument: Tensor) -> Tensor:
                    given = (argument, theta) if which == 0 else (points, argument)
                    return family.apply(backend, *given, time=time)

                return backend.vjp(of_one, ((points, theta)[which],), cotangent)[0]

            (pushed,) = backend.vjp(pulled, (nothing,), tangent)
            total = pushed if total is None else total + pushed
        return total
    if "autograd" in backend.supports or time != 1:
        raise UnsupportedError(
            f"jvp of {family!r} needs a family with push_forward, or a backend with second derivatives",
            f"backend {backend.name!r}{'' if time == 1 else f' and time={time}'}",
            "Define push_forward.",
        )
    return backend.asarray(_pushed_in_numpy(family, backend, points, theta, tangents), like=theta)


def _pushed_in_numpy(family: Family, backend: Backend, points: Tensor, theta: Tensor, tangents: Any) -> Array:
    at, of = backend.to_numpy(points), backend.to_numpy(theta)
    (n, d), (_, p, ndim) = of.shape, at.shape
    single = np.broadcast_to(at, (n, p, ndim)).reshape(n * p, 1, ndim)  # each point a batch item of its own
    repeated, result = np.repeat(of, p, axis=0), np.zeros((n, p, ndim), of.dtype)
    for axis in range(ndim):
        cotangent = np.zeros((n * p, 1, ndim), of.dtype)
        cotangent[:, :, axis] = 1
        grads = family.pull_back(single, repeated, cotangent)
        for grad, tangent in zip(grads, tangents, strict=True):
            if tangent is not None:
                along = backend.to_numpy(tangent).reshape(-1, *((p, ndim) if grad.ndim == 3 else (1, d)))
                result[:, :, axis] += (grad.reshape(n, p, -1) * along).sum(-1)
    return result
