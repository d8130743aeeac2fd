"""How the results of `train`, `export` and `verify` are put into tables."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from efficientnet_lite.artifacts.compiled import FORMAT as NPU
from efficientnet_lite.artifacts.compiled import report_path
from efficientnet_lite.artifacts.exported import CompiledFile, Exported
from efficientnet_lite.artifacts.tf1_checkpoint import FORMAT as CHECKPOINT
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.cli.micro_report import show_needs
from efficientnet_lite.cli.wording import spelled
from efficientnet_lite.figures import noise, within
from efficientnet_lite.run.publish import Trained

VERDICTS: dict[str, str] = {
    "verified": "verified: {what}",
    "not refuted": "not refuted (nothing is wrong, but the photos are too few to be sure): {what}",
    "failed": "failed: {what}",
}


def trained_json(trained: Trained) -> dict[str, Any]:
    """`run`, `metrics` and `exports` are what scripts may rely on."""
    card = trained.card
    exports = [{**export, "path": str(trained.run / export["path"])} for export in card["exports"]]
    return {
        "run": str(trained.run),
        "metrics": card["metrics"],
        "exports": exports,
        "verification": card["verification"],
        "data": card["data"],
        **trained.accounting.to_json(),
        "head": card["head"],
    }


class Noted(Protocol):
    """What a command gives, and what a person should know of it."""

    @property
    def notes(self) -> Sequence[str]: ...

    def to_json(self) -> dict[str, Any]: ...


OfCommand = TypeVar("OfCommand", bound=Noted)


def show_noted(
    console: Console, result: OfCommand, show: Callable[[Console, OfCommand], None], *, json: bool
) -> None:
    """Its notes as warnings; then one document, whose notes are as the command line says them, or what `show` shows."""
    for note in result.notes:
        console.warn(note)
    if json:
        document = result.to_json()
        console.json({**document, "notes": [spelled(note) for note in document["notes"]]})
    else:
        show(console, result)


def show_compiled(console: Console, compiled: CompiledFile) -> None:
    """A file for an NPU: what it takes there, and where that is written down."""
    found, kib = compiled.report, 1024
    way = found.fastest if found.chosen == "fastest" else found.smallest
    dram = f" and {way.dram_bytes / kib:,.0f} KiB of DRAM" if way.dram_bytes else ""
    system = f"{found.system}, {found.memory_mode}, {found.clock_hz / 1e6:g} MHz"
    console.line(
        f"compiled for {found.title} by {found.tool}: {compiled.path}, {compiled.bytes:,} bytes; {found.mapped} of "
        f"{len(found.operators)} operators on the NPU, {way.sram_bytes / kib:,.0f} KiB of SRAM{dram}, "
        f"{way.milliseconds:,.1f} ms a photo by its estimate ({system}); not run, as no NPU is here",
        keep=[compiled.path],
    )
    console.line(f"report: {report_path(compiled.path)}", keep=[report_path(compiled.path)])


def show_exported(console: Console, exported: Exported) -> None:
    """One file and its proof."""
    comparison, reduction = exported.comparison, exported.reduction
    proof = f"within {exported.parity.difference:.1g} of the network in numpy"
    if exported.format == CHECKPOINT:
        proof = "read back, equal to the bit"
    if exported.format == NPU:
        proof = "not run: made of a proven file"
    if exported.micro is not None:
        gap = exported.micro.difference
        proof = f"on TFLite Micro {'the same codes as' if gap.codes == 0 else f'within {gap.said} of'} LiteRT"
    if reduction is not None:
        proof = (
            f"within {noise(reduction.snr_db)} of float32"
            if reduction.snr_db < math.inf
            else "equal to float32"
        )
    if comparison is not None:
        if reduction is None or reduction.agreement is not None:
            same = percent(comparison.agreement, comparison.agreement_interval)
            proof = f"same class as float32: {same}" + (f", {proof}" if reduction else "")
        if comparison.drop is not None:
            proof += f", top-1 drops by {100 * comparison.drop:.1f} points"
        proof += f" on {comparison.count} photos" + (
            ", each kept out of its own calibration" if exported.cross_fitted else ""
        )
    columns = ["file", "precision", "outputs", "bytes", "proof"]
    row = [str(exported.path), exported.precision, ", ".join(exported.outputs), f"{exported.bytes:,}", proof]
    console.table("", columns, [row], right=["bytes"], drop=["outputs"], prose="proof")
    if exported.int8 is not None and exported.int8.kept:
        console.line(f"in float32: {', '.join(exported.int8.kept)}")
    if exported.kernels is not None:
        console.line(
            f"golden outputs hold {within(exported.kernels.most)} on {exported.kernels.where} of LiteRT"
        )
    if exported.micro is not None:
        show_needs(console, exported.micro)
        console.line(f"next: {exported.path / 'README.md'} says how to build it", keep=[exported.path])
    if exported.compiled is not None:
        show_compiled(console, exported.compiled)
    if exported.verdict is not None:
        console.line(VERDICTS[exported.verdict].format(what=exported.path), keep=[exported.path])
        for doubt in exported.doubts:
            console.line(f"  {doubt}")
