"""`report`: a finished run as one page to look at, by replaying the photos that proved it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import UsageError
from efficientnet_lite.progress import Progress
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.report.replayed import replayed_page
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import check_file

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class Reported:
    """A run's page."""

    path: Path
    bytes: int
    mistakes: int | None  # photos shown at first; None where they were not there, and of a page that stays
    notes: tuple[str, ...]
    written: bool = True  # False: it was there already, and stays

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "mistakes": self.mistakes,
            "notes": list(self.notes),
            "written": self.written,
        }


@called
def report(
    run: str | Path,
    *,
    photos: str | Path | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress = False,
) -> Reported:
    """Make the page of a run: report.html.

    Its photos are replayed; where they are gone, it shows none.

    A run is made with its page: without `out` or `overwrite`, one that is there
    stays, and this says where it lies.

    Args:
        run: a run folder.
        photos: where the photos lie now that it was trained on, if they have
            moved.
        out: the file to write, report.html in the run where None.
        overwrite: replace an existing file.
        progress: True shows a bar.

    Returns:
        The `path` of the page, its `bytes`, how many `mistakes` it shows, and
        `notes`.

    Raises:
        UsageError: `out` exists, or its name is not that of a page.
        UnusableInput: there is no run, or `photos` are not those that proved
            it.
        ArtifactError: the run is damaged.

    Example:
        >>> import efficientnet_lite as el
        >>> el.report("runs/clothing", out="clothing.html").path.name
        'clothing.html'
    """
    opened = run_folder.open_run(Path(run))
    own_page = opened.folder / run_folder.REPORT
    if out is None:
        run_folder.check_own(opened.folder, own_page)
        if photos is None and not overwrite and files.is_file(own_page):
            return _there(own_page)
    out = own_page if out is None else Path(out)
    _check(out, overwrite)
    made = replayed_page(opened, Path(photos) if photos is not None else None, stages(progress))
    with files.locked(out):
        _check(out, overwrite)
        files.publish(out, made.content)
    if files.real(out) == files.real(own_page):
        run_folder.relist(opened.folder, [out])
    return Reported(out.absolute(), len(made.content), made.mistakes, made.notes)


def _there(own_page: Path) -> Reported:
    """The page that the run has."""
    note = "it was there already, and stays as it is: `overwrite=True` makes it anew"
    return Reported(own_page.absolute(), files.size(own_page), None, (note,), written=False)


def _check(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError("a report is an HTML file", where=out, fix="give a name that ends in .html")
    check_file(out, overwrite=overwrite, example="report.html")
