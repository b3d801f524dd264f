"""CPAB transformations: flows of continuous piecewise-affine velocity fields."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.basis import BOUNDARIES, DenseBasis, NodalBasis, continues_linearly, make_basis
from cpabx.errors import OptionError, TessellationError
from cpabx.native import arrays
from cpabx.numpy_backend import NumpyBackend
from cpabx.options import flag, one_of
from cpabx.portable.dispatch import flow, is_in_one_pass
from cpabx.sampling import PixelGrid, Sampling, pixel_grid
from cpabx.sampling.grid import RunTimeGrid, checked_units
from cpabx.tessellation import Interval, Tessellation
from cpabx.transforms import refinement, regression
from cpabx.transforms.arguments import as_floats, finite, finite_time, host_values
from cpabx.transforms.base import Array
from cpabx.transforms.derivatives import DifferentiableFlow


class Cpab(DifferentiableFlow):
    """T(x) = phi(x, 1), phi' = v(phi), v continuous and affine in every simplex: eqs. 5-6 of the paper.

    Always a diffeomorphism; the identity is theta = 0, the inverse -theta. ``Cpab((4, 4))`` is the
    paper's: free boundary, linear continuation, orthonormal basis, d = 58.

    Args:
        cells: (nx, ny) rectangles, each cut into 4 triangles; (n,) intervals in 1D, (nx, ny, nz) boxes,
            each cut into 5 tetrahedra, in 3D.
        boundary: ``"free"``; ``"sliding"``, no velocity across the border of the domain (what some
            call zero boundary); ``"fixed"``, none at all there.
        outside: how fields continue. ``"linear"``: all cells along one side share their outward
            derivative, with which the side continues. ``"nearest"``: v(x) = v(nearest point of the
            domain). Default: linear if the boundary is free, nearest if not.
        basis: what theta means. ``"orthonormal"``: coefficients of fields that are orthonormal in
            the space of the affine maps A_c, as in the paper. ``"normalized"``: orthonormal in the mean over the
            cells, not in their sum, so that |theta|^2 is the mean of |A_c|^2, and a learning rate that suits affine
            maps suits CPAB. ``"nodal"``: velocities at vertices; no dense basis, for large tessellations. Or an
            array (C * n * (n + 1), d) whose columns are fields, by rows of A_c per cell; the boundary is then what
            these fields do.
        domain: (lower, upper), or a pair per axis.
        volume_preserving: only fields without divergence, trace A_c = 0 in every cell. Where the boundary is
            free, so is the flow outside. Not with an array as basis.

    Raises:
        TessellationError, OptionError: impossible or unknown options, or a dense basis of more than 1 GiB, which some
            53 x 53 cells take (38 x 38, if volume_preserving). ``basis="nodal"`` is sparse.
    """

    def __init__(
        self,
        cells: Sequence[int] | int = (4, 4),
        *,
        boundary: str = "free",
        outside: str | None = None,
        basis: Any = "orthonormal",
        domain: Interval | Sequence[Interval] = (-1.0, 1.0),
        volume_preserving: bool = False,
    ) -> None:
        volume_preserving = flag("volume_preserving", volume_preserving)
        if volume_preserving and not isinstance(basis, str):
            raise OptionError(
                "volume_preserving chooses a basis",
                "volume_preserving=True and an array as basis",
                "Leave one of them out.",
            )
        one_of("boundary", boundary, BOUNDARIES)
        chosen = ("linear" if boundary == "free" else "nearest") if outside is None else outside
        self.tessellation = Tessellation(cells, domain=domain, outside=chosen)
        self.ndim, self.domain = self.tessellation.ndim, self.tessellation.domain
        self.boundary = boundary
        self.volume_preserving = volume_preserving
        self._basis = make_basis(self.tessellation, boundary, basis, volume_preserving=self.volume_preserving)
        self.n_params = self._basis.n_params
        self._basis_argument = basis if isinstance(basis, str) else host_values("basis", basis).astype(np.float64)
        if not isinstance(basis, str) and chosen == "linear" and not continues_linearly(self.tessellation, self._basis):
            if outside is not None:
                raise TessellationError(
                    "outside='linear' needs fields with one outward derivative per side",
                    "a basis whose fields have several",
                    "Pass outside='nearest'.",
                )
            self.tessellation = Tessellation(cells, domain=domain, outside="nearest")

    # Each object has its own: attributes, as every call asks for them several times.
    n_params: int = 0
    ndim: int = 0
    domain: tuple[Interval, ...] = ()

    has_inverse = True
    spreads_nan = True  # libcpab does

    @property
    def basis(self) -> DenseBasis | NodalBasis:
        """The linear map from theta to vertex velocities."""
        return self._basis

    @property
    def config(self) -> dict[str, Any]:
        argument = self._basis_argument
        return self._config(argument if isinstance(argument, str) else argument.tolist())

    def _config(self, basis: Any) -> dict[str, Any]:
        return {
            "cells": self.tessellation.cells,
            "boundary": self.boundary,
            "outside": self.tessellation.outside,
            "basis": basis,
            "domain": self.domain,
            "volume_preserving": self.volume_preserving,
        }

    def identity_theta(self) -> Array:
        return np.zeros(self.n_params)

    def velocity(self, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Velocities at the vertices of the tessellation, V = N theta.

        Args:
            theta: (N, d).
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, V, n), with the dtype and device of theta.

        Raises:
            ShapeError, DtypeError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, theta=theta)
        (theta,) = as_floats(chosen, theta=theta)
        return self._velocity(chosen, self.flat_theta(chosen, theta))

    def _velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        flat = self._basis.velocity(backend, theta)
        return backend.reshape(flat, (-1, self.tessellation.n_vertices, self.ndim))

    def from_velocity(
        self,
        field: Tensor,
        *,
        units: str = "domain",
        align_corners: bool = False,
        weights: Any = None,
        ridge: float = 0.0,
        backend: str | None = None,
    ) -> Tensor:
        """The theta whose field is nearest to one that is given at the pixels of an image, by least squares.

        A field of the family itself gives its own theta, if the pixels see all of it. It is solved in float64 by numpy:
        not differentiable, and not in graphs.

        Args:
            field: (N, H, W, 2), in 1D (N, L, 1), in 3D (N, D, H, W, 3), or without N: velocities (x, y, z), with x
                along the last axis of pixels, at the pixels of an image that covers the domain.
            units: what velocities are measured in, per unit of time: as in :meth:`grid`.
            align_corners: where pixels are, as in :meth:`warp`.
            weights: one number of 0 or more for each pixel, of the field's size without N. Where it is 0, the
                field may be anything.
            ridge: adds ridge * |theta|^2 to the sum of weighted squares, in units of the domain. With 0, and where
                pixels do not tell all parameters, theta is the shortest of the best.
            backend: only to insist on one.

        Returns:
            (N, d), of the type and on the device of the field.

        Raises:
            ShapeError: it is no such field, or weights have another size.
            OptionError: numbers that are not finite; unknown units; impossible weights or ridge; more than 2048
                parameters; one pixel along an axis, if corners are aligned and units are voxels.
            DtypeError: no floats, or values that are not known, as in a graph.
        """
        chosen = registry.backend_for(backend, field=field)
        units, align_corners = checked_units(units), flag("align_corners", align_corners)
        (field,) = as_floats(chosen, field=field)
        values, weight, size = regression.field_values(host_values("field", field), weights, self.ndim)
        factor = self._ridge("from_velocity", ridge)
        values = values / pixel_grid(size, align_corners, self.domain).per_domain(units)
        unit = Tessellation(self.tessellation.cells)  # whose pixels are near the origin
        places = regression.places_of(unit, pixel_grid(size, align_corners, unit.domain).points)
        theta = regression.nearest_theta(self.tessellation, self._basis, values, weight, *places, factor)
        return _like(chosen, theta, field)

    def fit_velocity(
        self,
        points: Tensor,
        velocities: Tensor,
        *,
        weights: Any = None,
        ridge: float = 0.0,
        backend: str | None = None,
    ) -> Tensor:
        """The theta whose field is nearest to velocities that are given at points, by least squares.

        As :meth:`from_velocity`, at points anywhere: solved in float64 by numpy, not differentiable, not in graphs.

        Args:
            points: (P, n), shared by all items, or (N, P, n), in units of the domain, also outside of it.
            velocities: (N, P, n), or (P, n): those at the points, in units of the domain per unit of time.
            weights: (P,) or (N, P) numbers of 0 or more. Where one is 0, the point and its velocity may be anything.
            ridge: adds ridge * |theta|^2 to the sum of weighted squares, in units of the domain. With 0, and where the
                points do not tell all parameters, theta is the shortest of the best.
            backend: only to insist on one.

        Returns:
            (N, d), of the type and on the device of the points.

        Raises:
            ShapeError: they are no such arrays, or do not fit each other.
            OptionError: numbers that are not finite; impossible weights or ridge; more than 2048 parameters.
            DtypeError: no floats, or values that are not known, as in a graph.
            DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, points=points, velocities=velocities)
        points, velocities = as_floats(chosen, points=points, velocities=velocities)
        places, values = host_values("points", points), host_values("velocities", velocities)
        checked = regression.point_values(places, values, weights, self.ndim)
        factor = self._ridge("fit_velocity", ridge)
        theta = regression.nearest_theta_at_points(self.tessellation, self._basis, *checked, factor)
        return _like(chosen, theta, points)

    def _ridge(self, name: str, ridge: Any) -> float:
        """The factor, of a least-squares fit that is not too large."""
        if self.n_params > regression.MOST_PARAMS:
            raise OptionError(
                f"{name} solves for at most {regression.MOST_PARAMS} parameters",
                f"{self.n_params} of {self!r}",
                "Take fewer cells.",
            )
        factor = finite("ridge", ridge, "0 is none.")
        if factor < 0:
            raise OptionError("ridge must be 0 or more", repr(ridge), "0 is none.")
        return factor

    def refine(self, theta: Tensor, finer: Cpab, *, backend: str | None = None) -> Tensor:
        """The same field on a finer tessellation of the domain: the theta with which ``finer`` has it.

        Exact, outside too, where each cell of ``finer`` lies in one cell of this family, and its boundary and its
        continuation allow the field: in 1D with a whole multiple of the cells, in 2D with the same multiple along both
        axes. Tetrahedra of different tessellations do not nest. What is not exact has the nearest velocities at the
        vertices of ``finer``, by least squares; with a nodal basis, those of its free components.

        Args:
            theta: (N, d).
            finer: a family with the same domain.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, ``finer.n_params``), with the dtype and device of theta, differentiable with respect to it.

        Raises:
            OptionError: no Cpab, or one with another domain.
            ShapeError, DtypeError, BackendMismatchError: as in :meth:`transform`.
        """
        chosen = registry.backend_for(backend, theta=theta)
        (theta,) = as_floats(chosen, theta=theta)
        refinement.check_finer(self, finer)
        velocity = self._velocity(chosen, self.flat_theta(chosen, theta))
        return refinement.carried_over(chosen, velocity, self.tessellation.cells, finer)

    def transform(self, points: Tensor, theta: Tensor, *, time: float = 1.0, backend: str | None = None) -> Tensor:
        """Follow the flow of the field theta for some time.

        Args:
            points: (P, n), shared by all theta, or (N, P, n), in units of the domain.
            theta: (N, d), or (1, d), shared by all points (N, P, n).
            time: 1 is the transformation, -1 its inverse, 0 the identity.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, P, n). A theta or point that is not finite makes its own results NaN, no others.

        Raises:
            RangeError: a field is too large: |time| * |A| > 1024 in some cell.
            DivergenceError: a trajectory overflowed, which only a free boundary allows.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in all families.
        """
        return self._transform(points, theta, backend, time=finite_time(time))

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        return flow(backend, points, self._velocity(backend, theta), self.tessellation, time)

    def _warp(
        self,
        backend: Backend,
        images: Tensor,
        theta: Tensor,
        grid: PixelGrid,
        sampling: Sampling,
        *,
        time: float = 1.0,
    ) -> Tensor:
        if is_in_one_pass() and not isinstance(grid, RunTimeGrid):  # that call takes a size that is fixed
            problem = (self.tessellation, time, grid.size, sampling)
            if isinstance(self._basis, DenseBasis):
                fused = backend.cpab_warp_by_theta(images, theta, self._basis.rows, *problem)
                if fused is not None:
                    return fused
            fused = backend.cpab_warp(images, self._velocity(backend, theta), *problem)
            if fused is not None:
                return fused
        return super()._warp(backend, images, theta, grid, sampling, time=time)

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        velocity = self._velocity(NumpyBackend(), theta)
        grad_points, grad_velocity = arrays.transform_vjp(points, velocity, cotangent, self.tessellation, 1.0)
        return grad_points, self._basis.pull_back(
            grad_velocity.reshape(len(theta), self.tessellation.n_vertices * self.ndim)
        )

    def _theta_hint(self, shape: tuple[int | None, ...]) -> str:
        received = shape[-1] if shape else None
        for boundary in BOUNDARIES if isinstance(self._basis_argument, str) else ():
            outside = "linear" if boundary == "free" else "nearest"
            other = Tessellation(self.tessellation.cells, domain=self.domain, outside=outside)
            nodal = make_basis(other, boundary, "nodal", volume_preserving=self.volume_preserving)
            if boundary != self.boundary and nodal.n_params == received:
                return f"{received} is the dimension with boundary={boundary!r}."
        return super()._theta_hint(shape)

    @functools.cached_property
    def _repr(self) -> str:
        basis = self._basis_argument
        if not isinstance(basis, str):
            basis = f"<array {basis.shape} {hashlib.sha256(basis.tobytes()).hexdigest()[:16]}>"
        return "Cpab(" + ", ".join(f"{k}={v!r}" for k, v in self._config(basis).items()) + ")"

    def __repr__(self) -> str:
        return self._repr


def _like(backend: Backend, theta: Array, given: Tensor) -> Tensor:
    """Theta as a tensor like what it was found from."""
    if not np.abs(theta).max(initial=0) <= np.finfo(backend.dtype(given)).max:
        raise OptionError("theta must be a number of the field's type", "one that overflows", "Divide the field.")
    return backend.asarray(theta, like=given)
