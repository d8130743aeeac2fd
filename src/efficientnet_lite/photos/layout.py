"""Which folder is a class and which a part, told from the names of what lies in a data set's folder.

Pure: names come in, relative to the folder, with `/` between their parts; a walk has read the disk. Where names can
be read in two ways, or tell of data for another task, the folder is refused rather than guessed.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.rows import Placed
from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.splitwords import is_filler, split_of, splits_among, without_split, words_of
from efficientnet_lite.vocabulary import ClassFolders

# Folders side by side that hold pictures and what is to be found in them, part words taken off.
_PICTURES = frozenset(
    ("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "jpegimages")
)
_MASKS = frozenset(("mask", "masks", "gt", "groundtruth", "groundtruths", "trimaps")) | frozenset(
    ("segmentation", "segmentations", "segmentationclass", "segmentationobject", "segmentationmasks")
)
_BOXES = frozenset(
    ("label", "labels", "annotation", "annotations", "annots", "bbox", "bboxes", "boxes", "xml")
)


class Layout(NamedTuple):
    """What a folder says. `hint` is what to do if it proves to be one folder too high."""

    kind: str  # "folder per class" or "split folders"
    photos: list[Placed]
    skipped: list[tuple[str, str]]  # name and reason
    notes: list[str]
    hint: str | None
    classes: dict[str, set[str]]  # class folder, by its whole name -> the folders in it that hold photos


def find_split_folders(
    photos: Sequence[str],
    folders: Sequence[str],
    with_metadata: Set[str],
    *,
    where: Path,
    to_learn: bool = True,
) -> dict[str, Split]:
    """Folder -> the part that it is; empty where there is no training part.

    Without `to_learn` there need be none where parts are all that there is.

    A folder at the top named like a part is one if it holds class folders or metadata, so that a class of photos of
    trains stays a class. Where it holds nothing but a folder of the same part, as in `seg_train/seg_train`, or one
    whose name says nothing, as in `train/images`, that is the part.

    Raises UnusableDataset where two folders are the same part.
    """
    below = _folders_below(photos)
    holding = {folder for folder in below[""] if below.get(folder)} | with_metadata
    tops = splits_among(folder for folder in folders if "/" not in folder)
    flat = {name.rsplit("/", 1)[0] for name in photos if "/" in name}
    places = {
        folder: folder if folder in with_metadata else _innermost(folder, split, below, flat)
        for folder, split in tops.items()
        if folder in holding
    }
    found = {folder: tops[folder] for folder, place in places.items() if place}
    if "train" not in found.values() and (to_learn or not set(below[""]) <= found.keys()):
        return {}
    for split in sorted(set(found.values())):
        same = [folder for folder, own in found.items() if own == split]
        if len(same) > 1:
            raise UnusableDataset(
                f"the folders {' and '.join(map(repr, same))} are both the {split} part",
                where=where,
                fix="keep one of them, or put their photos together",
            )
    return {places[folder]: split for folder, split in found.items()}


def _folders_below(photos: Iterable[str]) -> dict[str, list[str]]:
    """Folder -> the folders in it that hold photos, at any depth; whole names. The data set itself is ""."""
    below: dict[str, dict[str, None]] = {"": {}}
    for folder in dict.fromkeys(name.rsplit("/", 1)[0] for name in photos if "/" in name):
        while folder:
            parent = folder.rpartition("/")[0]
            if folder in below.setdefault(parent, {}):
                break
            below[parent][folder] = None
            folder = parent
    return {folder: list(inner) for folder, inner in below.items()}


def _innermost(folder: str, split: Split, below: Mapping[str, list[str]], flat: Set[str]) -> str:
    """The folder that holds the class folders of a part; empty where there are none."""
    inner = below.get(folder, [])
    if len(inner) != 1 or folder in flat:
        return folder if inner else ""
    name = inner[0].rsplit("/", 1)[-1]
    same = split_of(name) == split or name == folder.rsplit("/", 1)[-1]
    return _innermost(inner[0], split, below, flat) if same or is_filler(name) else folder


def read_layout(
    photos: Sequence[str],
    folders: Sequence[str],
    splits: dict[str, Split],
    class_folders: ClassFolders | None = None,
) -> Layout:
    """The class of each photo, from the first folder, or the first below a split folder.

    `splits` is what `find_split_folders` found. A training part beside which no other folder holds photos of classes
    is taken as the whole data set. `class_folders="inner"` takes the folders one deeper; "outer" takes the first, and
    those in them as parts where all of their names are.
    """
    tops = {name.split("/", 1)[0] for name in photos if "/" in name}
    known = splits_among(folder for folder in folders if "/" not in folder)
    if len(splits) == 1 and splits.keys() <= tops and any(top not in known for top in tops):
        splits = {}  # classes, of which one is called "train" and has folders of its own
    given = len(splits) > 1
    deeper = 1 if class_folders == "inner" else 0
    placed: list[Placed] = []
    skipped: list[tuple[str, str]] = []
    classes: dict[str, set[str]] = {}
    for name in photos:
        parts = name.split("/")
        part = _part_of(parts, splits) if splits else ""
        if part is None:
            skipped.append((name, "outside of the split folders"))
            continue
        level = (part.count("/") + 1 if part else 0) + deeper
        if len(parts) < level + 2:
            skipped.append((name, "in no class folder"))
            continue
        inner = classes.setdefault("/".join(parts[: level + 1]), set())
        if len(parts) > level + 2:
            inner.add(parts[level + 1])
        placed.append(Placed(name, parts[level], splits[part] if given else None))

    notes = _empty(folders, splits, classes, deeper)
    if splits and not given:
        notes.append(
            f"{next(iter(splits))!r} is the only part with classes: it is taken as the whole data set"
        )
    if class_folders == "outer" and not given and _all_parts(classes):
        placed, given = [_by_inner(photo, classes) for photo in placed], True
    return Layout(
        "split folders" if given else "folder per class",
        placed,
        skipped,
        notes,
        _hint(photos, classes),
        classes,
    )


def _part_of(parts: Sequence[str], splits: Mapping[str, Split]) -> str | None:
    """The split folder that a photo lies in."""
    for depth in range(1, len(parts)):
        if (folder := "/".join(parts[:depth])) in splits:
            return folder
    return None


def _empty(
    folders: Sequence[str], splits: Mapping[str, Split], classes: Mapping[str, set[str]], deeper: int
) -> list[str]:
    """A note on the folders that stand where classes do, without a photo."""
    parents = set(splits) or {""}
    empty = [
        folder
        for folder in folders
        if not deeper and folder.rpartition("/")[0] in parents and folder not in classes
    ]
    return [f"no photos in {some(list(map(repr, empty)))}, so no class"] if empty else []


def _all_parts(classes: Mapping[str, set[str]]) -> bool:
    """Whether every class folder holds folders, all of them named like parts."""
    return all(inner and all(split_of(name) for name in inner) for inner in classes.values())


def _by_inner(photo: Placed, classes: Mapping[str, set[str]]) -> Placed:
    """A photo of a class folder that is divided into parts."""
    parts = photo.name.split("/")
    depth = next(depth for depth in range(1, len(parts)) if "/".join(parts[:depth]) in classes)
    return photo._replace(split=split_of(parts[depth]) if len(parts) > depth + 1 else "train")


def _hint(photos: Sequence[str], classes: Mapping[str, set[str]]) -> str | None:
    """What to do where all photos lie in folders of one folder, at any depth, as in an unpacked archive."""
    if len(classes) != 1:
        return None
    below, folder = _folders_below(photos), next(iter(classes))
    while len(inner := below.get(folder, [])) == 1:
        folder = inner[0]
    return f"give the folder {folder!r} in it instead" if inner else None


# What is refused


def check_layout(
    layout: Layout,
    folders: Sequence[str],
    splits: Mapping[str, Split],
    class_folders: ClassFolders | None,
    *,
    where: Path,
) -> None:
    """Raise UnusableDataset where the folders are no classes, or either of two kinds of them can be."""
    names = {folder.rsplit("/", 1)[-1] for folder in layout.classes}
    beside = {
        folder.rsplit("/", 1)[-1] for folder in folders if folder.rpartition("/")[0] in (set(splits) or {""})
    }
    inner = list(layout.classes.values())
    _check_task(names | beside if names else set(), where)
    if inner and all(inner):
        _check_task(set.intersection(*inner), where)
    for folder in layout.classes:  # `train/images` and `train/labels`, of which the latter holds no photo
        if split_of(folder.rsplit("/", 1)[-1]):
            _check_task(
                {name[len(folder) + 1 :] for name in folders if name.rpartition("/")[0] == folder}, where
            )
    parts = splits_among(names)
    if names and len(parts) == len(names):
        raise _only_parts(sorted(names), layout, splits, where)
    if class_folders is None and len(names) > 1:
        if deeper := _held_by_all(names, inner):
            raise _two_readings(sorted(names), sorted(deeper), where)
        for folder, held in layout.classes.items():
            if split_of(name := folder.rsplit("/", 1)[-1]) and len(held) > 1:
                raise _part_beside_classes(folder, sorted(held), sorted(names - {name}), where)


def _held_by_all(names: Set[str], inner: Sequence[set[str]]) -> set[str]:
    """The folders that may be the classes: the same in each, or in each of `fold_1`, `fold_2` and the like."""
    common = set.intersection(*inner)
    numbered = len({tuple(words_of(name)) for name in names}) == 1
    return common if len(common) > 1 and (numbered or all(own == common for own in inner)) else set()


def _check_task(names: Set[str], where: Path) -> None:
    words = {name: without_split(name) for name in names}
    pictures = sorted(name for name, word in words.items() if word in _PICTURES)
    masks = sorted(name for name, word in words.items() if word in _MASKS)
    boxes = sorted(name for name, word in words.items() if word in _BOXES)
    if pictures and masks:
        raise UnusableDataset(
            f"the folders {pictures[0]!r} and {masks[0]!r} side by side look like data for segmentation: "
            "pictures and their masks, no classes",
            where=where,
            fix="give the pictures alone in a folder for each class, or a manifest of path and label",
        )
    if pictures and boxes and len(pictures) + len(boxes) == len(names):
        raise UnusableDataset(
            f"the folders {pictures[0]!r} and {boxes[0]!r} side by side look like data for object detection: "
            "pictures and their annotations, no classes",
            where=where,
            fix="give the pictures in a folder for each class, or a manifest of path and label",
        )


def _only_parts(
    names: Sequence[str], layout: Layout, splits: Mapping[str, Split], where: Path
) -> UnusableDataset:
    listed = some(list(map(repr, names)))
    if splits:
        return UnusableDataset(
            f"below {some(list(map(repr, splits)))} lie {listed}: parts of a data set again, no classes",
            where=where,
            fix=f"give the folder {next(iter(splits))!r} instead",
        )
    if any(layout.classes.values()) and "train" not in map(split_of, names):
        return UnusableDataset(
            f"{listed} look like the parts of a data set, but none is for training",
            where=where,
            fix="name the folder of training photos 'train'",
        )
    return UnusableDataset(
        f"{listed} look like the parts of a data set, and there are no class folders in them",
        where=where,
        fix="make a folder for each class in each of them, or give a manifest of path, label and split",
    )


def _part_beside_classes(
    folder: str, held: Sequence[str], others: Sequence[str], where: Path
) -> UnusableDataset:
    return UnusableDataset(
        f"{folder!r} is named like a part of a data set and holds {some(list(map(repr, held)), 4)}, but beside it lie "
        f"{some(list(map(repr, others)), 4)}, which are no parts: it can be a part or a class",
        where=where,
        fix=f"give the folder {folder!r} alone, or take it as a class with `class_folders='outer'`",
    )


def _two_readings(names: Sequence[str], inner: Sequence[str], where: Path) -> UnusableDataset:
    outer = some(list(map(repr, names)), 4)
    deeper = some(list(map(repr, inner)), 4)
    parts = ", as the parts of each" if all(split_of(name) for name in inner) else ""
    return UnusableDataset(
        f"each of the {len(names)} folders holds the same {len(inner)} folders, so it can be read in two ways: "
        f"the classes are {outer}, whatever the folders in them{parts}; or the classes are {deeper}",
        where=where,
        fix="choose with `class_folders='outer'` or `class_folders='inner'`",
    )
