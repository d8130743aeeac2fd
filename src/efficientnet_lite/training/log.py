"""The epochs of a training as a table, and as a picture where matplotlib is installed."""

from collections.abc import Sequence
from pathlib import Path

from efficientnet_lite.storage import files, tables
from efficientnet_lite.training.curves import can_draw, draw_curves
from efficientnet_lite.training.learned import LOG, LogRow

CURVES = "curves.png"


def publish_log(folder: Path, rows: Sequence[LogRow], best: int | None) -> None:
    """Write both; there is at least one row, `best` is the epoch to mark.

    No cell is a time of the clock: a training that was interrupted writes the same.
    """
    table = [["" if value is None else value for value in row.values()] for row in rows]
    tables.publish_csv(folder / LOG, list(rows[0]), table)
    if can_draw():
        files.publish(folder / CURVES, draw_curves(rows, best=best))
