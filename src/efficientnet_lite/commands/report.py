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
from efficientnet_lite.run.proven import own, proven_photos, split_rows
from efficientnet_lite.run.report import page
from efficientnet_lite.run.report.facts import facts_of
from efficientnet_lite.run.report.pictures import replayed_mistakes
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import check_file
from efficientnet_lite.training.curves import drawn_log
from efficientnet_lite.training.learned import LOG

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class Reported:
    """A page that was written."""

    path: Path
    bytes: int
    mistakes: int | None  # photos shown; None where the photos were not there
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "mistakes": self.mistakes,
            "notes": list(self.notes),
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
    """Write the page of a finished run. Its photos are replayed; where they are gone, it has none.

    Args:
        run: a run folder.
        photos: where the photos lie now that it was trained on, if they have moved.
        out: the file to write, report.html in the run where None.
        overwrite: replace an existing file.
        progress: True shows a bar.

    Raises:
        UsageError: jinja2 or matplotlib is missing, the file exists, or its name is not that of a page.
        UnusableInput: there is no run, or `photos` are not those that proved it.
        ArtifactError: the run is damaged.
    """
    page.check_installed()
    opened = run_folder.open_run(Path(run))
    if out is None:
        out = opened.folder / run_folder.REPORT
        run_folder.check_own(opened.folder, out)
    out = Path(out)
    _check(out, overwrite)
    facts = facts_of(opened.card, opened.folder)
    counts = page.class_counts(opened.labels, ((label, split) for _, label, split, _ in split_rows(opened)))
    proven, notes = _proven(opened, Path(photos) if photos is not None else None)
    pictures, unread = replayed_mistakes(opened, proven, stages(progress)) if proven else (None, ())
    if unread:
        notes.append(f"{len(unread)} photos could not be replayed; the first: {unread[0].reason}")
    content = page.render(
        facts,
        name=opened.folder.absolute().name,
        counts=counts,
        pictures=pictures,
        curves=drawn_log(own(opened, opened.folder / LOG).parent, facts.best_epoch),
    )
    with files.locked(out):
        _check(out, overwrite)
        files.publish(out, content)
    if files.real(out) == files.real(opened.folder / run_folder.REPORT):
        run_folder.relist(opened.folder, [out])
    return Reported(out.absolute(), len(content), None if pictures is None else len(pictures), tuple(notes))


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
