"""Run as ``engine_process.py ENGINE DIRECTORY``, by itself or as one of several processes: two epochs of a training.

Writes DIRECTORY/RANK.npz with the epochs' losses and accuracies, the weights, and logits; the first process a
checkpoint, too.
"""

import sys
from pathlib import Path

import numpy as np

from cpabx_experiments.training.engines import Training, load_engine
from experiments.tests.engine_cases import bars, disturbed, network


def main(name, directory):
    engine = load_engine(name)
    engine.prepare(threads=1)
    engine.meet()
    # 29 images: two batches of 14, and one image that but one process gets.
    data, training = bars(29), Training(epochs=2, batch=14, learning_rate=1e-3, dropout=0.2)
    trainer = engine.trainer(network("ST-CPAB"), training, 0)
    disturbed(trainer)
    epochs = [trainer.train(data)]
    trainer.save(Path(directory) / "checkpoint")
    epochs.append(trainer.train(data))
    found = {f"weight_{i}": weight for i, weight in enumerate(trainer.weights())}
    numbers = [(epoch.loss, epoch.accuracy) for epoch in epochs]
    np.savez(
        Path(directory) / f"{engine.rank}.npz",
        epochs=numbers,
        logits=trainer.predict(data),
        world=engine.world,
        **found,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
