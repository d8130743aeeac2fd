"""Which photos are kept back for validation: decided by a hash of the content, class by class.

Pure: labels, content hashes and groups in, a choice out.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Literal

Split = Literal["train", "validation", "test"]


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
    smallest = {unit: min(contents[i] for i in inside) for unit, inside in members.items()}
    place = {unit: _place(seed, content) for unit, content in smallest.items()}
    order = sorted(members, key=lambda unit: (place[unit], smallest[unit]))
    photos = {unit: Counter(labels[i] for i in members[unit]) for unit in order}

    kept = {unit for unit in order if place[unit] < fraction}
    alone = set()
    for label in _balance(kept, photos, fraction):
        inside = (i for i, own in enumerate(labels) if own == label)
        alone.add(min(inside, key=lambda i: (_place(seed, contents[i]), contents[i], i)))
    return [unit in kept or position in alone for position, unit in enumerate(unit_of)]


def _balance(kept: set[Hashable], photos: dict[Hashable, Counter[str]], fraction: float) -> list[str]:
    """Change `kept` until every class has its due, see `assign`; the classes for which no unit will do.

    `photos` counts the labels of each unit, in order of their places.
    """
    units_of: dict[str, list[Hashable]] = {}  # class -> the units that have photos of it
    total: Counter[str] = Counter()
    held: Counter[str] = Counter()  # kept back
    for unit, counts in photos.items():
        total.update(counts)
        if unit in kept:
            held.update(counts)
        for label in counts:
            units_of.setdefault(label, []).append(unit)
    most = {label: min(n - 1, math.ceil(fraction * n * 3 / 2)) for label, n in total.items()}
    least = {label: min(n - 1, math.ceil(fraction * n / 2)) for label, n in total.items()}
    all_but_one = {label: n - 1 for label, n in total.items()}

    def fits(unit: Hashable, limit: dict[str, int]) -> bool:
        return all(held[label] + n <= limit[label] for label, n in photos[unit].items())

    for label in sorted(total):
        for unit in reversed(units_of[label]):
            if held[label] > most[label] and unit in kept:
                kept.remove(unit)
                held.subtract(photos[unit])
    unserved = []
    for label in sorted(total):
        for unit in units_of[label]:
            if held[label] < least[label] and unit not in kept and fits(unit, most):
                kept.add(unit)
                held.update(photos[unit])
        if held[label] or total[label] < 2:
            continue
        if large := [unit for unit in units_of[label] if fits(unit, all_but_one)]:
            kept.add(large[0])
            held.update(photos[large[0]])
        else:
            unserved.append(label)
            held[label] += 1
    return unserved


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
