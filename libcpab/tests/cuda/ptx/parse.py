"""PTX as nvcc writes it, read into kernels and their statements. What is not known is refused, with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Bytes of the types of numbers; a predicate is no number.
SIZES = {f"{kind}{8 * size}": size for kind in "bsu" for size in (1, 2, 4, 8)} | {"f32": 4, "f64": 8}


class Refusal(Exception):
    """PTX that this translator does not know: never skipped, as what is skipped is not shown."""

    def __init__(self, line: int, what: str):
        super().__init__(f"{line}: {what}")


@dataclass(frozen=True)
class Parameter:
    name: str
    offset: int
    size: int
    align: int


@dataclass(frozen=True)
class Registers:
    type: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Label:
    name: str


@dataclass(frozen=True)
class Brace:
    mark: str


@dataclass(frozen=True)
class Instruction:
    line: int
    guard: str  # "%p1" or "!%p1", or nothing
    mnemonic: str
    operands: tuple[str, ...]


@dataclass(frozen=True)
class Kernel:
    name: str
    parameters: tuple[Parameter, ...]
    body: list[Registers | Label | Brace | Instruction] = field(default_factory=list)
    local: dict[str, int] = field(default_factory=dict)  # bytes of its array in local memory, by name


@dataclass
class Module:
    target: str = ""
    shared: str = ""  # the name of the memory that a launch gives a block
    kernels: list[Kernel] = field(default_factory=list)


NAME = r"[\w$%.]+"
HEAD = re.compile(
    rf"""\.version\s+[\d.]+ | \.address_size\s+64
    | \.target\s+(?P<target>\w+)
    | \.extern\s+\.shared\s+\.align\s+16\s+\.b8\s+(?P<shared>{NAME})\[\]\s*;
    | \.visible\s+\.entry\s+(?P<entry>{NAME})\s*\((?P<parameters>[^()]*)\)\s*(?P<limits>[^{{]*)\{{
    """,
    re.VERBOSE,
)
#: How many threads the kernel is compiled for.
LIMITS = re.compile(r"(\.maxntid\s+\d+(,\s*1){0,2}\s*)?")
PARAMETER = re.compile(
    rf"\.param\s+(?:\.align\s+(?P<align>\d+)\s+)?\.(?P<type>\w+)\s+(?:\.ptr\s+\.align\s+\d+\s+)?"
    rf"(?P<name>{NAME})(?:\[(?P<length>\d+)\])?"
)
#: Hints for ptxas, which change no result.
HINT = r"\.pragma\s+\"(?:nounroll|used_bytes_mask\s+\w+)\"\s*;"
STATEMENT = re.compile(
    rf"""(?P<brace>[{{}}]) | {HINT}
    | (?P<label>[\w$]+):
    | \.reg\s+\.(?P<type>\w+)\s+(?P<registers>[^;]*);
    | \.local\s+\.align\s+\d+\s+\.b8\s+(?P<local>{NAME})\[(?P<bytes>\d+)\]\s*;
    | (?:@(?P<guard>!?%\w+)\s+)?(?P<mnemonic>[a-z][\w.:]*)\s*(?P<operands>[^;]*);
    """,
    re.VERBOSE,
)
SPACE = re.compile(r"\s*")
OPERAND = re.compile(r"(?:\{[^}]*\}|\[[^\]]*\]|[^,{\[])+")


class Scanner:
    """Goes through a text, match by match; knows its line."""

    def __init__(self, text: str):
        self.text = re.sub(r"//[^\n]*|/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
        self.at, self.line = 0, 1
        self._take_space()

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if not found:
            raise Refusal(self.line, f"unknown: {self.text[self.at :].partition(chr(10))[0]}")
        self._go_to(found.end())
        self._take_space()
        return found

    def is_done(self) -> bool:
        return self.at == len(self.text)

    def _take_space(self) -> None:
        self._go_to(SPACE.match(self.text, self.at).end())

    def _go_to(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end)
        self.at = end


def module(text: str) -> Module:
    scanner, found = Scanner(text), Module()
    while not scanner.is_done():
        line, head = scanner.line, scanner.take(HEAD)
        found.target = head["target"] or found.target
        found.shared = head["shared"] or found.shared
        if head["entry"]:
            if not LIMITS.fullmatch(head["limits"]):
                raise Refusal(line, f"unknown limits of a kernel: {head['limits']}")
            kernel = Kernel(head["entry"], tuple(_parameters(line, head["parameters"])))
            _read_body(scanner, kernel)
            found.kernels.append(kernel)
    return found


def _parameters(line: int, text: str) -> list[Parameter]:
    """Each begins behind the one before, where its alignment lets it."""
    parameters, end = [], 0
    for part in filter(str.strip, text.split(",")):
        found = PARAMETER.fullmatch(part.strip())
        if not found or found["type"] not in SIZES:
            raise Refusal(line, f"unknown parameter: {part.strip()}")
        size = SIZES[found["type"]] * int(found["length"] or 1)
        align = int(found["align"] or SIZES[found["type"]])
        offset = -(-end // align) * align
        parameters.append(Parameter(found["name"], offset, size, align))
        end = offset + size
    return parameters


def _read_body(scanner: Scanner, kernel: Kernel) -> None:
    """The statements up to the brace that closes the one before the first of them."""
    depth = 1
    while depth:
        line, found = scanner.line, scanner.take(STATEMENT)
        if found["brace"]:
            depth += 1 if found["brace"] == "{" else -1
            if depth:
                kernel.body.append(Brace(found["brace"]))
        elif found["label"]:
            kernel.body.append(Label(found["label"]))
        elif found["registers"]:
            if found["type"] not in SIZES and found["type"] != "pred":
                raise Refusal(line, f"unknown registers: .{found['type']}")
            kernel.body.append(Registers(found["type"], tuple(_register_names(found["registers"]))))
        elif found["local"]:
            if kernel.local:
                raise Refusal(line, "a second array in local memory")
            kernel.local[found["local"]] = int(found["bytes"])
        elif found["mnemonic"]:
            operands = tuple(part.strip() for part in OPERAND.findall(found["operands"]) if part.strip())
            kernel.body.append(Instruction(line, found["guard"] or "", found["mnemonic"], operands))


def _register_names(text: str) -> list[str]:
    """``%r<3>`` is ``%r0 %r1 %r2``."""
    names = []
    for part in text.split(","):
        name, bracket, count = part.strip().partition("<")
        names += [f"{name}{i}" for i in range(int(count[:-1]))] if bracket else [name]
    return names
