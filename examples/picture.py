"""Draw the pictures of the first pages, warp.png and photograph.jpg.

The first has a velocity field, the diffeomorphism that it generates, and its inverse; the second a photograph, warped,
and warped back.

    python examples/picture.py [FOLDER]

Needs matplotlib and scikit-image, whose photograph of the astronaut Eileen Collins is by NASA and free to use.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from skimage import data

import cpabx
from cpabx import plot

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

FLOW = cpabx.Cpab((3, 3), boundary="sliding")


def warp() -> Figure:
    theta = FLOW.sample(1, seed=7, scale=0.9, dtype="float64")
    figure, (field, grid, back) = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    plot.velocity_field(FLOW, theta, ax=field).set_title("a velocity field, and paths along it")
    plot.deformed_grid(FLOW, theta, ax=grid).set_title("the diffeomorphism it generates")
    plot.deformed_grid(FLOW, theta, inverse=True, ax=back).set_title("its inverse")
    for ax in (field, grid, back):
        ax.axis("off")
    figure.get_layout_engine().set(h_pad=0.12)
    return figure


def photograph() -> Figure:
    theta = FLOW.sample(1, seed=7, scale=0.9, dtype="float64")
    given = (data.astronaut() / 255)[None]
    warped = FLOW.warp(given, theta, mode="bicubic")
    restored = FLOW.warp(warped, -theta, mode="bicubic")
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    titles = ("a photograph", "warped by a diffeomorphism", "and by its inverse, theta with the other sign")
    for ax, image, title in zip(axes, (given, warped, restored), titles, strict=True):
        ax.imshow(np.clip(image[0], 0, 1))
        ax.set_title(title)
        ax.axis("off")
    return figure


def main(folder: str = "docs/images") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    warp().savefig(Path(folder, "warp.png"), dpi=80)
    photograph().savefig(Path(folder, "photograph.jpg"), dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
