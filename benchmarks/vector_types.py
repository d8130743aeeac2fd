"""What feature vectors lose, and how much smaller they are, as float16 and as int8 with a scale for each row."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from efficientnet_lite.commands.embed import embed
from efficientnet_lite.vocabulary import VectorDtype

MODELS = ("lite0", "lite1")
TYPES: tuple[VectorDtype, ...] = ("float32", "float16", "int8")
NEIGHBORS = 10

Matrix = npt.NDArray[np.floating[Any]]


def cost(inputs: Inputs) -> Table:
    """Bytes a photo on the disk, cosine with float32, and whether the nearest photos stay the same."""
    rows = []
    for model in MODELS:
        plain, nearest = np.empty(0), np.empty(0)
        for dtype in TYPES:
            with tempfile.TemporaryDirectory() as folder:
                done = embed(model, inputs.photos, Path(folder, "vectors"), dtype=dtype)
                size = sum(path.stat().st_size for path in Path(folder, "vectors").glob("*.parquet"))
                unit = _unit(done.features)
            near = _nearest(unit)
            if dtype == "float32":
                plain, nearest = unit, near
            apart = np.abs(1 - (plain * unit).sum(axis=1))
            kept = np.mean(
                [len({*one} & {*other}) / NEIGHBORS for one, other in zip(near, nearest, strict=True)]
            )
            rows.append(
                [
                    model,
                    dtype,
                    f"{size / done.rows:,.0f}",
                    *(0 if dtype == "float32" else f"{each:.1g}" for each in (np.median(apart), apart.max())),
                    f"{100 * (near[:, 0] == nearest[:, 0]).mean():.1f} %",
                    f"{100 * kept:.1f} %",
                ]
            )
    title = "Feature vectors: what float16 and int8 cost"
    columns = ["model", "type", "bytes a photo", "1 - cosine, median", "at most", "same nearest photo"]
    note = f"{len(plain):,} photos; 1 - cosine of each vector with its float32; the nearest among all others."
    return Table(title, [*columns, f"of the {NEIGHBORS} nearest, kept"], rows, note)


def _unit(vectors: npt.NDArray[np.float32]) -> Matrix:
    exact = vectors.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def _nearest(unit: Matrix) -> npt.NDArray[np.intp]:
    """The nearest others of each, the nearest first, (N, NEIGHBORS)."""
    alike = unit @ unit.T
    np.fill_diagonal(alike, -1)
    return np.argsort(-alike, axis=1, kind="stable")[:, :NEIGHBORS]
