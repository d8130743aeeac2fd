"""Which photos are kept back for validation: decided by a hash of the content, class by class.

Pure: labels, content hashes and groups in, a choice out.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Literal

Split = Literal["train", "validation", "test"]

# How people spell the parts, in lower case: as folders and in the column of a manifest.
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def assign(
    labels: Sequence[str], contents: Sequence[str], groups: Sequence[int], *, fraction: float, seed: int
) -> list[bool]:
    """For each photo whether it is kept back for validation.

    Every group has a place in [0, 1), a hash of the seed and of its smallest content; below `fraction`
    it is validation. So a photo keeps its side whatever photos are added. (No exact quota per class can
    do that: a rule under which added photos never move others looks at the photo alone. The price is a
    binomial spread: of 100 photos 20 +- 4.) The place is overruled, nearest first, only where a class
    would suffer:

    - at least one of its photos is on each side;
    - half to one and a half times its share, rounded up, is kept back as far as whole groups allow; this
      matters to classes of fewer than about 100 photos;
    - a class that lies within one group is divided photo by photo, equal bytes still together. Where
      even that cannot fill both sides, one photo leaves its group.

    So an added photo can move others only through these, or by joining a group as its smallest. A
    class with one photo stays in training.

    Args:
        labels, contents, groups: of each photo: its class, the SHA-256 of its bytes, and any number
            that it shares with the photos it must not be parted from.
        fraction: the share to keep back, above 0 and below 1.
        seed: another seed gives another choice.

    Raises ValueError where the lengths differ or the fraction is out of range.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be above 0 and below 1, got {fraction}")
    if not len(labels) == len(contents) == len(groups):
        raise ValueError(f"lengths differ: {len(labels)=} {len(contents)=} {len(groups)=}")

    unit_of = _units(labels, contents, groups)
    members: dict[Hashable, list[int]] = {}
    for position, unit in enumerate(unit_of):
        members.setdefault(unit, []).append(position)
    content_of = {unit: min(contents[i] for i in inside) for unit, inside in members.items()}
    place = {unit: _place(seed, content) for unit, content in content_of.items()}
    photos = {unit: Counter(labels[i] for i in inside) for unit, inside in members.items()}  # by class
    units_by_class: dict[str, list[Hashable]] = {label: [] for label in sorted(set(labels))}
    for unit in sorted(members, key=lambda unit: (place[unit], content_of[unit])):
        for label in photos[unit]:
            units_by_class[label].append(unit)

    total = Counter(labels)
    share = {label: fraction * n for label, n in total.items()}
    least = {label: min(n - 1, math.ceil(share[label] / 2)) for label, n in total.items()}
    most = {label: min(n - 1, math.ceil(share[label] * 3 / 2)) for label, n in total.items()}
    all_but_one = {label: n - 1 for label, n in total.items()}
    kept = {unit for unit in members if place[unit] < fraction}
    held = Counter(label for label, unit in zip(labels, unit_of, strict=True) if unit in kept)

    def fits(unit: Hashable, limit: dict[str, int]) -> bool:
        return all(held[label] + n <= limit[label] for label, n in photos[unit].items())

    for label, units in units_by_class.items():
        for unit in reversed(units):
            if held[label] > most[label] and unit in kept:
                kept.remove(unit)
                held.subtract(photos[unit])
    alone: set[int] = set()
    for label, units in units_by_class.items():
        for unit in units:
            if held[label] < least[label] and unit not in kept and fits(unit, most):
                kept.add(unit)
                held.update(photos[unit])
        if held[label] or total[label] < 2:
            continue
        if large := [unit for unit in units if fits(unit, all_but_one)]:
            kept.add(large[0])
            held.update(photos[large[0]])
        else:
            inside = [i for i, own in enumerate(labels) if own == label]
            alone.add(min(inside, key=lambda i: (_place(seed, contents[i]), contents[i], i)))
            held[label] += 1
    return [unit in kept or position in alone for position, unit in enumerate(unit_of)]


def _units(labels: Sequence[str], contents: Sequence[str], groups: Sequence[int]) -> list[Hashable]:
    """What moves as one: the groups, or single contents in a group that holds a class whole."""
    groups_of: dict[str, set[int]] = {}
    for label, group in zip(labels, groups, strict=True):
        groups_of.setdefault(label, set()).add(group)
    total = Counter(labels)
    divided = {min(own) for label, own in groups_of.items() if len(own) == 1 and total[label] > 1}
    return [content if group in divided else group for content, group in zip(contents, groups, strict=True)]


def _place(seed: int, content: str) -> float:
    digest = hashlib.sha256(f"{seed}:{content}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
