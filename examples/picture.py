"""Draw docs/images/warp.png: a velocity field, the diffeomorphism that it generates, and its inverse.

    python examples/picture.py [FILE]

Needs matplotlib.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

import cpabx
from cpabx import plot

mpl.use("Agg")
from matplotlib import pyplot as plt

FAMILY = cpabx.Cpab((3, 3), boundary="sliding")


def main(path: str = "docs/images/warp.png") -> None:
    theta = FAMILY.sample(1, seed=7, scale=0.9, dtype="float64")
    figure, (field, grid, back) = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    plot.velocity_field(FAMILY, theta, ax=field).set_title("a velocity field, and paths along it")
    plot.deformed_grid(FAMILY, theta, ax=grid).set_title("the diffeomorphism it generates")
    plot.deformed_grid(FAMILY, theta, inverse=True, ax=back).set_title("its inverse")
    for ax in (field, grid, back):
        ax.axis("off")
    figure.get_layout_engine().set(h_pad=0.12)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
