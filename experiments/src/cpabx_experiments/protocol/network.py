"""What a network consists of, without a framework: sizes, number of parameters, and a width that meets a budget.

Images are (height, width, channels). A network is: a view of the image (a spatial transformer, or a mean over blocks of
pixels), features of the view, and a last linear layer. See sections 3.1 and 5 of the paper.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from cpabx.errors import OptionError
from cpabx.transforms import Affine, AffineDiffeo, Composition, Cpab, Homography, ThinPlateSpline, Transformation

Size = tuple[int, int, int]
Shape = tuple[int, ...]

TASKS = ("classes", "attributes", "pairs")

#: How far a network may be from its budget, as a share of it (Table 1 gives budgets of two digits).
TOLERANCE = 0.02


@dataclass(frozen=True)
class Convolution:
    """A convolution that keeps the size, ReLU, and a maximum over pool x pool pixels (what is left over is cut)."""

    filters: int
    size: int = 5
    pool: int = 2


@dataclass(frozen=True)
class Features:
    """From an image to a vector: a mean over reduce x reduce pixels, convolutions, dense layers with ReLU.

    Without convolutions this is the FCN of section 5.1, with them the CNN.
    """

    reduce: int = 1
    convolutions: tuple[Convolution, ...] = ()
    dense: tuple[int, ...] = ()

    def flat(self, image: Size) -> int:
        """How many numbers enter the first dense layer.

        Raises:
            OptionError: the image is too small for so many poolings.
        """
        height, width, channels = image
        for pool in (self.reduce, *(convolution.pool for convolution in self.convolutions)):
            height, width = height // pool, width // pool
        if not height * width:
            raise OptionError("features need an image that its poolings leave something of", f"{image}", "Pool less.")
        return height * width * (self.convolutions[-1].filters if self.convolutions else channels)

    def outputs(self, image: Size) -> int:
        """The length of the vector."""
        flat = self.flat(image)
        return self.dense[-1] if self.dense else flat

    def shapes(self, image: Size) -> list[Shape]:
        """The shapes of the weights, as :func:`shapes` gives them."""
        found: list[Shape] = []
        channels = image[2]
        for convolution in self.convolutions:
            found += [(convolution.size, convolution.size, channels, convolution.filters), (convolution.filters,)]
            channels = convolution.filters
        width = self.flat(image)
        for dense in self.dense:
            found += [(width, dense), (dense,)]
            width = dense
        return found


@dataclass(frozen=True)
class Transformer:
    """A layer of :mod:`cpabx.layers` and its localization network; STAffineCPAB has two of these networks.

    Attributes:
        layer: name of the layer.
        localization: features that theta is a linear function of.
        cells: of CPAB; the paper's (4, 4) give d = 58.
        control_points: of thin plate splines; the paper has 16.
        interpolate: of STAffineCPAB, ``"once"`` or, as the paper does, ``"twice"``.
        basis: of CPAB, as :class:`cpabx.Cpab` names them.
    """

    layer: str
    localization: Features
    cells: tuple[int, int] = (4, 4)
    control_points: tuple[int, int] = (4, 4)
    interpolate: str = "once"
    basis: str = "orthonormal"

    @property
    def _cpab(self) -> Cpab:
        return Cpab(self.cells, basis=self.basis)

    @property
    def options(self) -> dict[str, object]:
        """The layer's arguments that say which family."""
        if self.layer == "STThinPlateSpline":
            return {"control_points": self.control_points}
        if self.layer == "STAffineCPAB":
            return {"cells": self._cpab, "interpolate": self.interpolate}
        return {"cells": self._cpab} if self.layer == "STCPAB" else {}

    @property
    def family(self) -> Transformation:
        """The transformations.

        Raises:
            OptionError: no layer has the name.
        """
        if self.layer == "STThinPlateSpline":
            return ThinPlateSpline(self.control_points)
        if self.layer == "STCPAB":
            return self._cpab
        if self.layer == "STAffineCPAB":
            return Composition(Affine(), self._cpab)
        simple: dict[str, type[Transformation]] = {
            "STAffine": Affine,
            "STAffineDiffeo": AffineDiffeo,
            "STHomography": Homography,
        }
        if self.layer not in simple:
            known = ", ".join([*simple, "STThinPlateSpline", "STCPAB", "STAffineCPAB"])
            raise OptionError("layer must be a spatial transformer", repr(self.layer), f"There are {known}.")
        return simple[self.layer]()

    @property
    def stages(self) -> tuple[Transformation, ...]:
        """The families that a localization network each predicts, in the order of the layer's weights."""
        family = self.family
        return (family.outer, family.inner) if isinstance(family, Composition) else (family,)

    def shapes(self, image: Size) -> list[Shape]:
        features, width = self.localization.shapes(image), self.localization.outputs(image)
        found: list[Shape] = []
        for stage in self.stages:
            found += [*features, (width, stage.n_params), (stage.n_params,)]
        return found


@dataclass(frozen=True)
class Network:
    """A network of images to logits.

    Attributes:
        image: (height, width, channels) of the input.
        classifier: features of the view; a last linear layer is added.
        outputs: how many logits: classes, attributes, or 1 for pairs.
        task: ``"classes"`` (cross entropy), ``"attributes"`` (binary cross entropy of each), or ``"pairs"``, in which
            both images pass the same layers and the logit is a linear function of the features' distances |f1 - f2|.
        transformer: makes the view, or None: then the view is the image, or its mean over equal blocks of pixels.
        view: (height, width) that the classifier sees; that of the image by default.

    Raises:
        OptionError: the parts do not fit each other.
    """

    image: Size
    classifier: Features
    outputs: int
    task: str = "classes"
    transformer: Transformer | None = None
    view: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise OptionError(f"task must be one of {', '.join(TASKS)}", repr(self.task), "Choose one.")
        if self.task == "pairs" and self.outputs != 1:
            raise OptionError("a network of pairs has one output", f"outputs={self.outputs}", "Pass outputs=1.")
        blocks = (self.block * self.seen[0], self.block * self.seen[1])
        if self.transformer is None and blocks != self.image[:2]:
            raise OptionError(
                "without a transformer the image must fall into blocks, one for each pixel of the view",
                f"an image of {self.image[:2]} and a view of {self.view}",
                "Choose a view that divides both sides by the same number.",
            )

    @property
    def seen(self) -> Size:
        """(height, width, channels) that the classifier sees."""
        height, width = self.view or self.image[:2]
        return height, width, self.image[2]

    @property
    def block(self) -> int:
        """Side of the blocks of pixels whose mean is a pixel of the view, where no transformer makes it."""
        return max(1, self.image[0] // self.seen[0])


def shapes(network: Network) -> list[Shape]:
    """The shapes of all weights, in order: transformer, classifier, last layer; each layer's kernel before its bias.

    Kernels of convolutions are (height, width, in, out), those of dense layers (in, out). Flat features are in the
    order (height, width, channels).
    """
    transformer = network.transformer.shapes(network.image) if network.transformer else []
    last = [(network.classifier.outputs(network.seen), network.outputs), (network.outputs,)]
    return [*transformer, *network.classifier.shapes(network.seen), *last]


def count(network: Network) -> int:
    """Number of parameters."""
    return sum(map(math.prod, shapes(network)))


def fit_budget(network: Network, budget: int) -> Network:
    """The network with the width of the classifier's last hidden layer that brings it nearest to the budget.

    Raises:
        OptionError: the classifier has no hidden layer, or no width comes within :data:`TOLERANCE`.
    """
    if not network.classifier.dense:
        raise OptionError("a budget needs a hidden layer to fit", "a classifier without one", "Give it a dense layer.")
    one, two = (count(_with_width(network, width)) for width in (1, 2))
    fitted = _with_width(network, max(1, round(1 + (budget - one) / (two - one))))
    if abs(count(fitted) - budget) > TOLERANCE * budget:
        raise OptionError(
            f"a network of {budget} parameters, within {TOLERANCE:.0%}",
            f"{count(fitted)} at the nearest width of its last hidden layer, {fitted.classifier.dense[-1]}",
            "Change the other layers, or the budget.",
        )
    return fitted


def _with_width(network: Network, width: int) -> Network:
    classifier = dataclasses.replace(network.classifier, dense=(*network.classifier.dense[:-1], width))
    return dataclasses.replace(network, classifier=classifier)
