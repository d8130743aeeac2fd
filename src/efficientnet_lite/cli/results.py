"""How the results of `train`, `export` and `verify` are put into tables."""

import math
from collections.abc import Sequence
from typing import Any

from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.tf1_checkpoint import FORMAT as CHECKPOINT
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.cli.wording import spelled
from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.photos.accounting import Accounting
from efficientnet_lite.photos.classes import some
from efficientnet_lite.proof.evaluate import Evaluation
from efficientnet_lite.proof.gate import Bars, Comparison, doubts
from efficientnet_lite.run.publish import Trained
from efficientnet_lite.run.report.facts import choices

VERDICTS: dict[str, str] = {
    "verified": "verified: {what}",
    "not refuted": "not refuted, too few photos to be sure: {what}",
    "failed": "failed: {what}",
}


def show_accounting(console: Console, accounting: Accounting) -> None:
    """What became of every photo: the numbers, the commonest reason for skipping, and what was passed over."""
    if accounting.skipped:
        console.warn(f"{accounting}; {accounting.reasons()}")
    else:
        console.note(str(accounting))
    if text := accounting.not_photos():
        console.note(text)


def show_trained(console: Console, trained: Trained) -> None:
    """The table at the end of `train`, and what a person should know beside it."""
    card, proof = trained.card, trained.proof
    photos = card["data"]["photos"]
    counts = ", ".join(f"{count} {split}" for split, count in photos.items() if count)
    console.note(f"{len(card['labels'])} classes; {counts}")
    show_accounting(console, trained.accounting)
    for note in trained.notes:
        console.note(note)
    console.note(
        f"duplicates: {card['data']['exact_duplicates']} groups exact, {card['data']['near_duplicates']} near; "
        f"leaks between splits: {card['data']['leaks']}"
    )
    for attempt in trained.head.attempts if trained.head else ():
        chosen = "  <- chosen" if trained.head and attempt == trained.head.chosen else ""
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
    judged, whole = card["metrics"]["judged"], card["metrics"]["photos"]
    count = str(whole) if judged == whole else f"{judged} of {whole}"
    console.line(f"Accuracy on the {split} photos ({count}){also}; 95 % intervals in brackets.")
    if few := too_few_to_judge(judged):
        console.line(f"That is {few}.")
    _say_lost(console, trained)
    bars = Bars(card["verification"]["max_drop"], card["verification"]["min_agreement"])
    console.line(VERDICTS[card["verification"]["verdict"]].format(what="int8 against float32"))
    for doubt in doubts(proof.comparisons, bars, whole=not proof.lost):
        console.line(f"  {doubt}")
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
        **trained.accounting.to_json(),
        "head": card["head"],
    }


def with_notes(document: dict[str, Any]) -> dict[str, Any]:
    """`document` with its notes as the command line says them."""
    return {**document, "notes": [spelled(note) for note in document["notes"]]}


def show_exported(console: Console, exported: Exported) -> None:
    """One file and its proof."""
    comparison, reduction = exported.comparison, exported.reduction
    proof = f"within {exported.parity.difference:.1g} of numpy"
    if exported.format == CHECKPOINT:
        proof = "read back, equal to the bit"
    if reduction is not None:
        proof = (
            f"{reduction.snr_db:.1f} dB from float32" if reduction.snr_db < math.inf else "equal to float32"
        )
    if comparison is not None:
        if reduction is not None and reduction.agreement is not None:
            proof = f"agreement {percent(comparison.agreement, comparison.agreement_interval)}, {proof}"
        if comparison.drop is not None:
            proof += f", top-1 drops by {100 * comparison.drop:.1f} points"
        proof += f" on {comparison.count} photos" + (", cross-fitted" if exported.cross_fitted else "")
    columns = ["file", "precision", "outputs", "bytes", "proof"]
    row = [str(exported.path), exported.precision, ", ".join(exported.outputs), f"{exported.bytes:,}", proof]
    console.table("", columns, [row], right=["bytes"])
    if exported.verdict is not None:
        console.line(VERDICTS[exported.verdict].format(what=exported.path))
        for doubt in exported.doubts:
            console.line(f"  {doubt}")


def _agreement(comparisons: Sequence[Comparison]) -> str:
    """The agreement of the worst view."""
    worst = min(comparisons, key=lambda each: each.agreement)
    return percent(worst.agreement, worst.agreement_interval)


def _say_lost(console: Console, trained: Trained) -> None:
    """Which photos stand behind none of the figures, since they went while the run was made."""
    by_split: dict[str, list[str]] = {}
    for each in trained.card["data"]["lost"]:
        by_split.setdefault(each["split"], []).append(f"{each['path']} ({each['reason']})")
    for split, lost in by_split.items():
        use = "that were to calibrate " if split == "train" else ""
        console.warn(f"{len(lost)} {split} photos {use}were lost during the run: {some(lost, 3)}")
    if trained.proof.lost and trained.proof.network_top1:
        figures = ", ".join(f"{view} {percent(top1)}" for view, top1 in trained.proof.network_top1.items())
        console.line(f"The network itself is right on {figures} of all {trained.card['metrics']['photos']}.")
