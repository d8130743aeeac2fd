"""How cleanlab ranks labels by probabilities of ours, for `benchmarks.labels`.

    .venv-peers/bin/python -m benchmarks.peers.labels GIVEN.npz OUT.npz

GIVEN has `labels`, (D, N), and `said`, (D, N, C): of each draw the labels, and what heads say that have not learned
from the photo. OUT gets for each method of cleanlab the places of the photos, (D, N), the most doubtful first.
"""

import sys

import numpy as np
from cleanlab.rank import get_label_quality_scores

METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def main(given: str, out: str) -> None:
    with np.load(given) as draws:
        labels, said = draws["labels"], draws["said"].astype(np.float64)
    said /= said.sum(axis=2, keepdims=True)
    orders = {
        method: [
            np.argsort(get_label_quality_scores(*draw, method=method), kind="stable")
            for draw in zip(labels, said, strict=True)
        ]
        for method in METHODS
    }
    np.savez(out, **orders)


if __name__ == "__main__":
    main(*sys.argv[1:])
