"""The words for the parts of a data set, as people write them: `Training`, `test-set`, `seg_train`, `val2017`. Pure.

Names are compared by their words: in any case, with spaces, hyphens, underscores or nothing between them, and
without numbers.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from efficientnet_lite.photos.split import Split

_WORDS: dict[Split, str] = {
    "train": "train training trn",
    "validation": "val valid validation validate vali dev devel development eval evaluation evaluate",
    "test": "test testing tst tests",
}
SPLIT_WORDS: dict[str, Split] = {word: split for split, words in _WORDS.items() for word in words.split()}

# What says nothing beside a split: `train_set`, `Test Images`, `data-train`, `seg_test`.
_FILLERS = (
    "set sets data dataset datasets image images img imgs photo photos picture pictures pic pics folder folders dir "
    "part split subset sample samples file files seg class classes cls jpg jpeg png"
)
FILLERS = frozenset(_FILLERS.split())
_JOINED = sorted(FILLERS, key=len, reverse=True)
_TOKEN = re.compile(r"[^\W\d_]+")


def words_of(name: str) -> list[str]:
    """The words of a folder's name, in lower case, without numbers and what stands between: `Val2017` is val."""
    return [word.casefold() for word in _TOKEN.findall(name)]


@lru_cache(4096)  # a walk asks for the folder of each of a million links
def split_of(name: str) -> Split | None:
    """The part that a folder's or a cell's name stands for by itself, None where it is no such word."""
    split, rest = _parted(name)
    return split if not rest else None


def splits_among(names: Iterable[str]) -> dict[str, Split]:
    """The names that are parts, and which.

    A name that says more, as `asl_alphabet_train`, is one where another says the same of another part.
    """
    parted = {name: _parted(name) for name in names}
    parts: dict[tuple[str, ...], set[Split]] = {}
    for split, rest in parted.values():
        if split is not None:
            parts.setdefault(rest, set()).add(split)
    return {
        name: split
        for name, (split, rest) in parted.items()
        if split is not None and (not rest or len(parts[rest]) > 1)
    }


def is_filler(name: str) -> bool:
    """Whether a folder's name says nothing of what lies in it: `images`, `Data Set`."""
    words = words_of(name)
    return bool(words) and all(_plain(word) in FILLERS for word in words)


def without_split(name: str) -> str:
    """What a name says besides its part, in one word: `masks` of `Train_Masks`; all of it where it has no part."""
    split, _ = _parted(name)
    kept = [word for word in words_of(name) if split is None or _split_word(word) is None]
    return "".join(kept)


def _parted(name: str) -> tuple[Split | None, tuple[str, ...]]:
    """The one part that a name speaks of, and its other words that say something."""
    splits, rest = [], []
    for word in words_of(name):
        if (split := _split_word(word)) is not None:
            splits.append(split)
        elif word not in FILLERS:
            rest.append(word)
    if len(set(splits)) != 1:
        return None, ()
    return splits[0], tuple(rest)


def _split_word(word: str) -> Split | None:
    """The part of a word such as `train`, `trainset` or `imgstest`."""
    return SPLIT_WORDS.get(word) or SPLIT_WORDS.get(_plain(word))


def _plain(word: str) -> str:
    """A word without a filler grown on to it, where something is left."""
    for filler in _JOINED:
        for bare in (word.removesuffix(filler), word.removeprefix(filler)):
            if bare != word and bare in SPLIT_WORDS:
                return bare
    return word
