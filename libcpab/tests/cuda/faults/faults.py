"""Seeds faults into libcpab_cuda, one by one: each must be found, by the means that faults.toml says.

    python faults.py [--ci] [--only NAME]... [--write] [--jobs N] [--folder FOLDER] KIND=BUILD...

Tests that cannot fail show nothing, and without a GPU these are all there is to show. A fault counts as found if

- its program passes without it,
- the faulty code has run and made a difference, which it tells by what fired.h has,
- the program then fails, and says what it should say of this fault.

KIND is plain, address or thread, and BUILD a folder that CMake has configured for it, with Ninja. What is there stays
as it is, up to date: a fault is seeded into a copy of the sources. Of these, the files that it names are compiled, and
linked before what they replace. ``--ci`` takes the faults for every change, of each means one.
``--write`` makes the table docs/cuda-faults.md after a full run; without it, such a run compares.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBCPAB = HERE.parents[2]
TABLE = LIBCPAB.parent / "docs" / "cuda-faults.md"
FIRED = "seeded fault: fired"
#: One finding is enough.
SANITIZERS = {"TSAN_OPTIONS": "halt_on_error=1"}
SECONDS = 600
BUILDS = {"plain": "", "address": "AddressSanitizer", "thread": "ThreadSanitizer"}
HEAD = """# Faults that the tests find

Tests show something if they can fail. `nox -s faults` seeds these faults into libcpab_cuda, one by one, sees each of
them make a difference where kernels run on the CPU, and requires that the test named here fails of it and says so.
Those with a star are seeded for every change.

"""


@dataclass(frozen=True)
class Fault:
    """A fault, as faults.toml has it."""

    name: str
    what: str
    file: str  # below libcpab/src/cuda
    edits: tuple[tuple[str, str], ...]  # what is there exactly once, and what takes its place
    objects: tuple[str, ...]  # what is compiled with it: a source, and for parts the number and dimension
    build: str
    program: str
    says: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    ci: bool = False

    @property
    def path(self) -> Path:
        return Path("src", "cuda", self.file)

    @property
    def mode(self) -> str:
        """What finds it, for readers."""
        watched = f"{self.program} under {BUILDS[self.build]}" if BUILDS[self.build] else self.program
        return " ".join([watched, *(f"{name}={value}" for name, value in self.environment)])


def read(path: Path = HERE / "faults.toml") -> list[Fault]:
    faults = []
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
        table["edits"] = tuple((edit["find"], edit["put"]) for edit in table.pop("edit"))
        table["environment"] = tuple(table.get("environment", {}).items())
        faults.append(Fault(**table | {key: tuple(table[key]) for key in ("objects", "says")}))
    return faults


def seeded(fault: Fault, text: str) -> str:
    """The text of its file, with the fault."""
    for find, put in fault.edits:
        if (n := text.count(find)) != 1:
            raise LookupError(
                f"{fault.name}: {fault.file} must have this once, and has it {n} times:\n{find}\n"
                "If the source has moved on, faults.toml must follow."
            )
        text = text.replace(find, put)
    return text


def written(faults: list[Fault]) -> str:
    lines = ["| what is wrong | in | found by | which says |", "| --- | --- | --- | --- |"]
    for fault in faults:
        star = " *" if fault.ci else ""
        says = ", ".join(f"`{words}`" for words in fault.says)
        lines.append(f"| {fault.what}{star} | {fault.file} | {fault.mode} | {says} |")
    return HEAD + "\n".join(lines) + "\n"


@dataclass
class Run:
    """How a command ended."""

    code: int
    output: str
    cpu: float


def run(command: str | list[str], folder: Path, environment: dict[str, str] | None = None) -> Run:
    """A command, with all that it starts: killed after a while."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=folder,
            env=os.environ | (environment or {}),
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timer = threading.Timer(SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        output = told.read().decode(errors="replace")
    return Run(process.returncode, output, usage.ru_utime + usage.ru_stime)


class Build:
    """A build folder: how its files are compiled and linked."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        told = subprocess.run(["ninja", "-t", "compdb"], cwd=self.folder, capture_output=True, text=True, check=True)
        self.commands = {entry["output"]: entry["command"] for entry in json.loads(told.stdout)}
        cache = (self.folder / "CMakeCache.txt").read_text(encoding="utf-8")
        entries = dict(line.split("=", 1) for line in cache.splitlines() if ":" in line and "=" in line)
        self.sources = Path(entries["CMAKE_HOME_DIRECTORY:INTERNAL"])
        if self.sources != LIBCPAB:
            raise LookupError(f"{folder} builds {self.sources}, and not {LIBCPAB}")
        self.compiler = next(value for name, value in entries.items() if name.startswith("CMAKE_CXX_COMPILER:"))

    def bring_up_to_date(self, programs: list[str], jobs: int) -> None:
        """What a fault is linked with must be what the sources say."""
        made = run(["ninja", f"-j{jobs}", *(f"tests/cuda/{name}" for name in programs)], self.folder)
        if made.code != 0:
            raise RuntimeError(f"{self.folder} does not build:\n{made.output}")

    def program(self, name: str) -> Path:
        return self.folder / "tests" / "cuda" / name

    def output(self, wanted: str) -> str:
        """The object of a source, for parts with their number and dimension: ``flow_part float 2``."""
        source, *part = wanted.split()
        target = "_".join(["cuda_host", source, *part]) if part else "cuda_host_entry"
        (output,) = (o for o in self.commands if f"/{target}.dir/" in o and o.endswith(f"/{source}.cu.o"))
        return output

    def compile(self, wanted: str, sources: Path, to: Path) -> Run:
        output = self.output(wanted)
        command = self.commands[output].replace(output, str(to)).replace(f"{self.sources}/", f"{sources}/")
        return run(f"{command} -include {HERE / 'fired.h'}", self.folder)

    def link(self, name: str, objects: list[Path], to: Path) -> Run:
        """A program, with other objects before those of the library that they replace."""
        output = f"tests/cuda/{name}"
        command = self.commands[output].replace(f"-o {output}", f"-o {to} {' '.join(map(str, objects))}")
        return run(command, self.folder)


def attempt(fault: Fault, build: Build, folder: Path) -> tuple[str, float]:
    """Seeds a fault: answers what is wrong with how it is found, and what it took."""
    sources = folder / "libcpab"
    for part in ("src", "include", "tests"):
        shutil.copytree(LIBCPAB / part, sources / part)
    path = sources / fault.path
    path.write_text(seeded(fault, path.read_text(encoding="utf-8")), encoding="utf-8")
    objects = [folder / f"{wanted.replace(' ', '_')}.o" for wanted in fault.objects]
    runs = [build.compile(wanted, sources, to) for wanted, to in zip(fault.objects, objects, strict=True)]
    told = folder / "fired.o"
    runs.append(run([build.compiler, "-O1", "-c", str(HERE / "fired.cpp"), "-o", str(told)], folder))
    runs.append(build.link(fault.program, [*objects, told], folder / fault.program))
    cpu = sum(step.cpu for step in runs)
    if failed := [step.output for step in runs if step.code != 0]:
        return f"it does not compile:\n{failed[0]}", cpu
    found = run([str(folder / fault.program)], folder, SANITIZERS | dict(fault.environment))
    (folder / "output.txt").write_text(found.output, encoding="utf-8")
    return verdict(fault, found), cpu + found.cpu


def verdict(fault: Fault, found: Run) -> str:
    """What is wrong with how a fault is found, if anything is."""
    tail = "\n".join(found.output.splitlines()[-20:])
    if FIRED not in found.output:
        return f"it has never fired, so that nothing is shown:\n{tail}"
    if found.code == 0:
        return "it has fired, and nothing has found it"
    missing = [words for words in fault.says if words not in found.output]
    return f"it is found, but without the words {missing}:\n{tail}" if missing else ""


def passes_without(fault: Fault, builds: dict[str, Build]) -> tuple[str, float]:
    build = builds[fault.build]
    found = run([str(build.program(fault.program))], build.folder, SANITIZERS | dict(fault.environment))
    tail = "\n".join(found.output.splitlines()[-20:])
    return (f"{fault.mode} fails without any fault:\n{tail}" if found.code != 0 else ""), found.cpu


def report(good: str, name: str, wrong: str, cpu: float, mode: str) -> str:
    line = f"{'FAILS' if wrong else good:6s} {name:28s} {cpu:6.1f} s of CPU  {mode}"
    print(f"{line}\n       {wrong}" if wrong else line, flush=True)
    return wrong


def try_all(faults: list[Fault], builds: dict[str, Build], folder: Path, jobs: int) -> bool:
    """Whether all programs pass without faults, and find these."""

    def without(fault: Fault) -> str:
        return report("passes", "(no fault)", *passes_without(fault, builds), fault.mode)

    def with_fault(fault: Fault) -> str:
        own = folder / fault.name
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        return report("found", fault.name, *attempt(fault, builds[fault.build], own), fault.mode)

    modes = list({fault.mode: fault for fault in faults}.values())
    with ThreadPoolExecutor(jobs) as pool:
        wrong = [*pool.map(without, modes), *pool.map(with_fault, faults)]
    return not any(wrong)


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", metavar="KIND=BUILD")
    parser.add_argument("--ci", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to keep what is made, and what is told")
    return parser.parse_args(given)


def main(given: list[str]) -> str:
    """Answers what is wrong."""
    options = arguments(given)
    everything = read()
    faults = [f for f in everything if (f.ci or not options.ci) and (not options.only or f.name in options.only)]
    folders = dict(pair.split("=", 1) for pair in options.builds)
    if missing := {fault.build for fault in faults} - set(folders):
        return f"which folder has the builds of these kinds? {', '.join(sorted(missing))}"
    if not faults:
        return f"no fault has such a name: {', '.join(options.only)}"
    builds = {kind: Build(Path(folder)) for kind, folder in folders.items()}
    for kind, build in builds.items():
        if programs := sorted({fault.program for fault in faults if fault.build == kind}):
            build.bring_up_to_date(programs, options.jobs)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        found = try_all(faults, builds, (options.folder or Path(scratch)).resolve(), options.jobs)
    print(f"{len(faults)} faults in {time.monotonic() - start:.0f} s")
    if not found:
        return "a fault is not found as it should be: see above"
    if faults != everything:
        return ""
    if options.write:
        TABLE.write_text(written(everything), encoding="utf-8")
    return "" if TABLE.read_text(encoding="utf-8") == written(everything) else f"{TABLE} is old: --write makes it anew"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
