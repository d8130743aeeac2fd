"""What `check` finds of photos that are there as vectors alone: counts, copies, leaks, sizes, labels to look at."""

from collections import Counter
from pathlib import PurePosixPath

import numpy as np

from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.neighbors.doubtful_labels import doubtful_labels
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.accounting import account
from efficientnet_lite.photos.findings import ClassCount, Findings, LeakedPhoto, odd_size
from efficientnet_lite.photos.groups import find_groups, find_leaks, numbered, together
from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.progress import OnProgress

KIND = "vectors"
NO_PAIRS = np.empty((0, 2), np.int64)


def stored_findings(stored: StoredVectors, *, on_progress: OnProgress | None = None) -> Findings:
    """All that vectors and their rows say of a data set; no photo is opened.

    Raises UnusableInput where a part is damaged.
    """
    rows = stored.rows
    names = [row.path for row in rows]
    told = [_told(row) for row in rows]
    if all(
        label is None or split_of(label) for label, _ in told
    ):  # of `embed photos/` with train/ and validation/
        told = [_told_below(row) for row in rows]
    labels, splits = [label for label, _ in told], [split for _, split in told]
    contents = numbered(np.array([row.sha256 or f"row {at}" for at, row in enumerate(rows)]))[1]
    groups = find_groups(contents, NO_PAIRS)
    exact, near = together(groups.exact), together(groups.near)
    counts = Counter(told)
    classes = tuple(
        ClassCount(label, *(counts[label, split] for split in ("train", "validation", "test")))
        for label in sorted({label for label in labels if label is not None})
    )
    sizes = Counter(labels)
    judged = sum(row.test for row in classes) or sum(row.validation for row in classes)
    few = [sizes[row.label] for row in classes]
    return Findings(
        root=stored.folder,
        kind=KIND,
        classes=classes,
        photos=len(rows),
        imbalance=max(few) / min(few) if few else None,
        split_given="validation" in splits,
        fraction=0.0,
        seed=0,
        accounting=account(len(rows), []),
        refused=(),
        exact_duplicates=tuple(tuple(names[at] for at in group) for group in exact),
        near_duplicates=(),
        two_labels=tuple(
            tuple(names[at] for at in group) for group in near if len({labels[at] for at in group}) > 1
        ),
        leaks=tuple(
            LeakedPhoto(
                names[leak.row], str(splits[leak.row]), names[leak.other], str(splits[leak.other]), leak.exact
            )
            for leak in find_leaks(groups, splits)
        ),
        odd_sizes=tuple(
            odd
            for row in rows
            if row.height and row.width and (odd := odd_size(row.path, row.height, row.width))
        ),
        photo_notes=(),
        judged=judged,
        too_few_to_judge=judged > 0 and too_few_to_judge(judged) is not None,
        notes=(),
        problem=None,
        doubtful=doubtful_labels(
            stored.matrix(),
            labels,
            names,
            groups.near,
            model=stored.provenance.model if stored.provenance else "an unknown model",
            on_progress=on_progress,
        ),
    )


def _told(row: VectorRow) -> tuple[str | None, Split | None]:
    """Class and split of a photo, as its row and the folders of its path say."""
    split = split_of(row.split) if row.split else None
    parents = PurePosixPath(row.path).parts[:-1]
    at = next((at for at in range(len(parents) - 1, -1, -1) if parents[at] == row.label), len(parents))
    above = (split_of(folder) for folder in reversed(parents[:at]))
    return row.label, split or next((found for found in above if found), None)


def _told_below(row: VectorRow) -> tuple[str | None, Split | None]:
    """The same where the label is that of a split: the class is the folder below."""
    parts = PurePosixPath(row.path).parts
    at = next((at for at, folder in enumerate(parts) if folder == row.label), len(parts))
    below = parts[at + 1 : -1]
    return (below[0] if below else None), split_of(row.label) if row.label else None
