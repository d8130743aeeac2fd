"""Vectors as points of a plane: by PCA, or by UMAP where it is installed. The same vectors give the same points."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UsageError
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.vocabulary import MapMethod

BLOCK_ROWS = 4096
NEIGHBORS = 15  # of each photo that UMAP keeps near, as is usual
MIN_DISTANCE = 0.25  # of photos on UMAP's plane: at the usual 0.1 alike ones lie on each other
COMPONENTS = 50  # that UMAP starts from: neighbors are as in all 1,280, and found in a fraction of the time
FEWEST = 2 * NEIGHBORS  # photos; of fewer UMAP has nothing to learn
SEED = 0


@dataclass(frozen=True, slots=True)
class Plane:
    """Where each photo lies."""

    points: Array  # float32 (N, 2); the unit means nothing
    method: MapMethod  # that made them
    kept: float | None  # fraction of the variance of the vectors that PCA's two directions hold


def umap_is_installed() -> bool:
    return find_spec("umap") is not None


def check_method(method: MapMethod | None) -> None:
    """Raises UsageError where UMAP is asked for and not installed."""
    if method == "umap" and not umap_is_installed():
        raise UsageError("UMAP needs umap-learn, which is not installed", where="`method=`", fix=extras.MAP)


def plane_of(matrix: Array, method: MapMethod, stage: ShowStage = silent) -> Plane:
    """The photos of `matrix`, float32 (N, C), of length one, N at least 1, in two dimensions.

    UMAP begins with the points of PCA, its chance is seeded, and it runs in one thread: so the same library gives the
    same points. Of fewer than `FEWEST` photos PCA makes them.

    Source: McInnes, Healy, Melville, "UMAP", arXiv 1802.03426; that its start decides where groups lie: Kobak,
    Linderman, "Initialization is critical", Nature Biotechnology 39 (2021).
    """
    with stage("Finding the plane") as on_progress:
        wanted = COMPONENTS if method == "umap" else 2
        components, kept = principal(matrix, wanted)
        on_progress(len(matrix), len(matrix))
    flat = components[:, :2]
    if method == "pca" or len(matrix) < FEWEST:
        return Plane(flat, "pca", kept)
    with stage("UMAP"):
        return Plane(_umap(components, flat), "umap", None)


def principal(matrix: Array, count: int) -> tuple[Array, float]:
    """The first `count` principal components of each row, float32 (N, count), and what of the variance the first two
    hold, 0 to 1.

    Missing ones, of few rows, are zeros. The largest weight of each direction is positive, so that signs are fixed.
    Memory beside the result does not grow with N.
    """
    rows, size = matrix.shape
    mean = (sum((block.sum(0, np.float64) for block in _blocks(matrix)), np.zeros(size)) / rows).astype(
        np.float32
    )
    spread = np.zeros((size, size))
    for block in _blocks(matrix):
        centered = block - mean
        spread += centered.T @ centered
    values, directions = np.linalg.eigh(spread)
    count_there = min(count, size)
    chosen = directions[:, ::-1][:, :count_there]
    chosen = chosen * np.where(chosen[np.abs(chosen).argmax(0), np.arange(count_there)] < 0, -1, 1)
    chosen = chosen.astype(np.float32)
    found = np.zeros((rows, count), np.float32)
    start = 0
    for block in _blocks(matrix):
        found[start : start + len(block), :count_there] = (block - mean) @ chosen
        start += len(block)
    total = values.sum()
    kept = float(values[::-1][:2].sum() / total) if total > rows * 1e-12 else 1.0
    if total <= rows * 1e-12:  # all alike: what is left is rounding
        found[:] = 0
    return found, kept


def _blocks(matrix: Array) -> Iterator[Array]:
    for start in range(0, len(matrix), BLOCK_ROWS):
        yield np.asarray(matrix[start : start + BLOCK_ROWS], np.float32)


def _umap(components: Array, flat: Array) -> Array:
    from umap import UMAP

    spread = max(float(np.abs(flat).max()), 1e-12)
    learner = UMAP(
        n_neighbors=NEIGHBORS,
        min_dist=MIN_DISTANCE,
        init=flat / spread,
        random_state=SEED,
        n_jobs=1,
    )
    points: Array = np.asarray(learner.fit_transform(components), np.float32)
    return points
