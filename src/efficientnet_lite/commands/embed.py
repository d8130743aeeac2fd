"""`embed`: photos -> their feature vectors, as a folder or one after another."""

from collections.abc import Callable, Iterator
from pathlib import Path

from efficientnet_lite.classifier.vectors import VECTORS, Embedded, Vector, publish_vectors, vectors
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.dataset import FoundPhotos
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.run.source import open_features
from efficientnet_lite.storage.targets import check_folder
from efficientnet_lite.weights.published import sources_apart


def embed(
    model: str | Path,
    photos: Callable[[], FoundPhotos],
    out: Path,
    *,
    view: View | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> tuple[Embedded, FoundPhotos]:
    """Publish the features of all photos that can be used as the folder `out`.

    Args:
        model: what `open_features` takes, with `weights` and `ema`.
        photos: lists them, once it is known that `out` can be written.
        view: how a photo is looked at, the contract's own way where None.

    Raises as `open_features` and `publish_vectors`.
    """
    apart = sources_apart(model, weights, what="the model")
    check_folder(out, VECTORS, overwrite=overwrite, apart=apart)
    listed = photos()
    opened = open_features(model, weights=weights, ema=ema)
    with stage("Embedding") as on_progress:
        embedded = publish_vectors(
            opened,
            [path for path, _ in listed.photos],
            out,
            skipped=listed.skipped,
            view=view,
            overwrite=overwrite,
            apart=apart,
            on_progress=on_progress,
        )
    return embedded, listed


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
