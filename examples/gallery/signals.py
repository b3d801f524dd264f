"""
Aligning heartbeats
===================

Beats of two kinds, each in time of its own, are brought into one time, and told apart by the nearest mean. Needs torch,
scikit-learn and matplotlib. The beats are made here, of five waves each, as electrocardiograms have them.
"""

import matplotlib.pyplot as plt
import numpy as np

import cpabx
from cpabx.align import TimeSeriesAligner

LENGTH = 140
#: Middle, width and height of the waves P, Q, R, S and T. Beats of the second kind have a late and flat T.
WAVES = {
    "first": [(0.25, 0.030, 0.4), (0.35, 0.020, -0.5), (0.40, 0.022, 3.0), (0.45, 0.022, -1.2), (0.60, 0.05, 1.0)],
    "second": [(0.25, 0.030, 0.4), (0.35, 0.020, -0.5), (0.40, 0.022, 3.0), (0.45, 0.022, -1.2), (0.66, 0.06, 0.5)],
}


def beats(n, seed):
    """Beats of both kinds in turn: (n, LENGTH), and their kinds."""
    rng = np.random.default_rng(seed)
    warps = cpabx.Cpab(8, domain=(0, 1), boundary="fixed")
    prior = cpabx.VelocityPrior(warps, length_scale=0.25, scale=0.025)
    time = warps.grid(prior.sample(n, seed=seed, dtype="float64", backend="numpy"), (LENGTH,))[..., 0]
    kinds = np.array(["first", "second"])[np.arange(n) % 2]
    series = np.zeros((n, LENGTH))
    for wave in range(5):
        middle, width, height = np.array([WAVES[kind][wave] for kind in kinds]).T[..., None]
        series += height * (1 + 0.1 * rng.standard_normal((n, 1))) * np.exp(-(((time - middle) / width) ** 2) / 2)
    return series + 0.03 * rng.standard_normal(series.shape), kinds


# %%
# Fit, and look
# -------------
#
# A small network learns to predict the warp of a beat from the beat alone. It has not seen the beats below.

train, train_kinds = beats(60, seed=0)
test, test_kinds = beats(200, seed=1)
aligner = TimeSeriesAligner(objective="icae+triplet", steps=200, random_state=0).fit(train, train_kinds)

means = np.stack([train[train_kinds == kind].mean(axis=0) for kind in aligner.classes_])
nearest = aligner.classes_[((test[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)]
print(f"nearest mean as they are: {(nearest == test_kinds).mean():.3f}; aligned: {aligner.score(test, test_kinds):.3f}")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for kind, color in zip(aligner.classes_, ("#0072b2", "#d55e00"), strict=True):
    left.plot(test[test_kinds == kind][:20].T, color=color, alpha=0.25, linewidth=0.8)
    left.plot(test[test_kinds == kind].mean(axis=0), color=color, linewidth=2.5)
left.set(title="beats as they are, and their means", xlabel="sample")
aligner.plot_barycenters(test[:40], test_kinds[:40], ax=middle)
middle.set_title("beats aligned, and barycentres")
aligner.plot_warps(test[:40], test_kinds[:40], ax=right)
right.set_title("warps")
plt.show()
