"""Maps from landmarks, beside other programs: ``python -m benchmarks.align.landmarks`` from the root of a clone.

    python -m benchmarks.align.landmarks [--seeds 3] [--json FILE]

Landmarks at random places of an image of 128x128 pixels go where a known map takes them, exactly or with noise of 2
pixels, and all pixels tell how far a fitted map is from the known one elsewhere. cpabx gets the landmarks and nothing
else, or the noise's standard deviation (``sigma``). Rivals get what suits them best on these cases; one that is not
installed is a row that says so. Seconds are those of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cpabx
from benchmarks.align import known_maps
from benchmarks.align.known_maps import SIDE, Array, Map

#: Takes landmarks (P, 2) in pixels, and where they go; gives the map.
Fit = Callable[[Array, Array], Map]


@dataclass(frozen=True)
class Case:
    name: str
    known: Callable[[int], Map]
    n_landmarks: int
    noise: float = 0.0

    def landmarks(self, seed: int) -> tuple[Map, Array, Array]:
        """The known map, and landmarks and where they go, in pixels."""
        generator, known = np.random.default_rng(1000 + seed), self.known(seed)
        source = generator.uniform(4, SIDE - 5, (self.n_landmarks, 2))
        return known, source, known(source) + self.noise * generator.standard_normal(source.shape)


CASES = (
    Case("smooth, 20", known_maps.smooth, 20),
    Case("smooth, 68", known_maps.smooth, 68),
    Case("smooth, 68, noise 2 px", known_maps.smooth, 68, 2.0),
    Case("hard, 68", known_maps.hard, 68),
    Case("swirl, 68", lambda _: known_maps.swirl(), 68),
)


@dataclass(frozen=True)
class Row:
    """Means over seeds: pixels elsewhere and at the landmarks, the share of pixels that fold, processor seconds."""

    case: str
    contestant: str
    elsewhere: float = float("nan")
    at_landmarks: float = float("nan")
    folds: float = float("nan")
    seconds: float = float("nan")
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"| {self.case} | {self.contestant} | {self.problem} | | | |"
        figures = f"{self.elsewhere:.2f} | {self.at_landmarks:.2f} | {100 * self.folds:.2f} % | {self.seconds:.3f}"
        return f"| {self.case} | {self.contestant} | {figures} |"


HEAD = "| map, landmarks | contestant | elsewhere, px | at the landmarks, px | folds | s |\n|" + " --- |" * 6


# -- contestants -----------------------------------------------------------------------------------------


def ours(**options: Any) -> Fit:
    def fit(source: Array, target: Array) -> Map:
        fitted = cpabx.fit_landmarks(known_maps.in_domain(source), known_maps.in_domain(target), **options)
        return lambda places: known_maps.in_pixels(fitted(known_maps.in_domain(places))[0])

    return fit


def identity(source: Array, target: Array) -> Map:
    return lambda places: places


def skimage_spline(source: Array, target: Array) -> Map:
    """Thin plates, which pass through the landmarks."""
    from skimage.transform import ThinPlateSplineTransform

    spline: Map = ThinPlateSplineTransform.from_estimate(source, target)
    return spline


def scipy_spline(source: Array, target: Array) -> Map:
    """Thin plates that need not, with the smoothing of the least error of leaving one landmark out."""
    from scipy.interpolate import RBFInterpolator

    def left_out(smoothing: float) -> float:
        errors = []
        for i in range(len(source)):
            rest = np.arange(len(source)) != i
            spline = RBFInterpolator(source[rest], target[rest], kernel="thin_plate_spline", smoothing=smoothing)
            errors.append(float(((spline(source[i : i + 1]) - target[i]) ** 2).sum()))
        return float(np.mean(errors))

    best = min((0.0, *10.0 ** np.arange(0, 6)), key=left_out)
    spline: Map = RBFInterpolator(source, target, kernel="thin_plate_spline", smoothing=best)
    return spline


def ants_fit(kind: str, n_levels: int) -> Fit:
    """``ants.fit_transform_to_paired_points``, free at the border: held there, as by default, it does worse."""

    def fit(source: Array, target: Array) -> Map:
        ants = importlib.import_module("ants")

        image = ants.from_numpy(np.zeros((SIDE, SIDE), np.float32))
        # Its maps take fixed points to moving ones.
        options = {"number_of_fitting_levels": n_levels, "enforce_stationary_boundary": False}
        found = ants.fit_transform_to_paired_points(target, source, kind, domain_image=image, **options)
        forward = found["fwdtransforms"] if isinstance(found, dict) else found

        def moved(places: Array) -> Array:
            if isinstance(forward, list):
                table = importlib.import_module("pandas").DataFrame(places, columns=["x", "y"])
                return np.asarray(ants.apply_transforms_to_points(2, table, forward)[["x", "y"]])
            return np.array([forward.apply_to_point(place.tolist()) for place in places])

        return moved

    return fit


def contestants(case: Case) -> dict[str, Fit]:
    found: dict[str, Fit] = {"cpabx": ours()}
    if case.noise:
        found["cpabx, sigma given"] = ours(sigma=case.noise * 2 / SIDE)
    n_levels = 4 if case.noise else 6  # the best of 3 to 6 on these very cases
    return found | {
        "nothing": identity,
        "scikit-image, thin plates": skimage_spline,
        "scipy, smoothed thin plates": scipy_spline,
        "ANTs, diffeo": ants_fit("diffeo", n_levels),
        "ANTs, bspline": ants_fit("bspline", n_levels),
    }


# -- the run ---------------------------------------------------------------------------------------------


def measured(case: Case, seeds: int) -> Iterator[Row]:
    """Rows of a case, whose contestants take turns map by map; an error of one's own is a row as well."""
    fits = contestants(case)
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in fits}
    problems: dict[str, str] = {}
    for seed in (None, *range(seeds)):  # before the first that counts, libraries are loaded, and what is kept is made
        for name, fit in fits.items():
            if name in problems:
                continue
            try:
                figure = one_figure(case, fit, seed or 0)
            except ImportError as error:
                problems[name] = f"not installed: {error}"
            except Exception as error:  # whatever it was, the others are still wanted
                problems[name] = f"{type(error).__name__}: {error}"
            else:
                figures[name] += [figure] * (seed is not None)
    for name, rows_of_it in figures.items():
        if name in problems:
            yield Row(case.name, name, problem=problems[name])
        else:
            elsewhere, at_landmarks, folds, seconds = map(float, np.mean(rows_of_it, axis=0))
            yield Row(case.name, name, elsewhere, at_landmarks, folds, seconds)


def one_figure(case: Case, fit: Fit, seed: int) -> tuple[float, ...]:
    """Errors elsewhere and at the landmarks, the share that folds, and processor seconds."""
    known, source, target = case.landmarks(seed)
    start = time.process_time()
    found = fit(source, target)
    seconds = time.process_time() - start
    errors = [np.linalg.norm(found(p) - q, axis=1).mean() for p, q in _pairs(known, source, target)]
    return (*errors, known_maps.folding(found), seconds)


def _pairs(known: Map, source: Array, target: Array) -> list[tuple[Array, Array]]:
    everywhere = known_maps.pixels()
    return [(everywhere, known(everywhere)), (source, target)]


def rows(seeds: int = 3) -> Iterator[Row]:
    """All of them, case by case."""
    for case in CASES:
        yield from measured(case, seeds)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.align.landmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many maps of each kind")
    parser.add_argument("--json", type=Path, help="where to write every figure")
    options = parser.parse_args(arguments)
    print(HEAD)
    found = []
    for row in rows(options.seeds):
        print(row, flush=True)
        found.append(asdict(row))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
