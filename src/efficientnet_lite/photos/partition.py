"""Training, validation and test for the rows of a data set, and which photos stand on two sides."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import ClassIndices
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.accounting import Accounting
from efficientnet_lite.photos.dataset import Dataset
from efficientnet_lite.photos.duplicates import alike
from efficientnet_lite.photos.groups import Leak, Places, find_groups, find_leaks, together
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.photos.looks import Looks
from efficientnet_lite.photos.manifest import SPLIT_CSV_COLUMNS
from efficientnet_lite.photos.split import Split, assign
from efficientnet_lite.photos.survey import Survey
from efficientnet_lite.sequences import Made
from efficientnet_lite.storage.tables import publish_csv


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each row went. Rows are named by their position; a refused photo is nowhere."""

    splits: tuple[Split | None, ...]  # of each row, None where it was refused
    groups: Places  # (N,) of each row the first row of its group of same photos, -1 where refused
    given: bool  # the validation split came with the data set, and can be read
    exact: Sequence[tuple[int, ...]]  # groups of two or more rows with equal bytes
    near: Sequence[tuple[int, ...]]  # groups of two or more rows that are alike and not all equal
    two_labels: Sequence[tuple[int, ...]]  # groups of same rows that have different labels
    leaks: Sequence[Leak]
    notes: tuple[str, ...]

    def positions(self, split: Split) -> Places:
        """The rows of one split, in order."""
        return np.flatnonzero([own == split for own in self.splits])

    def check_labels(self, dataset: Dataset, looks: Looks) -> None:
        """Raise UnusableDataset where every photo stands under two labels, bytes and all: nothing can be learned."""
        positions = looks.positions
        pairs = {
            (content, dataset.rows.said(position).label)
            for position, content in zip(positions.tolist(), looks.contents(positions).tolist(), strict=True)
        }
        labels = Counter(content for content, _ in pairs)
        if labels and min(labels.values()) > 1:
            first = [dataset.rows.name(position) for position in self.exact[0][:2]]
            raise UnusableDataset(
                f"each of the {len(labels)} photos stands under two labels or more, as "
                f"{' and '.join(map(repr, first))}: nothing tells the classes apart",
                where=dataset.root,
                fix="keep each photo in the one class that it shows",
            )


@dataclass(frozen=True, slots=True)
class Partition:
    """A data set that was looked at, and where each of its photos belongs."""

    dataset: Dataset
    survey: Survey
    assignment: Assignment

    def positions(self, split: Split) -> Places:
        return self.assignment.positions(split)

    @property
    def proof_split(self) -> Split:
        """Where accuracy is measured: on test where there is one, else on validation."""
        return "test" if "test" in self.assignment.splits else "validation"

    @property
    def accounting(self) -> Accounting:
        """What became of every photo of the data set."""
        return self.dataset.accounting(self.survey.refused)

    def labels(self, positions: Places) -> Sequence[str]:
        """The class of each photo at `positions`."""
        rows = self.dataset.rows
        return Made(len(positions), lambda at: rows.said(int(positions[at])).label)

    def truth(self, positions: Places) -> ClassIndices:
        """(len(positions),) class indices."""
        index = {label: number for number, label in enumerate(self.dataset.labels)}
        return np.fromiter((index[label] for label in self.labels(positions)), np.intp, len(positions))

    def surveyed(self, positions: Places) -> Surveyed:
        """The photos at `positions`, as they were when they were looked at."""
        rows, looks = self.dataset.rows, self.survey.looks
        return Surveyed(
            names=Made(len(positions), lambda at: rows.name(int(positions[at]))),
            paths=Made(len(positions), lambda at: rows[int(positions[at])].path),
            truth=self.truth(positions).tolist(),
            contents=Made(len(positions), lambda at: looks.sha256(int(positions[at]))),
        )


def divide(dataset: Dataset, survey: Survey, *, fraction: float, seed: int) -> Partition:
    """The photos of `survey` in training, validation and test; see `plan_split`.

    Raises UnusableDataset where nothing can be learned from what is left.
    """
    dataset.check_usable(survey.refused)
    assignment = plan_split(dataset, survey.looks, fraction=fraction, seed=seed)
    assignment.check_labels(dataset, survey.looks)
    return Partition(dataset, survey, assignment)


def plan_split(
    dataset: Dataset,
    looks: Looks,
    *,
    fraction: float = 0.2,
    seed: int = 0,
    also: npt.NDArray[np.int64] | None = None,
) -> Assignment:
    """The split of every row that was looked at.

    Given splits stay as they are. Without a validation split, `fraction` of the training photos is kept
    back: see `split.assign`. Same photos move as one; those that stand on two sides all the same are
    the leaks, one for each photo outside of training.

    `also` are further pairs (P, 2) of contents that show the same, by the numbers of `looks.contents`. They are part of
    the groups and of the leaks, and change no split: that is the same whatever model made vectors.
    """
    rows, positions = dataset.rows, looks.positions
    contents, (sha256, cells) = looks.contents(positions), looks.distinct()
    pairs = alike(cells)
    groups = find_groups(contents, pairs)
    labels = [rows.said(position).label for position in positions.tolist()]
    splits: list[Split] = [rows.said(position).split or "train" for position in positions.tolist()]
    given = "validation" in splits
    if not given:
        chosen = [i for i, split in enumerate(splits) if split == "train"]
        kept = assign(
            [labels[i] for i in chosen],
            [sha256[contents[i]] for i in chosen],
            groups.near[chosen].tolist(),
            fraction=fraction,
            seed=seed,
        )
        for i, back in zip(chosen, kept, strict=True):
            splits[i] = "validation" if back else "train"

    by_hash = len(find_leaks(groups, splits)) if not given else 0
    if also is not None:
        groups = find_groups(contents, np.concatenate([pairs, also]))
    exact, near = together(groups.exact), together(groups.near)
    two_labels = [group for group in near if len({labels[i] for i in group}) > 1]
    leaks = find_leaks(groups, splits)
    everywhere, placed = np.full(len(rows), -1), list[Split | None]([None] * len(rows))
    everywhere[positions] = positions[groups.near]
    for position, split in zip(positions.tolist(), splits, strict=True):
        placed[position] = split
    return Assignment(
        splits=tuple(placed),
        groups=everywhere,
        given=given,
        exact=_at(positions, exact),
        near=_at(positions, [group for group in near if len(set(contents[group].tolist())) > 1]),
        two_labels=_at(positions, two_labels),
        leaks=Made(len(leaks), lambda at: _moved(leaks[at], positions)),
        notes=_notes(
            groups.crowded,
            by_hash,
            0 if given else len(leaks) - by_hash,
            splits,
            given,
            sum(map(len, two_labels)),
            [rows.name(position) for group in two_labels[:1] for position in positions[group[:2]].tolist()],
        ),
    )


def publish_split(path: Path, dataset: Dataset, looks: Looks, assignment: Assignment) -> None:
    """Write `split.csv`: a row for each photo used. Beside the photos it can be read as a manifest.

    `group` is the start of the smallest hash in a group of same photos, empty for a photo that is alone.
    """
    used = looks.positions
    grouped = together(assignment.groups[used])
    smallest = {
        int(assignment.groups[used[group[0]]]): min(map(looks.sha256, used[group].tolist()))[:12]
        for group in grouped
    }
    publish_csv(
        path,
        SPLIT_CSV_COLUMNS,
        (
            (
                dataset.rows.name(position),
                dataset.rows.said(position).label,
                assignment.splits[position],
                looks.sha256(position),
                smallest.get(int(assignment.groups[position]), ""),
            )
            for position in used.tolist()
        ),
    )


def _at(positions: Places, groups: Sequence[Places]) -> Sequence[tuple[int, ...]]:
    """The positions of each group, as numbers once they are asked for."""
    members = positions[np.concatenate(groups)] if groups else positions[:0]
    ends = np.cumsum([0, *map(len, groups)])
    return Made(len(groups), lambda number: tuple(members[ends[number] : ends[number + 1]].tolist()))


def _moved(leak: Leak, positions: Places) -> Leak:
    return Leak(int(positions[leak.row]), int(positions[leak.other]), leak.exact)


def _notes(
    crowded: int,
    leaks: int,
    by_vectors: int,
    splits: Sequence[Split],
    given: bool,
    two_labels: int,
    named: Sequence[str],
) -> tuple[str, ...]:
    notes = []
    if crowded:
        notes.append(
            f"{crowded} photos look alike as from a fixed camera: only equal files among them were kept together"
        )
    if leaks:
        notes.append(
            f"{leaks} photos are copies of photos on another side: their class has no others, "
            "or the test part was given"
        )
    if by_vectors > 0:
        notes.append(
            f"{by_vectors} photos look like photos on another side by their vectors alone; `train` keeps together what "
            "is alike by the difference hash"
        )
    if "test" in splits and not given:
        notes.append(
            "no validation part came with the photos: it was chosen from the training part; the test part stays apart"
        )
    if two_labels:
        notes.append(
            f"{two_labels} photos stand under two labels: {', '.join(map(repr, named))}"
            + (", ... (`check` names them all)" if two_labels > 2 else "")
        )
    return tuple(notes)
