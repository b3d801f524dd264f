"""What all families share."""

from __future__ import annotations

from cpabx.transforms.differential import Differential
from cpabx.transforms.family import MOST_KEPT, Array, frozen
from cpabx.transforms.parameters import Parameters
from cpabx.transforms.warping import Warping

__all__ = ["MOST_KEPT", "Array", "Transformation", "frozen"]


class Transformation(Parameters, Differential, Warping):
    """A parametrised family of maps T^theta of R^n to itself.

    Immutable, picklable, and equal to any other with the same ``config``. A layer uses T from
    *output* to *input* coordinates, as grid samplers expect.

    A family of your own is a subclass with :attr:`n_params`, :attr:`config`, :meth:`identity_theta` and :meth:`apply`;
    :attr:`ndim`, :attr:`domain`, :attr:`has_inverse`, :attr:`spreads_nan`, :meth:`apply_to_grid`, :meth:`pull_back`
    and :meth:`push_forward` are there to be overridden where the defaults do not fit. All others follow from these.
    """
