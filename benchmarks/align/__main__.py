"""All that is measured of fits, one table after the other: ``python -m benchmarks.align`` from the root of a clone."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.align import images, landmarks, series


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.align", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of photographs and series")
    parser.add_argument("--volumes", type=int, nargs="*", default=[64, 128], help="edges of volumes")
    parser.add_argument("--lfw", type=Path, default=os.environ.get("CPABX_LFW"), help="the folder of LFW's View 2")
    parser.add_argument("--ucr", type=Path, default=os.environ.get("CPABX_UCR"), help="the folder of the UCR sets")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each that registers images")
    parser.add_argument("--out", type=Path, help="a folder for images.json, landmarks.json and series.json")
    options = parser.parse_args()
    seeds = ["--seeds", *map(str, options.seeds)]
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)

    def into(name: str) -> list[str]:
        return [] if options.out is None else ["--json", str(options.out / f"{name}.json")]

    print("# Landmarks\n", flush=True)
    landmarks.main(into("landmarks"))
    print("\n# Images", flush=True)
    faces = [] if options.lfw is None else ["--lfw", str(options.lfw)]
    rounds = ["--rounds", str(options.rounds)]
    images.main([*seeds, "--volumes", *map(str, options.volumes), *rounds, *faces, *into("images")])
    print("\n# Series\n", flush=True)
    if options.ucr is None:
        print("not measured: --ucr, or CPABX_UCR, names the folder of the UCR sets")
    else:
        series.main([*seeds, "--data", str(options.ucr), *into("series")])


if __name__ == "__main__":
    main()
