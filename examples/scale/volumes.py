"""A folder of volumes, each registered to the first of them, by Dask on as many machines as its cluster has.

    python examples/scale/volumes.py FOLDER [ADDRESS]

FOLDER holds volumes (D, H, W) as ``.npy``. For each, ``warped/NAME.npy`` becomes what its map makes of it, and
``warped/NAME.pickle`` the fit. ADDRESS is that of a Dask scheduler, as Slurm or Kubernetes have; without it two
processes of this machine do the work.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from distributed import Client, as_completed

import cpabx


def read(path):
    """A batch of one volume."""
    return torch.from_numpy(np.load(path)).float()[None, None]


def align(path, fixed):
    """What a worker does for one volume. It reads and writes the files, so that no volume travels."""
    fit = cpabx.register(read(path), read(fixed), boundary="sliding")
    out = path.parent / "warped" / path.name
    np.save(out, fit.warp(read(path))[0, 0].numpy())
    out.with_suffix(".pickle").write_bytes(pickle.dumps(fit))
    return path.name, fit.message[0]


def main(folder, address=None):
    fixed, *moving = sorted(Path(folder).resolve().glob("*.npy"))
    (fixed.parent / "warped").mkdir(exist_ok=True)
    cluster = {"address": address} if address else {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with Client(**cluster) as client:
        for done in as_completed(client.map(align, moving, fixed=fixed)):
            print(*done.result(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
