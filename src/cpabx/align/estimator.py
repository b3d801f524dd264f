"""Joint alignment of time series, as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from cpabx.align import pictures
from cpabx.align.choice import chosen_objective
from cpabx.align.model import Model, fitted
from cpabx.align.options import OBJECTIVES, Recipe
from cpabx.align.series import as_given, channels_first, of_one_length
from cpabx.errors import OptionError, ShapeError
from cpabx.options import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]


class TimeSeriesAligner(OneToOneFeatureMixin, TransformerMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Finds warps of time that make the series of each class alike, and classifies by the nearest mean.

    Each warp is a diffeomorphism of time, whose ends stay: :class:`cpabx.Cpab` in 1D. ``fit`` learns a network that
    predicts the warp of any series, without its class (:func:`cpabx.layers.STRecurrent`), or, without a network,
    optimises the warp of each. ``transform`` aligns series, old or new, ``predict`` takes the class whose barycentre is
    nearest to a series that is aligned.

    X is (N, L) or (N, L, C) of floats. NaN at the end of a series is padding: what is before it is stretched to L
    samples. NaN elsewhere is interpolated. Series are compared in units of the standard deviation of all of X.

    Args:
        cells: of the tessellation of time.
        localization: ``"cnn"``; a ``torch.nn.Module`` that makes features (N, F) of (N, C, L), which is copied; or
            None: no network, theta of each series by L-BFGS, and new series are aligned to the nearest barycentre.
        objective: what is minimised, see :mod:`cpabx.losses`: ``"icae"``, ``"variance"``, ``"triplet"`` (of ICAE),
            ``"icae+triplet"``, or ``"none"``, which leaves series as they are. ``"auto"`` is the first candidate, or
            another whose nearest means are better by two standard errors in a cross-validation over the training
            series; with one class, or classes of a single series, and without a network, it is ``"icae"``.
        candidates: the objectives that "auto" looks at; the first alone where it makes three mistakes or fewer.
        cv: folds of the cross-validation, whose fits take half as many steps.
        recurrences: how many times the network looks.
        steps: of the optimiser, each with all series.
        learning_rate: its largest, of AdamW with a cycle.
        margin: of triplets, in variances of X.
        weight: of the prior's cost of warps, :func:`cpabx.losses.smoothness`; None is 0 with a network, else 1e-3.
        device: torch's, for the optimisation.
        random_state: of the network's first weights.
        progress: show a bar, by rich. Ctrl-C ends the optimisation with what it has so far.

    Attributes:
        classes_: the classes; [0] without y.
        barycenters_: (K, L) or (K, L, C), the mean of each class's aligned series.
        objective_: the one taken.
        cv_scores_: of "auto": accuracies in the cross-validation, by candidate, over the folds that were looked at.
        loss_curve_: what was minimised, by step.
        interrupted_: whether Ctrl-C ended it.
        n_features_in_: L.
    """

    def __init__(
        self,
        cells: int = 16,
        *,
        localization: Any = "cnn",
        objective: str = "auto",
        candidates: Sequence[str] = ("icae+triplet", "icae", "variance", "none"),
        cv: int = 3,
        recurrences: int = 2,
        steps: int = 150,
        learning_rate: float = 4e-3,
        margin: float = 1.0,
        weight: float | None = None,
        device: Any = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.cells = cells
        self.localization = localization
        self.objective = objective
        self.candidates = candidates
        self.cv = cv
        self.recurrences = recurrences
        self.steps = steps
        self.learning_rate = learning_rate
        self.margin = margin
        self.weight = weight
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any = None) -> TimeSeriesAligner:
        """Learns warps and barycentres.

        Args:
            X: (N, L) or (N, L, C).
            y: (N,) classes; None is one.

        Returns:
            The estimator.

        Raises:
            OptionError: an impossible option, or a triplet of one class.
            ShapeError: X has too few series or samples, or a series is NaN alone.
            DivergenceError: the optimisation diverged; the message names the remedy.
        """
        one_of("objective", self.objective, ("auto", *OBJECTIVES))
        X, y, index = self._checked(X, y)
        if "triplet" in self.objective and len(self.classes_) < 2:
            raise OptionError(
                f"objective={self.objective!r} compares classes, and needs two or more",
                "one" if y is None else f"{self.classes_!r}",
                "Pass y, the class of each series, or objective='icae'.",
            )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        series = channels_first(X)
        self._center = series.mean(axis=(0, 2), keepdims=True)
        scale = np.sqrt(((series - self._center) ** 2).mean())
        self._scale = scale if scale > 0 else 1.0
        unit = (series - self._center) / self._scale
        self.cv_scores_: dict[str, float] = {}
        self.objective_ = self.objective
        if self.objective == "auto":
            self.objective_, self.cv_scores_ = chosen_objective(
                unit, index, self._recipe, self.localization, self, seed
            )
        self._model: Model = fitted(unit, index, self._recipe(self.objective_, seed), self.localization)
        self.loss_curve_, self.interrupted_ = self._model.losses, self._model.interrupted
        self.barycenters_ = as_given(self._model.means * self._scale + self._center, X)
        self._ndim = X.ndim
        return self

    def _recipe(self, objective: str, seed: int) -> Recipe:
        return Recipe.of(self, objective, seed)

    def _checked(self, X: Any, y: Any) -> tuple[Array, Array, NDArray[np.int64]]:
        of_one_length(X)
        if y is None:
            X = validate_data(self, X, allow_nd=True, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
            y = np.zeros(len(X), np.int64)
        else:
            check = {"allow_nd": True, "dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
            X, y = validate_data(self, X, y, **check)
            check_classification_targets(y)
            y = column_or_1d(y)
        if np.isinf(X).any():
            raise ValueError("Input X contains infinity.")
        self.classes_, index = np.unique(y, return_inverse=True)
        return X, y, index.astype(np.int64)

    def _new(self, X: Any) -> tuple[Array, Array]:
        """New series as they are, and in units."""
        check_is_fitted(self, "barycenters_")
        of_one_length(X)
        X = validate_data(
            self, X, reset=False, allow_nd=True, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
        )
        if np.isinf(X).any():
            raise ValueError("Input X contains infinity.")
        series = channels_first(X)
        channels = self._center.shape[1]
        if X.ndim != self._ndim or series.shape[1] != channels:
            raise ShapeError(f"X must have {self._ndim} axes and {channels} channels", f"{X.shape}", "As in fit.")
        return X, (series - self._center) / self._scale

    def theta(self, X: Any) -> Array:
        """The parameters of the warp of each series.

        Args:
            X: as in :meth:`fit`.

        Returns:
            (N, d) for :attr:`transformation_`; (N, 0) with objective "none".
        """
        _, series = self._new(X)
        return self._model.theta(series)

    @property
    def transformation_(self) -> Any:
        """The family of the warps, None with objective "none"."""
        check_is_fitted(self, "barycenters_")
        return self._model.family

    def transform(self, X: Any) -> Array:
        """Series, aligned.

        Args:
            X: as in :meth:`fit`.

        Returns:
            As X, without NaN.
        """
        X, series = self._new(X)
        return as_given(self._model.aligned(series) * self._scale + self._center, X)

    def inverse_transform(self, X: Any, theta: Array) -> Array:
        """What an alignment did is undone: aligned series, or barycentres, in the time of originals.

        Args:
            X: as in :meth:`fit`.
            theta: (N, d), as :meth:`theta` gives them for the originals.

        Returns:
            As X.
        """
        X, series = self._new(X)
        return as_given(self._model.back(series, theta) * self._scale + self._center, X)

    def predict(self, X: Any) -> Array:
        """The class whose barycentre is nearest to each series, when it is aligned.

        Args:
            X: as in :meth:`fit`.

        Returns:
            (N,) of :attr:`classes_`.
        """
        _, series = self._new(X)
        return np.asarray(self.classes_[self._model.distances(series).argmin(axis=1)])

    # -- pictures --------------------------------------------------------------------------------

    def plot_barycenters(self, X: Any = None, y: Any = None, *, channel: int = 0, ax: Axes | None = None) -> Axes:
        """Draw the barycentre of each class, and faintly series of X, aligned.

        Args:
            X: series, or None.
            y: their classes; those predicted by default.
            channel: which.
            ax: where to draw; a new figure by default.

        Returns:
            The axes.
        """
        check_is_fitted(self, "barycenters_")
        aligned = None if X is None else self.transform(X)
        labels = None if X is None else (self.predict(X) if y is None else np.asarray(y))
        return pictures.barycenters(self.barycenters_, self.classes_, aligned, labels, channel, ax)

    def plot_warps(self, X: Any, y: Any = None, *, ax: Axes | None = None) -> Axes:
        """Draw the warps of series: where in the original each moment of the aligned one is.

        Args:
            X: as in :meth:`fit`.
            y: their classes; those predicted by default.
            ax: where to draw; a new figure by default.

        Returns:
            The axes.
        """
        labels = self.predict(X) if y is None else np.asarray(y)
        _, series = self._new(X)
        return pictures.warps(self._model.places(series), self.classes_, labels, ax)


__all__ = ["TimeSeriesAligner"]
