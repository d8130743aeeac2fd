"""What `info --target` says: the rules of an accelerator, or the answer of a chip's own tool."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from efficientnet_lite.chips.micro import MicroReport
from efficientnet_lite.chips.vela import Compilation, VelaReport
from efficientnet_lite.cli.console import Console
from efficientnet_lite.cli.micro_report import show_micro
from efficientnet_lite.errors import EXIT_VERIFICATION
from efficientnet_lite.shell import command_line
from efficientnet_lite.strangers.readiness import Readiness

if TYPE_CHECKING:
    from efficientnet_lite.chips.fitting import BoardFit
    from efficientnet_lite.strangers.readiness import Finding, OperatorPlace

KIB = 1024
ASKED = "ethos-u55-256"  # in an example
_READY = {
    "ready": "ready: every operator maps, by the rules",
    "conditional": "ready only with an option of the delegate",
    "not ready": "NOT READY",
    "not known": "not known: no obstacle found, and no rule can say more",
}


def show_target(console: Console, path: Path, found: object) -> None:
    """The answer for the source at `path`; exits with 5 where it does not run whole on the target."""
    match found:
        case Readiness():
            _show_readiness(console, path, found)
            maps = found.verdict != "not ready"
        case VelaReport():
            _show_vela(console, path, found)
            maps = found.ready
        case MicroReport():
            show_micro(console, path, found)
            maps = found.within
        case _:
            raise TypeError(f"no answer of a target: {type(found).__name__}")
    if not maps:
        raise SystemExit(EXIT_VERIFICATION)


def _show_vela(console: Console, path: Path, found: VelaReport) -> None:
    """Whether all of it runs there, what it takes, and what the estimate rests on."""
    if console.as_json:
        console.json({"path": path.absolute(), **found.to_json()})
        return
    console.line(f"{found.title}, asked of {found.tool}: {_verdict(found)}")
    rows = [[name, *_needs(way)] for name, way in _ways(found).items()]
    columns = ["compiled", "SRAM", *(["DRAM"] if found.fastest.dram_bytes else []), "a photo, estimated"]
    kept = [[cell for cell in row if cell is not None] for row in rows]
    console.table("", columns, kept, right=columns[1:])
    console.line(f"compiled file: {found.compiled_bytes / KIB:,.0f} KiB, of weights and commands")
    console.line(
        f"assumed: {found.system} and {found.memory_mode} of Vela's Arm/vela.ini, {found.clock_hz / 1e6:g} MHz. "
        "Nothing was run: times are the compiler's estimates, and the makers of chips have figures of their own."
    )
    left = Counter((each.name, each.version, each.reason) for each in found.operators if each.on == "cpu")
    if left:
        lines = [[name, version, count, why] for (name, version, why), count in left.items()]
        shown = ["left to the CPU", "version", "count", "why"]
        console.table("", shown, lines, right=["version", "count"], prose="why")


def _verdict(found: VelaReport) -> str:
    on_cpu = len(found.operators) - found.mapped
    if found.too_large_by:
        fits = (
            f"{found.largest_size} pixels fit"
            if found.largest_size
            else "no smaller input of it is known to fit"
        )
        return f"TOO LARGE by {found.too_large_by / KIB:,.0f} KiB of SRAM; {fits}"
    if on_cpu:
        return f"NOT READY: {found.mapped} of {len(found.operators)} operators run on the NPU, {on_cpu} on the CPU"
    return f"ready, all {found.mapped} operators run on the NPU"


def _ways(found: VelaReport) -> dict[str, Compilation]:
    """The ways of compiling that differ."""
    within = "" if found.sram_limit is None else f" within {found.sram_limit // KIB:,} KiB"
    fits = found.sram_limit is None or found.fastest.sram_bytes <= found.sram_limit
    ways = {f"fastest{within}": found.fastest} if fits else {}
    if not fits or found.smallest.sram_bytes < found.fastest.sram_bytes:
        ways["smallest"] = found.smallest
    return ways


def _needs(way: Compilation) -> list[str | None]:
    dram = f"{way.dram_bytes / KIB:,.0f} KiB" if way.dram_bytes else None
    return [f"{way.sram_bytes / KIB:,.0f} KiB", dram, f"{way.milliseconds:,.1f} ms"]


def show_boards(console: Console, run: Path, found: "Sequence[BoardFit]") -> None:
    """The boards on which a run's int8 file fits, and what the others lack."""
    fits = [f"{_board(each)} ({_way(each)})" for each in found if each.fits]
    others = [f"{_board(each)} ({_short(each)})" for each in found if not each.fits]
    rows: list[tuple[str, object]] = [("fits on", fits or ["none of the boards that are known here"])]
    rows += [("too large for", others)] if others else []
    console.facts("", rows)
    unsure = (
        "; * of which a figure was not read on a page" if not all(each.board.seen for each in found) else ""
    )
    ask = command_line(["efficientnet-lite", "info", str(run), "--target", ASKED], windows=os.name == "nt")
    console.line(
        f"estimated from the file and the boards' memory{unsure}. A chip's own tool says it for sure: {ask}"
    )


def _board(fit: "BoardFit") -> str:
    return fit.board.name if fit.board.seen else f"{fit.board.name}*"


def _way(fit: "BoardFit") -> str:
    return fit.way.replace("npu", fit.board.npus[0] if fit.board.npus else "").replace("cpu", "CPU")


def _short(fit: "BoardFit") -> str:
    lacks = [("flash", fit.flash_short), ("RAM", fit.ram_short)]
    short = " and ".join(f"{-(-missing // KIB):,} KiB of {what}" for what, missing in lacks if missing)
    return f"by {short}{f'; {fit.size} pixels fit' if fit.size else ''}"


def _show_readiness(console: Console, path: Path, found: "Readiness") -> None:
    """Operators by kind, the verdict, and what it rests on."""
    if console.as_json:
        console.json({"path": path.absolute(), **found.to_json()})
        return
    console.line(f"{found.title}: {_READY[found.verdict]}")
    if found.verdict != "not known":
        console.line(f"{found.mapped} of {len(found.operators)} operators map, in one partition")
    if (obstacle := found.obstacle) is not None:
        console.line(f"first obstacle: {_said(obstacle)}")
    if found.mapped and found.memory_bytes is not None:
        console.line(_memory(found, found.memory_bytes))
    kinds = Counter((each.name, each.version, each.on, _why(each)) for each in found.operators)
    rules = list(dict.fromkeys(why for _, _, _, why in kinds if why))
    rows = [
        [name, version, count, found.target if on == "target" else on, rules.index(why) + 1 if why else ""]
        for (name, version, on, why), count in kinds.items()
    ]
    columns = ["operator", "version", "count", "on", "rule"]
    shown = columns if rules else columns[:-1]
    console.table("", shown, [row[: len(shown)] for row in rows], right=["version", "count", "rule"])
    for number, rule in enumerate(rules, 1):
        console.line(f"rule {number}: {rule}")
    unsure: dict[str, Finding] = {}  # the first for each rule
    for finding in (each for placed in found.operators for each in placed.findings):
        if finding != obstacle and (finding.effect in ("option", "unknown") or not finding.verified):
            unsure.setdefault(finding.rule, finding)
    for finding in unsure.values():
        console.line(f"note: {_said(finding)}")
    for remark in found.remarks:
        console.line(remark)


def _said(finding: "Finding") -> str:
    place = f"operator {finding.operator} ({finding.name} v{finding.version}), tensor {finding.tensor!r}"
    unverified = "" if finding.verified else "unverified; "
    return f"{place}: {finding.found}; the rule: {finding.rule} ({unverified}{finding.source})"


def _why(placed: "OperatorPlace") -> str:
    """The rule that keeps an operator from the target, or that its mapping hangs on."""
    order = ("refused", "cpu", "option", "unknown")
    findings = sorted(placed.findings, key=lambda each: order.index(each.effect))
    if findings:
        return findings[0].rule + ("" if findings[0].verified else " (unverified)")
    return "outside of the partition" if placed.on == "cpu" else ""


def _memory(found: "Readiness", memory: tuple[int, int]) -> str:
    from efficientnet_lite.strangers.accelerators import MIB

    sure, best = (f"{each / MIB:.1f}" for each in memory)
    weights = f"{found.weights_bytes / MIB:.2f} MiB"
    room = f"the {sure} to {best} MiB that logs show usable on the chip ({found.memory_source})"
    if found.weights_bytes <= memory[0]:
        return f"weights: {weights}, within {room}"
    if found.weights_bytes <= memory[1]:
        return f"weights: {weights}, about {room}: they may not fit whole"
    return f"weights: {weights}, more than {room}: the rest is streamed with every photo, which is slow"
