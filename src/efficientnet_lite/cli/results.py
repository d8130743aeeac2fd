"""How the results of `train`, `export` and `verify` are put into tables."""

from collections.abc import Sequence
from typing import Any

from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.inference.evaluate import Evaluation
from efficientnet_lite.inference.verify import Bars, Comparison
from efficientnet_lite.report.facts import choices
from efficientnet_lite.stories.export_checkpoint import CARD_FORMAT as CHECKPOINT
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.finish import Trained
from efficientnet_lite.stories.verify import Verified


def show_trained(console: Console, trained: Trained) -> None:
    """The table at the end of `train`, and what a person should know beside it."""
    card, proof = trained.card, trained.proof
    photos = card["data"]["photos"]
    counts = ", ".join(f"{count} {split}" for split, count in photos.items() if count)
    console.note(f"{len(card['labels'])} classes; photos: {counts}; skipped: {card['data']['skipped']}")
    for note in trained.notes:
        console.note(note)
    console.note(
        f"duplicates: {card['data']['exact_duplicates']} groups exact, {card['data']['near_duplicates']} near; "
        f"leaks between splits: {card['data']['leaks']}"
    )
    for attempt in trained.head.attempts:
        chosen = "  <- chosen" if attempt == trained.head.chosen else ""
        console.note(
            f"regularisation {attempt.strength:<6g} validation loss {attempt.loss:.4f}, "
            f"top-1 {percent(attempt.top1)}, {attempt.iterations} iterations{chosen}"
        )
    views = [each.view for each in proof.float32]
    evaluations: dict[str, Sequence[Evaluation]] = {"float32": proof.float32, "int8": proof.int8}
    rows = []
    for export in card["exports"]:
        precision = export["precision"]
        agreement = "-" if precision == "float32" else _agreement(proof.comparisons)
        rows.append(
            [
                export["path"],
                precision,
                f"{export['bytes']:,}",
                *(percent(each.top1, each.interval) for each in evaluations[precision]),
                agreement,
                f"{export['latency_ms']:.1f} ms",
            ]
        )
    columns = ["file", "precision", "bytes", *(f"top-1 {view}" for view in views), "agreement", "latency"]
    console.table("", columns, rows, right=columns[2:])
    split = card["metrics"]["split"]
    also = f", which also chose {choices(card)}" if split == "validation" else ""
    console.line(
        f"Accuracy on the {split} photos ({proof.float32[0].count}){also}; 95 % intervals in brackets."
    )
    bars = Bars(card["verification"]["max_drop"], card["verification"]["min_agreement"])
    _say_if_undecided(console, proof.comparisons, bars)
    console.line(f"The run lies in {trained.run}")


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
        "head": card["head"],
    }


def show_exported(console: Console, exported: Exported) -> None:
    """One file and its proof."""
    comparison, reduction = exported.comparison, exported.reduction
    proof = f"within {exported.parity.difference:.1g} of numpy"
    if exported.format == CHECKPOINT:
        proof = "read back, equal to the bit"
    if reduction is not None:
        proof = f"{reduction.snr_db:.1f} dB from float32"
    if comparison is not None:
        if reduction is not None and reduction.agreement is not None:
            proof = f"agreement {percent(comparison.agreement, comparison.agreement_interval)}, {proof}"
        if comparison.drop is not None:
            proof += f", top-1 drops by {100 * comparison.drop:.1f} points"
        proof += f" on {comparison.count} photos" + (", cross-fitted" if exported.cross_fitted else "")
    columns = ["file", "precision", "outputs", "bytes", "proof"]
    row = [str(exported.path), exported.precision, ", ".join(exported.outputs), f"{exported.bytes:,}", proof]
    console.table("", columns, [row], right=["bytes"])


def show_verified(console: Console, verified: Verified) -> None:
    """The comparisons, and whether all of it holds."""
    for note in verified.notes:
        console.warn(note)
    if verified.comparisons:
        columns = ["photos as", "photos", "agreement", "top-1 float", "top-1 int8", "drop", "SNR"]
        rows = [
            [
                each.view,
                each.count,
                percent(each.agreement, each.agreement_interval),
                percent(each.top1_parent),
                percent(each.top1_child),
                "-" if each.drop is None else f"{100 * each.drop:.1f} points",
                f"{each.snr_db:.1f} dB",
            ]
            for each in verified.comparisons
        ]
        console.table("", columns, rows, right=columns[1:])
    for fault in verified.faults:
        console.line(f"failed: {fault}")
    if verified.passed:
        console.line(f"verified: {verified.target}")


def _agreement(comparisons: Sequence[Comparison]) -> str:
    """The agreement of the worst view."""
    worst = min(comparisons, key=lambda each: each.agreement)
    return percent(worst.agreement, worst.agreement_interval)


def _say_if_undecided(console: Console, comparisons: Sequence[Comparison], bars: Bars) -> None:
    for each in comparisons:
        if not each.decided(bars) and each.drop_interval is not None:
            console.line(
                f"{each.count} photos are too few to decide on the int8 file as {each.view}: top-1 drops by "
                f"{100 * (each.drop or 0):.1f} points ({100 * each.drop_interval.low:.1f} to "
                f"{100 * each.drop_interval.high:.1f}, allowed {100 * bars.max_drop:.1f})."
            )
