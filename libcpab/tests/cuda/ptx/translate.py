"""PTX that nvcc has made of kernels, as C++ that the stand-in for CUDA runs.

    python translate.py IN.ptx OUT.cpp

Each kernel is a function that one thread runs, in terms of kernel.h, which says what the stand-in checks in it. What
the translator does not know is an error that names the operation and its line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import parse
from body import Body


def translated(text: str, name: str) -> str:
    return "\n".join(_lines(parse.module(text), name)) + "\n"


def _lines(module: parse.Module, name: str) -> Iterator[str]:
    yield f"/* {name}, which was compiled for {module.target}, by translate.py. */"
    yield f'#define PTX_SOURCE "{name}"'
    yield '#include "kernel.h"'
    yield "namespace {"
    for i, kernel in enumerate(module.kernels):
        local, end = sum(kernel.local.values()), max((p.offset + p.size for p in kernel.parameters), default=0)
        yield f"/* {kernel.name} */"
        yield f"void kernel_{i}(const unsigned char *parameters) {{"
        yield f"Thread<{end}, {local}> thread(parameters);"
        yield from Body(module, kernel).lines()
        yield "}"
        yield f"constexpr stand_in::Parameter parameters_{i}[] = {{"
        yield from (f"{{{p.offset}, {p.size}, {p.align}}}," for p in kernel.parameters)
        yield "{0, 0, 0}};"
    yield "const stand_in::Translation translations[] = {"
    for i, kernel in enumerate(module.kernels):
        yield f'{{"{kernel.name}", kernel_{i}, parameters_{i}, {len(kernel.parameters)}}},'
    yield "};"
    yield f"const bool are_known = stand_in::add_translations(translations, {len(module.kernels)});"
    yield "}"


def main(source: Path, result: Path) -> None:
    try:
        result.write_text(translated(source.read_text(encoding="utf-8"), source.name), encoding="utf-8")
    except parse.Refusal as refusal:
        sys.exit(f"{source}:{refusal}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
