"""What kernels of libcpab_cuda take of a GPU: registers, stack and spills, as ``ptxas -v`` tells them.

    python resources.py OUTPUT TABLE VERSION [--write]

OUTPUT is what a build said, which ``-DCMAKE_CUDA_FLAGS=-Xptxas=-v`` makes tell. It is compared with the table in the
file TABLE; ``--write`` makes that. VERSION is nvcc's. A stack is memory that every access goes out of the chip for:
kernels in float32, in 1D and 2D, must have none, unless they compute in dual numbers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HEAD = """# What the kernels take of a GPU

Registers, bytes of stack and bytes of spills of each thread, by architecture: `nox -s cuda` compiles them with nvcc
{version} and compares. No kernel of this table has run on a GPU yet.

"""
PTXAS = re.compile(
    r"Compiling entry function '(\w+)' for '(sm_\d+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
    r"(\d+) bytes spill loads.*?Used (\d+) registers",
    re.DOTALL,
)
DUAL = re.compile("dual numbers|move_tangent")
NUMBERS = {"float": "float32", "double": "float64"}


def names(mangled: list[str]) -> list[str]:
    """Kernels by what they do, with their numbers and dimension: ``move, float32, 2D``."""
    plain = subprocess.run(["c++filt", *mangled], capture_output=True, text=True, check=True).stdout
    plain = plain.replace("cpab::device::", "").replace("(anonymous namespace)::", "")
    return [_name(line.removeprefix("void ")) for line in plain.splitlines()]


def _name(function: str) -> str:
    kernel, _, rest = function.partition("<")
    arguments = _arguments(rest)
    kind = [a for a in arguments if not re.fullmatch(r"float|double|\d", a)]
    number = next(NUMBERS[a] for a in re.findall(r"float|double", rest))
    digits = [a for a in arguments if a.isdigit()]
    details = [re.sub(r"<.*", "", k) + (" in dual numbers" if "Dual" in k else "") for k in kind]
    details += [f"{digits[1]} taps"] if len(digits) > 1 else []
    return ", ".join([" ".join([kernel, *details]), number, *(f"{d}D" for d in digits[:1])])


def _arguments(rest: str) -> list[str]:
    """The arguments of a template, behind its opening bracket."""
    arguments, depth, start = [], 0, 0
    for i, letter in enumerate(rest):
        if letter in ",>" and depth == 0:
            arguments.append(rest[start:i].strip())
            start = i + 1
            if letter == ">":
                break
        depth += (letter == "<") - (letter == ">")
    return arguments


def read(output: str) -> dict[str, dict[str, tuple[int, int, int]]]:
    """Registers, stack and spills, by kernel and architecture."""
    found = PTXAS.findall(output)
    table: dict[str, dict[str, tuple[int, int, int]]] = {}
    for name, (_, architecture, stack, stores, loads, registers) in zip(
        names([f[0] for f in found]), found, strict=True
    ):
        spills = int(stores) + int(loads)
        table.setdefault(name, {})[architecture] = (int(registers), int(stack), spills)
    return table


def written(table: dict[str, dict[str, tuple[int, int, int]]], version: str) -> str:
    architectures = sorted({a for row in table.values() for a in row}, key=lambda a: int(a[3:]))
    lines = ["| kernel | " + " | ".join(architectures) + " |", "| --- |" + " --- |" * len(architectures)]
    for name in sorted(table):
        cells = (" / ".join(map(str, table[name][a])) if a in table[name] else "" for a in architectures)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return HEAD.format(version=version) + "\n".join(lines) + "\n"


def with_stack(table: dict[str, dict[str, tuple[int, int, int]]]) -> list[str]:
    """Kernels that must have no stack, and have one."""
    watched = (name for name in table if name.endswith(("float32, 1D", "float32, 2D")) and not DUAL.search(name))
    return [name for name in watched if any(stack for _, stack, _ in table[name].values())]


def main(output: Path, path: Path, version: str, *options: str) -> str:
    """Answers what is wrong."""
    table = read(output.read_text(encoding="utf-8"))
    if not table:
        return "the build told nothing of registers: it must compile every kernel anew, with -Xptxas=-v"
    text = written(table, version)
    if "--write" in options:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        path.with_suffix(".new.md").write_text(text, encoding="utf-8")
        return f"{path} is not what this build takes: see {path.with_suffix('.new.md')}"
    bad = with_stack(table)
    return f"these kernels must have no stack: {'; '.join(bad)}" if bad else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]) or 0)
