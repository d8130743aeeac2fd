"""The surest mistakes of each file in each view as small pictures: of a new run's proof, or replayed of a finished one.

A photo that several files get wrong has one picture.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from efficientnet_lite.errors import ArtifactError, UnreadablePhoto, UnusableInput, printable
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.proof.gate import score_together
from efficientnet_lite.proof.mistakes import Mistake, surest_mistakes
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import own
from efficientnet_lite.run.report.facts import Facts
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.storage import files

THUMBNAIL_PX = 160  # the longer side
OTHERS = 12  # mistakes to show of each file and view but the one that the page shows first
# Of all pictures together. A photo has 3 to 8 KB, and noise 20; 24 mistakes and five times 12 can be 84 photos.
MAX_BYTES = 2**20
MAX_DOUBTED_BYTES = 2**19  # of those of doubtful labels, beside


@dataclass(frozen=True, slots=True)
class WrongPhoto:
    """A photo that a file gets wrong."""

    name: str
    true: str  # class names
    predicted: str
    probability: float
    picture: int | None  # in `Gallery.jpegs`; None where it is gone, or there are too many
    gone: bool = False  # the photo cannot be read any more


@dataclass(frozen=True, slots=True)
class Gallery:
    """The mistakes of each file in each view, the surest first, and their pictures, each once."""

    mistakes: Mapping[tuple[str, str], Sequence[WrongPhoto]]  # by precision and view
    jpegs: Sequence[bytes]
    doubted: Mapping[str, int | None] = field(
        default_factory=dict
    )  # photo, with a doubtful label or like one


def replayed_gallery(
    run: Run, facts: Facts, proven: Surveyed, stage: ShowStage
) -> tuple[Gallery, list[Refused]]:
    """The mistakes of both files on the photos that proved the run, each decoded once, and those that are lost."""
    precisions = [file.precision for file in facts.files]
    models = [open_model(own(run, run.export(precision))) for precision in precisions]
    for precision, model in zip(precisions, models, strict=True):
        if model.classes != len(run.labels):
            raise ArtifactError(
                f"the {precision} file has {model.classes} classes, the card names {len(run.labels)}",
                where=run.folder,
                fix="train the run again",
            )
    views: list[View] = list(facts.views)  # type: ignore[arg-type]  # `read_facts` has looked at them
    with stage("Looking for mistakes") as on_progress:
        scored = score_together(
            models, proven.paths, proven.truth, views, contents=proven.contents, on_progress=on_progress
        )
    kept = scored[0].kept
    if not kept:
        raise UnusableInput("none of the photos can be used", where=run.folder, fix="give `photos=`")
    mistakes = surest_mistakes(dict(zip(precisions, scored, strict=True)), kept)
    return gallery_of(facts, mistakes, proven), list(scored[0].refused)


def gallery_of(
    facts: Facts, mistakes: Mapping[tuple[str, View], Sequence[Mistake]], shown: Surveyed
) -> Gallery:
    """The mistakes by the names of classes and photos; those that the page shows first have their pictures first."""
    order = sorted(mistakes, key=lambda choice: choice != facts.first_choice)
    jpegs: list[bytes] = []
    places: dict[int, int | None] = {}  # position of a photo -> of its picture
    gone = set[int]()
    found: dict[tuple[str, str], list[WrongPhoto]] = {}
    for choice in order:
        some = mistakes[choice] if choice == facts.first_choice else mistakes[choice][:OTHERS]
        for mistake in some:
            if mistake.position not in places:
                jpeg = _thumbnail(shown.paths[mistake.position], shown.contents[mistake.position])
                places[mistake.position] = None
                if jpeg is None:
                    gone.add(mistake.position)
                elif sum(map(len, jpegs)) + len(jpeg) <= MAX_BYTES:
                    places[mistake.position] = len(jpegs)
                    jpegs.append(jpeg)
        found[choice] = [
            WrongPhoto(
                name=printable(shown.names[mistake.position]),
                true=facts.labels[mistake.true],
                predicted=facts.labels[mistake.predicted],
                probability=mistake.probability,
                picture=places[mistake.position],
                gone=mistake.position in gone,
            )
            for mistake in some
        ]
    return Gallery(found, jpegs)


def with_doubted(gallery: Gallery, facts: Facts, find: Callable[[str], tuple[Path, str] | None]) -> Gallery:
    """The gallery with pictures of the photos whose labels are doubted, and of those that they are like.

    `find` gives path and SHA-256 of a photo by its name, None where it is gone.
    """
    rows = facts.doubtful.first if facts.doubtful else ()
    known = {photo.name: photo.picture for some in gallery.mistakes.values() for photo in some}
    jpegs, doubted, room = list(gallery.jpegs), dict[str, int | None](), MAX_DOUBTED_BYTES
    for name in dict.fromkeys(each for row in rows for each in (row.name, row.example)):
        doubted[name] = known.get(printable(name))
        found = find(name) if doubted[name] is None else None
        jpeg = _thumbnail(*found) if found else None
        if jpeg is not None and len(jpeg) <= room:
            doubted[name] = len(jpegs)
            jpegs.append(jpeg)
            room -= len(jpeg)
    return replace(gallery, jpegs=jpegs, doubted=doubted)


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
