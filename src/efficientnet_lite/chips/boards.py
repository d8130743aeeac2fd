"""Well-known boards: what a model can lie in and compute in there, with the page that says so.

A board is here where somebody who asks "does it fit" is likely to have it, or one like it. None was tried.
"""

from dataclasses import dataclass

from efficientnet_lite.vocabulary import EthosUTarget

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Board:
    """One board. Sizes are those of the largest piece, since an arena cannot be divided."""

    name: str
    chip: str
    npus: tuple[EthosUTarget, ...]  # none: TFLite Micro computes on the CPU
    flash_bytes: int  # from which a model is read as it lies, on the chip or outside
    ram_bytes: int  # on the chip
    more_ram_bytes: int  # outside of the chip, and slower
    source: str
    seen: bool  # every figure was read there; else one is remembered or concluded, and the output says "unverified"


BOARDS = (
    Board(
        "OpenMV AE3",
        "Alif Ensemble E3",
        ("ethos-u55-256", "ethos-u55-128"),
        32 * MIB,
        4 * MIB,
        0,
        "docs.openmv.io, OpenMV AE3: 204 GOPS at 400 MHz are 256 MACs; Alif, RAM regions: 13.5 MB, SRAM0 4 MB",
        seen=True,
    ),
    Board(
        "Renesas EK-RA8P1",
        "RA8P1",
        ("ethos-u55-256",),
        64 * MIB,
        1664 * KIB,
        0,
        "Zephyr, boards/renesas/ek_ra8p1; 256 MACs from memory",
        seen=False,
    ),
    Board(
        "Infineon KIT_PSE84_EVAL",
        "PSOC Edge E84",
        ("ethos-u55-128",),
        64 * MIB,
        5 * MIB,
        16 * MIB,
        "Qt for MCUs, Infineon PSOC Edge E84 Evaluation Kit; 128 MACs from memory",
        seen=False,
    ),
    Board(
        "Nuvoton NuMaker-M55M1",
        "M55M1",
        ("ethos-u55-256",),
        2 * MIB,
        1344 * KIB,
        0,
        "Zephyr, boards/nuvoton/numaker_m55m1; Nuvoton, ML_VWW, variables.bat: ethos-u55-256",
        seen=True,
    ),
    Board(
        "Seeed Grove Vision AI V2",
        "Himax WiseEye2 HX6538",
        ("ethos-u55-64",),
        13 * MIB,
        2 * MIB,
        0,
        "wiki.seeedstudio.com, Grove Vision AI V2; flash, RAM and MACs from memory and from projects for it",
        seen=False,
    ),
    Board(
        "NXP FRDM-IMX93",
        "i.MX 93",
        ("ethos-u65-256",),
        2048 * MIB,
        384 * KIB,
        2048 * MIB,
        "Linux, commit eb2f28413e23: 2 GB of DRAM, from which models are read; 256 MACs and 384 KB from memory",
        seen=False,
    ),
    Board(
        "Arduino Portenta H7",
        "STM32H747, Cortex-M7",
        (),
        16 * MIB,
        512 * KIB,
        8 * MIB,
        "Arduino, Portenta H7 datasheet: 8 MB SDRAM, 16 MB QSPI flash; the largest piece of 1 MB RAM from memory",
        seen=False,
    ),
    Board(
        "Espressif ESP32-S3-DevKitC-1-N8R8",
        "ESP32-S3, Xtensa LX7",
        (),
        8 * MIB,
        512 * KIB,
        8 * MIB,
        "Espressif, ESP32-S3-DevKitC-1: 8 MB flash, 8 MB PSRAM; Zephyr, boards/espressif/esp32s3_devkitm: 512 KB",
        seen=True,
    ),
    Board(
        "PJRC Teensy 4.1",
        "i.MX RT1062, Cortex-M7",
        (),
        8 * MIB,
        512 * KIB,
        0,
        "Zephyr, boards/pjrc/teensy4: 64 Mbit flash, 1,024 KB; that it is in two halves from memory",
        seen=False,
    ),
    Board(
        "Raspberry Pi Pico 2",
        "RP2350, Cortex-M33",
        (),
        4 * MIB,
        520 * KIB,
        0,
        "Zephyr, boards/raspberrypi/rpi_pico2",
        seen=True,
    ),
)
