"""The page of a run that exists, by replaying the photos that proved it."""

from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.errors import UnusableInput, printable
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import named_photos, own, proven_photos, split_rows
from efficientnet_lite.run.report import page
from efficientnet_lite.run.report.facts import facts_of
from efficientnet_lite.run.report.pictures import replayed_gallery, with_doubted
from efficientnet_lite.run.summary import summary_of
from efficientnet_lite.training.epochs import read_panels
from efficientnet_lite.training.learned import LOG


class ReplayedPage(NamedTuple):
    """The page, and what it shows."""

    content: bytes
    mistakes: int | None  # photos shown at first; None where the photos are not there
    notes: tuple[str, ...]


def replayed_page(run: Run, photos: Path | None, stage: ShowStage) -> ReplayedPage:
    """The page of `run`; without the photos that proved it, it shows none.

    Args:
        photos: where they lie now; None: where they were.

    Raises:
        UnusableInput: those in `photos` are not those that proved it.
        ArtifactError: the run is damaged.
    """
    facts = facts_of(run.card, run.folder)
    counts = page.class_counts(run.labels, ((label, split) for _, label, split, _ in split_rows(run)))
    proven, notes = _proven(run, photos)
    gallery, unread = replayed_gallery(run, facts, proven, stage) if proven else (None, ())
    if gallery is not None:
        gallery = with_doubted(gallery, facts, named_photos(run, photos))
    if unread:
        notes.append(f"{len(unread)} photos could not be replayed; the first: {unread[0].reason}")
    content = page.render(
        facts,
        summary_of(run.card, run.folder),
        counts=counts,
        gallery=gallery,
        panels=read_panels(own(run, run.folder / LOG).parent),
    )
    shown = None if gallery is None else len(gallery.mistakes[facts.first_choice])
    return ReplayedPage(content, shown, tuple(notes))


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
