"""How many calibration photos are enough: the network quantized from more and more of them, judged on others."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.quantize.calibration import quantized
from efficientnet_lite.quantize.clinic.damage import Distance, distance
from efficientnet_lite.quantize.method import Method
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.int8 import IntegerNetwork

COUNTS = (10, 25, 50, 100)
FEWEST = 30  # photos; with fewer there is nothing to compare
SHARE_JUDGED = 3  # one photo of so many judges
PATIENCE_S = 75.0  # for all counts that nobody asked for by number; what would take longer is left out
NEAR_DB = 0.1  # repeats differ by up to 0.06 dB


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """The network quantized from so many photos."""

    photos: int
    distance: Distance  # on the photos kept back, the same for all


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """What more calibration photos bring."""

    points: tuple[CalibrationPoint, ...]
    judged: int  # photos kept back
    left_out: tuple[int, ...]  # counts that would have taken too long

    @property
    def enough(self) -> int | None:
        """The fewest photos that come within 0.1 dB of the best; None where the largest count alone does."""
        best = max(point.distance.snr_db for point in self.points)
        near = [point.photos for point in self.points if point.distance.snr_db >= best - NEAR_DB]
        return min(near) if len(self.points) > 1 and min(near) < self.points[-1].photos else None


def parted(count: int) -> tuple[list[int], list[int]]:
    """Places of the photos that calibrate, in the order in which they are taken, and of those that judge."""
    judging = list(range(SHARE_JUDGED - 1, count, SHARE_JUDGED))
    return [place for place in range(count) if place % SHARE_JUDGED != SHARE_JUDGED - 1], judging


def counts_for(most: int, asked: Sequence[int] = ()) -> list[int]:
    """How many photos to try of `most`: those asked for, else 10, 25, 50, 100 and all."""
    if asked:
        return sorted({min(count, most) for count in asked})
    return [*(count for count in COUNTS if count < most), most]


@dataclass(frozen=True, slots=True)
class CurveMaker:
    """Quantizes from more and more photos."""

    plan: Plan
    layers: Mapping[str, Layer]
    method: Method
    logits: Callable[[IntegerNetwork, Sequence[Image]], Array]  # of the int8 file of a network, (photos, C)
    cache: Cache
    workers: int

    def curve(
        self, images: Sequence[Image], true: Array, *, asked: Sequence[int], stage: ShowStage
    ) -> CalibrationCurve:
        """The curve over `images`, of which a third is kept back to judge; `true` are their float logits."""
        fitting, judging = parted(len(images))
        judges, wanted = [images[place] for place in judging], counts_for(len(fitting), asked)
        points, patience = list[CalibrationPoint](), _Patience()
        for count in wanted:
            if not asked and not patience.allows(count):
                break
            began = time.monotonic()
            with stage(f"Calibrating with {count} photos") as on_progress:
                found = quantized(
                    self.plan,
                    self.layers,
                    [images[place] for place in fitting[:count]],
                    self.cache,
                    method=self.method,
                    workers=self.workers,
                    on_progress=on_progress,
                )
            logits = self.logits(found.network, judges)
            of = distance(true[judging], logits, classes=self.plan.classes is not None)
            points.append(CalibrationPoint(count, of))
            patience.took(count, time.monotonic() - began)
        done = {point.photos for point in points}
        return CalibrationCurve(
            tuple(points), len(judging), tuple(count for count in wanted if count not in done)
        )


class _Patience:
    """Whether there is time for more photos: a line through the first and the last count says what the next takes."""

    def __init__(self) -> None:
        self._spent: list[tuple[int, float]] = []

    def took(self, count: int, seconds: float) -> None:
        self._spent.append((count, seconds))

    def allows(self, count: int) -> bool:
        if not self._spent:
            return True
        (fewest, least), (photos, seconds) = self._spent[0], self._spent[-1]
        slope = max(seconds - least, 0.0) / (photos - fewest) if photos > fewest else seconds / photos
        expected = seconds + slope * (count - photos)
        return sum(each for _, each in self._spent) + expected <= PATIENCE_S
