"""Runs steps one after the other, each for so long and no longer, and tells what became of them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PASSED, FAILED, LEFT_OUT, OUT_OF_TIME = "passed", "failed", "left out", "out of time"


@dataclass(frozen=True)
class Step:
    """Commands that run in turn, until one fails.

    Attributes:
        at_most: seconds for all of them.
        without: why the step cannot be run here; empty if it can.
        needs: the name of a step that must have passed.
    """

    name: str
    commands: Sequence[Sequence[str]]
    at_most: float
    without: str = ""
    needs: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What became of a step. Only what this machine cannot do is left out without harm."""

    name: str
    outcome: str
    seconds: float = 0.0
    why: str = ""
    harmless: bool = False

    @property
    def fine(self) -> bool:
        return self.outcome == PASSED or self.harmless

    def as_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)


class Runner:
    """Runs steps within a number of seconds, and keeps what they print.

    Args:
        seconds: for all steps.
        folder: where what a step prints is written, one file for each.
        env: variables of all steps.
        quiet: prints nothing of what they print.
    """

    def __init__(self, seconds: float, folder: Path, env: Mapping[str, str], *, quiet: bool = False) -> None:
        self._end = time.monotonic() + seconds
        self._folder, self._env, self._quiet = folder, env, quiet
        self.results: dict[str, Result] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, steps: Iterable[Step]) -> list[Result]:
        """All steps; one that fails prevents those alone that need it."""
        for step in steps:
            self._say(f"\n== {step.name}, at most {step.at_most:.0f} s")
            result = self.results[step.name] = self._run(step)
            self._say(f"== {step.name}: {result.outcome} {result.why}".rstrip())
        return list(self.results.values())

    def _run(self, step: Step) -> Result:
        if step.without:
            return Result(step.name, LEFT_OUT, why=step.without, harmless=True)
        if step.needs and self.results[step.needs].outcome != PASSED:
            return Result(step.name, LEFT_OUT, why=f"needs the step {step.needs}, which did not pass")
        start = time.monotonic()
        end = min(self._end, start + step.at_most)
        if start >= self._end:
            return Result(step.name, OUT_OF_TIME, why="the time of the session was over before")
        outcome, why = PASSED, ""
        with (self._folder / f"{step.name}.txt").open("w", encoding="utf-8") as kept:
            for command in step.commands:
                outcome, why = self._call(command, {**os.environ, **self._env, **step.env}, end, kept)
                if outcome != PASSED:
                    break
        return Result(step.name, outcome, time.monotonic() - start, why)

    def _call(self, command: Sequence[str], env: Mapping[str, str], end: float, kept) -> tuple[str, str]:
        shown = " ".join(command)
        print(f"$ {shown}", file=kept)
        self._say(f"$ {shown}")
        try:  # in a group of its own, so that whatever it has started ends with it
            process = subprocess.Popen(
                command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return FAILED, f"{command[0]} could not be started: {error.strerror}"
        reader = threading.Thread(target=self._keep, args=(process.stdout, kept), daemon=True)
        reader.start()
        try:
            status = process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return OUT_OF_TIME, f"while it ran {shown}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join(timeout=10)  # which waits for whoever else holds the pipe
        return (PASSED, "") if status == 0 else (FAILED, f"status {status} of {shown}")

    def _keep(self, lines: Iterable[str], kept) -> None:
        for line in lines:
            kept.write(line)
            if not self._quiet:
                sys.stdout.write(line)
        kept.flush()

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)


def table(results: Iterable[Result]) -> str:
    """The results as Markdown."""
    lines = ["| step | result | seconds | |", "| --- | --- | --- | --- |"]
    lines += [f"| {r.name} | {r.outcome} | {r.seconds:.0f} | {r.why} |" for r in results]
    return "\n".join(lines)
