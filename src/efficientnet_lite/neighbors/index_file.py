"""An index of a folder of vectors by usearch: a graph that is walked instead of looking at all of them.

    _index.json     which vectors it is of, and how many of their nearest it finds
    index.usearch   the graph, with the vectors in it

The graph's digest is compared before it is opened, which a process of its own does: see `graph`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UnusableInput, UsageError, printable
from efficientnet_lite.neighbors import graph as graph_module
from efficientnet_lite.neighbors.graph import PAIR, build, matches, question_of
from efficientnet_lite.neighbors.search import Nearest, blocks_of, nearest
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.confined import Failed
from efficientnet_lite.storage.confined_pieces import Declined, pieces
from efficientnet_lite.storage.listing import Entry, FolderKind, is_as_written, marker_of, seal
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.version import MADE_BY, is_made_by_us
from efficientnet_lite.vocabulary import VectorDtype

MARKER, GRAPH = "_index.json", "index.usearch"
LIBRARY = "usearch"
MEMORY = 512 * 2**20  # beside what is mapped
QUERIES = 256  # that are asked for together
TRIED, NEAREST = 500, 10  # photos whose nearest are looked up to say how many of them it finds
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
        _check_library(out)
        with stage("Reading vectors") as on_progress:
            matrix = stored.matrix(on_progress)
        with stage("Building the index") as on_progress:
            graph = build(matrix, dtype, on_progress)
        recall = _recall(graph, matrix)
        graph.save(str(place / GRAPH))
        about = {"made_by": MADE_BY, "vectors": stored.digest, "count": len(matrix), "size": stored.size}
        seal(place, INDEX, about | {"dtype": dtype, "recall": recall})
        return Indexed(out, files.size(place / GRAPH), len(matrix), recall)


def _recall(graph: Any, matrix: Array) -> float:
    """Of the nearest of some vectors, evenly chosen, how many the index finds; one that is as near counts as found."""
    some = np.array(matrix[np.linspace(0, len(matrix) - 1, min(TRIED, len(matrix))).astype(int)])
    k = min(NEAREST + 1, len(matrix))  # the nearest of all is the photo itself
    exact, found = nearest(blocks_of(matrix), some, k).places, matches(graph, some, k)["place"]
    true = [len({*mine} & {*theirs}) for mine, theirs in zip(exact.tolist(), found.tolist(), strict=True)]
    return round(max(0, sum(true) - len(true)) / max(1, (k - 1) * len(true)), 4)


def _check_library(where: Path) -> None:
    if find_spec(LIBRARY) is None:
        raise UsageError("an index needs usearch", where=where, fix=extras.SEARCH)


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
        _check_library(folder)
        self._graph, self._count = folder / GRAPH, document["count"]

    def nearest(self, queries: Array, k: int) -> Nearest:
        """About the `k` nearest to each of the queries, (Q, C). Raises UnusableInput where the graph cannot be read."""
        k = min(k, self._count)
        found = [self._pairs(queries[at : at + QUERIES], k) for at in range(0, len(queries), QUERIES)]
        pairs = np.concatenate(found).reshape(len(queries), k)
        if pairs["place"].min(initial=0) < 0 or pairs["place"].max(initial=0) >= self._count:
            raise UnusableInput(f"{GRAPH} names vectors that are not there", where=self._graph, fix=AGAIN)
        return Nearest(pairs["place"].astype(np.intp), pairs["cosine"])

    def _pairs(self, queries: Array, k: int) -> Any:
        question = question_of(self._graph, self._count, queries, k)
        memory, limit = MEMORY + files.size(self._graph), len(queries) * k * PAIR.itemsize
        try:
            answer = pieces(
                graph_module.__name__, question, library=f"{LIBRARY}.index", memory=memory, limit=limit
            )
            return np.frombuffer(b"".join(answer), PAIR)
        except (Declined, Failed) as error:
            what = f"{GRAPH} cannot be read: {printable(str(error))}"
            raise UnusableInput(what, where=self._graph, fix=AGAIN) from error
