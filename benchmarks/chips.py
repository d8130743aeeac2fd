"""Which chip carries which: lite0 at small sizes, how right it is, what it takes, and how long Vela thinks it needs."""

from benchmarks.inputs import Inputs
from benchmarks.sizes import FOLDS_RUN, NAME, SIZES, accuracy, runs
from benchmarks.table import Table
from efficientnet_lite.chips import micro
from efficientnet_lite.chips.boards import BOARDS, KIB, MIB, Board
from efficientnet_lite.chips.ethos_u import ETHOS_U
from efficientnet_lite.chips.fitting import PROGRAM_FLASH, PROGRAM_RAM, BoardFit, fits_on, needs_of
from efficientnet_lite.chips.sizes import blank_file
from efficientnet_lite.chips.vela import VELA, VelaReport, compiled_by_vela
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.proof.parity import fixed_inputs
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.vocabulary import EthosUTarget

NPUS: tuple[EthosUTarget, ...] = ("ethos-u55-128", "ethos-u55-256", "ethos-u65-512")
CLASSES = 10
WAYS = {
    "npu": "NPU",
    "npu, compiled for size": "NPU, for size",
    "cpu": "CPU",
    "cpu, arena outside of the chip": "CPU, slow RAM",
}


def which_carries_which(inputs: Inputs) -> Table:
    """Accuracy, flash, arena and Vela's times of lite0 from 96 to 224 pixels, trained on a data set."""
    rows, judged = [], 0
    for size in SIZES:
        found = runs(inputs, size)
        right = accuracy(found, "int8")
        judged = right.photos
        data = found[0].export("int8").read_bytes()
        arena = micro.measured(data, fixed_inputs(size), where=str(size))
        reports = [compiled_by_vela(data, npu, where=str(size)).report for npu in NPUS]
        low, high = right.interval
        rows.append(
            [
                f"{NAME}@{size}",
                f"{100 * right.top1:.1f} % ({100 * low:.1f}-{100 * high:.1f})",
                f"{len(data) / KIB:,.0f} KiB",
                f"{(arena.arena_bytes + arena.scratch_bytes) / KIB:,.0f} KiB",
                *(_npu(report) for report in reports),
            ]
        )
    columns = ["model", "top-1, int8", "flash", "arena, CPU", *(ETHOS_U[npu].title for npu in NPUS)]
    return Table("Which chip carries which", columns, rows, _note(judged, reports))


def _npu(report: VelaReport) -> str:
    """Time and memory, compiled for speed and, where that differs, for size."""
    fast, small = report.fastest, report.smallest
    shown = f"{fast.milliseconds:.1f} ms in {fast.sram_bytes / KIB:,.0f} KiB"
    if small.sram_bytes < 0.95 * fast.sram_bytes:
        shown += f"; {small.milliseconds:.1f} ms in {small.sram_bytes / KIB:,.0f} KiB"
    return shown


def _note(judged: int, reports: list[VelaReport]) -> str:
    systems = dict.fromkeys(
        f"{each.system} and {each.memory_mode}, {each.clock_hz / 1e6:g} MHz" for each in reports
    )
    return (
        f"Heads of {CLASSES} classes. Top-1 of the int8 file on {judged:,} photos as phones see them "
        f"({FOLDS_RUN} of three folds: neither training, calibration nor choice had them), in brackets the 95 % "
        "interval. Flash is the plain file; compiled ones are 15 % smaller. The arena is that of "
        f"{micro.TOOL.title}, found by search, with what CMSIS-NN may ask beside; of an NPU the first SRAM is that of "
        f"the fastest way, the second of the smallest. Times are estimates of {VELA.title} for {'; '.join(systems)}, "
        "with weights read from flash or DRAM each time; nothing was run on a chip."
    )


def boards(inputs: Inputs) -> Table:
    """On which well-known boards lite0 fits, from 96 to 224 pixels."""
    fits = {size: _fits(size) for size in SIZES}
    rows = [
        [
            board.name + ("" if board.seen else "*"),
            ", ".join(board.npus) or board.chip.rpartition(", ")[2],
            f"{board.flash_bytes / MIB:,.0f} MiB",
            _ram(board),
            *(_way(fits[size][place]) for size in SIZES),
        ]
        for place, board in enumerate(BOARDS)
    ]
    columns = ["board", "NPU or CPU", "flash", "RAM", *(f"{size}" for size in SIZES)]
    sources = "\n".join(f"- {each.name}: {each.source}" for each in BOARDS)
    note = (
        f"{NAME} in int8 with {CLASSES} classes, by `efficientnet_lite.chips.fitting`: what a board lacks, or where it "
        f"runs; {PROGRAM_FLASH // KIB} KiB of flash and {PROGRAM_RAM // KIB} KiB of RAM are set aside for the program. "
        "No board was tried. RAM is the largest piece on the chip, and what is outside of it. A star marks a board of "
        f"which a figure was not read on a page:\n\n{sources}"
    )
    return Table("On which boards it fits", columns, rows, note)


def _fits(size: int) -> tuple[BoardFit, ...]:
    data = blank_file(make_plan(VARIANTS[NAME], size=size, classes=CLASSES))
    return fits_on(needs_of(check_model(data), len(data)))


def _ram(board: Board) -> str:
    more = f" + {board.more_ram_bytes / MIB:,.0f} MiB" if board.more_ram_bytes else ""
    return f"{board.ram_bytes / KIB:,.0f} KiB{more}"


def _way(fit: BoardFit) -> str:
    if fit.fits:
        return WAYS[fit.way]
    lacks = [("flash", fit.flash_short), ("RAM", fit.ram_short)]
    return ", ".join(f"-{missing / KIB:,.0f} KiB {what}" for what, missing in lacks if missing)
