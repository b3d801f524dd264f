"""The figures of the paper's tables, to stand beside ours."""

from __future__ import annotations

from dataclasses import dataclass

#: Table 2: accuracy on the RTS and on the CPAB set, and training time in seconds.
TABLE2 = {
    "FCN": (0.945, 0.918, 280),
    "CNN": (0.974, 0.952, 360),
    "ST-Affine FCN": (0.986, 0.964, 400),
    "ST-Affine CNN": (0.992, 0.974, 420),
    "ST-CPAB FCN": (0.980, 0.980, 11587),
    "ST-CPAB CNN": (0.982, 0.989, 12067),
    "ST-Affine+CPAB CNN": (0.996, 0.993, 13058),
}

#: Table 3: accuracy per data set.
TABLE3 = {
    "mnist": (0.991, 0.993, 0.994, 0.993, 0.996, 0.994, 0.996),
    "fashion-mnist": (0.922, 0.919, 0.920, 0.919, 0.918, 0.917, 0.913),
    "cifar10": (0.870, 0.891, 0.892, 0.891, 0.893, 0.895, 0.889),
    "cifar100": (0.642, 0.653, 0.654, 0.653, 0.656, 0.659, 0.652),
    "lfw": (0.788, 0.840, 0.842, 0.843, 0.851, 0.878, 0.893),
    "celeba": (0.712, 0.734, 0.740, 0.742, 0.751, 0.756, 0.772),
}

#: Table 4: accuracy and its standard error.
TABLE4 = (
    (0.8930, 0.0028),
    (0.9129, 0.0032),
    (0.9145, 0.0029),
    (0.9139, 0.0031),
    (0.9218, 0.0032),
    (0.9368, 0.0035),
    (0.9543, 0.0046),
)

#: Rows of Tables 3 and 4, by the names that the models have here.
ROWS = ("CNN", "ST-Affine", "ST-AffineDiff", "ST-Homography", "ST-TPS", "ST-CPAB", "ST-Affine+CPAB")

#: Section 4.2.1: how much slower CPAB was in pure TensorFlow operations than in their CUDA code.
PURE_FORWARD, PURE_BACKWARD = 11.0, 5.0


@dataclass(frozen=True)
class Figure:
    """One entry of a table.

    Attributes:
        accuracy: a share of 1.
        standard_error: of Table 4 alone.
        seconds: training time, of Table 2 alone.
        table: ``"Table 2"``.
    """

    table: str
    accuracy: float
    standard_error: float | None = None
    seconds: float | None = None


def figures(experiment: str) -> dict[str, Figure]:
    """Per model; nothing for an experiment that has no table."""
    if experiment in ("mnist-rts", "mnist-cpab"):
        column = 0 if experiment == "mnist-rts" else 1
        return {model: Figure("Table 2", row[column], seconds=row[2]) for model, row in TABLE2.items()}
    if experiment in TABLE3:
        return {model: Figure("Table 3", value) for model, value in zip(ROWS, TABLE3[experiment], strict=True)}
    if experiment == "lfw-unrestricted":
        return {model: Figure("Table 4", *values) for model, values in zip(ROWS, TABLE4, strict=True)}
    return {}


__all__ = ["PURE_BACKWARD", "PURE_FORWARD", "Figure", "figures"]
