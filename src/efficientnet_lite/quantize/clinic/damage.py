"""What int8 costs on photos: noise and agreement, by class, and the photos whose answer changed. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.metrics import Interval
from efficientnet_lite.quantize.clinic.substitution import centred_power

RESAMPLES = 1000
TAIL = 2.5  # percent on either side of an interval


@dataclass(frozen=True, slots=True)
class Distance:
    """How far int8 is from float on some photos."""

    count: int
    snr_db: float  # of the centred logits, or of the features of a file without them; infinite: no difference
    snr_interval: Interval  # 95 %, photos drawn anew
    agreement: float | None  # fraction with the same best class; None for features
    agreement_interval: Interval | None


@dataclass(frozen=True, slots=True)
class ClassDamage:
    """The photos of one class."""

    class_index: int
    label: str
    count: int
    changed: int  # photos whose answer is another in int8
    snr_db: float
    lost: int | None  # photos that float names right and int8 does not; None without labels
    won: int | None  # the other way round


@dataclass(frozen=True, slots=True)
class ChangedPhoto:
    """A photo that int8 names otherwise."""

    place: int  # among the photos
    name: str
    true: str | None  # class names
    float_answer: str
    float_probability: float
    int8_answer: str
    int8_probability: float


def distance(true: Array, found: Array, *, classes: bool) -> Distance:
    """Of `found` from `true`, (N, C) each; `classes` says that they are logits and not features."""
    noise, signal = centred_power(found - true), centred_power(true)
    same = int((true.argmax(1) == found.argmax(1)).sum())
    return Distance(
        len(true),
        decibels(signal.sum(), noise.sum()),
        snr_interval(signal, noise),
        same / len(true) if classes else None,
        metrics.wilson_interval(same, len(true)) if classes else None,
    )


def decibels(signal: float, noise: float) -> float:
    """Signal to noise of two powers."""
    if not noise > 0:
        return math.inf
    return 10 * math.log10(float(signal) / float(noise)) if signal > 0 else -math.inf


def snr_interval(signal: Array, noise: Array) -> Interval:
    """95 % interval of the ratio of two sums over photos, in dB, by drawing the photos anew."""
    count = len(signal)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 10 * np.log10((drawn @ signal.astype(float)) / (drawn @ noise.astype(float)))
    if not np.isfinite(found).all():
        return Interval(-math.inf, math.inf)
    low, high = np.percentile(found, [TAIL, 100 - TAIL])
    return Interval(float(low), float(high))


def by_class(
    true: Array, found: Array, labels: Sequence[str], truth: npt.NDArray[np.intp] | None
) -> tuple[ClassDamage, ...]:
    """The classes that have photos, the most damaged first; a photo's class is the true one, or else float's answer."""
    answers, others = true.argmax(1), found.argmax(1)
    own = answers if truth is None else truth
    noise, signal = centred_power(found - true), centred_power(true)
    rows = []
    for index in np.unique(own):
        of = own == index
        lost = won = None
        if truth is not None:
            right, still = answers[of] == index, others[of] == index
            lost, won = int((right & ~still).sum()), int((still & ~right).sum())
        changed = int((answers[of] != others[of]).sum())
        snr = decibels(signal[of].sum(), noise[of].sum())
        rows.append(ClassDamage(int(index), labels[index], int(of.sum()), changed, snr, lost, won))
    return tuple(sorted(rows, key=lambda row: (-row.changed / row.count, row.snr_db, row.class_index)))


def changed_photos(
    true: Array,
    found: Array,
    names: Sequence[str],
    labels: Sequence[str],
    truth: npt.NDArray[np.intp] | None,
) -> tuple[ChangedPhoto, ...]:
    """Those that int8 names otherwise: that of which float was most certain first."""
    before, after = metrics.softmax(true), metrics.softmax(found)
    answers, others = true.argmax(1), found.argmax(1)
    rows = [
        ChangedPhoto(
            place,
            names[place],
            None if truth is None else labels[truth[place]],
            labels[answers[place]],
            float(before[place, answers[place]]),
            labels[others[place]],
            float(after[place, others[place]]),
        )
        for place in np.flatnonzero(answers != others).tolist()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.float_probability, row.name)))
