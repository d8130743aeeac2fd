"""On which boards a file fits, by estimates from the file alone, for which no tool has to be installed.

Measured for networks of ours: TFLite Micro's arena is within 1 % of that of `arena` (lite0 to lite4); Vela needs SRAM
for the tensors that live at once, and compiled for size no more than 45 % of that (lite0 at 64 to 224 pixels, Vela
5.2.0). The tools themselves have the last word.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from efficientnet_lite.chips.arena import estimated_arena, scratch_bytes, tensor_bytes
from efficientnet_lite.chips.boards import BOARDS, KIB, Board
from efficientnet_lite.chips.sizes import SMALLEST, STEP
from efficientnet_lite.network.plan import INPUT, Add, Conv, Dense, Plan, make_plan
from efficientnet_lite.strangers.structure import CheckedModel

NPU_MORE, NPU_SMALLEST = 1.05, 0.45  # of the tensors alive at once: compiled for speed, and for size
PROGRAM_FLASH, PROGRAM_RAM = 256 * KIB, 64 * KIB  # that the program around it takes, at least
Way = Literal["npu", "npu, compiled for size", "cpu", "cpu, arena outside of the chip", "too large"]


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that a file takes on a chip."""

    flash: int
    tensors: int  # alive at once
    kept: int  # by TFLite Micro and its kernels, on a CPU

    @property
    def arena(self) -> int:
        """On a CPU."""
        return self.tensors + self.kept


@dataclass(frozen=True, slots=True)
class BoardFit:
    """How a file fits on one board."""

    board: Board
    way: Way
    flash_short: int  # bytes that are missing where it is too large
    ram_short: int
    size: int | None = None  # pixels of the largest input that fits, where the RAM is what is missing

    @property
    def fits(self) -> bool:
        return self.way != "too large"

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def needs_of(model: CheckedModel, file_bytes: int) -> Needs:
    """What an int8 file takes."""
    tensors = tensor_bytes(model)
    return Needs(file_bytes, tensors, estimated_arena(model) - tensors + scratch_bytes(model))


def fits_on(needs: Needs, plan: Plan | None = None, boards: Iterable[Board] = BOARDS) -> tuple[BoardFit, ...]:
    """How it fits on each board; `plan` is the network of a file of ours, of which smaller inputs are looked at."""
    return tuple(_fit(needs, plan, board) for board in boards)


def _fit(needs: Needs, plan: Plan | None, board: Board) -> BoardFit:
    flash_short = max(0, needs.flash + PROGRAM_FLASH - board.flash_bytes)
    ways = _ways(needs, board)
    for way, needed, room in ways:
        if not flash_short and needed + PROGRAM_RAM <= room:
            return BoardFit(board, way, 0, 0)
    _, needed, room = min(ways, key=lambda each: each[1] - each[2])
    ram_short = max(0, needed + PROGRAM_RAM - room)
    size = _largest(needs, plan, board) if ram_short and not flash_short and plan else None
    return BoardFit(board, "too large", flash_short, ram_short, size)


def _ways(needs: Needs, board: Board) -> list[tuple[Way, int, int]]:
    """Ways to run it there, the best first: bytes that it takes, and that are there."""
    if board.npus:
        fastest = round(NPU_MORE * needs.tensors)
        if board.more_ram_bytes and not board.npus[0].startswith(
            "ethos-u55"
        ):  # which alone writes to no DRAM
            return [("npu", fastest, board.more_ram_bytes)]
        smallest = round(NPU_SMALLEST * needs.tensors)
        return [("npu", fastest, board.ram_bytes), ("npu, compiled for size", smallest, board.ram_bytes)]
    ways: list[tuple[Way, int, int]] = [("cpu", needs.arena, board.ram_bytes)]
    if board.more_ram_bytes:
        ways.append(("cpu, arena outside of the chip", needs.arena, board.more_ram_bytes))
    return ways


def _largest(needs: Needs, plan: Plan, board: Board) -> int | None:
    """The largest input of the network below its own at which it fits."""
    for size in range((plan.size - 1) // STEP * STEP, SMALLEST - 1, -STEP):
        tensors = planned_bytes(make_plan(plan.variant, size=size, classes=plan.classes))
        smaller = Needs(needs.flash, tensors, needs.kept)
        if any(needed + PROGRAM_RAM <= room for _, needed, room in _ways(smaller, board)):
            return size
    return None


def planned_bytes(plan: Plan) -> int:
    """The most that the tensors of an int8 file of the plan take which live at once, the raw pixels among them."""
    sides, channels = plan.sides(), {INPUT: 3}
    last = {INPUT: 0}
    for place, step in enumerate(plan.steps, 1):
        channels[step.name] = step.outputs if isinstance(step, Conv | Dense) else channels[step.source]
        last[step.name] = place
        for read in (step.source, *([step.skip] if isinstance(step, Add) else [])):
            last[read] = place
    sizes = {name: sides[name] ** 2 * count for name, count in channels.items()}
    born = {INPUT: 0} | {step.name: place for place, step in enumerate(plan.steps, 1)}
    most = [
        sum(size for name, size in sizes.items() if born[name] <= place <= last[name])
        for place in range(len(plan.steps) + 1)
    ]
    return max(2 * sizes[INPUT], *most)
