"""The end of `train` on terminals of several widths, for every kind of run, and in a pipe."""

import io
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from efficientnet_lite.cli.console import Console
from efficientnet_lite.cli.run_summary import show_next, show_summary
from efficientnet_lite.metrics import Interval
from efficientnet_lite.run.summary import Caveat, ModelFile, Summary
from efficientnet_lite.terminal import cells

CLOTHING = Summary(
    folder=Path("runs/clothing"),
    name="clothing",
    classes=10,
    photos=2000,
    seconds=112.4,
    files=(
        ModelFile("float32", "exports/a.tflite", 16_510_698, 0.876, Interval(0.838, 0.908), 19.6, None, None),
        ModelFile(
            "int8",
            "exports/b.tflite",
            4_878_282,
            0.874,
            Interval(0.834, 0.905),
            21.7,
            0.988,
            Interval(0.970, 0.995),
        ),
    ),
    view="mediapipe",
    split="validation",
    judged=341,
    whole=341,
    verdict="not refuted",
    max_drop=0.01,
    caveats=(
        Caveat("unproven", "341 validation photos cannot prove int8 to within 1 point"),
        Caveat("chosen", "the validation photos also chose the head, so new photos may do a little worse"),
    ),
    report=Path("runs/clothing/report.html"),
    next=(
        ("efficientnet-lite", "predict", "runs/clothing", "photo.jpg"),
        ("open", "runs/clothing/report.html"),
    ),
)
ODD = replace(
    CLOTHING,
    name="写真 of my cat's \\x1b[31m toys, and a name that is longer than most lines of a narrow terminal are",
    photos=123_456,
    classes=5000,
    seconds=7530.0,
    caveats=(
        *(
            Caveat("skipped", "photos found: 10, used: 7, skipped: 3; 2 x no JPEG: 'a b.jpg' and others")
            for _ in range(3)
        ),
        *CLOTHING.caveats,
    ),
    next=(("efficientnet-lite", "predict", "runs/写真 of my cat's toys", "photo.jpg"),),
)
RUNS = {
    "clothing": CLOTHING,
    "odd": ODD,
    "proven": replace(CLOTHING, verdict="verified", split="test", caveats=(), judged=50_000, whole=50_000),
    "old": replace(CLOTHING, view="squash", seconds=None, report=None),
    "crops": replace(CLOTHING, view="crop"),
}


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(summary: Summary, monkeypatch, width: int | None) -> list[str]:
    stream = io.StringIO() if width is None else Terminal()
    for name, value in {"COLUMNS": str(width or 80), "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    console = Console(stdout=stream, stderr=io.StringIO())
    show_summary(console, summary)
    show_next(console, summary)
    return stream.getvalue().splitlines()


def test_the_end_of_a_training_at_80_columns(monkeypatch):
    assert shown(CLOTHING, monkeypatch, 80) == [
        "clothing: 10 classes, 2,000 photos, 1 min 52 s",
        "            size  top-1, phone  latency",
        "─" * 66,
        "float32  16.5 MB  88 % (84-91)    20 ms",
        "int8      4.9 MB  87 % (83-90)    22 ms  same class as float: 99 %",
        "top-1: named right, of 341 validation photos as phones see them (95 % interval);",
        "  they also chose the head, so new photos may do a little worse",
        "! 341 validation photos cannot prove int8 to within 1 point",
        "next: efficientnet-lite predict runs/clothing photo.jpg",
        "      open runs/clothing/report.html",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120, None])
@pytest.mark.parametrize("name", RUNS)
def test_every_figure_stays_whole_at_every_width(name, width, monkeypatch):
    summary = RUNS[name]

    lines = shown(summary, monkeypatch, width)

    commands = [line for line in lines if "efficientnet-lite predict" in line or "open " in line]
    for command, words in zip(commands, summary.next, strict=True):
        assert tuple(shlex.split(command.removeprefix("next: "))) == words
    if width is not None:
        assert max(cells(line) for line in lines if line not in commands) <= width
    text = "\n".join(lines)
    figures = ("4.9 MB", "16.5 MB", "88 % (84-91)", "22 ms", "same class as float: 99 %")
    assert [figure for figure in figures if figure not in text] == []


def test_what_is_proven_is_said_without_a_caveat(monkeypatch):
    lines = shown(RUNS["proven"], monkeypatch, 80)

    assert "int8 is proven to within 1 point of float32" in lines
    assert not any(line.startswith("!") for line in lines)
    assert "they also chose" not in "\n".join(lines)
