"""Exact search in a mapped matrix, ours and that of other people's packages in turns; prints the seconds as JSON.

python -m benchmarks.peers.search MATRIX
"""

import json
import sys
import time
from collections.abc import Callable

import faiss
import numpy as np
from usearch.index import MetricKind, search

from efficientnet_lite.neighbors.search import blocks_of, nearest
from efficientnet_lite.runtimes.engine import cores

TOP_K, ROUNDS, RUNS = 10, 7, 3


def main() -> None:
    matrix = np.load(sys.argv[1], mmap_mode="r")
    matrix.sum()  # warm
    faiss.omp_set_num_threads(cores())
    flat = faiss.IndexFlatIP(matrix.shape[1])
    start = time.perf_counter()
    flat.add(matrix)
    found: dict[str, object] = {"adding": time.perf_counter() - start}
    random = np.random.default_rng(1)
    for count in (1, 16):
        queries = np.array(matrix[random.integers(0, len(matrix), count)])
        ways = {
            "ours": lambda queries=queries: nearest(blocks_of(matrix), queries, TOP_K).places,
            "numpy": lambda queries=queries: plain(matrix, queries),
            "faiss": lambda queries=queries: flat.search(queries, TOP_K)[1],
            "usearch": lambda queries=queries: np.atleast_2d(
                search(matrix, queries, TOP_K, MetricKind.IP, exact=True, threads=cores()).keys
            ),
        }
        answers = {name: way() for name, way in ways.items()}
        same = [np.mean(np.sort(each, 1) == np.sort(answers["numpy"], 1)) for each in answers.values()]
        assert min(same) > 0.99, same
        found[str(count)] = in_turns(ways)
    print(json.dumps(found))


def plain(matrix: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """As one writes it with numpy."""
    cosines = queries @ matrix.T
    best = np.argpartition(cosines, -TOP_K, axis=1)[:, -TOP_K:]
    order = np.argsort(-np.take_along_axis(cosines, best, 1), 1)
    return np.take_along_axis(best, order, 1)


def in_turns(ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """The least seconds of some runs of each, round by round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(min(_seconds(way) for _ in range(RUNS)))
    return times


def _seconds(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
