"""Vectors as points of a plane: by PCA, or by UMAP where it is installed. The same vectors give the same points."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

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
ROUNDING = 1e-9  # a variance times N that is none
Doubles = npt.NDArray[np.float64]


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
    same points. Of fewer than `FEWEST` photos, or of ones all alike, PCA makes
    them.

    Source: McInnes, Healy, Melville, "UMAP", arXiv 1802.03426; that its start decides where groups lie: Kobak,
    Linderman, "Initialization is critical", Nature Biotechnology 39 (2021).
    """
    with stage("Finding the plane") as on_progress:
        wanted = COMPONENTS if method == "umap" else 2
        components, kept = principal(matrix, wanted)
        on_progress(len(matrix), len(matrix))
    flat = components[:, :2]
    if method == "pca" or len(matrix) < FEWEST or not flat.any():
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
    found = np.zeros((rows, count), np.float32)
    values, directions = _directions(matrix, mean)
    total = values.sum()
    if total <= rows * ROUNDING:  # all alike
        return found, 1.0
    chosen = directions[:, :count]
    there = chosen.shape[1]
    chosen = chosen * np.where(chosen[np.abs(chosen).argmax(0), np.arange(there)] < 0, -1, 1)
    start = 0
    for block in _blocks(matrix):
        found[start : start + len(block), :there] = (block - mean) @ chosen.astype(np.float32)
        start += len(block)
    return found, float(values[:2].sum() / total)


def _directions(matrix: Array, mean: Array) -> tuple[Doubles, Doubles]:
    """Variances times N, the largest first, and their directions, float64 (C, as many)."""
    rows, size = matrix.shape
    if rows < size:  # then the products of rows are fewer than those of columns, and have the same variances
        centered = matrix.astype(np.float64) - mean
        values, left = np.linalg.eigh(centered @ centered.T)
        values, left = values[::-1].clip(0), left[:, ::-1]
        directions = centered.T @ (left / np.sqrt(np.maximum(values, ROUNDING)))
        return values, np.where(values > ROUNDING, directions, 0)
    spread: Doubles = np.zeros((size, size))
    for block in _blocks(matrix):
        spread += (block - mean).T @ (block - mean)
    found = np.linalg.eigh(spread)
    return found[0][::-1], found[1][:, ::-1]


def _blocks(matrix: Array) -> Iterator[Array]:
    for start in range(0, len(matrix), BLOCK_ROWS):
        yield np.asarray(matrix[start : start + BLOCK_ROWS], np.float32)


def _umap(components: Array, flat: Array) -> Array:
    from umap import UMAP

    # Points on a line have no height, by which it divides.
    shaken = np.random.default_rng(SEED).normal(0, 1e-4, flat.shape)
    start = (flat / np.abs(flat).max() + shaken).astype(np.float32)
    learner = UMAP(
        n_neighbors=NEIGHBORS,
        min_dist=MIN_DISTANCE,
        init=start,
        random_state=SEED,
        n_jobs=1,
    )
    points = np.asarray(learner.fit_transform(components), np.float64)
    # Where its axes point means nothing; screens are wide, so the plane lies down.
    points -= points.mean(0)
    points = points @ np.linalg.eigh(points.T @ points)[1][:, ::-1]
    lying: Array = (points * np.where((points * flat).sum(0) < 0, -1, 1)).astype(np.float32)
    return lying
