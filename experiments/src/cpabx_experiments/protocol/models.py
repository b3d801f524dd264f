"""The networks of section 5, for each data set with one number of parameters (Table 1).

The base of the classifier is the same for all networks of a data set: 5x5 convolutions, maxima over 2x2 pixels and a
hidden layer, whose width takes what the budget leaves beside the localization networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cpabx.errors import OptionError
from cpabx_experiments.protocol.network import Convolution, Features, Network, Transformer, fit_budget

#: Names as in Table 3, and the layers.
LAYERS = {
    "CNN": None,
    "ST-Affine": "STAffine",
    "ST-AffineDiff": "STAffineDiffeo",
    "ST-Homography": "STHomography",
    "ST-TPS": "STThinPlateSpline",
    "ST-CPAB": "STCPAB",
    "ST-Affine+CPAB": "STAffineCPAB",
}

TABLE3 = tuple(LAYERS)

#: Of a transformer, FCN and CNN are its localization networks; the classifier behind it is a CNN.
TABLE2 = ("FCN", "CNN", "ST-Affine FCN", "ST-Affine CNN", "ST-CPAB FCN", "ST-CPAB CNN", "ST-Affine+CPAB CNN")

#: All names. That of a transformer without FCN or CNN means CNN.
MODELS = ("FCN", *LAYERS, *(f"{name} {kind}" for name in TABLE3[1:] for kind in ("FCN", "CNN")))

#: Width of the hidden layers of a localization network, of which an FCN has two (section 5.1; d is at most 64).
LOCALIZATION = 32


@dataclass(frozen=True)
class Base:
    """What all networks of a data set have in common.

    Attributes:
        image: (height, width, channels).
        outputs, task: as :class:`cpabx_experiments.protocol.network.Network` has them.
        budget: number of parameters, to 2 %.
        convolutions: of the classifier.
        localization: filters of the two 5x5 convolutions of a localization network.
        reduce: a localization network sees the mean over reduce x reduce pixels.
        fcn: width of the first of two hidden layers of a classifier without convolutions.
    """

    image: tuple[int, int, int]
    outputs: int
    budget: int
    convolutions: tuple[Convolution, ...]
    localization: tuple[int, int] = (20, 20)
    reduce: int = 1
    fcn: int = 200
    task: str = "classes"


SMALL = (Convolution(16), Convolution(32))
# Half the resolution shows where and how a digit is, at a quarter of the cost.
DISTORTED = Base((42, 42, 1), 10, 400_000, SMALL, reduce=2)
DIGITS = Base((28, 28, 1), 10, 400_000, SMALL, fcn=400)

CIFAR = (Convolution(32), Convolution(64))
#: Of scikit-learn's few digits.
TINY = (Convolution(8), Convolution(16))

FACES = (Convolution(16), Convolution(32, 3), Convolution(48, 3), Convolution(64, 3))

BASES = {
    "digits": Base((42, 42, 1), 10, 50_000, TINY, localization=(8, 16), reduce=2, fcn=25),
    "mnist-rts": DISTORTED,
    "mnist-cpab": DISTORTED,
    "mnist": DIGITS,
    "fashion-mnist": DIGITS,
    "cifar10": Base((32, 32, 3), 10, 1_000_000, CIFAR),
    "cifar100": Base((32, 32, 3), 100, 1_000_000, CIFAR),
    "lfw": Base((250, 250, 3), 1, 200_000, FACES, localization=(8, 16), fcn=20, task="pairs"),
    # The paper has 138M parameters here. Nearly all of them would be in the hidden layer.
    "celeba": Base((218, 178, 3), 40, 2_000_000, (*FACES, Convolution(96, 3)), (8, 16), 6, task="attributes"),
}

#: The convolutions of [27], on which the paper bases its networks for digits, and localization at full resolution:
#: about 8 times the operations, with the same budget.
LARGE = (Convolution(32, 9), Convolution(64, 7))
FULL = {
    **BASES,
    "mnist-rts": replace(DISTORTED, convolutions=LARGE, reduce=1),
    "mnist-cpab": replace(DISTORTED, convolutions=LARGE, reduce=1),
    "mnist": replace(DIGITS, convolutions=LARGE),
    "fashion-mnist": replace(DIGITS, convolutions=LARGE),
}


def base(data: str, side: int | None = None, *, full: bool = False) -> Base:
    """The network of a data set of Table 1, or of our digits.

    Args:
        data: digits, mnist-rts, mnist-cpab, mnist, fashion-mnist, cifar10, cifar100, lfw, or celeba.
        side: of LFW's square images, 250 in the original, at least 32.
        full: for digits, the paper's convolutions instead of those that two cores can train.

    Raises:
        OptionError: there is no such data set, or its images have one size alone.
    """
    if data not in BASES:
        raise OptionError(f"a data set must be one of {', '.join(BASES)}", repr(data), "Choose one.")
    found = (FULL if full else BASES)[data]
    if data != "lfw":
        if side is not None:
            raise OptionError("side is an option of lfw", f"side={side} for {data}", "Leave it out.")
        return found
    side = found.image[0] if side is None else side
    if side < 32:
        raise OptionError("side must be at least 32", f"{side}", "A smaller face has nothing left after four poolings.")
    return replace(found, image=(side, side, 3), convolutions=_for_faces(side), reduce=max(1, round(side / 32)))


def _for_faces(side: int) -> tuple[Convolution, ...]:
    """From large images the first maximum is over 4x4 pixels: their flat features would take the whole budget."""
    return (replace(FACES[0], pool=4 if side >= 128 else 2), *FACES[1:])


def network(
    model: str,
    data: str,
    *,
    side: int | None = None,
    budget: int | None = None,
    view: tuple[int, int] | None = None,
    full: bool = False,
    basis: str = "orthonormal",
) -> Network:
    """A network of section 5 with the data set's number of parameters.

    Args:
        model: one of :data:`MODELS`.
        data: as in :func:`base`.
        side: as in :func:`base`.
        budget: another number of parameters.
        view: (height, width) that the classifier sees; that of the image by default.
        full: as in :func:`base`.
        basis: of CPAB, as :class:`cpabx.Cpab` names them.

    Raises:
        OptionError: there is no such model or data set, or the budget leaves nothing for its classifier.
    """
    found = base(data, side, full=full)
    if data == "lfw" and view:
        found = replace(found, convolutions=_for_faces(min(view)))
    if model not in MODELS:
        raise OptionError(f"a model must be one of {', '.join(MODELS)}", repr(model), "Choose one.")
    name, kind = (model.removesuffix(" FCN"), "FCN") if model.endswith(" FCN") else (model.removesuffix(" CNN"), "CNN")
    classifier = Features(dense=(found.fcn, 1)) if name == "FCN" else Features(1, found.convolutions, dense=(1,))
    layer = LAYERS.get(name)
    transformer = Transformer(layer, _localization(found, kind), basis=basis) if layer else None
    whole = Network(found.image, classifier, found.outputs, found.task, transformer, view)
    return fit_budget(whole, found.budget if budget is None else budget)


def _localization(found: Base, kind: str) -> Features:
    """Two hidden layers, or two convolutions and one hidden layer, after sections 5.1 and 5.3."""
    if kind == "FCN":
        return Features(found.reduce, dense=(LOCALIZATION, LOCALIZATION))
    return Features(found.reduce, tuple(map(Convolution, found.localization)), dense=(LOCALIZATION,))
