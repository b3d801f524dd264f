"""Smooth Gaussian priors on theta."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.basis.maps import frozen
from cpabx.basis.smoothness import smooth_covariance, triangle
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import number
from cpabx.tracing import kept_by_owner
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import as_floats, float_name, host_values
from cpabx.transforms.draws import checked_noise, draw, of_a_framework

Array = NDArray[np.float64]

#: The covariance of so many parameters takes 128 MiB, and some ten such matrices exist meanwhile.
MOST_PARAMETERS = 4096


@dataclass(frozen=True)
class SmoothPrior:
    """A Gaussian distribution of velocity fields that vary little from cell to cell.

    Every entry of the matrices A_c (v(x) = A_c [x; 1]) is a Gaussian process over the centres of the cells,
    independent of the other entries, with mean 0 and covariance

        variance * (exp(-|x - y|^2 / (2 length_scale^2)) + nugget * [x = y]).

    The fields are the projections of such matrices onto the continuous fields of ``cpab`` that meet its
    boundary, and theta their coefficients: N(0, B^T C B) where the columns of B are orthonormal in the
    space of the matrices (Freifeld et al. 2017). Families with the same fields have the same distribution
    of fields, whatever their bases.

    Args:
        cpab: the family.
        length_scale: in units of the domain, in which points are. Towards 0 the cells become independent, and
            an orthonormal theta N(0, variance); towards infinity the fields affine, as far as the boundary lets them.
        variance: of each entry of A_c.
        nugget: the part of the variance that each cell has by itself. Smooth covariances are singular but for
            rounding; with it, both samples and densities are those of one well-conditioned distribution.

    Raises:
        OptionError: a number that is not positive and finite (the nugget may be 0), or a cpab that is none or
            has more than 4096 parameters, whose covariance would be too large.
        TessellationError: an array as the cpab's basis whose columns depend on each other.
    """

    cpab: Cpab
    length_scale: float = field(kw_only=True)
    variance: float = field(default=1.0, kw_only=True)
    nugget: float = field(default=1e-6, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.cpab, Cpab):
            raise OptionError("a prior is one of a cpabx.Cpab", shown(self.cpab), "Pass the transformation.")
        if self.cpab.n_params > MOST_PARAMETERS:
            raise OptionError(
                f"a prior needs at most {MOST_PARAMETERS} parameters, for a dense covariance",
                f"{self.cpab.n_params}",
                "Use fewer cells.",
            )
        for name in ("length_scale", "variance", "nugget"):
            object.__setattr__(self, name, _positive(name, getattr(self, name), or_zero=name == "nugget"))

    # -- the distribution ------------------------------------------------------------------------

    @functools.cached_property
    def covariance(self) -> Array:
        """(d, d) covariance of theta, in float64."""
        inverse = np.linalg.inv(self._triangle)
        return frozen(np.asarray(self.variance * (inverse @ self._unit_covariance @ inverse.T), np.float64))

    def sample(
        self,
        n: Any = 1,
        *,
        seed: int | None = None,
        generator: Any = None,
        mean: Any = None,
        backend: str | None = None,
        device: Any = None,
        dtype: str = "float32",
    ) -> Tensor:
        """Random parameters.

        Args:
            n: how many; in a graph also a scalar of its framework.
            seed: gives the same numbers in every backend, and for an orthonormal and a nodal theta the same fields.
            generator: a random generator of a framework, or a key of JAX. This, ``seed``, and what is drawn
                without either, are those of :meth:`cpabx.Transformation.sample`.
            mean: numbers (d,) or (n, d) to add. A tensor of a framework chooses the backend, and keeps its gradient.
            backend: in which to return them; by default the mean's or the generator's, or else the one in force.
            device: where; by default where the mean is, if it is a tensor, or as in ``Transformation.sample``.
            dtype: of the result.

        Returns:
            (n, d).

        Raises:
            ShapeError, DtypeError: a mean of another shape, or that is no array of numbers.
            OptionError: a nugget too small for this length scale, or as in ``Transformation.sample``.
            BackendMismatchError, DeviceError, UnsupportedError: as in ``Transformation.sample``.
        """
        options = {"seed": seed, "generator": generator, "device": device, "dtype": dtype}
        if not of_a_framework(mean):
            return draw(self, n, mean, backend=backend, **options)
        chosen = registry.backend_for(backend, mean=mean)
        (mean,) = as_floats(chosen, mean=mean)
        own = chosen.asarray(mean, dtype=float_name(dtype))
        theta = draw(self, n, None, backend=chosen.name, **options)
        if device is None:
            theta = chosen.asarray(theta, like=own)
        return self._plus(chosen, theta, chosen.to_device(own, device))

    def theta_from(self, noise: Tensor, *, mean: Any = None, backend: str | None = None) -> Tensor:
        """``mean`` plus what makes a draw from the prior of noise N(0, 1): :meth:`sample` of numbers that are given.

        Args:
            noise: (N, d).
            mean: (d,) or (N, d).
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, d), with the dtype and device of noise, differentiable with respect to both.

        Raises:
            ShapeError, DtypeError, DeviceError, BackendMismatchError: the arguments do not fit each other.
        """
        if mean is None:
            chosen, noise = checked_noise(noise, self.cpab.n_params, backend)
            return self.theta_of_noise(chosen, noise, None)
        chosen, noise, mean = checked_noise(noise, self.cpab.n_params, backend, mean=mean)
        return self.theta_of_noise(chosen, noise, mean)

    @property
    def n_params(self) -> int:
        """d, the size of theta."""
        return self.cpab.n_params

    def theta_of_noise(self, backend: Backend, noise: Tensor, mean: Any) -> Tensor:
        """What :meth:`theta_from` computes, of arguments that are checked.

        Args:
            backend: the one of noise.
            noise: (N, d).
            mean: None, (d,) or (N, d).

        Returns:
            (N, d).
        """
        theta = backend.matmul(noise, backend.constant(_spread(self), like=noise))
        return theta if mean is None else self._plus(backend, theta, mean)

    def _plus(self, backend: Backend, theta: Tensor, mean: Any) -> Tensor:
        values = mean if of_a_framework(mean) else host_values("mean", mean)
        added = backend.asarray(values, like=theta)
        shape, (n, d) = backend.shape(added), backend.shape(theta)
        if shape not in ((d,), (n, d)) and (len(shape) != 2 or shape[1] != d or None not in (n, shape[0])):
            raise ShapeError(f"mean must be numbers ({d},) or ({n}, {d})", f"shape {shape}", "Reshape it.")
        return theta + added

    def log_density(self, theta: Tensor) -> Tensor:
        """Logarithms of the density, with respect to theta's own coordinates.

        Differentiable where the backend is. Large length scales weigh differences between cells by up to
        nugget^(-1/2): then float64 pays.

        Args:
            theta: (N, d).

        Returns:
            (N,), with the dtype and device of theta.

        Raises:
            ShapeError, DtypeError: as in :meth:`cpabx.Cpab.transform`.
            OptionError: a nugget too small for this length scale.
        """
        backend = registry.backend_for(theta=theta)
        (theta,) = as_floats(backend, theta=theta)
        theta = self.cpab.flat_theta(backend, theta)
        white = backend.matmul(theta, backend.constant(_whitening(self), like=theta))
        return backend.sum(white * white, axis=-1) * -0.5 - _log_normaliser(self)

    # -- its factors: theta = R^-1 L z sqrt(variance), z ~ N(0, 1) ---------------------------------

    @property
    def _fields(self) -> Array:
        tess = self.cpab.tessellation
        return self.cpab.basis.to_dense().matrix.reshape(tess.n_vertices, tess.ndim, self.cpab.n_params)

    @functools.cached_property
    def _triangle(self) -> Array:
        """R of B = Q R, the columns of B being the basis fields in A-space."""
        return triangle(self.cpab.tessellation, self._fields)

    @functools.cached_property
    def _unit_covariance(self) -> Array:
        """(d, d) covariance of the coefficients of Q, for variance 1."""
        covariance = smooth_covariance(self.cpab.tessellation, self._fields, self._triangle, self.length_scale)
        return covariance + self.nugget * np.eye(len(covariance))

    @functools.cached_property
    def _lower(self) -> Array:
        covariance = self._unit_covariance
        try:
            lower = np.asarray(np.linalg.cholesky(covariance), np.float64)
        except np.linalg.LinAlgError:
            lower = np.zeros_like(covariance)
        rounding = 1e3 * np.finfo(np.float64).eps * np.linalg.norm(covariance)
        if (lower.diagonal() ** 2 < rounding).any():
            raise OptionError(
                "nugget must keep the covariance positive definite beyond rounding",
                f"nugget={self.nugget} with length_scale={self.length_scale}",
                "Raise it: 1e-6 is enough for all but the largest tessellations.",
            )
        return lower

    @functools.cached_property
    def _root(self) -> Array:
        return np.asarray(np.linalg.solve(self._triangle, self._lower) * math.sqrt(self.variance), np.float64)


def _positive(name: str, value: Any, *, or_zero: bool) -> float:
    given = number(value)
    if not math.isfinite(given) or given < 0 or (given == 0 and not or_zero):
        raise OptionError(
            f"{name} must be a finite number, {'0 or more' if or_zero else 'more than 0'}",
            shown(value),
            "Choose another.",
        )
    return given


@kept_by_owner
def _spread(prior: SmoothPrior) -> Array:
    """(d, d) R^-1 L sqrt(variance), transposed: theta = z times this."""
    return frozen(prior._root.T)


@kept_by_owner
def _whitening(prior: SmoothPrior) -> Array:
    """The inverse of the factor with which whitened theta is multiplied."""
    inverse = np.linalg.solve(prior._lower, prior._triangle) / math.sqrt(prior.variance)
    return frozen(np.asarray(inverse.T, np.float64))


@kept_by_owner
def _log_normaliser(prior: SmoothPrior) -> float:
    log_root = np.log(prior._lower.diagonal()).sum() - np.log(prior._triangle.diagonal()).sum()
    return float(log_root) + prior.cpab.n_params / 2 * math.log(2 * math.pi * prior.variance)


__all__ = ["SmoothPrior"]
