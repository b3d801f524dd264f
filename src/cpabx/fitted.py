"""What a fit returns: a map of each item, ready to be applied, inverted and looked at."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry, stretch
from cpabx.backend import Tensor
from cpabx.errors import OptionError, shown
from cpabx.transforms import Cpab, Transformation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class FittedTransformation:
    """Maps T^theta that were fitted to data, one per item.

    What is mapped to what depends on the fit: :func:`cpabx.fit_landmarks` maps sources to targets,
    :func:`cpabx.register` points of the fixed image to points of the moving one, so that ``warp(moving)`` is like the
    fixed one. Immutable and picklable; of tensors of the framework that the data came in.

    Attributes:
        transformation: the family.
        theta: (N, d).
        loss: what the fit minimised, at the end of each of its levels, coarse to fine: (N,) arrays in float64.
        converged: (N,) whether the last level ended because nothing got better, not because time was up.
        message: per item, how the fit ended, and what is noteworthy about the data.
        inverted: the maps are the inverses of T^theta.
    """

    transformation: Transformation
    theta: Tensor
    loss: tuple[NDArray[np.float64], ...] = ()
    converged: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    message: tuple[str, ...] = ()
    inverted: bool = False

    def __len__(self) -> int:
        return int(self.theta.shape[0])

    def __iter__(self) -> Iterator[FittedTransformation]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int | slice) -> FittedTransformation:
        """One item, as a fit of one, or a slice of them."""
        if isinstance(index, slice):
            part = index
        else:
            try:
                first = range(len(self))[operator.index(index)]
            except (TypeError, IndexError):
                raise OptionError(
                    "an item must be a whole number or a slice of the fit", shown(index), f"There are {len(self)}."
                ) from None
            part = slice(first, first + 1)
        return dataclasses.replace(
            self,
            theta=self.theta[part],
            loss=tuple(level[part] for level in self.loss),
            converged=self.converged[part],
            message=self.message[part],
        )

    # -- the maps --------------------------------------------------------------------------------

    def __call__(self, points: Tensor) -> Tensor:
        """The points where the maps take them.

        Args:
            points: (P, n), shared by all items, or (N, P, n), in units of the family's domain.

        Returns:
            (N, P, n), differentiable as :meth:`cpabx.Transformation.transform` is.

        Raises:
            UnsupportedError: an inverse that the family has not.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`cpabx.Transformation.transform`.
        """
        move = self.transformation.inverse if self.inverted else self.transformation.transform
        return move(points, self.theta)

    @property
    def inverse(self) -> FittedTransformation:
        """The maps the other way: ``fitted.inverse(points)`` undoes ``fitted(points)``."""
        return dataclasses.replace(self, inverted=not self.inverted)

    def warp(self, images: Tensor, output_size: tuple[int, ...] | None = None, **options: Any) -> Tensor:
        """Images as they look through the maps: result(x) = image(T(x)).

        Args:
            images: N of them, or one for all maps, in the layout of the backend.
            output_size: that of the images by default.
            **options: those of :meth:`cpabx.Transformation.warp`.

        Returns:
            N images.

        Raises:
            CpabxError: as in :meth:`cpabx.Transformation.warp`.
        """
        return self.transformation.warp(images, self.theta, output_size, inverse=self.inverted, **options)

    def unwarp(self, images: Tensor, output_size: tuple[int, ...] | None = None, **options: Any) -> Tensor:
        """Images as they look through the inverses: what :meth:`warp` undoes, but for what sampling loses.

        Arguments and errors as in :meth:`warp`.

        Returns:
            N images.
        """
        return self.inverse.warp(images, output_size, **options)

    def displacement(self, size: tuple[int, ...], **options: Any) -> Tensor:
        """How far the maps take the pixels of an image that covers the domain.

        Args:
            size: (height, width), (length,) or (depth, height, width).
            **options: ``units`` and ``align_corners`` of :meth:`cpabx.Transformation.grid`.

        Returns:
            ``(N, *size, n)``, in the order (x, y, z).

        Raises:
            CpabxError: as in :meth:`cpabx.Transformation.grid`.
        """
        return self.transformation.grid(self.theta, size, displacement=True, inverse=self.inverted, **options)

    def log_det_jacobian(self, points: Tensor) -> Tensor:
        """The logarithms of the factors by which the maps change areas (lengths, volumes) at points.

        Args:
            points: (P, n), shared by all items, or (N, P, n).

        Returns:
            (N, P).

        Raises:
            CpabxError: as in :meth:`cpabx.Transformation.log_det_jacobian`.
        """
        return self.transformation.log_det_jacobian(points, self.theta, time=-1.0 if self.inverted else 1.0)

    def folding(self, size: tuple[int, ...]) -> NDArray[np.float64]:
        """The share of pixels at which the map, sampled at the pixels of an image, is turned inside out.

        The map itself never is. An image is sampled at pixels, and where the map stretches more than they resolve,
        differences between neighbours may have a negative determinant: see :func:`cpabx.stretch.folding`.

        Args:
            size: (height, width), (length,) or (depth, height, width) of the image.

        Returns:
            (N,) numbers from 0 to 1.

        Raises:
            OptionError: an impossible size.
        """
        return stretch.folding(self.transformation, self.theta, size, inverse=self.inverted)

    # -- other forms -----------------------------------------------------------------------------

    def refine(self, finer: Cpab) -> FittedTransformation:
        """The same maps on a finer tessellation, see :meth:`cpabx.Cpab.refine`.

        Args:
            finer: a family with the same domain.

        Returns:
            The fit with that family and its theta.

        Raises:
            OptionError: the family is no Cpab, or ``finer`` is none or has another domain.
        """
        if not isinstance(self.transformation, Cpab):
            raise OptionError("refine needs a fit of a cpabx.Cpab", repr(self.transformation), "Refine its Cpab part.")
        theta = self.transformation.refine(self.theta, finer)
        return dataclasses.replace(self, transformation=finer, theta=theta)

    def plot(self, item: int = 0, *, ax: Axes | None = None, **style: Any) -> Axes:
        """Draw what one map makes of a grid; in 1D its graph.

        Args:
            item: which.
            ax: where to draw; a new figure by default.
            **style: as in :func:`cpabx.plot.deformed_grid`.

        Returns:
            The axes.

        Raises:
            CpabxError: as in :func:`cpabx.plot.deformed_grid`.
        """
        from cpabx.plot import deformed_grid

        theta = registry.backend_for(theta=self.theta).to_numpy(self[item].theta)
        return deformed_grid(self.transformation, theta, inverse=self.inverted, ax=ax, **style)

    def __repr__(self) -> str:
        which = "inverses of " if self.inverted else ""
        ended = f", {int(np.sum(self.converged))} converged" if len(self.converged) else ""
        losses = ", ".join(f"{np.mean(level):.4g}" for level in self.loss)
        means = f", mean loss by level {losses}" if losses else ""
        return f"<FittedTransformation: {which}{len(self)} x {self.transformation!r}{ended}{means}>"

    def _repr_html_(self) -> str | None:
        """What notebooks show."""
        from cpabx import notebook

        return notebook.html(self)
