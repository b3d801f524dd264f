"""Results are written all or none, into a folder that was checked before anything was trained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cpabx.experiments.errors import ExperimentError


def check_folder(out: Path) -> None:
    """Raises ExperimentError unless the folder exists, or can be made, and takes files. Makes nothing."""
    existing = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        found = "takes no files" if existing.is_dir() else "is a file"
        raise ExperimentError(
            f"--out must be a folder to write to, {out}", f"{existing}, which {found}", "Choose another."
        )


def write_all(out: Path, files: dict[str, bytes]) -> None:
    """Writes files beside their places first and moves them there when all are complete.

    Raises:
        ExperimentError: the folder cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            for name in files:
                os.replace(Path(folder) / name, out / name)
    except OSError as error:
        raise ExperimentError(f"{out} must take {', '.join(files)}", str(error), "Choose another --out.") from error


__all__ = ["check_folder", "write_all"]
