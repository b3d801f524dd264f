"""What an alignment of series minimises, in every framework.

Series are in the backend's layout, (N, C, L) in torch, (N, L, C) in TensorFlow and numpy. All losses are means over
series, samples and channels, scalars that are differentiable where the backend is, and take

Args:
    labels: (N,) the class of each series, of any type; None is one class. Values must be known, not traced.
    mask: (N, L), 0 where a sample is missing, which may then be anything, and 1, or a weight, elsewhere.
    lengths: (N,) as in :meth:`cpabx.Transformation.warp`: what lies beyond is missing.

:func:`within_class_variance` sees the aligned series alone, and so is small where maps squeeze what differs to nothing.
:func:`inverse_consistency` compares in the time of each original, where nothing can be hidden: see Shapira Weber and
Freifeld, "Regularization-free Diffeomorphic Temporal Alignment Nets", ICML 2023. The triplet forms ask that a series is
closer to the barycentre of its own class than to those of the others, by a margin.
"""

from cpabx.losses.inverse_consistency import inverse_consistency, inverse_consistency_triplet
from cpabx.losses.smoothness import smoothness
from cpabx.losses.variance import variance_triplet, within_class_variance

__all__ = [
    "inverse_consistency",
    "inverse_consistency_triplet",
    "smoothness",
    "variance_triplet",
    "within_class_variance",
]
