"""The epochs of a training: its table, log.csv, and what of it is drawn, as panels of named lines.

A log in a run may be a stranger's: what is no number is said, and nothing is drawn of it.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.storage import files
from efficientnet_lite.training.learned import LOG

MAX_LOG_BYTES = 16 * 2**20
MAX_LINES = 12  # of a panel; a log of ours has four
MAX_VALUE = 1e30  # what is beyond is drawn as little as what is no number
LONG = 1e5  # from here on a label has the size of a value alone
LOSSES, ACCURACIES, RATE = ("loss", "validation_loss"), ("top1", "top5"), "learning_rate"


@dataclass(frozen=True, slots=True)
class EpochLine:
    """One column over the epochs."""

    name: str  # as people call it; "" of the only line of a panel
    points: tuple[tuple[float, float], ...]  # epoch and value, where there is one
    decimals: int | None  # of a value beside the line; None: as many as it takes

    @property
    def end(self) -> float:
        """The last value."""
        return self.points[-1][1]

    @property
    def label(self) -> str:
        """What stands at the end of the line: its name and its last value."""
        return f"{self.name} {self.shown(self.end)}".strip()

    def shown(self, value: float) -> str:
        """A value of this line for people."""
        short = self.decimals is None or abs(value) >= LONG
        return f"{value:.2g}" if short else f"{value:.{self.decimals}f}"

    def at(self, epoch: int | None) -> str:
        """The value in an epoch for people, a dash where there is none."""
        value = dict(self.points).get(epoch) if epoch is not None else None
        return "–" if value is None else self.shown(value)


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share an axis."""

    unit: str
    lines: tuple[EpochLine, ...]
    height: float  # beside that of the other panels
    from_zero: bool = False


def panels_of(rows: Sequence[Mapping[str, object]]) -> tuple[Panel, ...]:
    """A panel for each kind of column that the log has: losses, accuracies, the learning rate.

    Args:
        rows: one an epoch, as log.csv has them: `epoch`; losses in columns that begin with `loss` or
            `validation_loss`; accuracies, 0 to 1, in those that begin with `top1` or `top5`;
            `learning_rate`. A cell may be a number or its text; an empty one, None or NaN is left out.

    Raises:
        ValueError: a cell is no number, a row has no epoch, or there is nothing to draw.
    """
    curves = _curves(rows)

    def lines(prefixes: tuple[str, ...], scale: float, decimals: int | None) -> tuple[EpochLine, ...]:
        return tuple(
            EpochLine(_words(name), tuple((epoch, scale * value) for epoch, value in points), decimals)
            for name, points in curves.items()
            if name.startswith(prefixes)
        )[:MAX_LINES]

    panels = (
        Panel("loss", lines(LOSSES, 1, 3), 3),
        Panel("accuracy, %", lines(ACCURACIES, 100, 1), 3),
        Panel("learning rate", lines((RATE,), 1, None), 1.3, from_zero=True),
    )
    if not any(panel.lines for panel in panels):
        raise ValueError("the log has no loss, accuracy or learning rate")
    return tuple(panel for panel in panels if panel.lines)


def read_panels(folder: Path) -> tuple[Panel, ...]:
    """The panels of the log in a run folder; none where it has no log.

    Raises ArtifactError where it cannot be drawn.
    """
    path = folder / LOG
    if not files.is_file(path):
        return ()
    text = files.read_bytes(path, limit=MAX_LOG_BYTES, what="a log").decode(errors="replace")
    try:
        return panels_of(list(csv.DictReader(text.splitlines())))
    except (ValueError, csv.Error) as error:
        raise ArtifactError(
            f"the log cannot be drawn: {error}", where=path, fix="delete it, or train the run again"
        ) from error


def apart(places: Sequence[float], height: float) -> list[float]:
    """`places` moved up or down until names of that `height` at them do not overlap; their order stays."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    moved = list(places)
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + height)
    shift = (sum(moved) - sum(places)) / max(1, len(places))
    return [place - shift for place in moved]


def _curves(rows: Sequence[Mapping[str, object]]) -> dict[str, list[tuple[float, float]]]:
    """Column -> epoch and value, where there is one; columns without any value are left out."""
    names = [name for name in rows[0] if name.startswith((*LOSSES, *ACCURACIES, RATE))] if rows else []
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for row in rows:
        epoch = _number(row, "epoch")
        if epoch is None:
            raise ValueError("a row of the log has no epoch")
        for name in names:
            value = _number(row, name)
            if value is not None:
                found[name].append((epoch, value))
    return {name: points for name, points in found.items() if points}


def _number(row: Mapping[str, object], name: str) -> float | None:
    cell = row.get(name)
    if cell is None or cell == "":
        return None
    try:
        value = float(str(cell))
    except ValueError as error:
        raise ValueError(f"the log's {name} is {str(cell)[:50]!r}") from error
    return value if abs(value) <= MAX_VALUE else None  # NaN neither


def _words(name: str) -> str:
    """The name of a column as it stands beside its line."""
    for prefix, words in (
        ("validation_loss", "validation"),
        ("loss", "training"),
        ("top1_mediapipe", "on phones"),
        ("top1_", ""),  # and the view
        ("top1", "top-1"),
        ("top5", "top-5"),
    ):
        if name.startswith(prefix):
            return f"{words}{name.removeprefix(prefix)}".replace("_", " ")
    return ""
