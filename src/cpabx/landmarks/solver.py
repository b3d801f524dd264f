"""Levenberg and Marquardt's method for landmarks, in the coordinates in which the prior is N(0, 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import DivergenceError, RangeError
from cpabx.landmarks.affine import affine_field
from cpabx.landmarks.choice import WEIGHTS, Spectrum, spectrum
from cpabx.landmarks.covariance import Covariance
from cpabx.landmarks.linearised import Linearised, linearised
from cpabx.native import arrays
from cpabx.numpy_backend import NumpyBackend
from cpabx.transforms import Cpab

Array = NDArray[np.float64]

#: Changes of landmarks, in units of the domain's mean side, below which a fit has converged.
TOLERANCE = 1e-6
#: Damping is in units of the prior's variance: the first that is tried, and what gives up.
_FIRST_DAMPING, _LAST_DAMPING = 1e-4, 1e8
#: Steps after which weight and length scale are chosen anew, for the map as it is then.
_STEPS_BEFORE_CHOICE, _CHOICES = 2, 2
#: What is chosen from fewer coordinates, beside those that affine maps explain, is chance.
_TELLING = 10
#: The share of the squares that an affine map must not leave for a fit to begin with it.
_EXPLAINED = 0.25


@dataclass(frozen=True)
class Task:
    """What one item is fitted by.

    Attributes:
        cpab: the family.
        covariances: of the length scales that are tried, from the longest.
        weight: None to choose one.
        sigma: the standard deviation of the noise, if it is known.
        n_free: how many fields of the family the prior leaves free.
        max_iterations: steps, all told.
    """

    cpab: Cpab
    n_free: int
    covariances: tuple[Covariance, ...]
    weight: float | None
    sigma: float | None
    max_iterations: int


@dataclass(frozen=True)
class State:
    """Velocities (V, n), by how much landmarks then miss their targets (P, n), and |z|^2, None if the prior changed."""

    velocity: Array
    residual: Array
    energy: float | None


@dataclass
class Fit:
    """The state of a fit of one item, good at any moment.

    The prior's coordinates z of velocities V are never formed: of S, the covariance of V, and w, the weight, a step
    minimises |r - J dV|^2 + w |z + dz|^2 + damping |dz|^2 in the space of the residuals, which are few, by Woodbury's
    identity.
    """

    task: Task
    source: Array
    target: Array
    at: State = field(init=False)
    covariance: Covariance = field(init=False)
    weight: float = field(init=False)
    steps: int = 0
    converged: bool = False
    _last: tuple[Array, Linearised] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.at = self._identity()
        scales = self.task.covariances
        self.covariance = scales[min(1, len(scales) - 1) if self.too_few else len(scales) // 2]
        self.weight = self._first_weight()

    def _identity(self) -> State:
        tess = self.task.cpab.tessellation
        return State(np.zeros((tess.n_vertices, tess.ndim)), self.target - self.source, 0.0)

    def _start(self) -> State:
        """An affine map, if it explains most, as steps to large rotations are many; or else the identity."""
        field = affine_field(self.source, self.target, self.task.cpab.tessellation.vertices)
        identity = self._identity()
        if field is None:
            return identity
        start = self._moved_by(self._in_family(field), None)
        return start if self._squares(start) < _EXPLAINED * self._squares(identity) else identity

    def _first_weight(self) -> float:
        """Where too few landmarks are there to choose one: that of velocities of a tenth of the domain."""
        if self.task.weight is not None:
            return self.task.weight
        if self.task.sigma is None:
            return float(WEIGHTS[0])
        return max((10 * self.task.sigma / float(_sides(self.task.cpab).mean())) ** 2, float(WEIGHTS[0]))

    @property
    def too_few(self) -> bool:
        """Whether there are not enough landmarks to choose a weight or a length scale."""
        return self.source.size - self.task.n_free < _TELLING

    @property
    def distances(self) -> Array:
        """(P,) from where the sources go to their targets."""
        return np.asarray(np.linalg.norm(self.at.residual, axis=-1))

    @property
    def areas(self) -> Array:
        """(P,) determinants of the map's Jacobian at the sources."""
        tess = self.task.cpab.tessellation
        return np.asarray(np.exp(arrays.jacobian(self.source[None], self.at.velocity[None], tess, 1.0)[1][0]))

    @property
    def loss(self) -> float:
        """The sum of squares and what the prior adds to it, per landmark."""
        return self._cost(self.at) / len(self.source)

    def run(self) -> None:
        """To the end."""
        self.at = self._start()
        for choice in range(1 + _CHOICES):
            before = self.covariance, self.weight
            self._choose()
            last = choice == _CHOICES or (choice > 0 and before == (self.covariance, self.weight))
            self._descend(self.task.max_iterations if last else _STEPS_BEFORE_CHOICE)
            if last or self.steps >= self.task.max_iterations:
                break
        self._last = None  # large

    # -- weight and length scale -----------------------------------------------------------------

    def _choose(self) -> None:
        """Weight and length scale, for observations r + J V of a field with zero mean."""
        tries = self.task.covariances
        if self.too_few or (self.task.weight is not None and len(tries) == 1):
            return
        near = self._linearised(self.at)
        jacobian, observed = near.jacobian, (near.residual + near.moved)[:, None]
        is_start = not self.at.velocity.any()
        if is_start and tries[0].is_alike and not near.n_others:  # then axes are independent, and one tells of all
            n = self.source.shape[1]
            jacobian, observed = jacobian[::n, :, :1], observed.reshape(-1, n)
        found: dict[int, tuple[float, float]] = {}
        here = best = tries.index(self.covariance)
        while True:  # to the nearest minimum: most choices are those of before, or beside them
            for i in range(max(here - 1, 0), min(here + 2, len(tries))):
                if i not in found:
                    gram = tries[i].gram(jacobian, near.touched)
                    seen = spectrum(gram, observed, near.n_others, near.others)
                    found[i] = self._weighed(seen)
            best = min(found, key=lambda i: found[i][1])
            if best == here:
                break
            here = best
        if tries[best] is not self.covariance:
            self.at = replace(self.at, energy=0.0 if is_start else None)
        self.covariance, self.weight = tries[best], found[best][0]

    def _weighed(self, seen: Spectrum) -> tuple[float, float]:
        if self.task.weight is not None:
            given = np.array([self.task.weight])
            return self.task.weight, float(seen.unlikelihood(given, self.task.n_free, self.task.sigma)[0])
        return seen.best(self.task.n_free, self.task.sigma)

    # -- steps -----------------------------------------------------------------------------------

    def _linearised(self, at: State) -> Linearised:
        """Near a state; twice of one with the same velocities costs nothing."""
        if self._last is None or self._last[0] is not at.velocity:
            self._last = at.velocity, linearised(self.source, at.velocity, at.residual, self.task.cpab.tessellation)
        return self._last[1]

    def _gram(self, near: Linearised) -> Array:
        return self.covariance.gram(near.jacobian, near.touched)

    def _descend(self, most: int) -> None:
        """At most so many steps that are taken."""
        damping, enough, base = 0.0, TOLERANCE * float(_sides(self.task.cpab).mean()), self.at
        self.converged = False
        for _ in range(most):
            near = self._linearised(base)
            gram = self._gram(near)
            while not self._is_better(reached := self._tried(base, near, gram, damping), base):
                if damping == 0 and _moved(base, reached) < enough:  # it is no better but for rounding
                    self.converged = True
                    return
                damping = max(10 * damping, _FIRST_DAMPING, self.weight)
                if damping > _LAST_DAMPING or self.steps >= self.task.max_iterations:
                    return
                if base.energy is None:  # the prior is too far from that of before: begin with it
                    base = self._identity()
                    near = self._linearised(base)
                    gram = self._gram(near)
            self.converged = damping == 0 and _moved(base, reached) < enough
            self.at = base = reached
            if self.converged or self.steps >= self.task.max_iterations:
                return
            damping = damping / 10 if damping > _FIRST_DAMPING else 0.0

    def _tried(self, base: State, near: Linearised, gram: Array, damping: float) -> State:
        """Where a step from a state leads; to residuals of NaN, if the map is too large to be computed."""
        self.steps += 1
        total = self.weight + damping
        kept = damping / total  # the part of V that stays
        observed = near.residual + (1 - kept) * near.moved
        forces = np.linalg.solve(gram + total * np.eye(len(gram)), observed)
        pushed = self.covariance.spread(np.tensordot(forces, near.jacobian, axes=1), near.touched)
        velocity = self._in_family(kept * base.velocity + pushed)
        energy = kept**2 * (base.energy or 0.0) + 2 * kept * near.moved @ forces + forces @ gram @ forces
        return self._moved_by(velocity, float(energy))

    def _moved_by(self, velocity: Array, energy: float | None) -> State:
        try:
            arrived = arrays.transform(self.source[None], velocity[None], self.task.cpab.tessellation, 1.0)[0]
        except (RangeError, DivergenceError):
            arrived = np.full_like(self.target, np.nan)
        return State(velocity, self.target - arrived, energy)

    def _is_better(self, reached: State, base: State) -> bool:
        """Than a state; or than the identity, whose cost is the same under any prior, if the prior was another."""
        bound = self._cost(base if base.energy is not None else self._identity())
        return self._cost(reached) <= bound * (1 + 1e-9) + 1e-20  # not if it is NaN

    def _cost(self, at: State) -> float:
        return self._squares(at) + self.weight * (at.energy or 0.0)

    @staticmethod
    def _squares(at: State) -> float:
        return float((at.residual**2).sum())

    def _in_family(self, velocity: Array) -> Array:
        """Velocities (V, n) without what rounding adds beside the family."""
        theta = self._coordinates(velocity)
        return np.asarray(self.task.cpab.basis.velocity(NumpyBackend(), theta)).reshape(velocity.shape)

    def _coordinates(self, velocity: Array) -> Array:
        return np.asarray(self.task.cpab.basis.coordinates(NumpyBackend(), velocity.reshape(1, -1)))

    @property
    def theta(self) -> Array:
        """(1, d)."""
        return self._coordinates(self.at.velocity)


def _moved(one: State, other: State) -> float:
    """By how much a coordinate of a landmark differs at most."""
    return float(np.abs(one.residual - other.residual).max())


def _sides(cpab: Cpab) -> Array:
    return cpab.tessellation.upper - cpab.tessellation.lower
