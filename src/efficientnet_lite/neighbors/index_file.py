"""An index of a folder of vectors by usearch: a graph that is walked instead of looking at all of them.

    _index.json     which vectors it is of, and how many of their nearest it finds
    index.usearch   the graph, with the vectors in it

The graph is opened by native code that trusts it, so its digest is compared before; whoever does not know where an
index comes from makes his own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.extras import needed
from efficientnet_lite.neighbors.search import Nearest, blocks_of, nearest
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import Entry, FolderKind, is_as_written, marker_of, seal
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.version import MADE_BY, is_made_by_us
from efficientnet_lite.vocabulary import VectorDtype

MARKER, GRAPH = "_index.json", "index.usearch"
AT_ONCE = 4096  # vectors that are added together
TRIED, NEAREST = 500, 10  # photos whose nearest are looked up to say how many of them it finds
DTYPES: Mapping[VectorDtype, str] = {"float32": "f32", "float16": "f16", "int8": "i8"}
AGAIN = "make it with `index` of these vectors"


def _check_marker(folder: Path, document: Mapping[str, Any]) -> None:
    kinds = {"vectors": str, "count": int, "size": int, "dtype": str}
    if not is_made_by_us(document.get("made_by")) or any(
        type(document.get(name)) is not kind for name, kind in kinds.items()
    ):
        raise ValueError(f"its {MARKER} is not ours")


INDEX = FolderKind("index of vectors", MARKER, 64 * 2**10, _check_marker, lambda folder, marker: None)


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index that was written."""

    folder: Path
    bytes: int
    count: int  # vectors
    recall: float  # of the ten nearest of some of them, as the exact search has them, how many it finds

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {"folder": self.folder, "bytes": self.bytes, "count": self.count, "recall": self.recall}


def publish_index(
    stored: StoredVectors, out: Path, *, dtype: VectorDtype, overwrite: bool, stage: ShowStage
) -> Indexed:
    """Make the index of a folder of vectors as the folder `out`, which appears whole or not at all.

    Raises:
        UsageError: `out` exists and may not be replaced, or lies among the vectors; usearch is not installed.
        OutputFailed: the disk is full or cannot be written to.
        UnusableInput: a part of the vectors is damaged.
    """
    apart = [Apart(stored.folder, "the folder of vectors")]
    with folders.replacing(out, INDEX, overwrite=overwrite, apart=apart) as place:
        with needed("an index needs usearch", where=out, install=extras.SEARCH):
            from usearch.index import Index
        with stage("Reading vectors") as on_progress:
            matrix = stored.matrix(on_progress)
        graph = Index(ndim=stored.size, metric="cos", dtype=DTYPES[dtype])
        with stage("Building the index") as on_progress:
            for start in range(0, len(matrix), AT_ONCE):
                stop = min(start + AT_ONCE, len(matrix))
                graph.add(np.arange(start, stop), np.asarray(matrix[start:stop]), threads=cores())
                on_progress(stop, len(matrix))
        recall = _recall(graph, matrix)
        graph.save(str(place / GRAPH))
        about = {"made_by": MADE_BY, "vectors": stored.digest, "count": len(matrix), "size": stored.size}
        seal(place, INDEX, about | {"dtype": dtype, "recall": recall})
        return Indexed(out, files.size(place / GRAPH), len(matrix), recall)


def _recall(graph: Any, matrix: Array) -> float:
    """Of the nearest of some vectors, evenly chosen, how many the index finds; one that is as near counts as found."""
    some = np.array(matrix[np.linspace(0, len(matrix) - 1, min(TRIED, len(matrix))).astype(int)])
    k = min(NEAREST + 1, len(matrix))  # the nearest of all is the photo itself
    exact, found = nearest(blocks_of(matrix), some, k), _matches(graph, some, k)
    true = [
        len(set(mine.tolist()) & set(theirs.tolist()))
        for mine, theirs in zip(exact.places, found.places, strict=True)
    ]
    return round(max(0, sum(true) - len(true)) / max(1, (k - 1) * len(true)), 4)


def _matches(graph: Any, queries: Array, k: int) -> Nearest:
    matches = graph.search(queries, k, threads=cores())
    places, distances = np.atleast_2d(matches.keys), np.atleast_2d(matches.distances)
    return Nearest(places.astype(np.intp), (1 - distances).astype(np.float32).clip(-1, 1))


class OpenIndex:
    """An index that was held against the vectors it is of."""

    def __init__(self, folder: Path, stored: StoredVectors) -> None:
        """Raises UnusableInput where it is none, damaged or of other vectors, UsageError without usearch."""
        try:
            found = marker_of(folder, INDEX)
        except ValueError as error:
            raise UnusableInput(f"no index of vectors: {error}", where=folder, fix=AGAIN) from error
        if found is None:
            raise UnusableInput(f"no index of vectors: it has no {MARKER}", where=folder, fix=AGAIN)
        document, listed = found
        if (document["vectors"], document["size"]) != (stored.digest, stored.size):
            raise UnusableInput(
                f"the index is not of the vectors in {stored.folder}", where=folder, fix=AGAIN
            )
        entry = listed.get(GRAPH)
        if not isinstance(entry, Entry) or not is_as_written(folder / GRAPH, entry):
            raise UnusableInput(f"{GRAPH} is damaged: it is not what was written", where=folder, fix=AGAIN)
        with needed("an index needs usearch", where=folder, install=extras.SEARCH):
            from usearch.index import Index
        graph = Index.restore(str(folder / GRAPH), view=True)
        if graph is None or (graph.ndim, len(graph)) != (stored.size, document["count"]):
            raise UnusableInput(f"{GRAPH} is not what {MARKER} says", where=folder, fix=AGAIN)
        self._graph, self._count = graph, len(graph)

    def nearest(self, queries: Array, k: int) -> Nearest:
        """About the `k` nearest to each of the queries, (Q, C)."""
        return _matches(self._graph, queries, min(k, self._count))
