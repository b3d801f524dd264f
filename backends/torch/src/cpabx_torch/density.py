"""A normalizing flow of CPAB fields in whitened coordinates of a prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, TransformedDistribution

from cpabx.errors import DtypeError, OptionError, ShapeError, shown
from cpabx.options import at_least
from cpabx.priors import VelocityPrior
from cpabx.transforms import Cpab
from cpabx_torch import localization
from cpabx_torch.affine_steps import AffineStep, affine_maps, standardisation
from cpabx_torch.maps_of_batches import moved, moved_and_log_det
from cpabx_torch.maximum_likelihood import DensityFit, maximise

if TYPE_CHECKING:
    from cpabx.tessellation import Interval


class CPABFlow(nn.Module):
    """A normal distribution, moved by fields; see :func:`cpabx.distributions.CPABFlow`.

    A draw goes from N(0, 1) through the affine map and the field of each step, the first step first, and last
    through the affine map that undoes the standardisation of the data. ``log_prob`` goes back the same way.

    Args:
        cells: of each field.
        fields: the number of steps.
        length_scale, scale, kernel: of the prior.
        domain: of the fields, along every axis.
        data: (P, n) points to standardise by, or None.
        device, dtype: of the parameters; those of the data by default.

    Attributes:
        white: (fields, d) whitened coordinates of theta, zero at the start.
        affine: (fields, n * (n + 1)) affine fields, as :class:`cpabx.AffineDiffeo` has them, zero at the start.
    """

    mean: Tensor
    root: Tensor

    def __init__(
        self,
        cells: Sequence[int] | int = (16, 16),
        *,
        fields: int = 3,
        length_scale: float = 1.0,
        scale: float = 1.0,
        kernel: str = "gaussian",
        domain: Interval = (-3.0, 3.0),
        data: Tensor | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        localization.check_dtype(dtype)
        self.cpab = Cpab(cells, domain=domain)
        self.fields = at_least(1, "fields", fields)
        self.prior = VelocityPrior(self.cpab, length_scale=length_scale, scale=scale, kernel=kernel)
        n = self.cpab.ndim
        if data is not None:
            data = _checked_points("data", data, n)
            device, dtype = device or data.device, dtype or data.dtype
        placed = {"device": device, "dtype": dtype}
        mean, root = standardisation(data, n)
        self.register_buffer("mean", mean.to(**placed))
        self.register_buffer("root", root.to(**placed))
        self.white = nn.Parameter(torch.zeros(self.fields, self.cpab.n_params, **placed))
        self.affine = nn.Parameter(torch.zeros(self.fields, n * (n + 1), **placed))

    def reset_parameters(self) -> None:
        """Starts anew, from the normal distribution of the data's mean and covariance."""
        nn.init.zeros_(self.white)
        nn.init.zeros_(self.affine)

    def theta(self) -> Tensor:
        """(fields, d) parameters of the fields, for ``flow.cpab``."""
        theta: Tensor = self.prior.unwhiten(self.white)
        return theta

    def penalty(self) -> Tensor:
        """|white|^2 / 2: minus the logarithm of the prior's density of all fields, but for a constant.

        It belongs to the whole data set: ``-flow.log_prob(batch).mean() + flow.penalty() / len(data)`` is what the most
        probable flow minimises.
        """
        return self.white.square().sum() / 2

    def forward(self, points: Tensor) -> Tensor:
        """Calls :meth:`log_prob`."""
        return self.log_prob(points)

    def log_prob(self, points: Tensor) -> Tensor:
        """Logarithms of the density.

        Args:
            points: (P, n), of the parameters' type.

        Returns:
            (P,), differentiable with respect to points and parameters.

        Raises:
            ShapeError, DtypeError: the points do not fit.
        """
        normal, log_det = self.normalise(points)
        n = self.cpab.ndim
        return log_det - normal.square().sum(-1) / 2 - n / 2 * math.log(2 * math.pi)

    def normalise(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The points that the flow draws these from, which are N(0, 1) where it fits.

        Args:
            points: (P, n), of the parameters' type.

        Returns:
            (P, n), and the logarithm of this map's determinant, (P,).

        Raises:
            ShapeError, DtypeError: the points do not fit.
        """
        points = _checked_points("points", points, self.cpab.ndim, like=self.white)
        x = torch.linalg.solve_triangular(self.root, (points - self.mean).T, upper=False).T
        theta = self.theta()
        matrices, shifts = affine_maps(-self.affine, self.cpab.ndim)
        total = -self.root.diagonal().log().sum() - self._divergence().sum()
        for step in reversed(range(self.fields)):
            x, log_det = moved_and_log_det(self.cpab, x, theta[step], -1.0)
            x = x @ matrices[step].T + shifts[step]
            total = total + log_det
        return x, total

    def sample(self, n: int = 1, *, generator: torch.Generator | None = None) -> Tensor:
        """Draws, without a gradient; ``rsample`` has one.

        Args:
            n: how many.
            generator: a generator of torch; without it, its global one.

        Returns:
            (n, ndim).
        """
        with torch.no_grad():
            return self.rsample(n, generator=generator)

    def rsample(self, n: int = 1, *, generator: torch.Generator | None = None) -> Tensor:
        """Draws that are differentiable with respect to the parameters; arguments and result as in :meth:`sample`."""
        size, like = (at_least(1, "n", n), self.cpab.ndim), self.white
        return self.generate(torch.randn(size, generator=generator, device=like.device, dtype=like.dtype))

    def generate(self, normal: Tensor) -> Tensor:
        """What the flow makes of draws from N(0, 1): the inverse of :meth:`normalise`.

        Args:
            normal: (P, n), of the parameters' type.

        Returns:
            (P, n).

        Raises:
            ShapeError, DtypeError: the points do not fit.
        """
        x = _checked_points("normal", normal, self.cpab.ndim, like=self.white)
        theta = self.theta()
        matrices, shifts = affine_maps(self.affine, self.cpab.ndim)
        for step in range(self.fields):
            x = moved(self.cpab, x @ matrices[step].T + shifts[step], theta[step], 1.0)
        return x @ self.root.T + self.mean

    def distribution(self) -> TransformedDistribution:
        """The flow of the present parameters as a distribution of torch, whose transforms are those of the steps."""
        from cpabx_torch.distributions import CPABTransform

        n, theta, transforms = self.cpab.ndim, self.theta(), []
        for affine, own in zip(self.affine, theta, strict=True):
            transforms += [AffineStep.exponential(affine, n), CPABTransform(self.cpab, own)]
        transforms.append(AffineStep(self.root, self.mean))
        base = MultivariateNormal(torch.zeros_like(self.mean), torch.eye(n, dtype=theta.dtype, device=theta.device))
        return TransformedDistribution(base, transforms)

    def fit(
        self,
        data: Tensor,
        *,
        iterations: int = 300,
        learning_rate: float = 0.1,
        weight: float = 1.0,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> DensityFit:
        """Maximises the likelihood of data, by Adam with a rate that falls to zero along a cosine.

        Args:
            data: (P, n), of the parameters' type.
            iterations: steps of the optimiser.
            learning_rate: that of whitened coordinates; affine maps take a tenth of it.
            weight: of the prior. 1 is the most probable flow, 0 the likelihood alone.
            batch_size: points of a step, drawn without replacement; all by default.
            progress: whether to show a bar, with rich.

        Returns:
            How it went. Ctrl-C ends it early, with what was reached. Steps that lead to a field that cannot be
            integrated end it, too, with the parameters before.

        Raises:
            ShapeError, DtypeError, OptionError: arguments that do not fit, or data that are not finite.
            MissingPackageError: progress without rich.
        """
        data = _checked_points("data", data, self.cpab.ndim, like=self.white)
        if not len(data) or not data.isfinite().all():
            raise OptionError("data must be finite points, one at least", shown(data), "Leave out what is missing.")
        return maximise(self, data, iterations, learning_rate, weight, batch_size, progress=progress)

    def _divergence(self) -> Tensor:
        """(fields,): log det of the affine maps, the traces of their fields."""
        n = self.cpab.ndim
        return self.affine.reshape(-1, n, n + 1).diagonal(dim1=1, dim2=2).sum(-1)

    def extra_repr(self) -> str:
        prior = self.prior
        return (
            f"{self.cpab!r}, fields={self.fields}, length_scale={prior.length_scale}, scale={prior.scale}, "
            f"kernel={prior.kernel!r}"
        )


def _checked_points(name: str, points: Any, n: int, *, like: Tensor | None = None) -> Tensor:
    if not isinstance(points, Tensor):
        raise DtypeError(
            f"{name} must be a tensor of torch", f"a {type(points).__name__}", "torch.as_tensor makes one."
        )
    if points.ndim != 2 or points.shape[1] != n:
        raise ShapeError(f"{name} must be (P, {n})", f"shape {tuple(points.shape)}", "Reshape it.")
    wanted = (torch.float32, torch.float64) if like is None else (like.dtype,)
    if points.dtype not in wanted:
        kinds = " or ".join(str(kind).removeprefix("torch.") for kind in wanted)
        raise DtypeError(f"{name} must be {kinds}", str(points.dtype), "Convert one of them.")
    return points


__all__ = ["CPABFlow"]
