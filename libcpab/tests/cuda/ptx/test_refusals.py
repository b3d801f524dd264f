"""What the translator must refuse, in which line, and with which words: nothing is skipped. Run by ctest."""

from __future__ import annotations

import sys

from parse import Refusal
from translate import translated

HEAD = ".version 8.0\n.target sm_75\n.address_size 64\n.extern .shared .align 16 .b8 room[];\n"
KERNEL = """.visible .entry kernel(.param .u64 kernel_out)
{
.reg .pred %p<3>; .reg .b16 %rs<3>; .reg .b32 %r<3>; .reg .f32 %f<3>; .reg .b64 %rd<3>;
"""
LINE = 8  # of what follows these

#: Statements, and what is said of them.
STATEMENTS = (
    ("tanh.approx.f32 %f1, %f2;", "unknown operation tanh.approx.f32"),
    ("add.f32.ftz %f1, %f1, %f2;", "unknown operation add.f32.ftz"),
    ("add.ftz.f32 %f1, %f1, %f2;", "unknown operation add.ftz.f32"),
    ("fma.rz.f32 %f1, %f1, %f2, %f2;", "unknown operation fma.rz.f32"),
    ("setp.lt.and.s32 %p1, %r1, %r2, %p2;", "unknown operation setp.lt.and.s32"),
    ("ld.volatile.global.u32 %r1, [%rd1];", "unknown operation ld.volatile.global.u32"),
    ("ld.global.v8.f32 %f1, [%rd1];", "unknown operation ld.global.v8.f32"),
    ("ld.global.b128 %rd1, [%rd1];", "unknown access"),
    ("atom.shared.add.f32 %f1, [%r1], %f2;", "unknown operation atom.shared.add.f32"),
    ("bar.sync 1;", "barrier 1"),
    ("bar.sync 0, 64;", "bar.sync has 2 operands"),
    ("shfl.sync.idx.b32 %r1, %r1, 0, 31;", "has 4 operands"),
    ("add.s32 %r1, %r2;", "add.s32 has 2 operands, and not 3"),
    ("add.s32 %r1, %r2, %rd1;", "%rd1 is .b64"),
    ("add.s32 %rd1, %r1, %r2;", "%rd1 is .b64"),
    ("add.s32 %r1, %r2, %r3;", "unknown register %r3"),
    ("add.f32 %f1, %f2, 1;", "unknown operand 1"),
    ("mov.u32 %r1, %clock;", "unknown register %clock"),
    ("mov.u32 %r1, elsewhere;", "unknown operand elsewhere"),
    ("mov.f32 %f1, room;", "an address as f32"),
    ("mov.b32 %r1, {%rs1, %rs2};", "mov.b32 of parts"),
    ("mov.b64 %rd1, {%r1, %r2, %r2};", "2 parts"),
    ("ld.param.u64 %rd1, [kernel_out+8];", "not of this parameter"),
    ("ld.global.u64 %rd1, [kernel_out];", "not of this parameter"),
    ("ld.global.v2.u32 {%r1, %r2, %r2}, [%rd1];", "2 parts"),
    (".local .align 8 .b8 a[8]; .local .align 8 .b8 b[8];", "second array"),
    (".reg .b128 %q;", "unknown registers: .b128"),
    ('.pragma "unheard of";', "unknown: .pragma"),
    (".branchtargets a, b;", "unknown: .branchtargets"),
    ("call helper;", "unknown operation call"),
)
#: What stands outside of kernels.
MODULES = (
    (".visible .func helper()\n{\nret;\n}\n", "unknown: .visible .func"),
    (".global .align 4 .u32 counter;\n", "unknown: .global"),
    (".visible .entry kernel()\n.maxntid 16, 8, 1\n{\nret;\n}\n", "limits of a kernel"),
    (".visible .entry kernel(.param .f16x2 a)\n{\nret;\n}\n", "unknown parameter"),
)


def complaint(text: str, line: int, words: str) -> str:
    try:
        translated(text, "test.ptx")
    except Refusal as refusal:
        said = str(refusal)
        return "" if said.startswith(f"{line}: ") and words in said else f"{text}\n  is refused with: {said}"
    return f"{text}\n  is not refused"


def main() -> str:
    translated(f"{HEAD}{KERNEL}ret;\n}}\n", "test.ptx")  # is good
    found = [complaint(f"{HEAD}{KERNEL}{text}\nret;\n}}\n", LINE, words) for text, words in STATEMENTS]
    found += [complaint(HEAD + text, 5, words) for text, words in MODULES]
    return "\n".join(filter(None, found))


if __name__ == "__main__":
    sys.exit(main() or 0)
