"""Class names: their order, their digest, and what a name may look like.

The order of a label list is the order of the model's outputs. Pure: no file is opened here.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain

MAX_LABEL_LENGTH = 255


def digest(labels: Sequence[str]) -> str:
    """SHA-256 over names and order, hex; equal digests mean that outputs can be compared by index."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()


def fault(label: str) -> str | None:
    """Why `label` cannot be a class name, or None where it can.

    A name goes into a text file with one name a line and onto phone screens, so it must be one
    printable line.
    """
    if len(label) > MAX_LABEL_LENGTH:
        return f"it has {len(label)} characters, more than {MAX_LABEL_LENGTH}"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in label):
        return "it has a control character, a line break or bytes that are no UTF-8"
    if not any(c.isprintable() and not c.isspace() for c in label):
        return "it is empty or invisible"
    if label != label.strip():
        return "it begins or ends with white space"
    return None


class ClassNames:
    """The classes of a model as people write them: by label and, where there are others, by those names."""

    def __init__(self, labels: Sequence[str], others: Iterable[tuple[str, int]] = ()) -> None:
        """`others` are further names, each with the index of the class that it means; a name may mean several."""
        self.labels = labels
        self._places: dict[str, list[int]] = {}
        named = ((label, index) for index, label in enumerate(labels))
        for name, index in chain(named, others):
            places = self._places.setdefault(_normal(name), [])
            if index not in places:
                places.append(index)

    def places(self, name: str) -> tuple[int, ...]:
        """The indices of the classes that `name` may mean; names that look the same in Unicode are the same."""
        return tuple(self._places.get(_normal(name), ()))

    def ambiguous(self, names: Iterable[str]) -> list[str]:
        """What to say of each of `names` that may mean several classes."""
        return [
            f"{name} ({' or '.join(f'class {place}, {self.labels[place]}' for place in places)})"
            for name in names
            if len(places := self.places(name)) > 1
        ]


def same_after_normalization(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that look the same: equal once Unicode is normalised (NFC)."""
    seen: dict[str, str] = {}
    pairs = []
    for label in labels:
        other = seen.setdefault(_normal(label), label)
        if other != label:
            pairs.append((other, label))
    return pairs


def same_but_for_case(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ by case only: legitimate, but worth a word."""
    seen: dict[str, str] = {}
    pairs = []
    for label in labels:
        name = _normal(label)
        other = seen.setdefault(name.casefold(), label)
        if _normal(other) != name:
            pairs.append((other, label))
    return pairs


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
