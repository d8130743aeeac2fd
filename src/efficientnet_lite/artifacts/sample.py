"""The photos that set the ranges of an int8 file, and those that prove a file of a smaller precision."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.errors import UnreadablePhoto, UnusableInput
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.contract import BaseView
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.photos.labelled import labelled_photos
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.calibration_photos import (
    CalibrationSet,
    images_by_place,
    shuffled,
    stratified,
    views_in_turn,
)
from efficientnet_lite.storage import files, tables
from efficientnet_lite.weights.imagenet import class_names

VIEWS: tuple[BaseView, ...] = ("crop", "squash")  # of the photos for calibration and proof, in turn
MOST_KEPT_BACK = 500


class Sample(NamedTuple):
    """Images of one photo each, with their classes where they are known."""

    images: Sequence[Image]
    truth: Sequence[int] | None = None
    refused: tuple[Refused, ...] = ()  # photos that could not be used, and stand behind no figure
    notes: tuple[str, ...] = ()  # why they have no classes, and what was skipped before
    photos: CalibrationSet | None = None  # which photos the images are of; None where they are of none

    @property
    def whole(self) -> bool:
        """No photo was lost while they were looked at."""
        return not any(each.lost for each in self.refused)

    def part(self, places: Sequence[int]) -> "Sample":
        """Those at `places`, in that order."""
        truth = None if self.truth is None else [self.truth[place] for place in places]
        photos = self.photos.part(places) if self.photos else None
        return Sample([self.images[place] for place in places], truth, self.refused, photos=photos)

    def all_notes(self) -> tuple[str, ...]:
        """What a person should know of them."""
        if not self.refused:
            return self.notes
        named = some([f"{Path(each.where).name} ({each.reason})" for each in self.refused], 3)
        whole = len(self.images) + len(self.refused)
        return (*self.notes, f"{len(self.refused)} of {whole} photos could not be used: {named}")


def sample_of(
    data: Path,
    origin: Origin,
    count: int,
    workers: int,
    on_progress: OnProgress,
    *,
    seed: int = 0,
    without: Collection[str] = (),
    kept_back: int = MOST_KEPT_BACK,
) -> Sample:
    """The images for calibration and proof: of every folder and class in turn, by their contents and `seed`.

    At most `count` and `kept_back` of them. Each content once, or a copy of a photo that calibrated would prove the
    file; none of `without`, which are SHA-256. Raises UnusableInput where fewer than two can be
    used.
    """
    paths, truth, notes = labelled_photos(data, class_names(origin.labels) if origin.labels else None)
    most = count + kept_back
    total = len(paths) + min(len(paths), most)  # each is read, and so many are decoded
    by_content: dict[str, int] = {}
    refused: list[Refused] = []
    for place, path in enumerate(paths):
        try:
            content = files.sha256_bytes(photo_door.read_bytes(path))
            if content not in without:
                by_content.setdefault(content, place)
        except UnreadablePhoto as error:
            refused.append(Refused(str(path), error.what, lost=True))
        on_progress(place + 1, total)
    known = list(by_content)
    kinds = [
        f"{paths[place].parent}/{'' if truth is None else truth[place]}" for place in by_content.values()
    ]
    chosen = stratified(kinds, shuffled(known, seed), most)
    contents = [known[each] for each in chosen]
    places = [by_content[content] for content in contents]
    views = views_in_turn([kinds[each] for each in chosen], VIEWS)
    images, others = images_by_place(
        [paths[place] for place in places],
        contents,
        origin.contract,
        views,
        workers=workers,
        on_progress=lambda done, all_of_them: on_progress(len(paths) + done, len(paths) + all_of_them),
    )
    refused += others.values()
    if len(images) < 2:
        reason = f"; the first of the others: {refused[0].where}: {refused[0].reason}" if refused else ""
        raise UnusableInput(
            f"{len(images)} of {len(paths)} photos can be used, and no copies count: int8 needs 2 to be made "
            f"and proven, and 100 to be good{reason}",
            where=data,
            fix="give a folder with photos like those that the model will see",
        )
    classes = None if truth is None else [truth[places[each]] for each in images]
    names = tuple(_name(paths[place], data) for place in places)
    photos = CalibrationSet(names, tuple(contents), views, seed).part(list(images))
    return Sample(list(images.values()), classes, tuple(refused), tuple(notes), photos)


def _name(photo: Path, data: Path) -> str:
    """What a record calls it: its path below `data`, or its whole path where it lies elsewhere."""
    path = photo.relative_to(data) if photo.is_relative_to(data) else photo.absolute()
    return tables.escaped(path.as_posix())
