"""
Classify distorted digits in Keras
==================================

A spatial transformer in front of a small network, and the same network without it: the twin of
:ref:`sphx_glr_examples_digits_torch.py`. Needs ``cpabx[tensorflow]`` and ``cpabx-experiments``;
the data come with scikit-learn.
"""

import tempfile

import keras
import numpy as np
from _digits import load, means, show
from keras import layers

import cpabx

cpabx.set_backend("tensorflow")
keras.utils.set_random_seed(0)

train, test = load()
print(f"{len(train.images)} images to train on, {len(test.images)} to test on, of other digits")

# %%
# Two networks
# ------------
#
# The layer takes a localization network of our own; it adds the last layer, from 32 features to theta, and starts as
# the identity. From the 42x42 pixels of the canvas it makes 21x21. The network without it gets means of 2x2 pixels.


def convolutions() -> list[keras.Layer]:
    """Two convolutions, each with a maximum over 2x2 pixels."""
    first = [layers.Conv2D(8, 5, padding="same", activation="relu"), layers.MaxPooling2D(2)]
    return [*first, layers.Conv2D(16, 5, padding="same", activation="relu"), layers.MaxPooling2D(2), layers.Flatten()]


def classifier() -> list[keras.Layer]:
    """From 21x21 pixels to the logits of ten digits."""
    return [*convolutions(), layers.Dense(64, activation="relu"), layers.Dense(10)]


localization = keras.Sequential([layers.AveragePooling2D(2), *convolutions(), layers.Dense(32, activation="relu")])
transformer = cpabx.layers.STCPAB(cpabx.Cpab((4, 4)), localization=localization, output_size=(21, 21))
networks = {
    "without": keras.Sequential([keras.Input((42, 42, 1)), layers.AveragePooling2D(2), *classifier()]),
    "with STCPAB": keras.Sequential([keras.Input((42, 42, 1)), transformer, *classifier()]),
}

# %%
# Training
# --------
#
# As always: ``compile`` and ``fit``.

EPOCHS, BATCH = 20, 50
results = {}
for name, network in networks.items():
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-len(train.images) // BATCH))
    network.compile(
        keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(train.images, train.labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    results[name] = network.evaluate(test.images, test.labels, batch_size=500, verbose=0, return_dict=True)["accuracy"]
    print(f"{name}: accuracy {results[name]:.3f}")

# %%
# What the classifier sees
# ------------------------
#
# The first test image of each digit, as it is given and as the transformer passes it on.

given, seen = test.images[..., 0], np.asarray(transformer(test.images))[..., 0]
first = [int(np.flatnonzero(test.labels == digit)[0]) for digit in range(10)]
show({"given": given[first], "seen": seen[first]})

# %%
# The means over all test images of a digit: where images disagree they blur. The transformer brings the digits to one
# place and one size, and the means become readable.

show({"given": means(given, test.labels), "seen": means(seen, test.labels)})

# %%
# The trained network is saved and loaded like any other.

with tempfile.TemporaryDirectory() as folder:
    networks["with STCPAB"].save(f"{folder}/digits.keras")
    loaded = keras.saving.load_model(f"{folder}/digits.keras")
same = np.abs(loaded(test.images[:100]) - networks["with STCPAB"](test.images[:100])).max()
print(f"logits of the loaded network: off by {same:.0e} at most")
