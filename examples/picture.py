"""Draw docs/images/warp.png: a tessellation with a velocity field, and what its flow makes of a grid.

    python examples/picture.py [FILE]

Needs matplotlib.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

import cpabx

mpl.use("Agg")
from matplotlib import pyplot as plt

FAMILY = cpabx.Cpab((3, 3), boundary="sliding")
INK, FAINT, FLOW = "#20304a", "#b9c3d3", "#c8452d"


def lines(n_lines: int = 25, n_points: int = 400) -> np.ndarray:
    """(2 * n_lines, n_points, 2): horizontal and vertical lines over the domain."""
    fixed, along = np.meshgrid(np.linspace(-1, 1, n_lines), np.linspace(-1, 1, n_points), indexing="ij")
    return np.concatenate([np.stack([along, fixed], -1), np.stack([fixed, along], -1)])


def draw_field(ax: plt.Axes, theta: np.ndarray) -> None:
    """The triangles, the velocities at their vertices, and paths of some points."""
    tess = FAMILY.tessellation
    ax.triplot(*tess.vertices.T, tess.cell_vertices, color=FAINT, lw=0.8)
    starts = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 10)] * 2), -1).reshape(-1, 2)
    paths = np.stack([FAMILY.transform(starts, theta, time=t)[0] for t in np.linspace(0, 1, 30)])
    ax.plot(*paths.transpose(2, 0, 1), color=FLOW, lw=1.2)
    ax.plot(*paths[-1].T, "o", color=FLOW, ms=2)
    ax.quiver(*tess.vertices.T, *FAMILY.velocity(theta)[0].T, color=INK, width=0.005, scale=9, zorder=3)
    ax.set_title("a velocity field, and paths along it", color=INK)


def draw_grid(ax: plt.Axes, theta: np.ndarray, title: str) -> None:
    """A grid moved by theta."""
    grid = lines()
    for line in FAMILY.transform(grid.reshape(-1, 2), theta)[0].reshape(grid.shape):
        ax.plot(*line.T, color=INK, lw=0.7)
    ax.set_title(title, color=INK)


def main(path: str = "docs/images/warp.png") -> None:
    theta = FAMILY.sample(1, seed=7, scale=0.9, dtype="float64")
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), constrained_layout=True)
    draw_field(axes[0], theta)
    draw_grid(axes[1], theta, "the diffeomorphism it generates")
    moved = lines()
    back = FAMILY.inverse(FAMILY.transform(moved.reshape(-1, 2), theta)[0], theta)[0].reshape(moved.shape)
    for line in back:
        axes[2].plot(*line.T, color=INK, lw=0.7)
    axes[2].set_title(f"its inverse, applied to that: off by {np.abs(back - moved).max():.0e}", color=INK)
    for ax in axes:
        ax.set(aspect="equal", xlim=(-1.06, 1.06), ylim=(1.06, -1.06))
        ax.axis("off")
    figure.get_layout_engine().set(h_pad=0.12)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
