"""How an int8 file was made, as its card, its entry in a run and the file itself say it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.notices import LOG, Say
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress, duration
from efficientnet_lite.quantize import calibration
from efficientnet_lite.quantize.calibration_photos import CalibrationSet
from efficientnet_lite.quantize.method import METHOD, Gain, Method, OnStage, Quantized
from efficientnet_lite.quantize.variety import variety
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.identity import Int8Identity


@dataclass(frozen=True, slots=True)
class Int8Record:
    """How an int8 file was made."""

    method: Method
    photos: CalibrationSet
    gains: tuple[Gain, ...] = ()  # of the stages, in their order
    warnings: tuple[str, ...] = ()  # what a person should know of the photos
    kept: tuple[str, ...] = ()  # steps that stay in float32

    @property
    def identity(self) -> Int8Identity:
        """What the file itself says of it."""
        return Int8Identity(
            self.method.effort,
            METHOD,
            photos=len(self.photos.names),
            calibration_sha256=self.photos.sha256,
            kept=self.kept,
        )

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "effort": self.method.effort,
            "method": METHOD,
            "dense": self.method.dense,
            "calibration": self.photos.to_json(),
            "stages": [
                {
                    "stage": each.stage,
                    "snr_db": each.snr_db if math.isfinite(each.snr_db) else None,
                    "seconds": round(each.seconds, 2),
                }
                for each in self.gains
            ],
            "warnings": list(self.warnings),
            "kept": list(self.kept),
        }


def recorded(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    photos: CalibrationSet,
    cache: Cache,
    *,
    method: Method,
    workers: int,
    on_progress: OnProgress,
    warn: Say = lambda line: None,
    of_all_classes: bool = False,
) -> tuple[Quantized, Int8Record]:
    """The network in integers, made or found in the cache, and the record of it.

    Each stage is told as a detail once it is done.

    Args:
        images: of `photos`, uint8 (S, S, 3).
        warn: is told before the work what is wrong with the photos, which the record has too.
        of_all_classes: photos of every class were chosen; see `Variety.warnings`.
    """
    seen = variety(plan, layers, images, workers=workers)
    warnings = seen.warnings(of_all_classes=of_all_classes)
    for line in warnings:
        warn(line)
    made = calibration.quantized(
        plan,
        layers,
        images,
        cache,
        method=method,
        workers=workers,
        on_progress=on_progress,
        on_stage=told_stages(),
    )
    return made, Int8Record(method, photos, made.gains, warnings)


def told_stages() -> OnStage:
    """Tells each stage, and what it brought over the one before, as a detail."""
    before: list[Gain] = []

    def tell(gain: Gain) -> None:
        more = f" ({gain.snr_db - before[-1].snr_db:+.2f})" if before else ""
        LOG.debug(f"int8, {gain.stage}: {gain.snr_db:.2f} dB{more}, {duration(gain.seconds)}")
        before.append(gain)

    return tell
