"""The epochs of a training as a picture: beside its table as PNG, and as a figure that a page takes as SVG.

The same rows give the same bytes with the same matplotlib, which is imported when something is drawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from efficientnet_lite.storage import files, tables
from efficientnet_lite.storage.quiet import only_errors_of
from efficientnet_lite.training.epochs import Panel, apart, panels_of
from efficientnet_lite.training.learned import LOG, LogRow

CURVES = "curves.png"
DPI = 150
MANY = 40  # epochs; of more than these no dots are drawn
POINT = 1 / 72  # inches
LETTER = 0.6  # of the size of the font: the mean width of a letter
LINE = 1.35  # of the size of the font: from one name beside a line to the next


@dataclass(frozen=True, slots=True)
class CurveStyle:
    """How curves are drawn."""

    width: float  # inches
    font: float  # points
    ink: str
    faint: str
    lines: tuple[str, ...]  # their colors, in turn


PNG = CurveStyle(8.0, 10, "#22262b", "#8a9199", ("#0b62a8", "#c75300", "#2c7a3f", "#7d3c98"))


def is_installed() -> bool:
    """Whether the library that draws is there: it comes with the extra `report`."""
    return find_spec("matplotlib") is not None


def publish_log(folder: Path, rows: Sequence[LogRow], best: int | None) -> None:
    """Write the table, and the picture where it can be drawn.

    There is at least one row, `best` is the epoch to mark. No cell is a time of the clock: a training that was
    interrupted writes the same.
    """
    table = [["" if value is None else value for value in row.values()] for row in rows]
    tables.publish_csv(folder / LOG, list(rows[0]), table)
    if is_installed():
        files.publish(folder / CURVES, draw_curves(rows, best=best))


def draw_curves(rows: Sequence[Mapping[str, object]], *, best: int | None = None) -> bytes:
    """A PNG with a panel for each kind of column that the log has: see `panels_of`, also for what is raised.

    Args:
        best: the epoch to mark.
    """
    panels, data = panels_of(rows), BytesIO()
    with drawn(panels, best, PNG) as figure:
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    return data.getvalue()


@contextmanager
def drawn(
    panels: Sequence[Panel], best: int | None, style: CurveStyle, settings: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """A figure of the panels, one below the other, to save within the block.

    There matplotlib has its own defaults and `settings`, whatever the user's matplotlibrc says.
    """
    with only_errors_of("matplotlib"):  # of its caches, which it makes with its first import
        import matplotlib
        from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_settings(style) | {**(settings or {})})
        epochs = [epoch for panel in panels for line in panel.lines for epoch, _ in line.points]
        letter, heights = style.font * POINT * LETTER, [0.82 * panel.height for panel in panels]
        figure = Figure(figsize=(style.width, sum(heights) + 0.3 * len(panels) + 0.55))
        panes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        longest = max(len(line.label) for panel in panels for line in panel.lines)
        left, right = 8 * letter, min((longest + 1.5) * letter, 0.45 * style.width)
        below, above = 0.5 / figure.get_figheight(), 0.3 / figure.get_figheight()
        figure.subplots_adjust(left / style.width, below, 1 - right / style.width, 1 - above, hspace=0.28)
        for axes, panel in zip(panes, panels, strict=True):
            _draw_panel(axes, panel, best, style, dots=len(set(epochs)) <= MANY)
        _foot(panes[-1], epochs)
        if best is not None:
            _mark(panes, best, style)
        yield figure


def _settings(style: CurveStyle) -> dict[str, Any]:
    texts = {f"{axis}tick.labelcolor": style.ink for axis in "xy"} | {
        f"{axis}tick.color": style.faint for axis in "xy"
    }
    return texts | {
        "font.family": ["DejaVu Sans"],  # matplotlib brings it along
        "font.size": style.font,
        "text.color": style.ink,
        "text.parse_math": False,  # a column of a stranger's log may be called $x$
        "axes.edgecolor": style.faint,
        "axes.labelcolor": style.ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.titlelocation": "left",
        "axes.titlesize": style.font,
        "axes.titlepad": 4,
        "grid.color": style.faint,
        "grid.alpha": 0.3,
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.8,
        "lines.markersize": 4,
    }


def _draw_panel(axes: Any, panel: Panel, best: int | None, style: CurveStyle, *, dots: bool) -> None:
    colors = [
        style.lines[at % len(style.lines)] if line.name else style.faint
        for at, line in enumerate(panel.lines)
    ]
    for line, color in zip(panel.lines, colors, strict=True):
        epochs, values = zip(*line.points, strict=True)
        axes.plot(epochs, values, "o-" if dots and line.name else "-", color=color, clip_on=False)
        chosen = dict(line.points).get(best) if best is not None else None
        if chosen is not None and line.name:
            axes.plot([best], [chosen], "o", color=color, markersize=8, clip_on=False)
    axes.set_title(panel.unit)
    axes.grid(axis="y")
    low, high = axes.get_ylim()
    if panel.from_zero:
        low = 0.0
    axes.yaxis.set_major_formatter("{x:g}")
    axes.locator_params(axis="y", nbins=3 if panel.from_zero else 5)
    axes.set_ylim(low, high)
    height = axes.get_figure().get_figheight() * axes.get_position().height
    places = apart(
        [(line.end - low) / (high - low) for line in panel.lines], style.font * POINT * LINE / height
    )
    for place, line, color in zip(places, panel.lines, colors, strict=True):
        text_color = color if line.name else style.ink
        axes.annotate(
            line.label,
            (1, place),
            (6, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            color=text_color,
            va="center",
            annotation_clip=False,
        )


def _foot(axes: Any, epochs: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(min(epochs), max(max(epochs), min(epochs) + 1))


def _mark(panes: Sequence[Any], best: int, style: CurveStyle) -> None:
    for axes in panes:
        axes.axvline(best, color=style.faint, linestyle=(0, (3, 3)), linewidth=1, zorder=0)
    panes[-1].set_xlabel(f"epoch (dashed: the best, {best})")  # there no other text can be in its way
