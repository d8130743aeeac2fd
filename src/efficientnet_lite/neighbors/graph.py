"""usearch's graph of vectors: built here, and searched in the child of `storage.confined_pieces`.

The library trusts the file of a graph and dies of a wrong one, so that of a stranger is opened nowhere else.

Source: unum-cloud/usearch, python/usearch/index.py (`Index`, `Index.restore`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage.confined_pieces import Declined, FarFile
from efficientnet_lite.vocabulary import VectorDtype

AT_ONCE = 4096  # vectors that are added together
DTYPES: Mapping[VectorDtype, str] = {"float32": "f32", "float16": "f16", "int8": "i8"}
PAIR = np.dtype([("place", "<i8"), ("cosine", "<f4")])  # of the answer


def build(matrix: Array, dtype: VectorDtype, on_progress: OnProgress) -> Any:
    """The graph of a matrix (N, C) at length one."""
    from usearch.index import Index

    graph = Index(ndim=matrix.shape[1], metric="cos", dtype=DTYPES[dtype])
    for start in range(0, len(matrix), AT_ONCE):
        stop = min(start + AT_ONCE, len(matrix))
        graph.add(np.arange(start, stop), np.asarray(matrix[start:stop]), threads=cores())
        on_progress(stop, len(matrix))
    return graph


def matches(graph: Any, queries: Array, k: int) -> Any:
    """Place and cosine of about the `k` nearest to each query, PAIR (Q, k)."""
    found = graph.search(queries, k, threads=cores())
    pairs = np.empty((len(queries), k), PAIR)
    pairs["place"] = np.atleast_2d(found.keys)
    pairs["cosine"] = (1 - np.atleast_2d(found.distances)).clip(-1, 1)
    return pairs


def question_of(path: Path, count: int, queries: Array, k: int) -> bytes:
    """What `respond` is asked: a line of JSON, then the queries (Q, C)."""
    about = {"path": str(path.absolute()), "count": count, "size": queries.shape[1], "k": k}
    return json.dumps(about).encode() + b"\n" + queries.astype("<f4").tobytes()


def respond(question: bytes, far: FarFile) -> Iterator[bytes]:
    """One piece, PAIR (Q, k), as bytes. Raises Declined where the graph is not as `question` says."""
    from usearch.index import Index

    about, _, rest = question.partition(b"\n")
    asked = json.loads(about)
    queries = np.frombuffer(rest, "<f4").reshape(-1, asked["size"])
    try:
        graph = Index.restore(asked["path"], view=True)
    except (RuntimeError, ValueError) as error:
        raise Declined(" ".join(str(error).split())[:300]) from error
    if graph is None or (graph.ndim, len(graph)) != (asked["size"], asked["count"]):
        raise Declined("it has other vectors than is said of it")
    yield matches(graph, queries, asked["k"]).tobytes()
