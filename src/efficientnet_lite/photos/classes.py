"""Whether classes can be learned from: their names and how many photos they have. Pure.

The rules stand here once, for folders, for manifests, and for what is left after unreadable photos.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from efficientnet_lite import labels as class_names
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.accounting import plain
from efficientnet_lite.photos.split import Split


def check_names(labels: Sequence[str], *, where: Path) -> list[str]:
    """Notes on names that differ by case only; raises UnusableDataset where a name cannot be used."""
    faults = [f"{label!r}: {fault}" for label in labels if (fault := class_names.fault(label))]
    faults += [
        f"{first!r} and {second!r}: they look the same but are spelled differently (Unicode)"
        for first, second in class_names.same_after_normalization(labels)
    ]
    if faults:
        raise UnusableDataset(
            f"{len(faults)} class names cannot be used: {some(faults)}",
            where=where,
            fix="rename these classes",
        )
    return [
        f"the classes {first!r} and {second!r} differ by case only"
        for first, second in class_names.same_but_for_case(labels)
    ]


def check_counts(
    photos: Iterable[tuple[str, Split | None]], labels: Sequence[str], *, where: Path, fix: str | None = None
) -> None:
    """Raise UnusableDataset unless there are the photos that training needs.

    Two classes or more. Without a given validation split two photos or more of each class, test photos
    not counted; with one, a photo of each class in every split.

    Args:
        photos: label and split of each. To be asked again for what is left once unreadable photos are
            dropped, while
        labels: stay those of the whole data set.
        fix: what to do where there are too few classes, if the caller knows better.
    """
    counts: dict[Split | None, Counter[str]] = {}
    for label, split in photos:
        counts.setdefault(split, Counter())[label] += 1
    if len(labels) < 2:
        found = f"only the class {labels[0]!r}" if labels else "no class"
        raise UnusableDataset(
            f"{found} was found, a classifier needs two or more",
            where=where,
            fix=fix or "make one folder for each class, or give a manifest with a column of labels",
        )
    if "validation" in counts or "test" in counts:
        _check_splits(counts, labels, where)
    if "validation" not in counts:
        learned = counts.get(None, Counter()) + counts.get("train", Counter())
        few = [f"{label!r} ({learned[label]})" for label in labels if learned[label] < 2]
        if few:
            raise UnusableDataset(
                f"{len(few)} of {len(labels)} classes have fewer than two photos to learn from: {some(few)}",
                where=where,
                fix="add photos to these classes, or take the classes out",
            )


def check_usable(
    photos: Sequence[tuple[str, Split | None]],
    labels: Sequence[str],
    lost: Sequence[str],
    *,
    where: Path,
    fix: str | None = None,
) -> None:
    """`check_counts` of the photos that are left, where `lost` are the reasons why others cannot be used.

    Raises UnusableDataset that says which reason is to blame, where there is one.
    """
    try:
        check_counts(photos, labels, where=where, fix=fix)
    except UnusableDataset as error:
        if not lost:
            raise
        reason, often = Counter(map(plain, lost)).most_common(1)[0]
        all_of_them = "" if often == len(lost) else f" ({often} of them)"
        what = (
            f"{error.what}, once {len(lost)} that cannot be used are left out: {reason}{all_of_them}"
            if photos
            else f"none of the {len(lost)} photos can be used: {reason}{all_of_them}"
        )
        mend = error.fix if photos else "mend or convert the photos, or give others"
        raise UnusableDataset(what, where=where, fix=mend) from error


def _check_splits(counts: dict[Split | None, Counter[str]], labels: Sequence[str], where: Path) -> None:
    if "train" not in counts:
        raise UnusableDataset(
            f"no training photos, only {' and '.join(sorted(map(str, counts)))}",
            where=where,
            fix="add a train part, or give photos without parts to have them split",
        )
    lacking = [
        f"{split} lacks {some([repr(label) for label in missing])}"
        for split, held in sorted(counts.items(), key=lambda item: str(item[0]))
        if (missing := [label for label in labels if not held[label]])
    ]
    if lacking:
        raise UnusableDataset(
            "the labels differ between the splits: " + "; ".join(lacking),
            where=where,
            fix="give every split a photo of every class, or take the classes out",
        )


def some(items: Sequence[str], limit: int = 8) -> str:
    """The first of `items` in one line, and how many more there are."""
    more = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {more} more" if more > 0 else "")
