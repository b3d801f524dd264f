"""What a call of a layer computes and returns, in every backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cpabx.backend import Tensor
from cpabx.transforms import Transformation


class Prediction(NamedTuple):
    """What one run of the localization networks found.

    ``theta`` has the parameters of the layer's transformation. The layer's result is ``images``, its input or what a
    first pass made of that, warped by ``transformation``, its own or a part of it, with the parameters ``own``.
    """

    theta: Tensor
    images: Tensor
    transformation: Transformation
    own: Tensor


def with_extras(output: Any, theta: Any = None, grid: Any = None) -> Any:
    """The output alone, or a tuple of it and those of the others that are there."""
    extras = [extra for extra in (theta, grid) if extra is not None]
    return (output, *extras) if extras else output


def side_by_side_results(results: Sequence[Any], merge: Callable[[list[Any]], Any]) -> Any:
    """What layers side by side return, from what each of them does: merged outputs, then lists of each extra."""
    if not isinstance(results[0], tuple):
        return merge(list(results))
    outputs, *extras = (list(one_of_each) for one_of_each in zip(*results, strict=True))
    return (merge(outputs), *extras)
