"""`report`: a run as one page to look at, made with the run or later, by replaying the photos that proved it."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.errors import ArtifactError, UnreadablePhoto, UnusableInput, UsageError, printable
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.mistakes import Mistake, most_confident
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import own, proven_photos, split_rows
from efficientnet_lite.run.report import page
from efficientnet_lite.run.report.curves import draw_curves
from efficientnet_lite.run.report.facts import SPLITS, Facts, read_facts
from efficientnet_lite.runtimes.model import Refused, open_model
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import check_file
from efficientnet_lite.training.learned import LOG

MAX_LOG_BYTES = 16 * 2**20
THUMBNAIL_PX = 160  # the longer side
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


def report(
    run: str | Path,
    *,
    photos: str | Path | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> Reported:
    """Write the page of a finished run. Its photos are replayed; where they are gone, it has none.

    Args:
        run: a run folder.
        photos: where the photos lie now that it was trained on, if they have moved.
        out: the file to write, report.html in the run where None.
        overwrite: replace an existing file.

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
    facts = _facts(opened.card, opened.folder)
    counts = class_counts(opened.labels, ((label, split) for _, label, split, _ in split_rows(opened)))
    notes = []
    try:
        proven = proven_photos(opened, Path(photos) if photos is not None else None)
    except UnusableInput as error:
        if photos is not None:
            what = f"these are not the photos that proved the run: {error.what}"
            raise UnusableInput(what, where=error.where, fix=error.fix) from error
        proven = None
        notes.append(f"{error.what} (in {printable(error.where)}): give `photos=`")
    pictures, unread = _replayed(opened, proven, stage) if proven else (None, ())
    if unread:
        notes.append(f"{len(unread)} photos could not be replayed; the first: {unread[0].reason}")
    content = page.render(
        facts,
        name=opened.folder.absolute().name,
        counts=counts,
        pictures=pictures,
        curves=_curves(own(opened, opened.folder / LOG).parent, facts),
    )
    with files.locked(out):
        _check(out, overwrite)
        files.publish(out, content)
    if files.real(out) == files.real(opened.folder / run_folder.REPORT):
        run_folder.relist(opened.folder, [out])
    return Reported(out.absolute(), len(content), None if pictures is None else len(pictures), tuple(notes))


def first_page(
    card: Mapping[str, Any],
    *,
    folder: Path,
    name: str,
    counts: Mapping[str, Sequence[int]],
    mistakes: Sequence[Mistake],
    shown: Surveyed,
) -> bytes:
    """The page of a run that is just being made, from what its proof saw.

    Args:
        counts: see `class_counts`.
        mistakes: their positions are those of `shown`.
        shown: the photos of the proof.
    """
    facts = _facts(card, folder)
    return page.render(
        facts,
        name=name,
        counts=counts,
        pictures=_pictures(facts.labels, mistakes, shown),
        curves=_curves(folder, facts),
    )


def class_counts(labels: Sequence[str], rows: Iterable[tuple[str, str | None]]) -> dict[str, list[int]]:
    """Split -> how many photos each class has, from the label and split of every photo."""
    found = Counter(rows)
    return {split: [found[label, split] for label in labels] for split in SPLITS}


def _check(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError("a report is an HTML file", where=out, fix="give a name that ends in .html")
    check_file(out, overwrite=overwrite, example="report.html")


def _facts(card: Mapping[str, Any], folder: Path) -> Facts:
    try:
        return read_facts(card)
    except ValueError as error:
        raise ArtifactError(
            f"the card cannot be shown: {error}", where=folder / run_folder.CARD, fix="train the run again"
        ) from error


def _curves(folder: Path, facts: Facts) -> bytes | None:
    """The epochs of the run's log as a picture; None where it has no log."""
    path = folder / LOG
    if not files.is_file(path):
        return None
    text = files.read_bytes(path, limit=MAX_LOG_BYTES, what="a log").decode(errors="replace")
    try:
        best = facts.tuning.chosen if facts.tuning else facts.training.epoch if facts.training else None
        return draw_curves(list(csv.DictReader(text.splitlines())), best=best)
    except (ValueError, csv.Error) as error:
        raise ArtifactError(
            f"the log cannot be drawn: {error}", where=path, fix="delete it, or train the run again"
        ) from error


def _replayed(run: Run, proven: Surveyed, stage: ShowStage) -> tuple[list[page.Picture], list[Refused]]:
    """The surest mistakes of the float32 file among the photos that proved the run, and those that are lost."""
    model = open_model(own(run, run.export("float32")))
    if model.classes != len(run.labels):
        raise ArtifactError(
            f"the float32 file has {model.classes} classes, the card names {len(run.labels)}",
            where=run.folder,
            fix="train the run again",
        )
    rows, kept, unread = [], [], []
    with stage("Replaying the photos") as on_progress:
        for position, outcome in enumerate(model.predict_each(proven.paths)):
            if isinstance(outcome, Refused):
                unread.append(outcome)
            else:
                rows.append(outcome)
                kept.append(position)
            on_progress(position + 1, len(proven.paths))
    if not rows:
        raise UnusableInput("none of the photos can be used", where=run.folder, fix="give `photos=`")
    truth = np.array(proven.truth, np.intp)[kept]
    mistakes = most_confident(np.stack(rows), truth, kept)
    return _pictures(tuple(map(printable, run.labels)), mistakes, proven), unread


def _pictures(labels: Sequence[str], mistakes: Sequence[Mistake], shown: Surveyed) -> list[page.Picture]:
    return [
        page.Picture(
            name=printable(shown.names[mistake.position]),
            true=labels[mistake.true],
            predicted=labels[mistake.predicted],
            probability=mistake.probability,
            jpeg=_thumbnail(shown.paths[mistake.position], shown.contents[mistake.position]),
        )
        for mistake in mistakes
    ]


def _thumbnail(path: Path, sha256: str) -> bytes | None:
    """A small JPEG of the photo of that content, None where it is not there any more."""
    try:
        data = photo_door.read_bytes(path)
        if files.sha256_bytes(data) != sha256:
            return None
        photo = photo_door.decode(data, where=path, min_side=THUMBNAIL_PX)
    except UnreadablePhoto:
        return None
    return photo_door.thumbnail(photo.pixels, THUMBNAIL_PX)
