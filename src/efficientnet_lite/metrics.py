"""How good a classifier is, and how sure that can be: pure functions of scores and classes.

Fractions are 0 to 1; only the printer makes percents of them. N is photos, C is classes. Scores are
logits or probabilities, (N, C), of any float type, and sums are taken in float64. A class index outside
0..C-1, arrays that do not fit together, and a mean over nothing raise ValueError: they are a caller's bug.

A row with a NaN answers nothing: it is never right and agrees with nothing. Among equal scores the class
of the lower index is better, as `argmax` says.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Classes = npt.NDArray[np.integer[Any]]
Matrix = npt.NDArray[np.int64]


# Of 30 photos named right, all of them, 88 % may still be the truth; of 10, 72 % (95 % intervals).
ENOUGH_TO_JUDGE = 30


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class of a confusion matrix. None where a figure is not defined."""

    class_index: int
    precision: float | None  # right among those called so; None where none was called so
    recall: float | None  # right among those that are so; None where the class does not occur
    f1: float | None  # None where the class neither occurs nor was named
    support: int  # photos whose true class this is


def top_k(scores: Floats, truth: Classes, k: int) -> float:
    """Fraction of photos whose true class is among the `k` best scores; 1 where k >= C and no NaN."""
    _check_scores(scores, truth)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < truth[:, None]
    better = (scores > own) | ((scores == own) & earlier)
    return float(np.mean((better.sum(axis=1) < k) & ~np.isnan(scores).any(axis=1)))


def accuracy(truth: Classes, predicted: Classes) -> float:
    """Fraction of photos whose predicted class is the true one; both (N,)."""
    if truth.shape != predicted.shape or truth.ndim != 1 or not truth.size:
        raise ValueError(f"need two equal, filled vectors, got shapes {truth.shape} and {predicted.shape}")
    return float(np.mean(truth == predicted))


def confusion(truth: Classes, predicted: Classes, classes: int) -> Matrix:
    """Counts, int64 (C, C): row = true class, column = predicted class. Zero photos give zeros."""
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"need two equal vectors, got shapes {truth.shape} and {predicted.shape}")
    _check_classes(truth, classes)
    _check_classes(predicted, classes)
    cells = truth.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def per_class(matrix: Matrix) -> tuple[ClassScores, ...]:
    """Precision, recall and F1 of every class of a confusion matrix, in the order of the classes."""
    right, support, named = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return tuple(
        ClassScores(
            index,
            precision=_ratio(right[index], named[index]),
            recall=_ratio(right[index], support[index]),
            f1=_ratio(2 * right[index], support[index] + named[index]),
            support=int(support[index]),
        )
        for index in range(len(matrix))
    )


def macro_f1(matrix: Matrix) -> float:
    """Mean F1 over the classes that occur in truth.

    A class that does not occur has no vote of its own; photos that were taken for it still count against
    their true classes.
    """
    return _mean_over_occurring(matrix, [row.f1 for row in per_class(matrix)])


def balanced_accuracy(matrix: Matrix) -> float:
    """Mean recall over the classes that occur in truth; the others count as in `macro_f1`."""
    return _mean_over_occurring(matrix, [row.recall for row in per_class(matrix)])


def agreement(scores: Floats, others: Floats) -> float:
    """Fraction of photos on which two models, each (N, C), have the same best class."""
    _check_pair(scores, others)
    unsure = np.isnan(scores).any(axis=1) | np.isnan(others).any(axis=1)
    return float(np.mean((scores.argmax(axis=1) == others.argmax(axis=1)) & ~unsure))


def snr_db(reference: Floats, other: Floats) -> float:
    """Signal-to-noise ratio of `other`'s logits in decibels, over all photos; both (N, C).

    10 log10(sum reference^2 / sum (reference - other)^2), each row centred first, since softmax does not
    see a shift. Infinite where the centred rows are equal, NaN where a score is not finite.

    Source: the usual definition, with the sums over all photos rather than a mean of ratios.
    """
    _check_pair(reference, other)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (reference.astype(float), other.astype(float)))
        signal, noise = np.square(a).sum(), np.square(a - b).sum()
        return float(10 * (np.log10(signal) - np.log10(noise))) if noise else math.inf


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis, in the type of the finite `logits`; no overflow at any size."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(logits: Floats, truth: Classes) -> float:
    """Mean of -log softmax(logits)[truth], in nats; `logits` (N, C), `truth` (N,)."""
    _check_scores(logits, truth)
    shifted = logits.astype(float) - logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(shifted, truth[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - own))


def too_few_to_judge(count: int) -> str | None:
    """What to say of a figure that rests on `count` photos, None where they are enough to say anything."""
    if count >= ENOUGH_TO_JUDGE:
        return None
    only = "one photo decides" if count == 1 else f"{count} photos decide"
    return (
        f"too few to judge: {only}, and with fewer than {ENOUGH_TO_JUDGE} a good model looks like a bad one"
    )


def wilson_interval(successes: int, count: int, *, confidence: float = 0.95) -> Interval:
    """Interval of a fraction of which `successes` of `count` were seen; never outside 0 to 1.

    Source: Wilson 1927, the score interval without continuity correction.
    """
    if not 0 <= successes <= count or count < 1:
        raise ValueError(f"need 0 <= successes <= count and count >= 1, got {successes} of {count}")
    z = _quantile(confidence)
    share = successes / count
    center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    # where all or none succeeded, rounding must not leave the fraction itself outside
    return Interval(
        0.0 if successes == 0 else max(0.0, center - half),
        1.0 if successes == count else min(1.0, center + half),
    )


def paired_interval(
    correct_a: npt.NDArray[np.bool_], correct_b: npt.NDArray[np.bool_], *, confidence: float = 0.95
) -> Interval:
    """Interval of accuracy(a) - accuracy(b), two models on the same photos; bool (N,) each, -1 to 1.

    Only photos on which one is right and the other wrong move it, so it is narrower than the two
    accuracies' own intervals, the more so the better the models agree. Where there is no such photo it
    is +-z^2 / (N + z^2), not zero: no disagreement among 100 photos does not prove none among all.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", score interval, found here by bisection.
    """
    if correct_a.shape != correct_b.shape or correct_a.ndim != 1 or not correct_a.size:
        raise ValueError(f"need two equal, filled vectors, got {correct_a.shape} and {correct_b.shape}")
    if correct_a.dtype != np.bool_ or correct_b.dtype != np.bool_:
        raise ValueError(f"need bool vectors, got {correct_a.dtype} and {correct_b.dtype}")
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    z = _quantile(confidence)
    return Interval(
        -_tango_high(only_b, only_a, correct_a.size, z), _tango_high(only_a, only_b, correct_a.size, z)
    )


def _tango_high(only_a: int, only_b: int, count: int, z: float) -> float:
    """The largest difference that the score test with quantile `z` does not reject."""

    def rejected(difference: float) -> bool:
        # the likeliest share of `only_b` under this difference, the root of a q^2 + b q + c
        a = 2 * count
        b = (2 * count - only_a + only_b) * difference - only_a - only_b
        c = -only_b * difference * (1 - difference)
        q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = count * (2 * q + difference * (1 - difference))
        return count * difference - (only_a - only_b) > z * math.sqrt(max(0.0, variance))

    low, high = (only_a - only_b) / count, 1.0
    if not rejected(high):
        return high
    for _ in range(60):  # halves at most 2 down to the spacing of floats
        middle = (low + high) / 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return high


def _quantile(confidence: float) -> float:
    """How many standard deviations to each side hold `confidence` of a normal distribution."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _mean_over_occurring(matrix: Matrix, values: list[float | None]) -> float:
    occurring = [value for value, support in zip(values, matrix.sum(axis=1), strict=True) if support]
    if not occurring:
        raise ValueError("the confusion matrix is empty")
    return float(np.mean(np.array(occurring, dtype=float)))


def _check_scores(scores: Floats, truth: Classes) -> None:
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not scores.size:
        raise ValueError(f"need scores (N, C) and truth (N,), got {scores.shape} and {truth.shape}")
    _check_classes(truth, scores.shape[1])


def _check_classes(indices: Classes, classes: int) -> None:
    if indices.size and not (indices.min() >= 0 and indices.max() < classes):
        raise ValueError(f"class indices {indices.min()} to {indices.max()}, expected 0 to {classes - 1}")


def _check_pair(scores: Floats, others: Floats) -> None:
    if scores.shape != others.shape or scores.ndim != 2 or not scores.size:
        raise ValueError(f"need two equal arrays (N, C), got {scores.shape} and {others.shape}")
