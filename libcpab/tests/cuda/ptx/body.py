"""The body of a kernel in C++: statement by statement, in terms of kernel.h."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from operations import OPERATIONS
from parse import SIZES, Brace, Instruction, Kernel, Label, Module, Refusal, Registers

#: Where a thread is: functions of kernel.h.
PLACES = {
    "%tid.x": "thread_in_block()",
    "%ntid.x": "threads_of_block()",
    "%laneid": "lane()",
    "%ctaid.x": "block()",
    "%nctaid.x": "blocks()",
    "%ctaid.y": "row()",
    "%nctaid.y": "rows()",
}
ADDRESS = re.compile(r"\[\s*([\w$%.]+?)\s*(?:\+\s*(-?\d+)\s*)?\]")
INTEGER = re.compile(r"-?\d+")
FLOAT = re.compile(r"0[fF]([0-9A-Fa-f]{8})|0[dD]([0-9A-Fa-f]{16})")
LOAD = re.compile(r"ld(?:\.(param|global\.nc|global|shared|local))?(?:\.v([24]))?\.(\w+)")
STORE = re.compile(r"st(?:\.(global|shared|local))?(?:\.v([24]))?\.(\w+)")
ATOMIC = re.compile(r"atom\.(global)\.(add\.(?:u32|u64|f32|f64)|(?:min|max)\.(?:u32|s32|u64|s64))")
SHUFFLE = re.compile(r"shfl\.sync\.(idx|bfly|up|down)\.b32")
#: Between spaces of addresses: generic ones are those of the CPU.
CONVERSION = re.compile(r"cvta(\.to)?\.(global|shared|local)\.u64")


def _plain(type_: str) -> str:
    """The type in C++: bits are unsigned."""
    return "bool" if type_ == "pred" else type_.replace("b", "u")


def _bytes(type_: str) -> int:
    return 0 if type_ == "pred" else SIZES[type_]


class Body:
    """Types of registers are known where they are declared, so that bits are taken for what an operation means."""

    def __init__(self, module: Module, kernel: Kernel):
        self._symbols = {parameter.name: f"param_base + {parameter.offset}" for parameter in kernel.parameters}
        self._symbols |= dict.fromkeys(kernel.local, "local_base")
        if module.shared:
            self._symbols[module.shared] = "shared_base"
        self._parameters = {parameter.name: parameter for parameter in kernel.parameters}
        self._registers: list[dict[str, str]] = [{}]  # types by name, from the outer braces to the inner ones
        self._line = 0
        self._kernel = kernel

    def lines(self) -> Iterator[str]:
        for statement in self._kernel.body:
            match statement:
                case Brace("{"):
                    self._registers.append({})
                    yield "{"
                case Brace():
                    self._registers.pop()
                    yield "}"
                case Label(name):
                    yield f"{_name(name)}:;"
                case Registers(type_, names):
                    self._registers[-1] |= dict.fromkeys(names, type_)
                    yield from (f"{_plain(type_)} {_name(name)} = unset<{_plain(type_)}>();" for name in names)
                case Instruction(line, guard, _, _):
                    self._line = line
                    yield self._condition(guard) + self._instruction(statement)

    # -- operands ----------------------------------------------------------------------------------

    def _refuse(self, what: str) -> Refusal:
        return Refusal(self._line, what)

    def _condition(self, guard: str) -> str:
        if not guard:
            return ""
        condition = self._read(guard.lstrip("!"), "pred")
        return f"if ({'!' if guard.startswith('!') else ''}{condition}) "

    def _type_of(self, register: str) -> str:
        for scope in reversed(self._registers):
            if register in scope:
                return scope[register]
        raise self._refuse(f"unknown register {register}")

    def _read(self, operand: str, type_: str, narrows: bool = False) -> str:
        """An operand as a number of this type. Registers have its size, or may be wider."""
        if operand in PLACES:
            return f"as<{_plain(type_)}>({PLACES[operand]})"
        if operand in self._symbols:
            return self._symbol(operand, type_)
        return self._register(operand, type_, narrows) if operand.startswith("%") else self._literal(operand, type_)

    def _symbol(self, operand: str, type_: str) -> str:
        if _plain(type_) not in ("u64", "u32"):
            raise self._refuse(f"an address as {type_}")
        return f"{_plain(type_)}({self._symbols[operand]})"

    def _register(self, operand: str, type_: str, narrows: bool) -> str:
        own = self._type_of(operand)
        if _plain(own) == _plain(type_):
            return _name(operand)
        if _bytes(own) == _bytes(type_):
            return f"as<{_plain(type_)}>({_name(operand)})"
        if narrows and _bytes(own) > _bytes(type_) > 0:
            return f"low<{_plain(type_)}>({_name(operand)})"
        raise self._refuse(f"{operand} is .{own}, where a number of type {type_} is meant")

    def _literal(self, operand: str, type_: str) -> str:
        if INTEGER.fullmatch(operand) and _plain(type_) not in ("f32", "f64"):
            return self._integer(int(operand), _plain(type_))
        found = FLOAT.fullmatch(operand)
        digits = found and (found[1] or found[2])
        if not digits or len(digits) != 2 * _bytes(type_):
            raise self._refuse(f"unknown operand {operand} of type {type_}")
        return f"as<{_plain(type_)}>(u{4 * len(digits)}(0x{digits}u))"

    def _integer(self, number: int, plain: str) -> str:
        if plain == "bool":
            return "true" if number else "false"
        return f"{plain}({number})" if abs(number) < 2**31 else f"{plain}({number % 2**64:#x}u)"

    def _write(self, register: str, type_: str, number: str, extends: bool = False) -> str:
        """Gives a register a number of this type. Registers have its size, or may be wider."""
        own = self._type_of(register)
        if _plain(own) == _plain(type_):
            return f"{_name(register)} = {number};"
        if _bytes(own) == _bytes(type_):
            return f"{_name(register)} = as<{_plain(own)}>({number});"
        if extends and _bytes(own) > _bytes(type_) > 0:
            return f"{_name(register)} = extended<{_plain(own)}, {_plain(type_)}>({number});"
        raise self._refuse(f"{register} is .{own}, where a number of type {type_} is meant")

    def _operands(self, instruction: Instruction, count: int) -> tuple[str, ...]:
        if len(instruction.operands) != count:
            raise self._refuse(f"{instruction.mnemonic} has {len(instruction.operands)} operands, and not {count}")
        return instruction.operands

    # -- operations --------------------------------------------------------------------------------

    def _instruction(self, instruction: Instruction) -> str:
        if instruction.mnemonic.startswith("mov.") and any("{" in operand for operand in instruction.operands):
            return self._move_halves(instruction)
        if instruction.mnemonic in OPERATIONS:
            return self._on_registers(instruction)
        for pattern, write in self._others():
            found = pattern.fullmatch(instruction.mnemonic)
            if found:
                return write(instruction, found)
        raise self._refuse(f"unknown operation {instruction.mnemonic}")

    def _others(self) -> tuple[tuple[re.Pattern[str], Callable[[Instruction, re.Match[str]], str]], ...]:
        return (
            (LOAD, self._load),
            (STORE, self._store),
            (ATOMIC, self._atomic),
            (CONVERSION, self._convert_address),
            (re.compile(r"bra(\.uni)?"), lambda instruction, _: f"goto {_name(self._operands(instruction, 1)[0])};"),
            (re.compile(r"ret"), lambda instruction, _: "return;"),
            (re.compile(r"bar\.sync"), self._sync_block),
            (re.compile(r"bar\.warp\.sync"), self._sync_warp),
            (re.compile(r"bar\.red\.or\.pred"), self._any_in_block),
            (re.compile(r"vote\.sync\.ballot\.b32"), self._ballot),
            (SHUFFLE, self._shuffle),
        )

    def _on_registers(self, instruction: Instruction) -> str:
        operation = OPERATIONS[instruction.mnemonic]
        to, *operands = self._operands(instruction, 1 + len(operation.operands))
        numbers = [
            self._read(operand, type_, operation.converts)
            for operand, type_ in zip(operands, operation.operands, strict=True)
        ]
        return self._write(to, operation.result, f"{operation.function}({', '.join(numbers)})", operation.converts)

    def _move_halves(self, instruction: Instruction) -> str:
        """A register from two halves, or to them, the lower one first."""
        to, source = self._operands(instruction, 2)
        if instruction.mnemonic != "mov.b64":
            raise self._refuse(f"{instruction.mnemonic} of parts")
        if "{" in to:
            low, high = self._parts(to, 2)
            return (
                f"{{ const u64 whole = {self._read(source, 'b64')}; {self._write(low, 'b32', 'u32(whole)')} "
                f"{self._write(high, 'b32', 'u32(whole >> 32)')} }}"
            )
        low, high = self._parts(source, 2)
        return self._write(to, "b64", f"joined({self._read(low, 'b32')}, {self._read(high, 'b32')})")

    def _parts(self, operand: str, count: int) -> list[str]:
        parts = [part.strip() for part in operand.strip("{}").split(",")]
        if len(parts) != count:
            raise self._refuse(f"{operand} has not {count} parts")
        return parts

    # -- memory ------------------------------------------------------------------------------------

    def _memory(self, operand: str, space: str, type_: str, count: int) -> str:
        """Where memory of these numbers is, which is checked."""
        found = ADDRESS.fullmatch(operand)
        if not found or type_ not in SIZES:
            raise self._refuse(f"unknown access to {operand} as {type_}")
        base, offset = found[1], int(found[2] or 0)
        if base in self._parameters:
            parameter = self._parameters[base]
            if space != "param" or not 0 <= offset <= parameter.size - count * SIZES[type_]:
                raise self._refuse(f"{operand} is not of this parameter, or is none")
        address = self._read(base, "u64" if base in self._symbols or _bytes(self._type_of(base)) == 8 else "u32")
        step = f" {'+' if offset > 0 else '-'} {abs(offset)}" if offset else ""
        return f"thread.{space or 'generic'}<{_plain(type_)}, {count}>({address}{step}, {self._line})"

    def _load(self, instruction: Instruction, found: re.Match[str]) -> str:
        to, source = self._operands(instruction, 2)
        space, count, type_ = (found[1] or "").removesuffix(".nc"), int(found[2] or 1), found[3]
        memory = self._memory(source, space, type_, count)
        if count == 1:
            return self._write(to, type_, f"{memory}[0]", extends=True)
        parts = [self._write(part, type_, f"from[{i}]", extends=True) for i, part in enumerate(self._parts(to, count))]
        return f"{{ const {_plain(type_)} *const from = {memory}; {' '.join(parts)} }}"

    def _store(self, instruction: Instruction, found: re.Match[str]) -> str:
        to, source = self._operands(instruction, 2)
        space, count, type_ = found[1] or "", int(found[2] or 1), found[3]
        memory = self._memory(to, space, type_, count)
        if count == 1:
            return f"{memory}[0] = {self._read(source, type_, narrows=True)};"
        numbers = [self._read(part, type_, narrows=True) for part in self._parts(source, count)]
        parts = [f"to[{i}] = {number};" for i, number in enumerate(numbers)]
        return f"{{ {_plain(type_)} *const to = {memory}; {' '.join(parts)} }}"

    def _atomic(self, instruction: Instruction, found: re.Match[str]) -> str:
        to, address, operand = self._operands(instruction, 3)
        what, _, type_ = found[2].partition(".")
        memory = self._memory(address, found[1], type_, 1)
        number = self._read(operand, type_)
        return self._write(to, type_, f"atomic_{what}<{_plain(type_)}>({memory}, {number})")

    def _convert_address(self, instruction: Instruction, found: re.Match[str]) -> str:
        to, source = self._operands(instruction, 2)
        direction = "to" if found[1] else "from"
        return self._write(to, "u64", f"thread.{direction}_{found[2]}({self._read(source, 'u64')})")

    # -- other threads -----------------------------------------------------------------------------

    def _at(self, instruction: Instruction) -> str:
        return f'at("{instruction.mnemonic}", {self._line})'

    def _sync_block(self, instruction: Instruction, _: re.Match[str]) -> str:
        self._barrier(*self._operands(instruction, 1))
        return f"stand_in::sync_block({self._at(instruction)});"

    def _barrier(self, number: str) -> None:
        if number != "0":
            raise self._refuse(f"barrier {number}; there is one, of the whole block")

    def _any_in_block(self, instruction: Instruction, _: re.Match[str]) -> str:
        to, barrier, condition = self._operands(instruction, 3)
        self._barrier(barrier)
        return self._write(
            to, "pred", f"stand_in::any_in_block({self._read(condition, 'pred')}, {self._at(instruction)})"
        )

    def _sync_warp(self, instruction: Instruction, _: re.Match[str]) -> str:
        (lanes,) = self._operands(instruction, 1)
        return f"sync_lanes({self._read(lanes, 'u32')}, {self._at(instruction)});"

    def _ballot(self, instruction: Instruction, _: re.Match[str]) -> str:
        to, condition, lanes = self._operands(instruction, 3)
        numbers = f"{self._read(condition, 'pred')}, {self._read(lanes, 'u32')}"
        return self._write(to, "b32", f"ballot_of({numbers}, {self._at(instruction)})")

    def _shuffle(self, instruction: Instruction, found: re.Match[str]) -> str:
        to, *numbers = self._operands(instruction, 5)
        number, valid = [*to.split("|"), ""][:2]
        operands = ", ".join(self._read(operand, "b32") for operand in numbers)
        write = self._write(number.strip(), "b32", "answer.number")
        write += f" {self._write(valid.strip(), 'pred', 'answer.valid')}" if valid else ""
        return f"{{ const Answer answer = ask_{found[1]}({operands}, {self._at(instruction)}); {write} }}"


def _name(name: str) -> str:
    """Of a register or a label, in C++, where f32 is a type and %f32 becomes f_32."""
    return re.sub(r"^%(\w+?)(\d+)$", r"\1_\2", name).lstrip("%$").replace("$", "_")
