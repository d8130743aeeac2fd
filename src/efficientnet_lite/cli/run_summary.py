"""How a run shows itself: the end of `train`, and `info` of a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.figures import megabytes, milliseconds
from efficientnet_lite.figures import percent as rounded

if TYPE_CHECKING:
    from pathlib import Path

    from efficientnet_lite.run.publish import Trained
    from efficientnet_lite.run.summary import CaveatKind, Summary

NAMED = 3  # lost photos that a line names


def show_summary(
    console: Console, summary: "Summary", *, more: "Mapping[CaveatKind, str] | None" = None
) -> None:
    """The figures of a run, what they rest on, and what to do next.

    `more` has a longer text for some of the caveats.
    """
    console.line(summary.headline)
    _show_files(console, summary)
    console.line(summary.basis)
    for remark in summary.remarks(more):
        console.line(remark)


def show_next(console: Console, summary: "Summary") -> None:
    """The commands that one would run now, as lines to copy."""
    for listed, line in zip(summary.next_listed, summary.next_lines, strict=True):
        console.line(listed, keep=[line])


def _show_files(console: Console, summary: "Summary") -> None:
    """Size, accuracy and speed of each file, and beside them, where there is room, how alike they answer."""
    columns = ["", "size", "top-1, phone", "latency"]
    rows = [
        [
            file.precision,
            megabytes(file.bytes),
            rounded(file.top1, file.interval),
            milliseconds(file.latency_ms),
        ]
        for file in summary.files
    ]
    alike = {
        file.precision: f"same class as float: {rounded(file.agreement)}"
        for file in summary.files
        if file.agreement is not None
    }
    wide = [[*row, alike.get(row[0], "")] for row in rows]
    beside = console.fits([*columns, " "], wide)
    console.table("", [*columns, " "] if beside else columns, wide if beside else rows, right=columns[1:])
    for precision, text in alike.items():
        if not beside:
            console.line(f"{precision}: {text}")


def show_trained(console: Console, trained: "Trained", shown: "Path") -> None:
    """The end of `train`; `shown` is the run as the user named it."""
    from efficientnet_lite.run.summary import summary_of

    summary = summary_of(trained.card, shown, seconds=trained.seconds)
    if console.verbose:
        _show_details(console, trained)
    show_summary(console, summary, more=_named(trained, shown))
    calibrating = _lost(trained, "train", whole=trained.card["data"]["photos"]["train"])
    for note in (*trained.notes, *([f"{calibrating}; it was to calibrate int8"] if calibrating else [])):
        console.line(f"! {note}")
    if not console.quiet:
        show_next(console, summary)


def _named(trained: "Trained", shown: "Path") -> "Mapping[CaveatKind, str]":
    """Caveats with the names of the photos that they are about."""
    accounting, measured = trained.accounting, trained.card["metrics"]
    return {
        "skipped": f"{accounting}; {accounting.reasons()}; {shown / 'skipped.csv'} lists all",
        "lost": f"{_lost(trained, measured['split'], whole=measured['photos'])}; the figures are of the others",
    }


def _lost(trained: "Trained", split: str, *, whole: int) -> str:
    """Which photos of a part went while the run was made; empty where none did."""
    from efficientnet_lite.photos.classes import some

    lost = [each for each in trained.card["data"]["lost"] if each["split"] == split]
    names = some([f"{each['path']} ({each['reason']})" for each in lost], NAMED)
    was = "was" if len(lost) == 1 else "were"
    return f"{len(lost):,} of {whole:,} {split} photos {was} lost during the run: {names}" if lost else ""


def _show_details(console: Console, trained: "Trained") -> None:
    """What --verbose adds: counts, the strengths of regularisation that were tried, and every view."""
    from efficientnet_lite.proof.gate import Bars, doubts

    card, proof = trained.card, trained.proof
    counts = ", ".join(f"{count:,} {split}" for split, count in card["data"]["photos"].items() if count)
    console.line(f"{trained.accounting}; {counts}")
    if text := trained.accounting.not_photos():
        console.line(text)
    console.line(
        f"copies among the photos: {card['data']['exact_duplicates']:,} groups of equal files, "
        f"{card['data']['near_duplicates']:,} of files that look alike; photos with a copy in another part: "
        f"{card['data']['leaks']:,}"
    )
    if trained.head and trained.head.attempts:
        chosen = trained.head.chosen
        rows = [
            [
                f"{each.strength:g}",
                f"{each.loss:.4f}",
                percent(each.top1),
                each.iterations,
                "<- chosen" if each == chosen else "",
            ]
            for each in trained.head.attempts
        ]
        columns = ["regularisation", "validation loss", "top-1", "iterations", ""]
        console.table("", columns, rows, right=columns[:4])
    columns = ["photos as", "top-1 float32", "top-1 int8", "same class"]
    rows = [
        [
            one.view,
            percent(one.top1, one.interval),
            percent(other.top1, other.interval),
            percent(each.agreement, each.agreement_interval),
        ]
        for one, other, each in zip(proof.float32, proof.int8, proof.comparisons, strict=True)
    ]
    console.table("", columns, rows, right=columns[1:])
    if proof.lost and proof.network_top1:
        figures = ", ".join(f"{view} {percent(top1)}" for view, top1 in proof.network_top1.items())
        console.line(f"The network itself is right on {figures} of all {card['metrics']['photos']:,}.")
    bars = Bars(card["verification"]["max_drop"], card["verification"]["min_agreement"])
    for doubt in doubts(proof.comparisons, bars, whole=not proof.lost):
        console.line(f"int8 against float32, {doubt}")
