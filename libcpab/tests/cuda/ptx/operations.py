"""The operations on registers that the translator knows: of each, its name in PTX and the types of its operands.

A row of the table stands for a name with each of its types in place of T (and with each of its comparisons in place of
C). ``T = T T u32`` are the types of the result and of the operands. The part of the name that is no type is the
function in numbers.h, and the types are its template arguments: ``mul.wide.s32`` calls ``do_mul_wide<s32>``.

operation_cases.py tests every name. What nvcc has not made of the kernels, in no type, has no row: it is noticed when
that changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from parse import SIZES

INTEGERS = "s16 u16 s32 u32 s64 u64"
FLOATS = "f32 f64"
BITS = "b16 b32 b64"
ORDERED = "eq ne lt le gt ge"
UNORDERED = "equ neu ltu leu gtu geu num nan"

TABLE = (
    ("add.T", "T = T T", f"{INTEGERS} {FLOATS}"),
    ("sub.T", "T = T T", f"{INTEGERS} {FLOATS}"),
    ("mul.T", "T = T T", FLOATS),
    ("mul.lo.T", "T = T T", INTEGERS),
    ("mul.hi.T", "T = T T", INTEGERS),
    ("mul.wide.s16", "s32 = s16 s16", ""),
    ("mul.wide.u16", "u32 = u16 u16", ""),
    ("mul.wide.s32", "s64 = s32 s32", ""),
    ("mul.wide.u32", "u64 = u32 u32", ""),
    ("mad.lo.T", "T = T T T", INTEGERS),
    ("div.T", "T = T T", INTEGERS),
    ("rem.T", "T = T T", INTEGERS),
    ("div.rn.T", "T = T T", FLOATS),
    ("rcp.rn.T", "T = T", FLOATS),
    ("sqrt.rn.T", "T = T", FLOATS),
    ("fma.rn.T", "T = T T T", FLOATS),
    ("neg.T", "T = T", f"s16 s32 s64 {FLOATS}"),
    ("abs.T", "T = T", f"s16 s32 s64 {FLOATS}"),
    ("min.T", "T = T T", f"{INTEGERS} {FLOATS}"),
    ("max.T", "T = T T", f"{INTEGERS} {FLOATS}"),
    ("and.T", "T = T T", f"pred {BITS}"),
    ("or.T", "T = T T", f"pred {BITS}"),
    ("xor.T", "T = T T", f"pred {BITS}"),
    ("not.T", "T = T", f"pred {BITS}"),
    ("shl.T", "T = T u32", BITS),
    ("shr.T", "T = T u32", f"{BITS} {INTEGERS}"),
    ("bfi.T", "T = T T u32 u32", "b32 b64"),
    ("brev.T", "T = T", "b32 b64"),
    ("bfind.shiftamt.u32", "u32 = u32", ""),
    ("selp.T", "T = T T pred", f"{BITS} {INTEGERS} {FLOATS}"),
    ("setp.C.T", "pred = T T", INTEGERS, ORDERED),
    ("setp.C.T", "pred = T T", BITS, "eq ne"),
    ("setp.C.T", "pred = T T", FLOATS, f"{ORDERED} {UNORDERED}"),
    ("mov.T", "T = T", f"pred {BITS} {INTEGERS} {FLOATS}"),
)

#: From a type to another one. Their registers may be wider: the low bits count, and a result is extended.
CONVERSIONS = (
    ("cvt", "u16 u32 s32 u64 s64", "u8 s8 u16 s16 u32 s32 u64 s64"),
    ("cvt.rn", FLOATS, "s32 u32 s64 u64"),
    ("cvt.rzi", "s32 u32 s64 u64", FLOATS),
    ("cvt.rn", "f32", "f64"),
    ("cvt", "f64", "f32"),
)


@dataclass(frozen=True)
class Operation:
    function: str  # in numbers.h, with its template arguments
    result: str  # types
    operands: tuple[str, ...]
    converts: bool = False


def _named(name: str, result: str, operands: list[str], converts: bool = False) -> Operation:
    parts = name.split(".")
    types = [part for part in parts if part in SIZES or part == "pred"]
    function = "do_" + "_".join(part for part in parts if part not in types)
    return Operation(f"{function}<{', '.join(types)}>", result, tuple(operands), converts)


def _operations() -> dict[str, Operation]:
    known = {}
    for pattern, signature, types, *comparisons in TABLE:
        for comparison in " ".join(comparisons).split() or [""]:
            for of in types.split() or [""]:
                name = pattern.replace("C", comparison).replace("T", of)
                result, _, *operands = re.sub(r"\bT\b", of, signature).split()
                known[name] = _named(name, result, operands)
    for start, results, sources in CONVERSIONS:
        for result in results.split():
            for source in sources.split():
                name = f"{start}.{result}.{source}"
                known[name] = _named(name, result, [source], converts=True)
    return known


OPERATIONS = _operations()
