"""What a family of maps defines: its parameters, the map, and how equal ones are told."""

from __future__ import annotations

import abc
from typing import Any

from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import ShapeError, UnsupportedError
from cpabx.sampling.grid import PixelGrid
from cpabx.sampling.size import is_shared
from cpabx.transforms.arguments import as_floats

Array = NDArray[Any]

#: Most numbers of a matrix that families keep for a grid: 8 MiB.
MOST_KEPT = 1 << 20


def frozen(array: Array) -> Array:
    """The array, read only: others will use it, too."""
    array.flags.writeable = False
    return array


class Family(abc.ABC):
    """The hooks of a family, which :class:`cpabx.Transformation` makes public functions of."""

    # -- what a family defines -------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def n_params(self) -> int:
        """d, the size of theta."""

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """The arguments that make an equal transformation."""

    @property
    def ndim(self) -> int:
        """n, the number of coordinates of a point."""
        return 2

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        """What an image covers in :meth:`warp`, (lower, upper) per axis."""
        return ((-1.0, 1.0),) * self.ndim

    @property
    def has_inverse(self) -> bool:
        """Whether :meth:`apply` with ``time=-1`` is the inverse."""
        return False

    @property
    def spreads_nan(self) -> bool:
        """Whether :meth:`apply` itself makes NaN of all results that depend on a number that is not finite.

        Where it does not, :meth:`transform` and :meth:`warp` see to it, at the cost of a few sums.
        """
        return False

    @abc.abstractmethod
    def identity_theta(self) -> Array:
        """The parameters of the identity: (d,) in float64."""

    @abc.abstractmethod
    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        """The map in the operations of a backend, of arguments that are checked: what :meth:`transform` calls.

        Args:
            backend: has the operations; tensors also have ``+ - * /``, comparison and slices.
            points: (1, P, n), shared by all theta, or (N, P, n).
            theta: (N, d).
            time: 1 is the map, and -1 its inverse, which is asked for only if there is one. Flows take any number.

        Returns:
            (N, P, n).
        """

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        """The map at the pixels of an image: what :meth:`warp` calls.

        The default applies the map to their positions. A family may do the same faster, with matrices that are
        computed once for a grid.

        Args:
            backend: has the operations.
            grid: the pixels, of a size that is known.
            theta: (N, d), checked.

        Returns:
            (N, P, n).
        """
        return self.apply(backend, grid.tensor(backend, like=theta), theta)

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        """The gradient of the map in numpy: what :meth:`vjp` calls where the framework does not differentiate.

        Args:
            points: (N, P, n).
            theta: (N, d).
            cotangent: (N, P, n), the gradient of a loss with respect to the result.

        Returns:
            The gradients with respect to points (N, P, n) and theta (N, d).

        Raises:
            UnsupportedError: the family does not define it.
        """
        raise UnsupportedError(
            "gradients in numpy need a family with pull_back", repr(self), "Define it, or use tensors of a framework."
        )

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
        """The derivative of :meth:`apply` along a direction: what :meth:`jvp` calls.

        The default asks the framework, or :meth:`pull_back` in numpy: exact, and slower than what a family knows.

        Args:
            backend: has the operations.
            points: (1, P, n), shared by all theta, or (N, P, n).
            theta: (N, d).
            tangent_points: in the shape of points, or None for zeros.
            tangent_theta: in the shape of theta, or None for zeros; one of the two is there.
            time: as in :meth:`apply`.

        Returns:
            (N, P, n).

        Raises:
            UnsupportedError: the backend has no second derivatives, or in numpy there is no :meth:`pull_back`.
        """
        from cpabx.transforms.differential import pushed_by_vjp

        return pushed_by_vjp(self, backend, points, theta, (tangent_points, tangent_theta), time)

    # -- arguments -------------------------------------------------------------------------------

    def _check_inverse(self) -> None:
        """Raises UnsupportedError if the family has no inverse."""
        if not self.has_inverse:
            raise UnsupportedError(
                "an inverse needs a family that has one",
                ", ".join(self._without_inverse()),
                "Maps may fold here; those of Cpab never do.",
            )

    def _without_inverse(self) -> list[str]:
        """What keeps the family from having an inverse."""
        return [repr(self)]

    def _checked(self, points: Tensor, theta: Tensor, name: str | None) -> tuple[Backend, Tensor, Tensor]:
        backend = registry.backend_for(name, points=points, theta=theta)
        theta, points = as_floats(backend, theta=theta, points=points)
        theta = self.flat_theta(backend, theta)
        shape, n = backend.shape(points), backend.shape(theta)[0]
        if len(shape) not in (2, 3) or shape[-1] != self.ndim:
            raise ShapeError(
                f"points must be (P, {self.ndim}) or (N, P, {self.ndim})",
                f"shape {shape}",
                f"The last axis has the {self.ndim} coordinates.",
            )
        if len(shape) == 2:
            points = backend.reshape(points, (1, -1 if shape[0] is None else shape[0], self.ndim))
        elif is_shared(backend, theta, points):
            theta = backend.expand(theta, like=points)
        elif shape[0] not in (None, 1, n) and n is not None:
            raise ShapeError(
                "points (N, P, n) and theta (N, d) must have one N, or one of them N = 1",
                f"{shape[0]} and {n}",
                "Repeat one of them, or pass points (P, n) that all theta share.",
            )
        return backend, points, theta

    def flat_theta(self, backend: Backend, theta: Tensor) -> Tensor:
        """Theta as (N, d), also where a family takes matrices.

        Args:
            backend: the one of theta.
            theta: a tensor of floats.

        Returns:
            (N, d).

        Raises:
            ShapeError: it is neither (N, d) nor a form that the family takes.
            MatrixError: it holds a matrix that is none of the family's.
        """
        flat = self._flat(backend, theta) if self._forms else theta
        shape = backend.shape(flat)
        if len(shape) != 2 or shape[1] != self.n_params:
            forms = " or ".join(f"(N, {', '.join(map(str, form))})" for form in ((self.n_params,), *self._forms))
            raise ShapeError(f"theta must be {forms} for {self!r}", f"shape {shape}", self._theta_hint(shape))
        return flat

    #: Shapes of theta for one map, besides (d,), that ``_flat`` takes.
    _forms: tuple[tuple[int, ...], ...] = ()

    def _flat(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, d) of any of the forms; what has none of them stays as it is."""
        return theta

    def _pull_back_flat(self, theta: Array, grad: Array) -> Array:
        """The gradient of theta in its own form, from that of ``_flat``'s result (N, d), in numpy."""
        return grad

    def _theta_hint(self, shape: tuple[int | None, ...]) -> str:
        from cpabx.transforms.hints import shape_hint

        return shape_hint(self, shape, self._forms)

    # -- identity of the object ------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Family) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"{type(self).__name__}({arguments})"

    def _repr_html_(self) -> str | None:
        """What notebooks show."""
        from cpabx import notebook

        return notebook.html(self)
