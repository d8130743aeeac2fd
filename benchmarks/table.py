"""A table with what it was measured on."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.litert import runtime_version

INSTRUCTIONS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "asimddp",
    "i8mm",
)  # those that int8 speed hangs on


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def markdown(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        text = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
        return f"{text}\n\n{self.note}\n" if self.note else f"{text}\n"


def machine() -> str:
    """Processor, cores, the instructions that matter, and the runtime, on one line."""
    name, flags = platform.processor() or platform.machine(), set[str]()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
    there = ", ".join(each for each in INSTRUCTIONS if each in flags) or "none of " + ", ".join(INSTRUCTIONS)
    return f"{name}, {cores()} cores, {there}; LiteRT {runtime_version()}, Python {platform.python_version()}"
