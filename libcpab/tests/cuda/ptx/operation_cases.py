"""A kernel for each operation that the translator knows, and what it must answer, computed here with exact numbers.

    python operation_cases.py KERNELS.ptx CASES.txt

The kernels take 8 bytes for each operand from an array, and write 8 of the result to another one, thread by thread. A
case is a line of these numbers in hexadecimal, below a line with the kernel's name and the result's type.
"""

from __future__ import annotations

import ctypes
import math
import operator
import random
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from operations import OPERATIONS, Operation
from parse import SIZES

N_CASES = 128  # the threads of a block

# -- numbers as bits -------------------------------------------------------------------------------

FORMATS = {"f32": "<f", "f64": "<d"}
#: Bits of the fraction, and the exponent of the smallest number.
PRECISION = {"f32": (24, -149), "f64": (53, -1074)}


def bits_of(type_: str) -> int:
    return 32 if type_ == "pred" else 8 * SIZES[type_]


def to_number(bits: int, type_: str) -> int | float:
    bits &= 2 ** bits_of(type_) - 1
    if type_ in FORMATS:
        return struct.unpack(FORMATS[type_], bits.to_bytes(SIZES[type_], "little"))[0]
    if type_[0] == "s" and bits >> (bits_of(type_) - 1):
        return bits - 2 ** bits_of(type_)
    return bits != 0 if type_ == "pred" else bits


def to_bits(number: int | float, type_: str) -> int:
    """Integers wrap around."""
    if type_ in FORMATS:
        return int.from_bytes(struct.pack(FORMATS[type_], number), "little")
    return int(number) % 2 ** bits_of(type_)


def nearest(exact: Fraction, type_: str) -> float:
    """The float nearest to a number that is not zero; of two, the even one."""
    digits, smallest = PRECISION[type_]
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    if abs(exact) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - digits + 1, smallest)
    rounded = round(exact / unit) * unit
    sign = 1 if exact > 0 else -1
    most = (2 - Fraction(2) ** (1 - digits)) * Fraction(2) ** (127 if type_ == "f32" else 1023)
    if abs(rounded) > most:
        return sign * math.inf
    return float(rounded) if rounded else sign * 0.0


# -- what operations answer ------------------------------------------------------------------------


def rounded(number: float, type_: str) -> float:
    """A result in float64, in this type: what this rounds twice, it rounds as if once, as Figueroa 1995 shows."""
    return ctypes.c_float(number).value if type_ == "f32" else number


def quotient(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def fused(a: float, b: float, c: float, type_: str) -> float:
    if not all(map(math.isfinite, (a, b, c))):
        return c if math.isfinite(a) and math.isfinite(b) else a * b + c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact:
        return nearest(exact, type_)
    sign = math.copysign(1, a) * math.copysign(1, b)
    is_negative = Fraction(a) * Fraction(b) == 0 and sign < 0 and math.copysign(1, c) < 0
    return -0.0 if is_negative else 0.0


def truncated(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def extreme(choose: Callable[..., float], a: float, b: float) -> float:
    numbers = [x for x in (a, b) if not math.isnan(x)] or [a]
    return choose(numbers, key=lambda x: (x, math.copysign(1, x)))


def inserted(a: int, b: int, first: int, n: int, size: int) -> int:
    for i in range(min(n & 255, size)):
        at = (first & 255) + i
        if at < size:
            b = b & ~(1 << at) | (a >> i & 1) << at
    return b


def to_integer(a: float, type_: str, source: str) -> int:
    size, signed = bits_of(type_), type_[0] == "s"
    if math.isnan(a):
        return 0 if source == "f32" and size == 32 else 1 << (size - 1)
    least, most = (-(2 ** (size - 1)), 2 ** (size - 1) - 1) if signed else (0, 2**size - 1)
    return (least if a < 0 else most) if math.isinf(a) else min(max(math.trunc(a), least), most)


COMPARISONS = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}


def compared(comparison: str, a: float, b: float) -> bool:
    unordered = math.isnan(a) or math.isnan(b)
    if comparison in ("num", "nan"):
        return unordered == (comparison == "nan")
    if comparison.endswith("u"):
        return unordered or COMPARISONS[comparison[:-1]](a, b)
    return not unordered and COMPARISONS[comparison](a, b)


FLOATING = {
    "add": lambda t, a, b: rounded(a + b, t),
    "sub": lambda t, a, b: rounded(a - b, t),
    "mul": lambda t, a, b: rounded(a * b, t),
    "div.rn": lambda t, a, b: rounded(quotient(a, b), t),
    "rcp.rn": lambda t, a: rounded(quotient(1.0, a), t),
    "sqrt.rn": lambda t, a: rounded(math.sqrt(a) if a >= 0 else math.nan if a else a, t),
    "fma.rn": lambda t, a, b, c: fused(a, b, c, t),
    "neg": lambda t, a: -a,
    "abs": lambda t, a: math.fabs(a),
    "min": lambda t, a, b: extreme(min, a, b),
    "max": lambda t, a, b: extreme(max, a, b),
}
INTEGRAL = {
    "add": lambda t, a, b: a + b,
    "sub": lambda t, a, b: a - b,
    "mul.lo": lambda t, a, b: a * b,
    "mul.hi": lambda t, a, b: a * b >> bits_of(t),
    "mul.wide": lambda t, a, b: a * b,
    "mad.lo": lambda t, a, b, c: a * b + c,
    "div": lambda t, a, b: truncated(a, b),
    "rem": lambda t, a, b: a - b * truncated(a, b),
    "neg": lambda t, a: -a,
    "abs": lambda t, a: abs(a),
    "min": lambda t, a, b: min(a, b),
    "max": lambda t, a, b: max(a, b),
    "and": lambda t, a, b: a & b,
    "or": lambda t, a, b: a | b,
    "xor": lambda t, a, b: a ^ b,
    "not": lambda t, a: not a if t == "pred" else ~a,
    "shl": lambda t, a, n: a << min(n, 64),
    "shr": lambda t, a, n: a >> min(n, 64),
    "bfi": lambda t, a, b, first, n: inserted(a, b, first, n, bits_of(t)),
    "brev": lambda t, a: int(f"{a:0{bits_of(t)}b}"[::-1], 2),
    "bfind.shiftamt": lambda t, a: 32 - a.bit_length() if a else -1,
}


def answer(name: str, numbers: list[int | float]) -> int | float:
    what = ".".join(part for part in name.split(".") if part not in SIZES and part != "pred")
    types = [part for part in name.split(".") if part in SIZES or part == "pred"]
    if what == "selp":
        return numbers[0] if numbers[2] else numbers[1]
    if what.startswith("setp."):
        return compared(what.removeprefix("setp."), *numbers)
    if what == "cvt.rzi":
        return to_integer(numbers[0], *types)
    if what == "cvt.rn" and types[1] not in FORMATS:
        return nearest(Fraction(numbers[0]), types[0]) if numbers[0] else 0.0
    if what in ("cvt", "cvt.rn", "mov"):
        return rounded(numbers[0], types[0]) if types[0] in FORMATS else numbers[0]
    return (FLOATING if types[0] in FORMATS else INTEGRAL)[what](types[0], *numbers)


# -- cases -----------------------------------------------------------------------------------------

SPECIAL = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 2.5, 1e-45, -1e-45, 5e-324, 1.1754942e-38, 3.4028235e38, 1.7e308),
    *(2.0**31, 2.0**32, -(2.0**31), 2.0**63, 2.0**64, -(2.0**63), 2147483520.0, 4294967040.0),
    *(math.inf, -math.inf, math.nan),
)


def drawn(chance: random.Random, type_: str, is_count: bool) -> int:
    """A number as bits, with others above it: an edge, or any number."""
    above = chance.getrandbits(64) << bits_of(type_)
    if type_ == "pred":
        return chance.getrandbits(1)
    if type_ in FORMATS:
        kind = chance.randrange(4)
        some = chance.choice(SPECIAL) if kind < 2 else chance.uniform(-3, 3) if kind == 2 else None
        bits = chance.getrandbits(bits_of(type_)) if some is None else to_bits(rounded(some, type_), type_)
        return (bits | above) % 2**64
    if is_count:
        return chance.choice((0, 1, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256 + 3, 2**32 - 1)) | above % 2**64
    highest = 2 ** (bits_of(type_) - 1)
    edges = (0, 1, 2, -1, highest, highest - 1, highest + 1, chance.getrandbits(8), chance.getrandbits(64))
    return (chance.choice(edges) % 2 ** bits_of(type_) | above) % 2**64


def cases(name: str, operation: Operation) -> Iterator[tuple[list[int], int]]:
    chance = random.Random(name)
    counts = {"shl": (1,), "shr": (1,), "bfi": (2, 3)}.get(name.split(".")[0], ())
    for _ in range(N_CASES):
        operands = [drawn(chance, type_, i in counts) for i, type_ in enumerate(operation.operands)]
        if operation.operands[:2] in (("f32", "f32"), ("f64", "f64")) and chance.random() < 0.2:
            sign = chance.getrandbits(1) << (bits_of(operation.operands[0]) - 1)
            operands[1] = operands[0] ^ sign  # where two numbers are the same, but for the sign
        numbers = [to_number(bits, type_) for bits, type_ in zip(operands, operation.operands, strict=True)]
        if name.startswith(("div.", "rem.")) and operation.result not in FORMATS and numbers[1] == 0:
            operands[1], numbers[1] = 3, 3  # a device leaves open what a division by zero gives
        if name.startswith("fma.") and chance.random() < 0.3 and abs(numbers[0] * numbers[1]) < 1e30:
            numbers[2] = -rounded(numbers[0] * numbers[1], operation.result)  # only what was rounded off is left
            operands[2] = to_bits(numbers[2], operation.result)
        yield operands, to_bits(answer(name, numbers), operation.result)


# -- kernels ---------------------------------------------------------------------------------------


def kernel(name: str, label: str, operation: Operation, floats_are_bits: bool) -> Iterator[str]:
    """Registers of floats have their type or that of bits: compilers do either."""

    def register(type_: str) -> str:
        if type_ == "pred":
            return "pred"
        return type_ if type_ in FORMATS and not floats_are_bits else f"b{max(16, bits_of(type_))}"

    def move(type_: str) -> str:
        return f"u{max(16, bits_of(type_))}" if type_ not in FORMATS else type_

    n = len(operation.operands)
    yield f".visible .entry {label}(\n.param .u64 {label}_from,\n.param .u64 {label}_to\n)\n.maxntid 128, 1, 1\n{{"
    yield ".reg .pred %p<2>; .reg .b32 %r<4>; .reg .b64 %rd<8>;"
    yield from (f".reg .{register(type_)} %x{i};" for i, type_ in enumerate(operation.operands))
    yield f".reg .{register(operation.result)} %y;"
    yield f"ld.param.u64 %rd1, [{label}_from]; ld.param.u64 %rd2, [{label}_to]; mov.u32 %r1, %tid.x;"
    yield f"mul.wide.u32 %rd3, %r1, {8 * n}; add.s64 %rd4, %rd1, %rd3;"
    yield "mul.wide.u32 %rd5, %r1, 8; add.s64 %rd6, %rd2, %rd5;"
    for i, type_ in enumerate(operation.operands):
        if type_ == "pred":
            yield f"ld.global.u32 %r2, [%rd4+{8 * i}]; setp.ne.s32 %x{i}, %r2, 0;"
        else:
            yield f"ld.global.{move(type_)} %x{i}, [%rd4+{8 * i}];"
    yield f"{name} %y, {', '.join(f'%x{i}' for i in range(n))};"
    if operation.result == "pred":
        yield "selp.u32 %r3, 1, 0, %y; st.global.u32 [%rd6], %r3;"
    else:
        yield f"st.global.{move(operation.result)} [%rd6], %y;"
    yield "ret;\n}"


def main(kernels: Path, answers: Path) -> None:
    ptx, lines = [".version 8.0", ".target sm_75", ".address_size 64"], []
    for i, (name, operation) in enumerate(OPERATIONS.items()):
        label = "test_" + name.replace(".", "_")
        ptx += kernel(name, label, operation, bool(i % 2))
        lines.append(f"{label} {len(operation.operands)} {operation.result}")
        for operands, result in cases(name, operation):
            lines.append(" ".join(f"{number:x}" for number in (*operands, result)))
    kernels.write_text("\n".join(ptx) + "\n", encoding="utf-8")
    answers.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
