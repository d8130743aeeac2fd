"""`check`: a data set looked at as training would take it; nothing is written."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError, wrong_argument
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.neighbors.doubtful_photos import VIEW, by_features, by_vectors
from efficientnet_lite.neighbors.matched import matched, near_contents
from efficientnet_lite.neighbors.stored_findings import stored_findings
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.dataset import Dataset, dataset_place, open_dataset
from efficientnet_lite.photos.doubtful import DoubtfulLabels
from efficientnet_lite.photos.findings import Findings, findings
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.photos.partition import Partition, plan_split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.progress import Progress, ShowStage
from efficientnet_lite.run.source import PUBLISHED, open_backbone
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.vocabulary import NEAR_DUPLICATE, TRAINED_MODEL, ClassFolders


@called
def check(
    photos: str | Path | DataFrame | None = None,
    *,
    val: float = 0.2,
    seed: int = 0,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    labels: bool = False,
    model: str | Path = TRAINED_MODEL,
    weights: str | Path = PUBLISHED,
    vectors: str | Path | None = None,
    progress: Progress = False,
) -> Findings:
    """Look at a data set without training on it.

    Counts, bad files, duplicates, leaks between splits, odd sizes; and with
    `labels` the photos whose labels look wrong.

    Args:
        photos: a folder of photos, a manifest or a DataFrame, as `train` takes
            it.
        val: fraction that training would keep back, where the data set does not
            say.
        seed: of that split.
        links: False skips every link in the data set instead of following it.
        class_folders: "outer" or "inner", where the folders can be read in two
            ways.
        labels: look for wrong labels too: for photos whose nearest others, or a
            classifier that has not learned from them, say another class. The
            features come from the cache that `train` fills, and go into it.
        model: whose features are compared: a model such as "lite1", a run
            folder or a checkpoint.
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        vectors: a folder that `embed` wrote of the same photos: near-duplicates
            and leaks are looked for by them too, which finds cropped and
            mirrored copies, and wrong labels by them alone. The split is
            planned without them, as `train` does. Without `photos` the folder
            itself is looked at, with the labels in it, and no photo is opened.
        progress: True shows a bar.

    Returns:
        What was found: `classes`, `accounting`, `leaks`, `exact_duplicates`,
        `near_duplicates`, `two_labels`, `odd_sizes`, `notes`, `doubtful`, and
        `problem` where training would refuse it.

    Raises:
        UnusableDataset: it cannot be opened at all. Where it is too small only
            once unreadable photos are left out, the findings say so in
            `problem`.
        UnusableInput: `vectors` is no folder of vectors, is damaged, or has
            none of the photos.
        UsageError: neither `photos` nor `vectors` are given.

    Example:
        >>> import efficientnet_lite as el
        >>> found = el.check("photos/")
        >>> [row.label for row in found.classes]
        ['shirt', 'shoes', 'trousers']
        >>> found.accounting.used, len(found.leaks)
        (36, 0)
    """
    if not 0 < val < 1:
        raise wrong_argument("val", val, fix="give a fraction between 0 and 1")
    if photos is None and vectors is None:
        raise UsageError(
            "no photos are given", where=CALL, fix="give a folder of photos, or vectors by `vectors=FOLDER`"
        )
    show, stored = stages(progress), StoredVectors(vectors) if vectors is not None else None
    if photos is None:
        assert stored is not None
        return stored_findings(stored, show)
    dataset = open_dataset(dataset_place(photos), links=links, class_folders=class_folders)
    with ExitStack() as held:
        features = None
        if labels and stored is None:
            backbone = open_backbone(model, weights=weights)
            features = FeatureStore(backbone, dataset.rows, held.enter_context(Cache()), cores())
        return _looked_at(dataset, features, stored, labels, val, seed, show)


def _looked_at(
    dataset: Dataset,
    features: FeatureStore | None,
    stored: StoredVectors | None,
    labels: bool,
    val: float,
    seed: int,
    show: ShowStage,
) -> Findings:
    """What is found of a data set, by features to be made or by stored vectors where there are some."""
    with show("Looking at the photos") as on_progress:
        if features is not None:
            features.fill([VIEW], on_progress=on_progress)
            seen = features.survey
        else:
            seen = survey(dataset.rows, workers=os.cpu_count() or 1, on_progress=on_progress)
    doubted: Callable[..., DoubtfulLabels] | None = (
        None if features is None else partial(by_features, features)
    )
    also = None
    if stored is not None:
        found = matched(stored, seen.looks)
        also = near_contents(stored, found, NEAR_DUPLICATE, show)
        doubted = partial(by_vectors, stored, found) if labels else None
    photos = Partition(dataset, seen, plan_split(dataset, seen.looks, fraction=val, seed=seed, also=also))
    told = findings(dataset, seen, photos.assignment, fraction=val, seed=seed)
    if doubted is None:
        return told
    with show("Looking at the labels") as on_progress:
        return replace(told, doubtful=doubted(photos, on_progress=on_progress))
