"""Training, validation and test for the rows of a data set, and which photos stand on two sides."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.dataset import Dataset
from efficientnet_lite.photos.duplicates import FINGERPRINT_BYTES, find_groups
from efficientnet_lite.photos.manifest import SPLIT_CSV_COLUMNS
from efficientnet_lite.photos.split import Split, assign
from efficientnet_lite.photos.survey import Look
from efficientnet_lite.storage.files import publish_csv


@dataclass(frozen=True, slots=True)
class Leak:
    """A photo that stands in two splits. `row` and `other` are positions; `other` is in training if it can be."""

    row: int
    other: int
    exact: bool  # equal bytes; else alike


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each row went. Rows are named by their position; a refused photo is nowhere."""

    splits: tuple[Split | None, ...]  # of each row, None where it was refused
    groups: tuple[int | None, ...]  # of each row, the first row of its group of same photos
    given: bool  # the validation split came with the data set, and can be read
    exact: tuple[tuple[int, ...], ...]  # groups of two or more rows with equal bytes
    near: tuple[tuple[int, ...], ...]  # groups of two or more rows that are alike and not all equal
    two_labels: tuple[tuple[int, ...], ...]  # groups of same rows that have different labels
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]

    def check_labels(self, dataset: Dataset, looks: Mapping[int, Look]) -> None:
        """Raise UnusableDataset where every photo stands under two labels, bytes and all: nothing can be learned."""
        labels: dict[str, set[str]] = {}
        for position, look in looks.items():
            labels.setdefault(look.sha256, set()).add(dataset.rows[position].label)
        if labels and all(len(own) > 1 for own in labels.values()):
            first = [dataset.rows[position].name for position in self.exact[0][:2]]
            raise UnusableDataset(
                f"each of the {len(labels)} photos stands under two labels or more, as "
                f"{' and '.join(map(repr, first))}: nothing tells the classes apart",
                where=dataset.root,
                fix="keep each photo in the one class that it shows",
            )


def plan_split(
    dataset: Dataset, looks: Mapping[int, Look], *, fraction: float = 0.2, seed: int = 0
) -> Assignment:
    """The split of every row that was looked at.

    Given splits stay as they are. Without a validation split, `fraction` of the training photos is kept
    back: see `split.assign`. Same photos move as one; those that stand on two sides all the same are
    the leaks, one for each photo outside of training.
    """
    positions = sorted(looks)
    rows = [dataset.rows[position] for position in positions]
    contents = [looks[position].sha256 for position in positions]
    cells = np.frombuffer(b"".join(looks[position].fingerprint for position in positions), np.uint8)
    groups = find_groups(contents, cells.reshape(len(positions), FINGERPRINT_BYTES))

    splits: list[Split] = [row.split or "train" for row in rows]
    given = any(row.split == "validation" for row in rows)
    if not given:
        chosen = [i for i, split in enumerate(splits) if split == "train"]
        kept = assign(
            [rows[i].label for i in chosen],
            [contents[i] for i in chosen],
            [int(groups.near[i]) for i in chosen],
            fraction=fraction,
            seed=seed,
        )
        for i, back in zip(chosen, kept, strict=True):
            splits[i] = "validation" if back else "train"

    exact, near = _together(groups.exact.tolist()), _together(groups.near.tolist())
    leaks = [leak for group in near for leak in _leaks(group, splits, contents)]
    two_labels = [group for group in near if len({rows[i].label for i in group}) > 1]
    split_of = dict(zip(positions, splits, strict=True))
    group_of = dict(zip(positions, groups.near.tolist(), strict=True))
    everywhere = range(len(dataset.rows))
    return Assignment(
        splits=tuple(split_of.get(row) for row in everywhere),
        groups=tuple(positions[group_of[row]] if row in group_of else None for row in everywhere),
        given=given,
        exact=tuple(tuple(positions[i] for i in group) for group in exact),
        near=tuple(
            tuple(positions[i] for i in group) for group in near if len({contents[i] for i in group}) > 1
        ),
        two_labels=tuple(tuple(positions[i] for i in group) for group in two_labels),
        leaks=tuple(Leak(positions[leak.row], positions[leak.other], leak.exact) for leak in leaks),
        notes=_notes(
            groups.crowded, len(leaks), splits, given, [rows[i].name for group in two_labels for i in group]
        ),
    )


def publish_split(path: Path, dataset: Dataset, looks: Mapping[int, Look], assignment: Assignment) -> None:
    """Write `split.csv`: a row for each photo used. Beside the photos it can be read as a manifest.

    `group` is the start of the smallest hash in a group of same photos, empty for a photo that is alone.
    """
    sizes = Counter(assignment.groups)
    smallest: dict[int, str] = {}
    for position, look in looks.items():
        if (group := assignment.groups[position]) is not None:
            smallest[group] = min(look.sha256, smallest.get(group, look.sha256))
    publish_csv(
        path,
        SPLIT_CSV_COLUMNS,
        (
            (
                dataset.rows[position].name,
                dataset.rows[position].label,
                assignment.splits[position],
                looks[position].sha256,
                smallest[group][:12] if group is not None and sizes[group] > 1 else "",
            )
            for position, group in enumerate(assignment.groups)
            if position in looks
        ),
    )


def _together(groups: list[int]) -> list[list[int]]:
    """The groups that have two or more members, in order of their first."""
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    return [group for group in members.values() if len(group) > 1]


def _leaks(group: list[int], splits: list[Split], contents: list[str]) -> list[Leak]:
    """For each photo outside of training one with which it stands on two sides, equal bytes first."""
    leaks = []
    for row in group:
        others = [
            other
            for other in group
            if splits[other] != splits[row]
            and (splits[other] == "train" or (splits[row], splits[other]) == ("test", "validation"))
        ]
        if splits[row] != "train" and others:
            other = min(others, key=lambda i: (contents[i] != contents[row], splits[i] != "train", i))
            leaks.append(Leak(row, other, contents[other] == contents[row]))
    return leaks


def _notes(
    crowded: int, leaks: int, splits: list[Split], given: bool, two_labels: list[str]
) -> tuple[str, ...]:
    notes = []
    if crowded:
        notes.append(
            f"{crowded} photos look alike as from a fixed camera: only equal files among them were kept together"
        )
    if leaks and not given:
        notes.append(
            f"{leaks} photos are copies of photos on another side: their class has no others, "
            "or the test part was given"
        )
    if "test" in splits and not given:
        notes.append(
            "no validation part came with the photos: it was chosen from the training part; the test part stays apart"
        )
    if two_labels:
        notes.append(
            f"{len(two_labels)} photos stand under two labels: {', '.join(map(repr, two_labels[:2]))}"
            + (", ... (`check` names them all)" if len(two_labels) > 2 else "")
        )
    return tuple(notes)
