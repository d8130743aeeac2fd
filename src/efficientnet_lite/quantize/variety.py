"""How varied the photos of a calibration are to the network itself, and what it costs where they are not.

The network's own feature vectors tell: photos that point every way in 1280 dimensions count as nearly so many, copies
of one photo as one. Names of folders say nothing of that, and pixels little.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import LOGITS, POOLED, Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.runtimes.engine import EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import Output, write_float
from efficientnet_lite.vocabulary import CALIBRATION_PHOTOS

# What int8 lost against as many photos as are usual, dB of the logits on photos kept back. Measured for lite0 by method
# 2; `python -m benchmarks calibration` measures lite0 and lite1, and a test holds these to what docs/numbers.md has.
LOST_TO_FEW: Mapping[int, float] = {2: 4.0, 5: 1.8, 10: 1.2, 25: 0.8, 50: 0.0}
LOST_TO_ONE_KIND = 1.6  # photos of one class of clothes: T-shirts 1.8, shoes 1.4
LOST_TO_NOISE = 16.0  # uniform noise

ENOUGH = 50  # photos, from which on more bring next to nothing
ALIKE = 2.0  # varied photos: noise counts as 1.1, gray images as 1 to 1.8, one photo moved about as 1.1
ONE_KIND = 6.0  # varied photos: 100 of one class of clothes count as 3 to 5.4, of ten classes as 7.7, of ImageNet as 21
NAMES_MANY = 0.65  # of its classes, which a network names that sees all of its kinds
PROBES = 2  # drawn images, which any network tells apart that looks at photos


@dataclass(frozen=True, slots=True)
class Variety:
    """What the network makes of the calibration photos."""

    photos: int
    varied: float  # how many wholly different photos they are worth; 1 to `photos`
    named: float | None  # of the classes that could be named, the share that is; None without a head
    blind: bool = False  # the network gives the same for anything

    def warnings(self, *, of_all_classes: bool = False) -> tuple[str, ...]:
        """What a person should know, each with the figure that suffers.

        `of_all_classes` says that photos of every class were chosen, so that they are as alike as the classes are.
        """
        if self.blind:
            return ()  # which is the network's fault, and said elsewhere
        found = []
        if self.photos < ENOUGH:
            found.append(
                f"{_photos(self.photos)} set the ranges of int8: with so few it lost {lost_to_few(self.photos):.1f} dB "
                f"against {CALIBRATION_PHOTOS} in our tests (docs/int8.md); give {ENOUGH} or more"
            )
        if self.photos > 1 and self.varied < ALIKE:
            found.append(
                f"the {self.photos} calibration photos are all the same to the network, as noise, blank images and "
                f"copies of one photo are: with noise int8 lost {LOST_TO_NOISE:.0f} dB in our tests (docs/int8.md); "
                "give photos like those that the model will see"
            )
        elif (
            self.photos >= ENOUGH
            and self.varied < ONE_KIND
            and not of_all_classes
            and (self.named is None or self.named < NAMES_MANY)
        ):
            found.append(
                f"the {self.photos} calibration photos are as alike as those of one class: with one class alone int8 "
                f"lost {LOST_TO_ONE_KIND:.1f} dB on photos of others in our tests (docs/int8.md); give photos of every "
                "kind that the model will see"
            )
        return tuple(found)


def lost_to_few(photos: int) -> float:
    """dB that so few photos cost, by the next smaller count that was measured."""
    counts = sorted(LOST_TO_FEW)
    return LOST_TO_FEW[counts[max(0, bisect_left(counts, photos + 1) - 1)]]


def variety(plan: Plan, layers: Mapping[str, Layer], images: Sequence[Image], *, workers: int) -> Variety:
    """What the float network makes of `images`, uint8 (S, S, 3), in about 10 ms each."""
    outputs: tuple[Output, ...] = ("features",) if plan.classes is None else ("features", "logits")
    pool = EnginePool(LiteRT, write_float(plan, layers, outputs=outputs), workers=workers)
    found = list(
        pool.map(lambda runner, image: runner(image[None] / np.float32(255)), [*_probes(plan.size), *images])
    )
    features = np.concatenate([each[POOLED] for each in found])
    named = None
    if plan.classes is not None:
        answers = [int(each[LOGITS].argmax()) for each in found[PROBES:]]
        named = effective_classes(answers) / min(plan.classes, len(images))
    blind = not np.isfinite(features).all() or float(np.ptp(features[:PROBES], axis=0).max()) < 1e-6
    return Variety(len(images), 1.0 if blind else varied(features[PROBES:]), named, blind)


def varied(features: Array) -> float:
    """How many vectors at right angles the vectors (N, C) are worth: N for such, 1 for parallel ones.

    The participation ratio of the eigenvalues of their cosines: (sum)² / sum of squares.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.maximum(lengths, np.finfo(np.float32).tiny)
    cosines = directions.astype(np.float64) @ directions.T
    return max(1.0, float(np.trace(cosines) ** 2 / max(np.square(cosines).sum(), 1.0)))


def effective_classes(answers: Sequence[int]) -> float:
    """How many classes the answers are spread over: exp of their entropy."""
    shares = np.unique(answers, return_counts=True)[1] / len(answers)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _probes(size: int) -> list[Image]:
    ramp = np.linspace(0, 255, size, dtype=np.uint8)
    across = np.broadcast_to(ramp[None, :, None], (size, size, 3))
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return [np.ascontiguousarray(across), noise]


def _photos(count: int) -> str:
    return f"{count} photo" + "s" * (count != 1)
