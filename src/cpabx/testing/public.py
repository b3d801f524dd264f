"""All public functions of cpabx, found by looking, with arguments that each of them can be called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import cpabx
from cpabx.backend import Backend
from cpabx.testing.cases import Array, image_tensor, name_of, tensor

N, P = 2, 3  # parameter vectors, points

#: What has public methods: one of each class, CPAB in every dimension.
SUBJECTS: tuple[Any, ...] = (
    cpabx.Affine(),
    cpabx.AffineDiffeo(ndim=1),
    cpabx.Homography(),
    cpabx.Similarity(),
    cpabx.Rigid(ndim=3),
    cpabx.ScaleTranslate(ndim=1),
    cpabx.ThinPlateSpline((2, 2)),
    cpabx.Composition(cpabx.AffineDiffeo(), cpabx.Cpab((2, 1))),
    cpabx.Cpab(2),
    cpabx.Cpab((2, 2)),
    cpabx.Cpab((1, 2, 1), basis="nodal"),
    cpabx.SmoothPrior(cpabx.Cpab((2, 1)), length_scale=0.5),
    cpabx.VelocityPrior(cpabx.Cpab((2, 1)), length_scale=0.5),
    cpabx.Tessellation((2, 1)),
    cpabx.augment.RandomField((2, 1)),
)


def _whole(shape: tuple[int, ...]) -> Array:
    """Small whole numbers, in float64, so that whole-numbered types can hold them, too."""
    return np.random.default_rng(0).integers(0, 2, shape).astype(np.float64)


def _family(subject: Any) -> Any:
    return getattr(subject, "cpab", subject)


def _theta(subject: Any, n: int = N) -> Array:
    """Of maps that are neither the identity nor singular."""
    family = _family(subject)
    identity = family.identity_theta()
    return np.tile(2 * identity, (n, 1)) if identity.any() else _whole((n, family.n_params))


#: By the name of a parameter that takes numbers: whole ones that fit a subject.
NUMBERS: dict[str, Callable[[Any], Array]] = {
    "source": lambda subject: _whole((4, _family(subject).ndim)),
    "target": lambda subject: _whole((4, _family(subject).ndim)),
    "points": lambda subject: _whole((P, _family(subject).ndim)),
    "tangent_points": lambda subject: _whole((P, _family(subject).ndim)),
    "theta": _theta,
    "tangent_theta": lambda subject: _whole((N, _family(subject).n_params)),
    "noise": lambda subject: _whole((N, _family(subject).n_params)),
    "white": lambda subject: _whole((N, _family(subject).n_params)),
    "mean": lambda subject: _whole((_family(subject).n_params,)),
    "cotangent": lambda subject: _whole((N, P, _family(subject).ndim)),
    "velocities": lambda subject: _whole((N, P, _family(subject).ndim)),
    "grid": lambda subject: _whole((N, *(3, 4, 5)[: _family(subject).ndim], _family(subject).ndim)),
    "field": lambda subject: _whole((N, *(3, 4, 5)[: _family(subject).ndim], _family(subject).ndim)),
    "images": lambda subject: _whole((N, *(3, 4, 5)[: _family(subject).ndim], 2)),
    "masks": lambda subject: _whole((N, *(3, 4, 5)[: _family(subject).ndim], 2)),
    "boxes": lambda subject: _whole((P, 4)),
}

#: For pictures, which show one transformation.
PICTURED: dict[str, Callable[[Any], Array]] = {
    "theta": lambda subject: _theta(subject, 1),
    "image": lambda subject: _whole((4, 5)),
}

#: By the name of a parameter that takes numbers though its annotation does not say so.
_UNANNOTATED = ("mean",)


@dataclass(frozen=True)
class Call:
    """A public function, and numbers for each of its parameters that takes some."""

    label: str
    function: Callable[..., Any]
    numbers: dict[str, Array]
    given: dict[str, Any]

    def arguments(self, backend: Backend) -> dict[str, Any]:
        """The numbers as tensors of a backend."""
        as_tensor = {True: image_tensor, False: tensor}
        return self.given | {
            name: as_tensor[name in ("images", "masks")](backend, a) for name, a in self.numbers.items()
        }


def _is_hook(function: Callable[..., Any]) -> bool:
    """Whether a method is one that a family defines, which gets arguments that are checked."""
    takes_backend = any(p.annotation == "Backend" for p in inspect.signature(function).parameters.values())
    return takes_backend or function.__name__ == "pull_back"


def public_functions() -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """Names and functions that users call, with what their parameters must fit."""
    for subject in SUBJECTS:
        for name, member in inspect.getmembers(type(subject), callable):
            if name.startswith("_") or _is_hook(member):
                continue
            if name != "inverse" or subject.has_inverse:
                yield f"{name_of(subject) or type(subject).__name__}.{name}", getattr(subject, name), subject
    yield "fit_landmarks", cpabx.fit_landmarks, cpabx.Cpab((2, 1))
    for name in ("warp_masks", "move_keypoints", "move_boxes"):  # warp_images rounds whole numbers, so types matter
        yield f"augment.{name}", getattr(cpabx.augment, name), cpabx.Cpab((2, 1))
    for name in cpabx.plot.__all__:
        yield f"plot.{name}", getattr(cpabx.plot, name), cpabx.Cpab((2, 1))
    for name in cpabx.stretch.__all__:
        if inspect.isfunction(function := getattr(cpabx.stretch, name)):
            yield f"stretch.{name}", function, cpabx.Cpab((2, 1))


def calls_with_numbers() -> list[Call]:
    """Those that take numbers."""
    found = []
    for label, function, subject in public_functions():
        parameters = inspect.signature(function).parameters
        known = PICTURED if label.startswith("plot.") else NUMBERS
        taken = [name for name, p in parameters.items() if "Tensor" in str(p.annotation) or name in _UNANNOTATED]
        unknown = set(taken) - set(known)
        assert not unknown, f"{label} takes {unknown}: say in {__name__}.NUMBERS which numbers fit"
        if taken:
            given = {name: subject for name in ("cpab", "transformation", "finer") if name in parameters}
            given |= {"seed": 0} if "seed" in parameters else {}
            given |= {"size": (3, 4, 5)[: subject.ndim]} if "size" in parameters else {}
            found.append(Call(label, function, {name: known[name](subject) for name in taken}, given))
    return found
