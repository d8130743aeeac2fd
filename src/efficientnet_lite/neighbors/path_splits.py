"""Training, validation and test of photos of which only names are known: by a column, or by words in their paths.

Pure: no folder is looked at, since the photos may be elsewhere by now.
"""

from collections.abc import Sequence

from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.splitwords import split_of, splits_among

DEEPEST = 16  # folders that are looked at


def splits_of(paths: Sequence[str], said: Sequence[str | None]) -> list[Split | None]:
    """The part that each photo belongs to, None where nothing says so.

    What a manifest's column has comes first. Else the first level of folders, below what all paths have in common,
    where two parts or more stand side by side names them: `train`, `Test Images`, `val2017`, `shards/train-00000.tar`.
    A folder called `train` alone is no part, since it may be a class of photos of trains.
    """
    by_word = {word: split_of(word) for word in set(said) if word is not None}
    named = [None if word is None else by_word[word] for word in said]
    if any(named):
        return named
    folders = {path.rpartition("/")[0] for path in paths}
    by_folder = _of_folders(folders)
    return [by_folder[path.rpartition("/")[0]] for path in paths]


def _of_folders(folders: set[str]) -> dict[str, Split | None]:
    levels = {folder: folder.split("/") for folder in folders}
    for depth in range(DEEPEST):
        names = {parts[depth] for parts in levels.values() if len(parts) > depth}
        bare = {name: _without_ending(name) for name in names}
        parts_there = splits_among(bare.values())
        if len(set(parts_there.values())) > 1:
            return {
                folder: parts_there.get(bare[parts[depth]]) if len(parts) > depth else None
                for folder, parts in levels.items()
            }
    return dict.fromkeys(folders)


def _without_ending(name: str) -> str:
    """An archive's name without what says its format: `train-00000` of `train-00000.tar.gz`."""
    stem, dot, ending = name.partition(".")
    return stem if dot and ending.casefold() in ("tar", "tar.gz", "tgz", "tfrecord", "parquet") else name
