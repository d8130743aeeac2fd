"""Class names: their order, their digest, and what a name may look like.

The order of a label list is the order of the model's outputs. Pure: no file is opened here.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

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


def same_after_normalization(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that look the same: equal once Unicode is normalised (NFC)."""
    seen: dict[str, str] = {}
    pairs = []
    for label in labels:
        other = seen.setdefault(unicodedata.normalize("NFC", label), label)
        if other != label:
            pairs.append((other, label))
    return pairs


def same_but_for_case(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ by case only: legitimate, but worth a word."""
    seen: dict[str, str] = {}
    pairs = []
    for label in labels:
        name = unicodedata.normalize("NFC", label)
        other = seen.setdefault(name.casefold(), label)
        if unicodedata.normalize("NFC", other) != name:
            pairs.append((other, label))
    return pairs
