"""The photos that proved a run as a sample: the network has not learned from them, and none calibrated its file."""

from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.artifacts.sample import VIEWS, Sample
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.calibration_photos import (
    CalibrationSet,
    images_by_place,
    stratified,
    views_in_turn,
)
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import proven_photos


def proof_sample(run: Run, origin: Origin, most: int, workers: int, on_progress: OnProgress) -> Sample:
    """At most so many of them, each class in turn.

    Raises UnusableInput where they are not there as they were, or fewer than two can be used.
    """
    try:
        photos = proven_photos(run)
    except UnusableInput as error:
        raise UnusableInput(error.what, where=error.where, fix="give other photos: `data=PHOTOS`") from error
    labels = [str(true) for true in photos.truth]
    chosen = stratified(labels, photos.contents, most)
    views = views_in_turn([labels[place] for place in chosen], VIEWS)
    contents = [photos.contents[place] for place in chosen]
    images, refused = images_by_place(
        [photos.paths[place] for place in chosen],
        contents,
        origin.contract,
        views,
        workers=workers,
        on_progress=on_progress,
    )
    if len(images) < 2:
        raise UnusableInput(
            f"{len(images)} of the {len(chosen)} photos that proved the run can be used",
            where=run.folder,
            fix="give other photos: `data=PHOTOS`",
        )
    names = tuple(photos.names[place] for place in chosen)
    known = CalibrationSet(names, tuple(contents), views, 0).part(list(images))
    truth = [photos.truth[chosen[place]] for place in images]
    return Sample(list(images.values()), truth, tuple(refused.values()), (), known)
