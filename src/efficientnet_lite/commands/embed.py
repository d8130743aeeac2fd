"""`embed`: photos -> their feature vectors, in memory, as a folder, or one after another."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.features.npy_folder import (
    VECTORS,
    Embedded,
    Vector,
    publish_vectors,
    vectors,
    vectors_in_memory,
)
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.dataset import FoundPhotos
from efficientnet_lite.photos.found import PhotoPaths, find_photos
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.progress import Progress, ShowStage, silent
from efficientnet_lite.run.source import open_features
from efficientnet_lite.storage.targets import check_folder
from efficientnet_lite.weights.published import sources_apart


@called
def embed(
    model: str | Path,
    photos: PhotoPaths,
    out: str | Path | None = None,
    *,
    view: View = "crop",
    weights: str | Path = "imagenet",
    ema: bool = True,
    links: bool = True,
    overwrite: bool = False,
    progress: Progress = False,
) -> Embedded:
    """Make the feature vectors of photos, in memory or as a folder.

    The folder has features.npy, index.csv and skipped.csv.

    Args:
        model: a model such as "lite1", a run folder, a checkpoint, or a file
            exported with `outputs=["features"]`.
        photos: files, folders (searched recursively) or globs, one or several.
        out: the folder to write; with None the vectors are in memory alone.
        view: how photos are looked at: "crop", "squash", "mediapipe",
            "android-bitmap" or "reference".
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        links: False skips every link instead of following it.
        overwrite: replace the files of an earlier call; what is not ours beside
            them stays.
        progress: True shows a bar.

    Returns:
        The photos that could be used as `paths`, their `features` (float32 (N,
        1280), a row each, mapped from the folder where there is one), and the
        `accounting` of all photos.

    Raises:
        UsageError: `out` exists and may not be replaced, or lies on or above
            the photos or the model.
        UnusableInput: no photo is found or can be used.
        ArtifactError: the model cannot be opened, or has no features.

    Example:
        >>> import efficientnet_lite as el
        >>> embedded = el.embed("lite1", "photos/")
        >>> embedded.features.shape
        (36, 1280)
        >>> embedded.paths[0].as_posix()
        'photos/shirt/00.png'
    """
    apart = sources_apart(model, weights, what="the model")
    if out is not None:
        check_folder(Path(out), VECTORS, overwrite=overwrite, apart=apart)
    elif overwrite:
        raise UsageError(
            "`overwrite=True` is for a folder", where=CALL, fix="give `out=` too, or leave it out"
        )
    listed = find_photos(photos, links=links)
    paths = [path for path, _ in listed.photos]
    opened = open_features(model, weights=weights, ema=ema)
    with stages(progress)("Embedding") as on_progress:
        if out is None:
            embedded = vectors_in_memory(
                opened, paths, skipped=listed.skipped, view=view, on_progress=on_progress
            )
        else:
            embedded = publish_vectors(
                opened,
                paths,
                Path(out),
                skipped=listed.skipped,
                view=view,
                overwrite=overwrite,
                apart=apart,
                on_progress=on_progress,
            )
    passed_over = dict(sorted(listed.passed_over.items()))
    return replace(embedded, accounting=replace(embedded.accounting, passed_over=passed_over))


def embed_each(
    model: str | Path,
    photos: FoundPhotos,
    *,
    view: View | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    stage: ShowStage = silent,
) -> Iterator[Vector | Refused]:
    """The features of each photo as soon as they are known, or why there are none; then what was skipped before.

    Raises as `open_features`.
    """
    opened = open_features(model, weights=weights, ema=ema)
    paths = [path for path, _ in photos.photos]
    with stage("Embedding") as on_progress:
        for number, found in enumerate(vectors(opened, paths, view=view), 1):
            yield found
            on_progress(number, len(paths))
    yield from (Refused(name, reason) for name, reason, _ in photos.skipped)
