"""How a training went: its epochs as a table, and losses, accuracies and the learning rate as one picture, PNG.

The same rows give the same bytes with the same matplotlib, which is imported when something is drawn.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.storage import files, tables
from efficientnet_lite.training.learned import LOG, LogRow

CURVES = "curves.png"
MAX_LOG_BYTES = 16 * 2**20
INCHES, DPI = (8.0, 6.8), 150
MANY = 40  # epochs; of more than these no dots are drawn
LABEL_HEIGHT = 0.085  # of a name beside its line, as a fraction of the height of a panel
INK, FAINT = "#22262b", "#8a9199"
COLORS = ("#0b62a8", "#c75300", "#2c7a3f", "#7d3c98")
LOSSES, ACCURACIES, RATE = ("loss", "validation_loss"), ("top1", "top5"), "learning_rate"


def theme(ink: str, faint: str) -> dict[str, Any]:
    """Settings of matplotlib that all drawings share: texts in `ink`, lines around the data in `faint`."""
    return {
        "text.color": ink,
        "text.parse_math": False,  # a class may be called $x$
        "axes.edgecolor": faint,
        "axes.labelcolor": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": faint,
        "xtick.color": faint,
        "ytick.color": faint,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
    }


SETTINGS: Mapping[str, Any] = {
    "font.family": ["DejaVu Sans"],  # matplotlib brings it along
    "font.size": 10,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
} | theme(INK, FAINT)

Curve = list[tuple[float, float]]  # epoch and value, where there is one


def publish_log(folder: Path, rows: Sequence[LogRow], best: int | None) -> None:
    """Write the table, and the picture where matplotlib, of the extra `report`, is there.

    There is at least one row, `best` is the epoch to mark. No cell is a time of the clock: a training that was
    interrupted writes the same.
    """
    table = [["" if value is None else value for value in row.values()] for row in rows]
    tables.publish_csv(folder / LOG, list(rows[0]), table)
    if find_spec("matplotlib") is not None:
        files.publish(folder / CURVES, draw_curves(rows, best=best))


def draw_curves(rows: Sequence[Mapping[str, object]], *, best: int | None = None) -> bytes:
    """A PNG with a panel for each kind of column that the log has.

    Args:
        rows: one an epoch, as log.csv has them: `epoch`; losses in columns that begin with `loss` or
            `validation_loss`; accuracies, 0 to 1, in those that begin with `top1` or `top5`;
            `learning_rate`. A cell may be a number or its text; an empty one, None or NaN is left out.
        best: the epoch to mark.

    Raises:
        ValueError: a cell is no number, a row has no epoch, or there is nothing to draw.
    """
    curves = _curves(rows)
    panels = [
        ("loss, nats", _kind(curves, LOSSES), 3),
        ("accuracy, %", {name: _percent(curve) for name, curve in _kind(curves, ACCURACIES).items()}, 3),
        ("learning rate", _kind(curves, (RATE,)), 1.3),
    ]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        raise ValueError("the log has no loss, accuracy or learning rate")
    with drawing(SETTINGS):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(INCHES[0], INCHES[1] * sum(panel[2] for panel in panels) / 7.3), dpi=DPI)
        panes = figure.subplots(
            len(panels), 1, sharex=True, squeeze=False, height_ratios=[panel[2] for panel in panels]
        )[:, 0]
        for axes, (unit, named, _) in zip(panes, panels, strict=True):
            _panel(axes, unit, named, best, dots=len(rows) <= MANY)
        _foot(panes[-1], [epoch for curve in curves.values() for epoch, _ in curve])
        if best is not None:
            _mark(panes, best)
        figure.subplots_adjust(left=0.12, right=0.8, top=0.95, bottom=0.09, hspace=0.14)
        figure.align_ylabels(panes)
        data = BytesIO()
        figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def drawn_log(folder: Path, best: int | None) -> bytes | None:
    """The epochs of the log in a run folder as a picture; None where it has none.

    Raises ArtifactError where it cannot be drawn.
    """
    path = folder / LOG
    if not files.is_file(path):
        return None
    text = files.read_bytes(path, limit=MAX_LOG_BYTES, what="a log").decode(errors="replace")
    try:
        return draw_curves(list(csv.DictReader(text.splitlines())), best=best)
    except (ValueError, csv.Error) as error:
        raise ArtifactError(
            f"the log cannot be drawn: {error}", where=path, fix="delete it, or train the run again"
        ) from error


def _curves(rows: Sequence[Mapping[str, object]]) -> dict[str, Curve]:
    """Column -> its curve; columns without any value are left out."""
    names = [name for name in rows[0] if name.startswith((*LOSSES, *ACCURACIES, RATE))] if rows else []
    found: dict[str, Curve] = {name: [] for name in names}
    for row in rows:
        epoch = _number(row, "epoch")
        if epoch is None:
            raise ValueError("a row of the log has no epoch")
        for name in names:
            value = _number(row, name)
            if value is not None:
                found[name].append((epoch, value))
    return {name: curve for name, curve in found.items() if curve}


def _number(row: Mapping[str, object], name: str) -> float | None:
    cell = row.get(name)
    if cell is None or cell == "":
        return None
    try:
        value = float(str(cell))
    except ValueError as error:
        raise ValueError(f"the log's {name} is {str(cell)[:50]!r}") from error
    return value if math.isfinite(value) else None


def _kind(curves: Mapping[str, Curve], prefixes: Sequence[str]) -> dict[str, Curve]:
    return {name: curve for name, curve in curves.items() if name.startswith(tuple(prefixes))}


def _percent(curve: Curve) -> Curve:
    return [(epoch, 100 * value) for epoch, value in curve]


def _words(name: str) -> str:
    """The name of a column as it stands beside its line."""
    for prefix, words in (
        ("validation_loss", "validation"),
        ("loss", "training"),
        ("top1", "top-1"),
        ("top5", "top-5"),
    ):
        if name.startswith(prefix):
            return f"{words}{name.removeprefix(prefix)}".replace("_", " ")
    return ""


def _panel(axes: Any, unit: str, named: Mapping[str, Curve], best: int | None, *, dots: bool) -> None:
    ends = []
    for at, (name, curve) in enumerate(named.items()):
        is_rate = name == RATE
        color = FAINT if is_rate else COLORS[at % len(COLORS)]
        epochs, values = zip(*curve, strict=True)
        style = "o-" if dots and not is_rate else "-"
        axes.plot(epochs, values, style, color=color, clip_on=False)
        chosen = dict(curve).get(best) if best is not None else None
        if chosen is not None and not is_rate:
            axes.plot([best], [chosen], "o", color=color, markersize=8, clip_on=False)
        shown = f"  {chosen:.1f}" if chosen is not None and name.startswith(ACCURACIES) else ""
        ends.append((values[-1], f"{_words(name)}{shown}", color))
    axes.set_ylabel(unit)
    axes.grid(axis="y")
    low, high = axes.get_ylim()
    if RATE in named:
        low = 0.0
        axes.yaxis.set_major_formatter("{x:g}")
        axes.locator_params(axis="y", nbins=3)
    axes.set_ylim(low, high)
    for place, (_, words, color) in zip(
        _apart([(y - low) / (high - low) for y, _, _ in ends]), ends, strict=True
    ):
        axes.text(1.02, place, words, color=color, transform=axes.transAxes, va="center")


def _apart(places: Sequence[float]) -> list[float]:
    """`places` moved up or down until names at them do not overlap; their order stays."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    moved = list(places)
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + LABEL_HEIGHT)
    shift = (sum(moved) - sum(places)) / max(1, len(places))
    return [place - shift for place in moved]


def _foot(axes: Any, epochs: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(min(epochs), max(max(epochs), min(epochs) + 1))


def _mark(panes: Sequence[Any], best: int) -> None:
    for axes in panes:
        axes.axvline(best, color=FAINT, linestyle=(0, (3, 3)), linewidth=1, zorder=0)
    left, right = panes[0].get_xlim()
    side = "left" if best < (left + right) / 2 else "right"
    panes[0].annotate(
        f"best epoch: {best}",
        (best, 1),
        (4 if side == "left" else -4, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=9,
    )


@contextmanager
def drawing(settings: Mapping[str, Any]) -> Iterator[None]:
    """matplotlib's own defaults and `settings`, whatever the user's matplotlibrc says, for one drawing."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield
