"""Arm's Ethos-U NPUs, and the system in which each is taken to stand where nobody says.

An NPU has no memory of its own: how fast it is and what it needs hangs on the memories around it, which Vela reads
from a system configuration and a memory mode, both of its own file `Arm/vela.ini`. Those of the makers of chips differ.
"""

from dataclasses import dataclass

from efficientnet_lite.vocabulary import ETHOS_U_TARGETS, EthosUTarget


@dataclass(frozen=True, slots=True)
class EthosU:
    """One NPU: `macs` multiply-accumulates a cycle, in a system of Vela's."""

    name: EthosUTarget
    family: str  # "U55", "U65", "U85"
    macs: int
    system: str  # a System_Config of Arm/vela.ini
    memory_mode: str  # a Memory_Mode of it

    @property
    def title(self) -> str:
        return f"Arm Ethos-{self.family}-{self.macs}"


# Source for U55 and U65: Arm, CMSIS-Ethos-U, "FVP Ethos setup": the settings of the examples for Corstone-300. For U85:
# the example of Vela's own README, with the middle one of its three systems with DRAM.
SYSTEMS = {
    "U55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),  # 500 MHz, SRAM 4 GB/s, flash 0.5 GB/s
    "U65": ("Ethos_U65_Mid_End", "Dedicated_Sram_384KB"),  # 500 MHz, SRAM 8 GB/s, DRAM 3.75 GB/s
    "U85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),  # 1 GHz, SRAM 32 GB/s, DRAM 12 GB/s
}
SYSTEMS_SOURCE = "Arm, CMSIS-Ethos-U, FVP Ethos setup; Vela's README"


def _npu(name: EthosUTarget) -> EthosU:
    _, family, macs = name.upper().split("-")
    return EthosU(name, family, int(macs), *SYSTEMS[family])


ETHOS_U: dict[EthosUTarget, EthosU] = {name: _npu(name) for name in ETHOS_U_TARGETS}
