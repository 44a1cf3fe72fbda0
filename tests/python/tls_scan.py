"""Looks for thread-local addresses that compiled code keeps over a call: python tls_scan.py LIBRARY

A task may come out of a call on another thread. An address of something thread-local that was asked for before the call is then
that of another thread's. This reads the disassembly, function by function, from top to bottom: what `__tls_get_addr` or the thread
pointer (%fs:0) gave is followed through registers and stack slots, is stale after a call, and is told of when it is used then.
Branches are not followed, so it is a heuristic that errs to both sides; values read through %fs are no addresses and never told of.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

KEPT = {"rbx", "rbp", "r12", "r13", "r14", "r15"}  # registers that a call leaves as they are
ARGUMENTS = {"rdi", "rsi", "rdx", "rcx", "r8", "r9"}
# Calls that reach no other code of ours: they cannot switch.
LEAVES = re.compile(r"__tls_get_addr|mem(cpy|set|move|cmp)|strlen|pthread_(get|set)specific|__cxa_thread_atexit|syscall|__errno_location")


class Use(NamedTuple):
    """A stale address was used: in which function, at which instruction, and the call that made it stale."""

    function: str
    instruction: str
    call: str


def register(text: str) -> str:
    """The 64-bit register that %eax, %r8d, %bl … are a part of."""
    name = text.lstrip("%")
    if re.fullmatch(r"r\d+[dwb]?", name):
        return name.rstrip("dwb")
    core = re.fullmatch(r"[er]?(ax|bx|cx|dx|si|di|bp|sp)l?|([abcd])[lh]", name)
    if core:
        return "r" + (core[1] or core[2] + "x")
    return name


def operands(text: str) -> list[str]:
    """Splits at commas outside of parentheses."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def base(operand: str) -> str | None:
    """The base register of a memory operand that is not on the stack."""
    found = re.search(r"\((%\w+)", operand)
    name = register(found[1]) if found and not operand.startswith("%fs:") else None
    return None if name in ("rsp", "rip") else name


class Function:
    """One function's walk: which registers and stack slots hold such an address, and since which call it is stale."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: dict[str, str | None] = {}

    def call(self, line: str, target: str) -> Iterator[Use]:
        for name in ARGUMENTS & self.held.keys():
            if self.held[name]:
                yield Use(self.name, line, self.held[name] or "")
        for name in [name for name in self.held if re.fullmatch(r"r\w+", name) and name not in KEPT]:
            del self.held[name]
        if not LEAVES.search(target):
            self.held = {name: stale or target for name, stale in self.held.items()}
        if "__tls_get_addr" in target:
            self.held["rax"] = None

    def step(self, line: str, name: str, parts: list[str]) -> Iterator[Use]:
        for part in parts:
            found = base(part)
            if name != "lea" and found in self.held and self.held[found]:
                yield Use(self.name, line, self.held[found] or "")
        if not parts:
            return
        source, target = parts[0], parts[-1]
        into = register(target) if re.fullmatch(r"%\w+", target) else target
        if name in ("mov", "movq") and len(parts) == 2:
            of = register(source) if re.fullmatch(r"%\w+", source) else source
            if source == "%fs:0x0":
                self.held[into] = None
            elif of in self.held and (into.startswith("r") or "(%rsp" in into or "(%rbp" in into):
                self.held[into] = self.held[of]
            else:
                self.held.pop(into, None)
        elif name == "lea":
            of = base(source) or ""
            if of in self.held:
                self.held[into] = self.held[of]
            else:
                self.held.pop(into, None)
        elif name in ("xor", "sub") and source == target or name == "pop" or name.startswith(("movz", "movs", "set")):
            self.held.pop(into, None)


def scan(disassembly: Iterable[str]) -> Iterator[Use]:
    """Reads what `objdump -d` prints."""
    function = Function("")
    for line in disassembly:
        head = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        if head:
            function = Function(head[1])
            continue
        code = re.match(r"\s+[0-9a-f]+:\s+(?:(?:data16|rex\.W|bnd|notrack|lock|rep\w*)\s+)*(\w+)\s*(.*)", line)
        if not code:
            continue
        name, rest = code[1], code[2].split("#")[0].strip()
        if name.startswith("call"):
            yield from function.call(line.strip(), rest)
        else:
            yield from function.step(line.strip(), name, operands(rest))


def scan_library(path: str) -> list[Use]:
    """Every use of a stale address in a library, once a function and call."""
    command = ["objdump", "-d", "--no-show-raw-insn", "-C", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list({(use.function, use.call): use for use in scan(text.splitlines())}.values())


if __name__ == "__main__":
    for use in scan_library(sys.argv[1]):
        print(f"{use.function}: `{use.instruction}` after `{use.call}`")
