"""Fields whose velocities are a smooth Gaussian process: displacements of a size and a range that are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cpabx.basis.components import by_component
from cpabx.errors import OptionError, TessellationError
from cpabx.options import one_of
from cpabx.priors.gaussian import Array, GaussianPrior
from cpabx.tessellation import Tessellation

#: Correlations by distance r >= 0 in units of the length scale, by name.
KERNELS: dict[str, Callable[[Array], Array]] = {
    "matern32": lambda r: (1 + math.sqrt(3) * r) * np.exp(-math.sqrt(3) * r),
    "matern52": lambda r: (1 + math.sqrt(5) * r + 5 / 3 * r**2) * np.exp(-math.sqrt(5) * r),
    "gaussian": lambda r: np.exp(-(r**2) / 2),
}


@dataclass(frozen=True)
class VelocityPrior(GaussianPrior):
    """A Gaussian process of velocities, given that they are a field of the family.

    Each component of the velocity at a vertex is a Gaussian process, independent of the others, with mean 0 and
    covariance

        variance * (kernel(|x - y| / length_scale) + nugget * [x = y] + affine^2 * <affine functions at x and y>).

    theta has the distribution of such velocities under the condition that they are a field of ``cpab``: where the
    boundary is held, fields go down to it smoothly. With B the map from theta to velocities at vertices, and K their
    covariance, theta is N(0, (B^T K^-1 B)^-1). Families with the same fields have the same distribution of fields,
    whatever their bases. :class:`SmoothPrior` says how matrices A_c vary, and little about displacements; this says how
    far points move.

    Args:
        cpab: the family.
        length_scale: over which velocities are alike, in units of the domain.
        scale: the mean speed over the domain, in units of the domain per unit of time, without what ``affine`` adds:
            for fields that change little along a trajectory, the mean displacement. To some percent, as the variance
            of a velocity is taken for that of each direction.
        kernel: ``"matern52"``, twice differentiable; ``"matern32"``, once; or ``"gaussian"``, the smoothest, which
            suits few cells per length scale.
        affine: how many times larger fields that are affine functions of the place may be than others. 0 adds none;
            100 leaves them free, as registration wants it.
        nugget: the part of the variance that each vertex has by itself, which keeps the covariance well-conditioned.

    Raises:
        OptionError: an unknown kernel, a number that is not positive and finite (affine and the nugget may be 0), a
            cpab that is none or has more than 4096 parameters, or a nugget too small for the length scale.
        TessellationError: an array as the cpab's basis whose columns depend on each other.
    """

    length_scale: float = field(kw_only=True)
    scale: float = field(default=0.1, kw_only=True)
    kernel: str = field(default="matern52", kw_only=True)
    affine: float = field(default=0.0, kw_only=True)
    nugget: float = field(default=1e-6, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("kernel", self.kernel, tuple(KERNELS))
        self._number("length_scale")
        self._number("scale")
        self._number("affine", or_zero=True)
        self._number("nugget", or_zero=True)

    def _factors(self) -> tuple[Array, Array, float]:
        tess = self.cpab.tessellation
        fields = self.cpab.basis.to_dense().matrix.reshape(tess.n_vertices, tess.ndim, self.n_params)
        own, inverse, log_det = _roots(fields, self._lower(0.0))
        per_unit = self.scale / _mean_speed(tess, fields, own) if self.n_params else 1.0
        if self.affine:
            own, inverse, log_det = _roots(fields, self._lower(self.affine))
        return own * per_unit, inverse / per_unit, log_det + self.n_params * math.log(per_unit)

    def _lower(self, affine: float) -> Array:
        """(V, V) lower triangle of the covariance of one component at the vertices, for variance 1."""
        places = self.cpab.tessellation.vertices
        with np.errstate(over="ignore"):  # far apart is not correlated
            squares = sum((column[:, None] - column) ** 2 for column in (places / self.length_scale).T)
            covariance = np.nan_to_num(KERNELS[self.kernel](np.sqrt(np.minimum(squares, 1e9))))
        covariance += self.nugget * np.eye(len(places))
        functions = np.concatenate([np.ones((len(places), 1)), places - places.mean(axis=0)], axis=1)
        orthonormal = np.linalg.qr(functions)[0] * math.sqrt(len(places) / functions.shape[1])
        try:
            lower = np.linalg.cholesky(covariance + affine**2 * orthonormal @ orthonormal.T)
        except np.linalg.LinAlgError:
            lower = np.zeros_like(covariance)
        if (lower.diagonal() ** 2 < 1e3 * np.finfo(np.float64).eps * (1 + affine**2)).any():
            raise OptionError(
                "nugget must keep the covariance positive definite beyond rounding",
                f"nugget={self.nugget} with length_scale={self.length_scale}, affine={self.affine}",
                "Raise it: 1e-6 is enough for all but the largest tessellations.",
            )
        return np.asarray(lower, np.float64)


def _roots(fields: Array, lower: Array) -> tuple[Array, Array, float]:
    """R, R^-1 and log |det R| of R R^T = (B^T (L L^T)^-1 B)^-1, for fields B (V, n, d) and L (V, V).

    R^-1 is triangular in each block of parameters that move along one axis, which few families mix.
    """
    _, ndim, d = fields.shape
    root, inverse, log_det = np.zeros((d, d)), np.zeros((d, d)), 0.0
    if (fields.any(axis=0).sum(axis=0) <= 1).all():
        blocks = [(columns, made) for _, columns, made in by_component(fields, lambda b: _triangle(lower, [b]))]
    else:
        blocks = [(np.arange(d), _triangle(lower, [fields[:, axis] for axis in range(ndim)]))]
    for columns, upper in blocks:
        inverse[np.ix_(columns, columns)] = upper
        root[np.ix_(columns, columns)] = np.linalg.inv(upper)
        log_det -= float(np.log(np.abs(upper.diagonal())).sum())
    return root, inverse, log_det


def _triangle(lower: Array, components: list[Array]) -> Array:
    """The upper triangle U of U^T U = sum of B^T (L L^T)^-1 B over components B (V, d')."""
    white = np.concatenate([np.linalg.solve(lower, component) for component in components])
    upper = np.asarray(np.linalg.qr(white, mode="r"), np.float64)
    if len(upper) < white.shape[1] or (np.abs(upper.diagonal()) <= 1e-9 * np.linalg.norm(white, axis=0)).any():
        raise TessellationError(
            "a prior needs a basis of independent fields",
            "one whose columns depend on each other",
            "Leave out the columns that are combinations of others.",
        )
    return upper * np.where(upper.diagonal() < 0, -1.0, 1.0)[:, None]  # one seed, one field, whatever the basis


def _mean_speed(tess: Tessellation, fields: Array, root: Array) -> float:
    """E |v(x)| in the mean over the domain, of fields B R z for z of N(0, 1), as if all directions were alike.

    By the rule on simplices that is exact for quadratic functions, as variances are in each cell.
    """
    n, corners = tess.ndim, tess.cell_vertices
    products = _products(fields, root)
    at_vertices = _speed(products.diagonal(), n)
    at_centres = _speed(products[corners[:, :, None], corners[:, None, :]].mean(axis=(1, 2)), n)
    edges = tess.vertices[corners[:, 1:]] - tess.vertices[corners[:, :1]]
    volumes = np.abs(np.linalg.det(edges / (tess.upper - tess.lower)))
    per_cell = at_vertices[corners].sum(axis=1) / ((n + 1) * (n + 2)) + at_centres * (n + 1) / (n + 2)
    return float((per_cell * volumes).sum() / volumes.sum())


def _products(fields: Array, root: Array) -> Array:
    """(V, V): what v(x) . v(y) is in the mean over z, for the vertices x and y."""
    total = np.zeros((len(fields), len(fields)))
    for axis in range(fields.shape[1]):  # along which few families need all columns
        used = fields[:, axis].any(axis=0)
        drawn = root[used].any(axis=0)
        spread = fields[:, axis][:, used] @ root[np.ix_(used, drawn)]
        total += spread @ spread.T
    return total


def _speed(squares: Array, n: int) -> Array:
    """E |v| where E |v|^2 is known, n equal variances having the mean length of the chi distribution."""
    deviation = np.sqrt(np.maximum(squares, 0) / n)
    return np.asarray(deviation * (math.sqrt(2) * math.gamma((n + 1) / 2) / math.gamma(n / 2)), np.float64)
