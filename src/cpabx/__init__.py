"""Diffeomorphic transformations for deep networks.

``cpabx.set_backend("torch")``, one line for the tessellation, ``cpabx.Cpab((4, 4))``, and one for the
layer, ``cpabx.layers.STCPAB(...)``, give a network a diffeomorphic spatial transformer
(Detlefsen et al., CVPR 2018).
"""

from importlib.metadata import version as _version

from cpabx import augment, distributions, errors, export, layers, losses, plot, stretch, transforms
from cpabx.fitted import FittedTransformation
from cpabx.hookspecs import hookimpl
from cpabx.landmarks import FittedLandmarks, fit_landmarks
from cpabx.priors import SmoothPrior, VelocityPrior
from cpabx.registration import register
from cpabx.registry import (
    available_backends,
    check_device_errors,
    clear_caches,
    get_backend,
    set_backend,
    use_backend,
)
from cpabx.tessellation import Tessellation
from cpabx.transforms import *  # noqa: F403 - all families
from cpabx.transforms.series import lengths_of

__version__ = _version("cpabx")

__all__ = [
    "FittedLandmarks",
    "FittedTransformation",
    "SmoothPrior",
    "Tessellation",
    "VelocityPrior",
    "__version__",
    "augment",
    "available_backends",
    "check_device_errors",
    "clear_caches",
    "distributions",
    "errors",
    "export",
    "fit_landmarks",
    "get_backend",
    "hookimpl",
    "layers",
    "lengths_of",
    "losses",
    "plot",
    "register",
    "set_backend",
    "stretch",
    "use_backend",
]
__all__ += transforms.__all__
