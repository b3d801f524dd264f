"""What Gaussian priors on theta share: drawing, densities, whitened coordinates."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.basis.maps import frozen
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import positive
from cpabx.tracing import kept_by_owner
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import as_floats, float_name, host_values
from cpabx.transforms.draws import checked_noise, draw, of_a_framework

Array = NDArray[np.float64]

#: The covariance of so many parameters takes 128 MiB, and some ten such matrices exist meanwhile.
MOST_PARAMETERS = 4096


@dataclass(frozen=True)
class GaussianPrior(abc.ABC):
    """A Gaussian distribution of the theta of a CPAB family, with mean 0: theta = R z for z of N(0, 1).

    Immutable, picklable, and equal to another with the same arguments. |z|^2 / 2 is what a theta costs.
    """

    cpab: Cpab

    def __post_init__(self) -> None:
        if not isinstance(self.cpab, Cpab):
            raise OptionError("a prior is one of a cpabx.Cpab", shown(self.cpab), "Pass the transformation.")
        if self.cpab.n_params > MOST_PARAMETERS:
            raise OptionError(
                f"a prior needs at most {MOST_PARAMETERS} parameters, for a dense covariance",
                f"{self.cpab.n_params}",
                "Use fewer cells.",
            )

    @abc.abstractmethod
    def _factors(self) -> tuple[Array, Array, float]:
        """R (d, d), a root of the covariance R R^T, its inverse, and log |det R|, in float64."""

    def _number(self, name: str, *, or_zero: bool = False) -> None:
        """Keeps an argument as a float, if it is finite and positive."""
        object.__setattr__(self, name, positive(name, getattr(self, name), or_zero=or_zero))

    # -- the distribution ------------------------------------------------------------------------

    @property
    def covariance(self) -> Array:
        """(d, d) covariance of theta, in float64."""
        root = _spread(self)
        return root.T @ root

    @property
    def precision(self) -> Array:
        """(d, d) inverse of the covariance, in float64: |z|^2 = theta^T P theta."""
        white = _whitening(self)
        return frozen(np.asarray(white @ white.T))

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

    # -- whitened coordinates --------------------------------------------------------------------

    def whiten(self, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Coordinates z = R^-1 theta, in which the prior is N(0, 1), and |z|^2 / 2 its cost.

        Optimisers that take steps of one size in all directions (L-BFGS at its start, Levenberg and Marquardt's
        damping) do so for fields that are equally probable. The log density is -|z|^2 / 2 and a constant.

        Args:
            theta: (N, d).
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, d), with the dtype and device of theta, differentiable.

        Raises:
            ShapeError, DtypeError, BackendMismatchError: as in :meth:`cpabx.Cpab.transform`.
        """
        chosen = registry.backend_for(backend, theta=theta)
        (theta,) = as_floats(chosen, theta=theta)
        theta = self.cpab.flat_theta(chosen, theta)
        return chosen.matmul(theta, chosen.constant(_whitening(self), like=theta))

    def unwhiten(self, white: Tensor, *, backend: str | None = None) -> Tensor:
        """What :meth:`whiten` undoes, theta = R z: a draw from the prior, for a z of N(0, 1).

        Args:
            white: (N, d).
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, d), with the dtype and device of white, differentiable.

        Raises:
            ShapeError, DtypeError, BackendMismatchError: as in :meth:`theta_from`.
        """
        chosen, white = checked_noise(white, self.n_params, backend, name="white")
        return self.theta_of_noise(chosen, white, None)


@kept_by_owner
def _kept_factors(prior: GaussianPrior) -> tuple[Array, Array, float]:
    """R and its inverse, both transposed, as rows of theta are multiplied by them, and log |det R|."""
    root, inverse, log_det = prior._factors()
    return frozen(np.ascontiguousarray(root.T)), frozen(np.ascontiguousarray(inverse.T)), log_det


def _spread(prior: GaussianPrior) -> Array:
    return _kept_factors(prior)[0]


def _whitening(prior: GaussianPrior) -> Array:
    return _kept_factors(prior)[1]


def _log_normaliser(prior: GaussianPrior) -> float:
    return _kept_factors(prior)[2] + prior.n_params / 2 * math.log(2 * math.pi)
