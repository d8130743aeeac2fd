"""`embed`: photos -> their feature vectors, in memory, as a folder, or one after another."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.cluster.engines import reached, work_of
from efficientnet_lite.features.destinations import destination, folder_or_address
from efficientnet_lite.features.embedded import Embedded
from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.outcomes import kept_apart
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.features.vector_form import form_of
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.found import PhotoPaths
from efficientnet_lite.progress import Progress, ShowStage, silent
from efficientnet_lite.run.source import open_features
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.stop_signals import interrupted_by_sigterm
from efficientnet_lite.threads import beside
from efficientnet_lite.vocabulary import PART_ROWS, VectorDtype, VectorFormat, VectorLayout, WhereMade
from efficientnet_lite.weights.published import sources_apart


@called
def embed(
    model: str | Path,
    photos: PhotoPaths,
    out: str | Path | None = None,
    *,
    format: VectorFormat = "parquet",
    layout: VectorLayout = "parts",
    dtype: VectorDtype | None = None,
    part_rows: int = PART_ROWS,
    view: View = "crop",
    weights: str | Path = "imagenet",
    ema: bool = True,
    links: bool = True,
    overwrite: bool = False,
    engine: WhereMade = "local",
    address: str | None = None,
    progress: Progress = False,
) -> Embedded:
    """Make the feature vectors of photos, in memory or as a folder.

    The folder has a Parquet file for every 1,000 photos. The same call again
    goes on where one was stopped; memory does not grow with their number.

    Args:
        model: a model such as "lite1", a run folder, a checkpoint, or a file
            exported with `outputs=["features"]`.
        photos: files, folders (searched recursively) or globs, one or several;
            also manifests, tar, TFRecord or Parquet files, addresses of any of
            these, and a DataFrame.
        out: the folder to write, or an address of a store such as
            "s3://bucket/vectors"; with None the vectors are in memory alone.
        format: "parquet", or "npy" for one matrix, which is not resumed.
        layout: "parts" (a row for each photo), or "clip-retrieval" as that tool
            has them: vectors of length one.
        dtype: "float32", "float16" or "int8" with a scale for each row; None is
            "float32", and "float16" for clip-retrieval.
        part_rows: photos of a part.
        view: how photos are looked at: "crop", "squash", "mediapipe",
            "android-bitmap" or "reference".
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        links: False skips every link instead of following it.
        overwrite: begin anew in a folder of an earlier call, photos that could
            not be used among them; what is not ours in it stays.
        engine: "local", or "ray": the nodes of a Ray cluster look at the
            photos, and the folder is the same.
        address: of that cluster, HOST:PORT or "auto"; None is RAY_ADDRESS, else
            one on this machine, begun for the call where there is none.
        progress: True shows a bar.

    Returns:
        The photos that could be used as `paths` (an address as text), their
        `features` (float32 (N, 1280), a row each), and the `accounting` of all
        photos.

    Raises:
        UsageError: `out` was made from other photos, another model or in
            another way, is none of ours, or lies on, above or inside the
            photos; pyarrow or Ray is not installed; or nodes of the cluster
            lack this package or have other versions.
        UnusableInput: no photo is found or can be used; no cluster answers.
        ArtifactError: the model cannot be opened, or has no features.

    Example:
        >>> import efficientnet_lite as el
        >>> embedded = el.embed("lite1", "photos/")
        >>> embedded.features.shape
        (36, 1280)
        >>> str(embedded.paths[0])
        'photos/shirt/00.png'
    """
    show, apart = stages(progress), sources_apart(model, weights, what="the model")
    form = form_of(format, layout, dtype, part_rows) if out is not None else None
    with ExitStack() as held:
        held.enter_context(interrupted_by_sigterm())
        held.enter_context(reached(engine, address))
        place = folder_or_address(out)
        given = kept_apart(photos, place)
        into = held.enter_context(destination(place, form, overwrite=overwrite, apart=apart))
        opening = beside(partial(_ready, model, weights=weights, ema=ema))
        with show("Finding photos") as on_progress:

            def on_found(count: int) -> None:
                if opening.done():
                    opening.result()  # nobody waits for a million names to hear of a wrong one
                on_progress(count, count)

            listed = held.enter_context(list_sources(given, links=links, on_found=on_found))
        opened = opening.result()
        work = held.enter_context(work_of(engine, opened, listed, view))
        return into.take(work, show)


def embed_each(
    model: str | Path,
    photos: PhotoPaths,
    *,
    view: View | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    links: bool = True,
    engine: WhereMade = "local",
    address: str | None = None,
    stage: ShowStage = silent,
) -> Iterator[Extracted[PhotoEntry]]:
    """The features of each photo as soon as they are known, or why there are none.

    Raises as `list_sources`, `open_features` and `reached`.
    """
    with reached(engine, address), list_sources(photos, links=links) as listed:
        opened = open_features(model, weights=weights, ema=ema)
        with work_of(engine, opened, listed, view) as work, stage("Embedding") as on_progress:
            for number, each in enumerate(work.outcomes(), 1):
                yield each
                on_progress(number, len(listed))


def _ready(model: str | Path, *, weights: str | Path, ema: bool) -> Model:
    """The model with its digest and its first engine, which take a moment that finding the photos takes too."""
    opened = open_features(model, weights=weights, ema=ema)
    _ = opened.sha256, opened.pool
    return opened
