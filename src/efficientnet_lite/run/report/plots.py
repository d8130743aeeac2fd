"""Drawings of a run as SVG to stand inside of a page: the same numbers give the same bytes.

Each drawing takes plain values, so that what it shows can be looked at without it. Colors are names of
the page's style sheet, so that light and dark follow the reader. matplotlib is imported when something is
drawn, and its settings, the user's own ones included, are put back afterwards.
"""

import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from efficientnet_lite.metrics import Interval
from efficientnet_lite.run.report.facts import SPLITS, Counts, Facts, TriedStrength
from efficientnet_lite.training.curves import drawing, theme

MAX_LABEL = 24  # columns of text; a longer name is cut
MAX_MATRIX = 40  # classes; more cells cannot be told apart
MAX_BARS = 40  # classes
WIDTH = 7.6  # inches, of 72 points
ROW = 0.26  # inches, of one line of a chart with names
COLUMN = 0.075  # inches, of one column of text at this size

# What matplotlib is told to draw with -> the page's own colors.
COLORS = {
    "#010101": "var(--ink)",
    "#020202": "var(--faint)",
    "#030303": "var(--blue)",
    "#040404": "var(--orange)",
    "#050505": "var(--green)",
}
INK, FAINT, BLUE, ORANGE, GREEN = COLORS
SETTINGS: Mapping[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, selected and found
    "svg.hashsalt": "efficientnet-lite",  # ids from the content, not from chance
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib brings it along; the style sheet has the last word
    "font.size": 9,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.alpha": 0.4,
    "legend.frameon": False,
} | theme(INK, FAINT)
PRECISION_COLORS = {"float32": BLUE, "int8": ORANGE}
SPLIT_COLORS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_COLOR = re.compile("|".join(COLORS))


@dataclass(frozen=True, slots=True)
class Dot:
    """The top-1 of one file as one consumer sees the photos."""

    view: str
    precision: str
    top1: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Bar:
    """How many photos a class has."""

    label: str
    counts: Mapping[str, int]  # split -> photos

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def accuracy_dots(facts: Facts) -> tuple[Dot, ...]:
    """A dot for each consumer and file, consumers together."""
    return tuple(
        Dot(view, file.precision, score.top1, score.interval)
        for view in facts.views
        for file in facts.files
        for score in file.scores
        if score.view == view
    )


def count_bars(labels: Sequence[str], counts: Mapping[str, Sequence[int]]) -> tuple[Bar, ...]:
    """The classes with the most photos first; of more than `MAX_BARS` the most and the fewest alone."""
    splits = [split for split in SPLITS if any(counts.get(split, ()))]
    bars = sorted(
        (Bar(label, {split: counts[split][at] for split in splits}) for at, label in enumerate(labels)),
        key=lambda bar: (-bar.total, bar.label),
    )
    half = MAX_BARS // 2
    return tuple(bars if len(bars) <= MAX_BARS else [*bars[:half], *bars[-half:]])


def draw_accuracy(dots: Sequence[Dot]) -> str:
    """Top-1 and its 95 % interval of every file, a row for each consumer."""
    views = list(dict.fromkeys(dot.view for dot in dots))
    precisions = list(dict.fromkeys(dot.precision for dot in dots))

    def draw(axes: Any) -> None:
        for precision in precisions:
            own = [dot for dot in dots if dot.precision == precision]
            offset = 0.3 * (precisions.index(precision) - (len(precisions) - 1) / 2)
            axes.errorbar(
                [100 * dot.top1 for dot in own],
                [views.index(dot.view) + offset for dot in own],
                xerr=[
                    [100 * (dot.top1 - dot.interval.low) for dot in own],
                    [100 * (dot.interval.high - dot.top1) for dot in own],
                ],
                fmt="o",
                color=PRECISION_COLORS.get(precision, GREEN),
                capsize=3,
                label=precision,
            )
        axes.set_yticks(range(len(views)), [_short(view) for view in views])
        axes.set_ylim(len(views) - 0.4, -0.6)
        axes.set_xlabel("top-1 accuracy, percent, with its 95 % interval")
        axes.grid(axis="x")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))

    return _drawn("accuracy", draw, height=0.75 + 0.5 * len(views), left=1.0, right=0.95)


def draw_path(attempts: Sequence[TriedStrength]) -> str:
    """Validation loss and top-1 against the strength of regularisation, the chosen one marked."""
    strengths = [attempt.strength for attempt in attempts]

    def draw(loss: Any, top1: Any) -> None:
        for axes, color, name, values in (
            (loss, BLUE, "validation loss", [attempt.loss for attempt in attempts]),
            (top1, ORANGE, "validation top-1, percent", [100 * attempt.top1 for attempt in attempts]),
        ):
            axes.plot(strengths, values, "o-", color=color, markersize=4)
            for attempt, value in zip(attempts, values, strict=True):
                if attempt.chosen:
                    axes.plot([attempt.strength], [value], "o", color=color, markersize=9)
                    axes.axvline(attempt.strength, color=FAINT, linestyle="--", linewidth=1, zorder=0)
            axes.set_xscale("log")
            axes.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
            axes.minorticks_off()
            axes.set_xlabel("strength of regularisation")
            axes.set_title(name, loc="left", fontsize=9)
            axes.grid(axis="y")

    return _drawn("path", draw, height=2.5, left=0.55, right=0.1, panels=2, top=0.3)


def draw_confusion(labels: Sequence[str], matrix: Counts) -> str:
    """The matrix as colored cells with their counts, a row for each true class; for at most `MAX_MATRIX`."""
    names = [_short(label) for label in labels]
    margin = _margin(names)
    cell = min(0.45, max(0.2, (WIDTH - margin - 0.1) / len(names)))
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(1)

    def draw(axes: Any) -> None:
        from matplotlib.patches import Rectangle

        for true, predicted in zip(*matrix.nonzero(), strict=True):
            share = float(shares[true, predicted])
            color = BLUE if true == predicted else ORANGE
            place = (predicted - 0.5, true - 0.5)
            axes.add_patch(Rectangle(place, 1, 1, color=color, alpha=0.12 + 0.5 * share, linewidth=0))
            text = str(matrix[true, predicted])
            axes.text(predicted, true, text, ha="center", va="center", fontsize=7 if cell < 0.3 else 8)
        ticks = range(len(names))
        axes.set_yticks(ticks, names)
        axes.set_xticks(ticks, names, rotation=90, rotation_mode="anchor", ha="right", va="center")
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("named")
        axes.set_ylabel("true class")

    side = cell * len(names)
    return _drawn(
        "confusion",
        draw,
        height=side + margin + 0.35,
        left=margin + 0.2,
        right=0.1,
        bottom=margin + 0.25,
        width=side + margin + 0.3,
    )


def draw_counts(bars: Sequence[Bar]) -> str:
    """How many photos each class has in each split, side by side on one line."""
    names = [_short(bar.label) for bar in bars]

    def draw(axes: Any) -> None:
        start = [0] * len(bars)
        for split in bars[0].counts:
            widths = [bar.counts[split] for bar in bars]
            axes.barh(range(len(bars)), widths, left=start, color=SPLIT_COLORS[split], label=split, alpha=0.8)
            start = [before + width for before, width in zip(start, widths, strict=True)]
        for row, total in enumerate(start):
            axes.annotate(
                str(total), (total, row), (3, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_yticks(range(len(bars)), names)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlabel("photos")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))

    return _drawn("counts", draw, height=0.7 + ROW * len(bars), left=_margin(names), right=1.3)


def _drawn(
    name: str,
    draw: Callable[..., None],
    *,
    height: float,
    left: float,
    right: float,
    bottom: float = 0.5,
    top: float = 0.1,
    width: float = WIDTH,
    panels: int = 1,
) -> str:
    """The SVG of one figure; sizes and margins in inches, so that no font has to be measured."""
    with drawing(SETTINGS), warnings.catch_warnings():
        # of characters that its font lacks: they are only measured with it, and the reader's browser draws
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height))
        panes = figure.subplots(1, panels, squeeze=False)[0]
        figure.subplots_adjust(
            left / width, bottom / height, 1 - right / width, 1 - top / height, wspace=0.25
        )
        draw(*panes)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(text.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """A drawing to stand in a page beside others: no links, ids of its own, and the page's colors."""
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):  # a style sheet would be the whole page's
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        attributes = {key: _own(value, name) for key, value in element.attrib.items() if key != _LINK}
        if _LINK in element.attrib:
            attributes["href"] = f"#{name}-{element.attrib[_LINK].removeprefix('#')}"
        if "id" in attributes:
            attributes["id"] = f"{name}-{attributes['id']}"
        element.attrib.clear()
        element.attrib.update(attributes)
    root.set("class", "plot")
    root.set("aria-hidden", "true")  # what it shows stands in the page as text, too
    return ET.tostring(root, encoding="unicode")


def _own(value: str, name: str) -> str:
    return _COLOR.sub(lambda found: COLORS[found[0]], value.replace("url(#", f"url(#{name}-"))


def _short(label: str) -> str:
    """`label` cut to `MAX_LABEL` columns."""
    columns = 0
    for at, character in enumerate(label):
        columns += _columns(character)
        if columns > MAX_LABEL:
            return f"{label[: max(1, at - 1)]}…"
    return label


def _margin(names: Sequence[str]) -> float:
    """Inches that the longest of `names` takes beside its axis."""
    return 0.3 + COLUMN * max(sum(map(_columns, name)) for name in names)


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
