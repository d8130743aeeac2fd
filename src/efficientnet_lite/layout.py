"""Which folder is a class and which a split, told from the names of what lies in a data set's folder.

Pure: names come in, relative to the folder, with `/` between their parts; a walk has read the disk.
"""

from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.split import SPLIT_NAMES, Split


class Placed(NamedTuple):
    """A photo and what its folders say about it."""

    name: str
    label: str
    split: Split | None


class Layout(NamedTuple):
    """What a folder says. `hint` is what to do if it proves to be one folder too high."""

    kind: str  # "folder per class" or "split folders"
    photos: list[Placed]
    passed_over: list[tuple[str, str]]  # name and reason
    notes: list[str]
    hint: str | None


def find_split_folders(
    photos: Sequence[str], folders: Sequence[str], with_metadata: Set[str], *, where: Path
) -> dict[str, Split]:
    """Folder at the top -> the split that it is; empty where there is no `train` that can be one.

    A folder named like a split is one if it holds class folders or metadata, so that a class of photos
    of trains stays a class.

    Raises UnusableDataset where two folders are the same split.
    """
    holding = {name.split("/", 1)[0] for name in photos if name.count("/") > 1} | with_metadata
    found = {
        folder: SPLIT_NAMES[folder.lower()]
        for folder in folders
        if folder.lower() in SPLIT_NAMES and folder in holding
    }
    if "train" not in found.values():
        return {}
    for split in SPLIT_NAMES.values():
        same = [folder for folder, own in found.items() if own == split]
        if len(same) > 1:
            raise UnusableDataset(
                f"the folders {' and '.join(map(repr, same))} are both the {split} part",
                where=where,
                fix="keep one of them, or put their photos together",
            )
    return found


def read_layout(photos: Sequence[str], folders: Sequence[str], splits: dict[str, Split]) -> Layout:
    """The class of each photo, from its first folder, or from the second below a split folder.

    `splits` is what `find_split_folders` found. A `train` beside which no other folder holds photos of
    classes is taken as the whole data set.
    """
    tops = {name.split("/", 1)[0] for name in photos if "/" in name}
    if len(splits) == 1 and any(top.lower() not in SPLIT_NAMES for top in tops):
        splits = {}  # classes, of which one is called "train" and has folders of its own
    level = 1 if splits else 0  # of the class folders
    given = len(splits) > 1
    placed: list[Placed] = []
    passed_over: list[tuple[str, str]] = []
    for name in photos:
        parts = name.split("/")
        if splits and parts[0] not in splits:
            passed_over.append((name, "outside of the split folders"))
        elif len(parts) < level + 2:
            passed_over.append((name, "in no class folder"))
        else:
            placed.append(Placed(name, parts[level], splits[parts[0]] if given else None))

    used = {"/".join(name.split("/")[: level + 1]) for name, _, _ in placed}
    empty = [
        folder
        for folder in folders
        if folder.count("/") == level
        and folder not in used
        and (not splits or folder.split("/")[0] in splits)
    ]
    passed_over += [(folder + "/", "no photos in it, so it is no class") for folder in empty]
    notes = []
    if splits and not given:
        notes.append(
            f"{next(iter(splits))!r} is the only part with classes: it is taken as the whole data set"
        )
    return Layout(
        "split folders" if given else "folder per class", placed, passed_over, notes, _hint(placed, level)
    )


def _hint(photos: Sequence[Placed], level: int) -> str | None:
    """What to do where all photos lie in folders of one folder, as in an unpacked archive."""
    classes = {photo.label for photo in photos}
    deeper = {photo.name.split("/")[level + 1] for photo in photos if photo.name.count("/") > level + 1}
    return (
        f"give the folder {classes.pop()!r} in it instead" if len(classes) == 1 and len(deeper) > 1 else None
    )
