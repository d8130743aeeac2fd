"""What `check` finds of photos that are there as vectors alone: counts, copies, leaks, sizes, labels to look at."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.neighbors.doubtful_labels import doubtful_labels
from efficientnet_lite.neighbors.near_duplicates import grouped
from efficientnet_lite.neighbors.path_splits import splits_of
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.accounting import account
from efficientnet_lite.photos.findings import ClassCount, Findings, LeakedPhoto, odd_size
from efficientnet_lite.photos.groups import find_leaks, together
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.vocabulary import NEAR_DUPLICATE

KIND = "vectors"


def stored_findings(stored: StoredVectors, show: ShowStage = silent) -> Findings:
    """All that vectors and their rows say of a data set; no photo is opened.

    Raises UnusableInput where a part is damaged.
    """
    rows = stored.rows
    names = [row.path for row in rows]
    labels = labels_of(rows)
    splits = splits_of(names, [row.split for row in rows])
    unit, contents, groups = grouped(stored, NEAR_DUPLICATE, show)
    exact, near = together(groups.exact), together(groups.near)
    several = [group for group in near if len({*contents[group].tolist()}) > 1]
    counts = Counter(zip(labels, splits, strict=True))
    classes = tuple(
        ClassCount(
            label,
            counts[label, "train"] + counts[label, None],
            counts[label, "validation"],
            counts[label, "test"],
        )
        for label in sorted({label for label in labels if label is not None})
    )
    sizes = Counter(labels)
    judged = sum(row.test for row in classes) or sum(row.validation for row in classes)
    few = [sizes[row.label] for row in classes]
    with show("Looking at the labels") as on_progress:
        doubtful = doubtful_labels(
            unit,
            labels,
            names,
            groups.near,
            model=stored.model,
            on_progress=on_progress,
        )
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
        near_duplicates=tuple(tuple(names[at] for at in group) for group in several),
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
        doubtful=doubtful,
    )


def labels_of(rows: Sequence[VectorRow]) -> list[str | None]:
    """The class of each photo: what its row says.

    Where that is the part of a data set, as `embed` has it of a folder with train/ and validation/, it is the folder
    below.
    """
    if any(row.label is not None and split_of(row.label) is None for row in rows):
        return [row.label for row in rows]
    return [_folder_below(row) for row in rows]


def _folder_below(row: VectorRow) -> str | None:
    parts = PurePosixPath(row.path).parts
    below = parts[parts.index(row.label) + 1 : -1] if row.label in parts else ()
    return below[0] if below else None
