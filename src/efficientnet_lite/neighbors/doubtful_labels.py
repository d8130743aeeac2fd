"""Labels that the photos alike speak against: by the nearest photos, and by heads that have not learned from a photo.

Both see what the other does not. The nearest photos are a handful that anybody can look at; a head weighs all photos,
and knows which of the features tell the classes apart. Their mean is as good as the better of them where labels are
wrong at random, and better than either where a photo has the label of the class that it is most easily taken for
(`python -m benchmarks labels`). The heads are our own, by cross-validation, as in confident learning.

Source: Northcutt, Jiang, Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", for the use of
probabilities that are out of sample; the ranking here is not theirs.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from efficientnet_lite.arrays import Array, ClassIndices
from efficientnet_lite.classifier.head import cross_validated
from efficientnet_lite.neighbors.search import BLOCK_ROWS, Block, nearest
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.doubtful import DoubtfulLabel, DoubtfulLabels
from efficientnet_lite.photos.groups import Places
from efficientnet_lite.progress import OnProgress

NEAREST = 10  # photos that are asked
FOLDS = 5
MOST_ASKED = 100_000  # photos among which the nearest are looked for; of more, that many, evenly drawn
# Length of the vectors that a head is fitted on. Its strengths are meant for features as they are, 13 (lite1) or
# 15 (lite0) long on average; stored vectors may be of length one.
LENGTH = 14.0
# Of the share of a class among all photos, by which its probability is divided: a small class would be doubted for
# being small. At 0 six honest photos of a class among 1,600 are as good as all doubted, at 1 broken labels are missed.
PRIOR = 0.5
HALF_A_NEIGHBOR = (
    0.5 / NEAREST
)  # added to what speaks for the label, so that nothing is doubted for next to nothing
LIKELY = 0.5  # of doubt, from which on more speaks for another class than for the label
AT_ONCE = 1024  # doubted photos that are compared with a class


def doubtful_labels(
    vectors: Array,
    labels: Sequence[str | None],
    names: Sequence[str],
    groups: Places,
    *,
    model: str,
    on_progress: OnProgress | None = None,
) -> DoubtfulLabels:
    """The labels for which less speaks than for another, the most doubtful first.

    A photo is never judged by copies of itself: they share its fold, and are not among its nearest. A class with fewer
    than two photos that are no copies is left out, and so is a photo without a label; the notes say so.

    Args:
        vectors: (N, C) of length one.
        labels, names: of each photo.
        groups: (N,) a number that a photo shares with its near-duplicates.
        model: whose vectors these are.
        on_progress: counts folds, and the search as one more.
    """
    classes, truth, notes = _classes(labels, groups)
    judged = np.flatnonzero(truth >= 0)
    if len(classes) < 2:
        return DoubtfulLabels((), 0, model, notes)
    if len(judged) < len(vectors):
        vectors, truth, groups = vectors[judged], truth[judged], groups[judged]
    steps = FOLDS + 1
    said = cross_validated(
        vectors * np.float32(LENGTH),
        truth,
        folds_of(truth, groups),
        classes=len(classes),
        on_progress=None if on_progress is None else lambda done, _: on_progress(done, steps),
    )
    asked = asked_of(groups)
    votes = votes_of(vectors, truth, groups, asked, len(classes))
    if on_progress:
        on_progress(steps, steps)
    suspected, doubt = rank(spoken_for(votes, said, truth), truth)
    order = np.flatnonzero(doubt >= LIKELY)
    order = order[np.argsort(-doubt[order], kind="stable")]
    examples = _examples(vectors, truth, groups, asked, suspected, order)
    rows = tuple(
        DoubtfulLabel(
            name=names[judged[at]],
            label=classes[truth[at]],
            suspected=classes[suspected[at]],
            doubt=float(doubt[at]),
            nearest=int(votes[at].sum()),
            nearest_label=int(votes[at, truth[at]]),
            nearest_suspected=int(votes[at, suspected[at]]),
            probability_label=float(said[at, truth[at]]),
            probability_suspected=float(said[at, suspected[at]]),
            example=names[judged[example]],
        )
        for at, example in zip(order.tolist(), examples.tolist(), strict=True)
    )
    return DoubtfulLabels(rows, len(judged), model, notes)


def spoken_for(votes: Array, said: Array, truth: ClassIndices) -> Array:
    """How much speaks for each class of each photo, (N, C), each row a sum of one or less.

    The mean of its share of the nearest and of its probability, the latter by `fair`.

    Args:
        votes: (N, C) of the nearest photos, those of each class.
        said: (N, C) probabilities of heads that have not learned from the photo.
        truth: (N,) the labels as class indices.
    """
    return ((fair(said, truth) + shares(votes)) / 2).astype(np.float32)


def fair(said: Array, truth: ClassIndices) -> Array:
    """Probabilities (N, C) as if a class that is rarer by a factor were rarer by its root."""
    common = np.maximum(np.bincount(truth, minlength=said.shape[1]), 1) / len(truth)
    return shares((said / common**PRIOR).astype(np.float32))


def shares(amounts: Array) -> Array:
    """Each row (N, C) divided by its sum; zeros stay zeros."""
    total = amounts.sum(axis=1, keepdims=True)
    total[total == 0] = 1
    divided: Array = amounts / total
    return divided


def rank(speaks: Array, truth: ClassIndices) -> tuple[ClassIndices, Array]:
    """For each photo the class beside its label that most speaks for, and how doubtful the label is, 0 to 1."""
    photos, others = np.arange(len(truth)), speaks.copy()
    others[photos, truth] = -1
    suspected: ClassIndices = others.argmax(axis=1)
    other, own = others[photos, suspected], speaks[photos, truth]
    doubt: Array = (other / (other + own + HALF_A_NEIGHBOR)).astype(np.float32)
    return suspected, doubt


def folds_of(truth: ClassIndices, groups: Places) -> Places:
    """The fold of each photo, 0 to `FOLDS` - 1: near-duplicates in one, each class over as many as it can fill."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    drawn = np.random.default_rng(0).random(len(first))
    order = np.lexsort((drawn, truth[first]))
    folds = np.empty(len(first), np.intp)
    folds[order] = np.arange(len(first)) % FOLDS
    return folds[group]


def _classes(labels: Sequence[str | None], groups: Places) -> tuple[list[str], ClassIndices, tuple[str, ...]]:
    """The classes that can be judged, sorted; of each photo its class, -1 for none; and what is left out."""
    apart = Counter(label for label, _ in {*zip(labels, groups.tolist(), strict=True)} if label is not None)
    few = sorted(label for label, count in apart.items() if count < 2)
    classes = sorted(apart.keys() - few)
    index = {label: number for number, label in enumerate(classes)}
    truth = np.array([-1 if label is None else index.get(label, -1) for label in labels], np.intp)
    notes = []
    if missing := sum(label is None for label in labels):
        notes.append(f"{missing:,} of {len(labels):,} photos have no label, and are left out")
    if few:
        named = some([repr(label) for label in few], 4)
        which = "the class" if len(few) == 1 else f"{len(few):,} classes"
        notes.append(f"{which} {named}: one photo alone, or copies of one, cannot be compared; left out")
    if len(classes) < 2:
        left = f"only {classes[0]!r}" if classes else "none"
        notes.append(f"labels are compared with those of other classes, and there is {left} to compare")
    return classes, truth, tuple(notes)


def asked_of(groups: Places) -> Places:
    """One photo of each group; of too many some, evenly drawn."""
    first = np.unique(groups, return_index=True)[1]
    return first[np.linspace(0, len(first) - 1, min(len(first), MOST_ASKED)).astype(np.intp)]


def votes_of(
    vectors: Array,
    truth: ClassIndices,
    groups: Places,
    asked: Places,
    classes: int,
    count: int = NEAREST,
) -> Array:
    """How many of the `count` nearest photos among `asked`, none of the own group, are of each class, (N, C)."""
    blocks = (
        Block(start, vectors[asked[start : start + BLOCK_ROWS]]) for start in range(0, len(asked), BLOCK_ROWS)
    )
    found = nearest(blocks, vectors, count + 1).places
    is_other = groups[asked[found]] != groups[:, None]  # one of them may be the photo itself, or a copy
    photos, ranks = np.nonzero(is_other & (np.cumsum(is_other, axis=1) <= count))
    votes = np.zeros((len(vectors), classes), np.float32)
    np.add.at(votes, (photos, truth[asked[found[photos, ranks]]]), 1)
    return votes


def _examples(
    vectors: Array, truth: ClassIndices, groups: Places, asked: Places, suspected: ClassIndices, rows: Places
) -> Places:
    """For each of `rows` the nearest photo of its suspected class that is no copy of it."""
    examples = np.empty(len(rows), np.intp)
    for of in np.unique(suspected[rows]).tolist():
        mine = np.flatnonzero(suspected[rows] == of)
        members = asked[truth[asked] == of]
        if not len(members):  # all of them copies of photos of another class
            members = np.flatnonzero(truth == of)
        for some_rows in np.split(mine, range(AT_ONCE, len(mine), AT_ONCE)):
            alike = vectors[rows[some_rows]] @ vectors[members].T
            alike[groups[rows[some_rows], None] == groups[members]] = -2
            examples[some_rows] = members[alike.argmax(axis=1)]
    return examples
