"""The photos of a data set whose labels look wrong: by features that the cache holds, or by vectors made before."""

from dataclasses import replace

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.neighbors.doubtful_labels import doubtful_labels
from efficientnet_lite.neighbors.matched import MatchedVectors
from efficientnet_lite.neighbors.near_vectors import near_vectors
from efficientnet_lite.neighbors.vectors import StoredVectors, lengths_of
from efficientnet_lite.photos.contract import FitView
from efficientnet_lite.photos.doubtful import DoubtfulLabels
from efficientnet_lite.photos.groups import Places, find_groups
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.sequences import Made
from efficientnet_lite.vocabulary import NEAR_DUPLICATE

VIEW: FitView = (
    "crop"  # of 40 wrong labels it finds half a one more than "squash", and both found half a one more yet
)


def by_features(
    features: FeatureStore, photos: Partition, *, view: FitView = VIEW, on_progress: OnProgress | None = None
) -> DoubtfulLabels:
    """The doubtful labels of all parts of a data set, by its features, which the cache holds.

    A photo that is lost meanwhile is left out, and the notes say so.
    """
    positions, gone = photos.survey.looks.positions, dict[int, str]()
    unit = features.matrix(positions, view, lost=gone)
    kept = ~np.isin(positions, list(gone))
    if gone:
        unit = unit[kept]
    unit /= lengths_of(unit)[:, None]
    found = _among(photos, positions[kept], unit, features.backbone.name, on_progress)
    lost = (f"{len(gone):,} photos were lost meanwhile, and are left out",) if gone else ()
    return replace(found, notes=found.notes + lost)


def by_vectors(
    stored: StoredVectors,
    matched: MatchedVectors,
    photos: Partition,
    *,
    on_progress: OnProgress | None = None,
) -> DoubtfulLabels:
    """The doubtful labels of those photos that have a vector in a folder."""
    positions = photos.survey.looks.positions
    rows = matched.rows[photos.survey.looks.contents(positions)]
    unit = stored.matrix()[rows[rows >= 0]]
    return _among(photos, positions[rows >= 0], unit, stored.model, on_progress)


def _among(
    photos: Partition, positions: Places, unit: Array, model: str, on_progress: OnProgress | None
) -> DoubtfulLabels:
    rows, groups = photos.dataset.rows, photos.assignment.groups[positions]
    alike = groups[near_vectors(unit, NEAR_DUPLICATE)]  # what the difference hash has not seen
    return doubtful_labels(
        unit,
        photos.labels(positions),
        Made(len(positions), lambda at: rows.name(int(positions[at]))),
        find_groups(groups, alike).near,
        model=model,
        on_progress=on_progress,
    )
