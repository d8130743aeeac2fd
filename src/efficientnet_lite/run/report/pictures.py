"""The surest mistakes of a run as small pictures: from the proof of a new run, or replayed of a finished one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from efficientnet_lite.errors import ArtifactError, UnreadablePhoto, UnusableInput, printable
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.proof.mistakes import Mistake, most_confident
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import own
from efficientnet_lite.runtimes.model import open_model
from efficientnet_lite.storage import files

THUMBNAIL_PX = 160  # the longer side


@dataclass(frozen=True, slots=True)
class WrongPhoto:
    """A photo that the model gets wrong."""

    name: str
    true: str  # class names
    predicted: str
    probability: float
    jpeg: bytes | None  # a small one; None where the photo cannot be read any more


def replayed_mistakes(run: Run, proven: Surveyed, stage: ShowStage) -> tuple[list[WrongPhoto], list[Refused]]:
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
    return pictures_of(tuple(map(printable, run.labels)), mistakes, proven), unread


def pictures_of(labels: Sequence[str], mistakes: Sequence[Mistake], shown: Surveyed) -> list[WrongPhoto]:
    return [
        WrongPhoto(
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
