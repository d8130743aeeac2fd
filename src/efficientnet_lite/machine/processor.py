"""What Linux says of a processor: its name, and those of its instructions that int8 hangs on. Pure: text to values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from efficientnet_lite.errors import bounded, printable

# Name -> the words that stand for it in /proc/cpuinfo, any of them.
# Source: Linux 6.12, arch/x86/include/asm/cpufeatures.h, arch/arm64/kernel/cpuinfo.c and arch/arm/kernel/setup.c.
X86: Final[Mapping[str, frozenset[str]]] = {
    "AVX2": frozenset({"avx2"}),
    "AVX-512": frozenset({"avx512f"}),
    "AVX-512 VNNI": frozenset({"avx512_vnni"}),
    "AVX-VNNI": frozenset({"avx_vnni"}),
    "AMX int8": frozenset({"amx_int8"}),
}
ARM: Final[Mapping[str, frozenset[str]]] = {
    "NEON": frozenset({"asimd", "neon"}),
    "dot product": frozenset({"asimddp"}),
    "i8mm": frozenset({"i8mm"}),
    "SVE": frozenset({"sve"}),
    "SVE2": frozenset({"sve2"}),
}
# Each multiplies codes and adds four of the products at once, which float has nothing like.
INTEGER: Final = frozenset({"AVX-512 VNNI", "AVX-VNNI", "AMX int8", "dot product", "i8mm"})
NAMES = ("model name", "Model", "Hardware")  # keys: of x86; of small Arm boards
MOST_NAME = 60  # characters


@dataclass(frozen=True, slots=True)
class Processor:
    """What int8 runs on."""

    name: str  # "" where the system does not say
    instructions: tuple[str, ...] | None  # of X86 or ARM; None where the system does not say
    absent: tuple[str, ...]  # the others of its family

    @property
    def has_integer_instructions(self) -> bool | None:
        """Whether int8 has instructions that float32 does not; None where that is not known."""
        return None if self.instructions is None else not INTEGER.isdisjoint(self.instructions)


def processor_of(cpuinfo: str) -> Processor:
    """What /proc/cpuinfo says; of a machine with several kinds of cores what all of them have."""
    flags: set[str] | None = None
    family: Mapping[str, frozenset[str]] = {}
    names: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        key, words = key.strip(), value.split()
        if colon and key in NAMES:
            names.setdefault(key, " ".join(words))
        elif key in ("flags", "Features") and words:
            family = X86 if key == "flags" else ARM
            flags = set(words) if flags is None else flags.intersection(words)
    name = bounded(printable(next((names[key] for key in NAMES if names.get(key)), "")))[:MOST_NAME]
    if flags is None:
        return Processor(name, None, ())
    there = tuple(each for each, words in family.items() if words & flags)
    return Processor(name, there, tuple(each for each in family if each not in there))
