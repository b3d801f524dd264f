"""Section 4.2.1: CPAB of cpabx against the same mathematics in a framework's own operations; ST-CPAB against ST-Affine.

Batches of 100 fields of Cpab((4, 4)) at 42x42 points, as in an ST layer on distorted digits; then epochs of training,
and of testing, networks of Table 2 on 2,000 of these digits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cpabx import Cpab
from cpabx_experiments.data import Dataset, load
from cpabx_experiments.data.distortions import distort
from cpabx_experiments.data.fetch import fetch
from cpabx_experiments.data.subset import subset
from cpabx_experiments.files import write_all
from cpabx_experiments.options import Options
from cpabx_experiments.output import folder
from cpabx_experiments.output.report import as_csv, markdown, versions_line
from cpabx_experiments.probes.contest import Array, contestants, medians
from cpabx_experiments.probes.pure import STEPS
from cpabx_experiments.protocol.material import SUBSET_SEED, TRAIN_SEED
from cpabx_experiments.protocol.models import network
from cpabx_experiments.protocol.paper import PURE_BACKWARD, PURE_FORWARD, figures
from cpabx_experiments.training.engines import Engine, Training, load_engine

FILES = ("speed.md", "speed.csv", "configuration.json")
_ABOUT = (__doc__ or "").partition("\n\n")[2].strip()

#: Fields, points per side, rounds, and the standard deviation of theta: points move by some 5 % of the domain's side.
BATCH, SIDE, ROUNDS, STRENGTH = 100, 42, 7, 0.2

#: Of the networks, in turns. The first epoch, uncounted, moves thetas off the identity, where CPAB has least to do.
IMAGES, EPOCHS = 2_000, 5
MODELS = ("ST-Affine CNN", "ST-CPAB CNN")


def perform(options: Options) -> str:
    """Measures, writes the files, and returns what to tell."""
    claim = folder.Claim(options.out, folder.settings("speed", options.backend, None), frozenset(FILES))
    folder.check(claim)
    if options.download:
        fetch("mnist", options.data)
    digits = distort("rts", subset(load("mnist", options.data, "train"), IMAGES, SUBSET_SEED), TRAIN_SEED)
    engine = load_engine(options.backend)
    engine.prepare(options.threads, options.device)
    with folder.taken(claim, engine, None):
        operations, errors = operation_seconds(options.backend)
        networks = network_seconds(engine, digits)
        text = report(operations, errors, networks, engine)
        rows = [["operation", *item] for item in operations.items()] + [["network", *item] for item in networks.items()]
        table = as_csv(["of", "what", "median_seconds"], rows)
        write_all(options.out, {"speed.md": text.encode(), "speed.csv": table})
    return f"{text}\nWrote {', '.join(str(options.out / name) for name in FILES)}."


def operation_seconds(
    backend: str, *, batch: int = BATCH, side: int = SIDE, rounds: int = ROUNDS, steps: int = STEPS
) -> tuple[dict[str, float], tuple[float, float]]:
    """Medians of "NAME forward" and "NAME forward + backward", and how far the two results and gradients are apart."""
    family = Cpab((4, 4))
    axis = np.linspace(-1, 1, side)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    theta = STRENGTH * np.random.default_rng(0).standard_normal((batch, family.n_params))
    two = contestants(backend, family, points, theta, steps)
    calls = {f"{one.name} forward": one.forward for one in two}
    calls |= {f"{one.name} forward + backward": one.both for one in two}
    apart = _apart(*(one.forward() for one in two)), _apart(*(one.both() for one in two), relative=True)
    return medians(calls, rounds), apart


def _apart(one: Array, other: Array, *, relative: bool = False) -> float:
    """The largest difference, of units of the domain or relative to the largest entry."""
    return float(np.abs(one - other).max() / (np.abs(one).max() if relative else 1))


def network_seconds(engine: Engine, digits: Dataset, *, epochs: int = EPOCHS) -> dict[str, float]:
    """Medians of "NAME training" and "NAME testing" of all the digits."""
    calls = {}
    for model in MODELS:
        trainer = engine.trainer(
            network(model, "mnist-rts", full=True), Training(epochs=epochs + 1, learning_rate=1e-3), 0
        )
        calls[f"{model} training"] = lambda trainer=trainer: trainer.train(digits)
        calls[f"{model} testing"] = lambda trainer=trainer: trainer.accuracy(digits)
    return medians(calls, epochs)


def report(
    operations: Mapping[str, float], errors: tuple[float, float], networks: Mapping[str, float], engine: Engine
) -> str:
    """Markdown: the two tables."""
    forward, pure_forward, both, pure_both = operations.values()
    training, testing, cpab_training, cpab_testing = (
        networks[f"{m} {w}"] for m in MODELS for w in ("training", "testing")
    )
    times = {model: figure.seconds or 0.0 for model, figure in figures("mnist-rts").items()}
    first = [
        ["forward", *_compared(forward, pure_forward), f"{PURE_FORWARD:.0f}"],
        ["backward (the difference)", *_compared(both - forward, pure_both - pure_forward), f"{PURE_BACKWARD:.0f}"],
        ["forward + backward", *_compared(both, pure_both), ""],
    ]
    second = [
        [
            "training, an epoch",
            *_compared(training, cpab_training),
            f"{times['ST-CPAB CNN'] / times['ST-Affine CNN']:.1f}",
        ],
        ["testing", *_compared(testing, cpab_testing), "1.05"],
    ]
    return (
        f"# speed\n\n{_ABOUT}\n\n"
        + markdown(["CPAB", "cpabx", f"pure, {STEPS} steps", "ratio", "the paper's (GPU)"], first)
        + f"\nThe pure form's error is {errors[0]:.1e}, that of its gradient {errors[1]:.1e} of the largest entry.\n\n"
        + markdown(["network", *MODELS, "ratio", "the paper's (GPU)"], second)
        + f"\n{versions_line(engine)}\n"
    )


def _compared(one: float, other: float) -> tuple[str, str, str]:
    return f"{1e3 * one:.1f} ms", f"{1e3 * other:.1f} ms", f"{other / one:.2f}"


__all__ = ["FILES", "network_seconds", "operation_seconds", "perform", "report"]
