"""Nearest means of aligned series, beside DBA with DTW: ``python benchmarks/align/series.py --data FOLDER``.

    python benchmarks/align/series.py --data FOLDER [--seeds 0 1 2] [--sets NAME ...] [--json FILE] [--losses]

The folder has the official splits of five sets of the UCR archive, NAME_TRAIN.csv and NAME_TEST.csv, whose rows are a
class and a series; ``CPABX_UCR`` names it as well. Accuracies are those on the test split. cpabx gets the training
split and nothing else, and chooses its loss by cross-validation in it. tslearn, if it is installed, averages each class
by DBA, and takes the class of the nearest average by DTW. Seconds are those of the processor, on one thread, without
the time in which Numba compiles. ``--losses`` adds a row for each loss by itself, and for the fit without a network.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SETS = ("ECGFiveDays", "Trace", "ItalyPowerDemand", "ArrowHead", "GunPoint")
LOSSES = ("icae+triplet", "triplet", "icae", "variance")

Array = NDArray[Any]
Split = tuple[Array, Array, Array, Array]


@dataclass(frozen=True)
class Row:
    """Accuracies by seed, and mean processor seconds of the fit and of the prediction of the test split."""

    data: str
    contestant: str
    accuracies: tuple[float, ...] = ()
    fit: float = float("nan")
    predict: float = float("nan")
    note: str = ""

    def __str__(self) -> str:
        if not self.accuracies:
            return f"| {self.data} | {self.contestant} | {self.note} | | | |"
        each = ", ".join(f"{value:.3f}" for value in self.accuracies)
        figures = f"{np.mean(self.accuracies):.3f} | {each} | {self.fit:.2f} | {self.predict:.2f}"
        return f"| {self.data} | {self.contestant}{self.note} | {figures} |"


HEAD = "| set | contestant | accuracy | by seed | fit, s | predict, s |\n|" + " --- |" * 6


def read(folder: Path, name: str) -> Split:
    """Training series and classes, test series and classes."""
    parts = [np.loadtxt(folder / f"{name}_{split}.csv", delimiter=",") for split in ("TRAIN", "TEST")]
    return parts[0][:, 1:], parts[0][:, 0].astype(int), parts[1][:, 1:], parts[1][:, 0].astype(int)


def euclidean(name: str, data: Split) -> Row:
    """Means of the series as they are."""
    from sklearn.neighbors import NearestCentroid

    series, classes, others, truth = data
    start = time.process_time()
    centroid = NearestCentroid().fit(series, classes)
    fitted = time.process_time()
    accuracy = float(centroid.score(others, truth))
    return Row(name, "Euclidean mean", (accuracy,), fitted - start, time.process_time() - fitted)


def ours(name: str, data: Split, seeds: list[int], contestant: str = "cpabx", **options: Any) -> Row:
    """The estimator with its defaults, or with options."""
    import torch

    from cpabx.align import TimeSeriesAligner

    torch.set_num_threads(1)
    series, classes, others, truth = data
    accuracies, times, objectives = [], [], []
    for seed in seeds:
        start = time.process_time()
        aligner = TimeSeriesAligner(random_state=seed, **options).fit(series, classes)
        fitted = time.process_time()
        accuracies.append(float(aligner.score(others, truth)))
        times.append((fitted - start, time.process_time() - fitted))
        objectives.append(aligner.objective_)
    fit, predict = np.mean(times, axis=0).tolist()
    chosen = "" if options else f" ({', '.join(sorted(set(objectives)))})"
    return Row(name, contestant, tuple(accuracies), fit, predict, chosen)


def averaging(name: str, data: Split) -> Row:
    """DTW barycentre averaging, and the nearest of these by DTW."""
    contestant = "tslearn, DBA + DTW"
    try:
        barycenters = importlib.import_module("tslearn.barycenters")
        metrics = importlib.import_module("tslearn.metrics")
    except ImportError as error:
        return Row(name, contestant, note=f"not installed ({error})")
    series, classes, others, truth = data
    known = np.unique(classes)
    metrics.cdist_dtw(barycenters.dtw_barycenter_averaging(series[:2, :8])[None], series[:2, :8])  # compiled by now
    start = time.process_time()
    means = np.stack([barycenters.dtw_barycenter_averaging(series[classes == k])[:, 0] for k in known])
    fitted = time.process_time()
    found = known[metrics.cdist_dtw(others, means).argmin(axis=1)]
    return Row(name, contestant, (float((found == truth).mean()),), fitted - start, time.process_time() - fitted)


def rows(folder: Path, sets: list[str], seeds: list[int], *, losses: bool = False) -> Iterator[Row]:
    """All contestants on each set."""
    for name in sets:
        data = read(folder, name)
        yield euclidean(name, data)
        yield averaging(name, data)
        yield ours(name, data, seeds)
        if losses:
            for loss in LOSSES:
                yield ours(name, data, seeds, f"cpabx, {loss}", objective=loss)
            yield ours(name, data, seeds[:1], "cpabx, no network", localization=None)


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("CPABX_UCR"), help="folder of the UCR sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--losses", action="store_true", help="each loss by itself as well")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    arguments = parser.parse_args(given)
    if arguments.data is None:
        parser.error("name the folder of the UCR sets: --data FOLDER, or CPABX_UCR")
    print(HEAD, flush=True)
    found = []
    for row in rows(arguments.data, arguments.sets, arguments.seeds, losses=arguments.losses):
        print(row, flush=True)
        found.append(asdict(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
