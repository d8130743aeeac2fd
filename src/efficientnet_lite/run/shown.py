"""How a run shows itself where Python shows an object: as lines, and in a notebook as a small table."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from efficientnet_lite.errors import ArtifactError, printable
from efficientnet_lite.figures import megabytes, milliseconds, percent
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.summary import Summary, summary_of

COLUMNS = ("", "size", "top-1, phone", "latency", "same class as float")


class ShowsSummary:
    """What shows the summary of a run in place of its fields."""

    __slots__ = ()

    @property
    @abstractmethod
    def summary(self) -> Summary:
        """What there is to say of the run first. Raises ArtifactError where its card is damaged."""

    def __repr__(self) -> str:
        try:
            return as_text(self.summary)
        except ArtifactError as error:
            return f"<{type(self).__name__}: {printable(error.what)}>"

    def _repr_html_(self) -> str:
        try:
            return as_html(self.summary)
        except ArtifactError as error:
            return f"<pre>{escape(str(error))}</pre>"


def nearby(folder: Path) -> Path:
    """An absolute folder as somebody names it who stands in the current one, where it lies below that."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return folder
    return folder.relative_to(here) if folder.is_relative_to(here) and folder != here else folder


@dataclass(frozen=True, slots=True, repr=False)
class OpenedRun(ShowsSummary, Run):
    """A run folder that was opened to be looked at."""

    @property
    def summary(self) -> Summary:
        """What there is to say of the run first. Raises ArtifactError where its card is damaged."""
        return summary_of(self.card, self.folder)


def as_text(summary: Summary) -> str:
    """A few lines, as the command line has them."""
    rows = [COLUMNS, *_rows(summary)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines = (summary.headline, *table, summary.basis, *summary.remarks(), *summary.next_listed)
    return "\n".join(printable(line).rstrip() for line in lines)


def as_html(summary: Summary) -> str:
    """A fragment for a notebook, in its own colors; whatever comes from the run is escaped."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}>{_safe(cell)}</{tag}>" for cell in row)

    rows = "".join(f"<tr>{cells('td', row)}</tr>" for row in _rows(summary))
    remarks = "".join(f"<br>{_safe(line)}" for line in (summary.basis, *summary.remarks()))
    commands = "\n".join(map(_safe, summary.next_listed))
    return (
        f"<div><b>{_safe(summary.headline)}</b>"
        f"<table><thead><tr>{cells('th', COLUMNS)}</tr></thead><tbody>{rows}</tbody></table>"
        f"<small>{remarks.removeprefix('<br>')}</small><pre>{commands}</pre></div>"
    )


def _rows(summary: Summary) -> list[tuple[str, ...]]:
    return [
        (
            file.precision,
            megabytes(file.bytes),
            percent(file.top1, file.interval),
            milliseconds(file.latency_ms),
            "" if file.agreement is None else percent(file.agreement),
        )
        for file in summary.files
    ]


def _safe(text: str) -> str:
    return escape(printable(text))
