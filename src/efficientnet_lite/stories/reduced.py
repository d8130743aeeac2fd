"""Files of a smaller precision, and how far they are from the float32 file that they came from.

The int8 file is judged on photos that did not calibrate it; a float16 or dynamic file on any photos, or on
the fixed inputs where there are none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from efficientnet_lite.doors.cache import Cache
from efficientnet_lite.errors import VerificationFailed
from efficientnet_lite.forward import Layer
from efficientnet_lite.inference.predict import Model, Outputs, Refused, model_from_bytes
from efficientnet_lite.inference.verify import Bars, Comparison, compare, require
from efficientnet_lite.quantize.recipe import quantize_head
from efficientnet_lite.spec import DENSE, LOGITS, POOLED, PROBABILITIES
from efficientnet_lite.stories import calibration
from efficientnet_lite.stories.origin import Origin
from efficientnet_lite.stories.parity import Gauge, Parity
from efficientnet_lite.stories.progress import OnProgress, Stage
from efficientnet_lite.tflite.artifact import INT8, About, Form, Precision, int8_artifact
from efficientnet_lite.tflite.quantized import IntegerNetwork

Array = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

# Of logits, features or a feature map, against float32; the probabilities have the bars of `verify`. Measured
# on official weights: float16 46, dynamic 23, int8 23 to 24.
MIN_SNR_DB: dict[Precision, float] = {"float16": 30.0, "dynamic": 15.0, "int8": 15.0}
FEWEST_KEPT_BACK = 50  # photos; with fewer left beside the calibration, two halves prove each other


class Sample(NamedTuple):
    """Images of one photo each, with their classes where they are known."""

    images: Sequence[Image]
    truth: Sequence[int] | None = None
    refused: tuple[Refused, ...] = ()  # photos that could not be used, and stand behind no figure

    def part(self, places: slice) -> "Sample":
        return Sample(self.images[places], None if self.truth is None else self.truth[places], self.refused)


@dataclass(frozen=True, slots=True)
class Reduced:
    """A file and what it lost."""

    data: bytes
    comparison: Comparison | None  # of its main output, on photos; None where there are none
    parity: Parity  # of every output, on the same inputs
    cross_fitted: bool = False  # every photo calibrated, so two halves proved each other

    def require(self, precision: Precision, outputs: Sequence[str], bars: Bars, where: Path) -> None:
        """Raises VerificationFailed where the file is farther from float32 than the bars allow."""
        if self.comparison is not None and {LOGITS, PROBABILITIES} & set(outputs):
            require([self.comparison], bars, where=where)
        if tuple(outputs) == (PROBABILITIES,):
            return
        snr = self.parity.snr_db
        if not snr >= MIN_SNR_DB[precision]:
            raise VerificationFailed(
                f"the {precision} file is {snr:.1f} dB from its float parent, "
                f"fewer than {MIN_SNR_DB[precision]:g}, so nothing is published",
                where=where,
                fix="give photos like those that the model will see (--data)",
            )


def main_output(outputs: Sequence[str]) -> str:
    """The output by which files are compared."""
    return next((name for name in (LOGITS, PROBABILITIES, POOLED) if name in outputs), outputs[0])


def compared(
    parent: Model, child: Model, sample: Sample, outputs: Sequence[str], on_progress: OnProgress
) -> tuple[Array, Array, Gauge]:
    """The main output of both for each image, (N, C), and the gauge of every output.

    A feature map counts there with its means over height and width, so that many photos fit into memory.
    """
    main, gauge, rows = main_output(outputs), Gauge(), []

    def row(outputs: Outputs, model: Model) -> Array:
        shape = model.outputs[main].shape
        return outputs[main].reshape(-1, shape[-1]).mean(axis=0) if len(shape) > 2 else outputs[main]

    for done, image in enumerate(sample.images, 1):
        both = []
        for model in (parent, child):
            with model.pool.borrowed() as runner:
                both.append(model.on_image(runner, image))
        gauge.add(both[1], both[0])
        rows.append((row(both[0], parent), row(both[1], child)))
        on_progress(done, len(sample.images))
    true, found = (np.stack(each) for each in zip(*rows, strict=True))
    return true, found, gauge


def reduced_float(
    data: bytes,
    parent: Model,
    sample: Sample,
    outputs: Sequence[str],
    *,
    photos: bool,
    stage: Stage,
    where: Path,
) -> Reduced:
    """A float16 or dynamic file `data` against its parent; `photos`: the sample is not the fixed inputs."""
    child = model_from_bytes(data, where=where, workers=parent.workers)
    with stage("Comparing with float") as on_progress:
        true, found, gauge = compared(parent, child, sample, outputs, on_progress)
    comparison = compare(true, found, _known(sample.truth), "crop") if photos else None
    return Reduced(data, comparison, gauge.parity())


@dataclass(frozen=True, slots=True)
class Int8Maker:
    """Makes the int8 file and compares it with its parent on photos that did not calibrate it."""

    origin: Origin
    layers: Mapping[str, Layer]
    about: About
    parent: Model
    cache: Cache
    workers: int
    out: Path
    form: Form = INT8

    def make(self, sample: Sample, count: int, stage: Stage) -> Reduced:
        """The file, of which the first `count` images of the sample set the ranges where others are left."""
        kept_back = sample.part(slice(count, None))
        if len(kept_back.images) >= min(FEWEST_KEPT_BACK, count):
            with stage("Quantizing to int8") as on_progress:
                data = self._write(sample.images[:count], on_progress)
            with stage("Comparing with float") as on_progress:
                return self._reduced(
                    data, [self._scores(data, kept_back, on_progress)], kept_back.truth, False
                )
        with stage("Quantizing to int8") as on_progress:
            data = self._write(sample.images, on_progress)
        halves = sample.part(slice(0, None, 2)), sample.part(slice(1, None, 2))
        found = []
        for fit, judged in (halves, halves[::-1]):
            with stage("Quantizing from one half, comparing on the other") as on_progress:
                found.append(self._scores(self._write(fit.images, on_progress), judged, on_progress))
        truth = None if sample.truth is None else [*(halves[1].truth or ()), *(halves[0].truth or ())]
        return self._reduced(data, found, truth, True)

    def _reduced(
        self,
        data: bytes,
        scores: Sequence[tuple[Array, Array, Gauge]],
        truth: Iterable[int] | None,
        crossed: bool,
    ) -> Reduced:
        true, found = (np.concatenate([each[side] for each in scores]) for side in (0, 1))
        parities = [gauge.parity() for _, _, gauge in scores]
        worst = min(parities, key=lambda each: each.snr_db)
        return Reduced(data, compare(true, found, _known(truth), "crop"), worst, crossed)

    def _write(self, images: Sequence[Image], on_progress: OnProgress) -> bytes:
        plan = self.origin.plan
        backbone = calibration.quantized_backbone(
            plan, self.layers, images, self.cache, workers=self.workers, on_progress=on_progress
        )
        network: IntegerNetwork = backbone.network
        if plan.classes is not None:
            network = quantize_head(backbone, self.layers[DENSE], dense=self.form.dense)
        return int8_artifact(plan, network, self.about, self.form)

    def _scores(self, data: bytes, sample: Sample, on_progress: OnProgress) -> tuple[Array, Array, Gauge]:
        child = model_from_bytes(data, where=self.out, workers=self.workers)
        return compared(self.parent, child, sample, self.about.outputs, on_progress)


def _known(truth: Iterable[int] | None) -> npt.NDArray[np.intp] | None:
    return None if truth is None else np.asarray(list(truth), np.intp)
