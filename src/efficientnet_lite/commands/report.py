"""`report`: a finished run as one page to look at, by replaying the photos that proved it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import UnusableInput, UsageError, printable
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.progress import Progress
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import named_photos, own, proven_photos, split_rows
from efficientnet_lite.run.report import page
from efficientnet_lite.run.report.facts import facts_of
from efficientnet_lite.run.report.pictures import replayed_gallery, with_doubted
from efficientnet_lite.run.summary import summary_of
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import check_file
from efficientnet_lite.training.epochs import read_panels
from efficientnet_lite.training.learned import LOG

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
    facts = facts_of(opened.card, opened.folder)
    counts = page.class_counts(opened.labels, ((label, split) for _, label, split, _ in split_rows(opened)))
    proven, notes = _proven(opened, Path(photos) if photos is not None else None)
    gallery, unread = replayed_gallery(opened, facts, proven, stages(progress)) if proven else (None, ())
    if gallery is not None:
        gallery = with_doubted(
            gallery, facts, named_photos(opened, Path(photos) if photos is not None else None)
        )
    if unread:
        notes.append(f"{len(unread)} photos could not be replayed; the first: {unread[0].reason}")
    content = page.render(
        facts,
        summary_of(opened.card, opened.folder),
        counts=counts,
        gallery=gallery,
        panels=read_panels(own(opened, opened.folder / LOG).parent),
    )
    with files.locked(out):
        _check(out, overwrite)
        files.publish(out, content)
    if files.real(out) == files.real(own_page):
        run_folder.relist(opened.folder, [out])
    shown = None if gallery is None else len(gallery.mistakes[facts.first_choice])
    return Reported(out.absolute(), len(content), shown, tuple(notes))


def _there(own_page: Path) -> Reported:
    """The page that the run has."""
    note = "it was there already, and stays as it is: `overwrite=True` makes it anew"
    return Reported(own_page.absolute(), files.size(own_page), None, (note,), written=False)


def _check(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError("a report is an HTML file", where=out, fix="give a name that ends in .html")
    check_file(out, overwrite=overwrite, example="report.html")


def _proven(run: Run, place: Path | None) -> tuple[Surveyed | None, list[str]]:
    """The photos that proved the run, or a note.

    Raises UnusableInput where they are not in the `place` that is named.
    """
    try:
        return proven_photos(run, place), []
    except UnusableInput as error:
        if place is not None:
            what = f"these are not the photos that proved the run: {error.what}"
            raise UnusableInput(what, where=error.where, fix=error.fix) from error
        return None, [f"{error.what} (in {printable(error.where)}): give `photos=`"]
