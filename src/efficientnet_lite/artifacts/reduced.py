"""Files of a smaller precision, and how far they are from the float32 file that they came from.

The int8 file is judged on photos that did not calibrate it; a float16 or dynamic file on any photos, or on
the fixed inputs where there are none. None leaves unmeasured: probabilities saturate and say little, so where
they stand alone the logits inside count, which a twin of the file gives.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.artifacts.sample import Sample
from efficientnet_lite.errors import VerificationFailed
from efficientnet_lite.figures import noise
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import LOGITS, POOLED, PROBABILITIES
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress, ShowStage
from efficientnet_lite.proof.gate import (
    Bars,
    Comparison,
    Verdict,
    compare,
    doubts,
    require,
    verdict,
    writable,
)
from efficientnet_lite.proof.parity import FLOAT_TOLERANCE, Gauge, Parity, allowance, fixed_inputs
from efficientnet_lite.quantize import calibration
from efficientnet_lite.quantize.int8_record import Int8Record, recorded
from efficientnet_lite.quantize.method import Method, Quantized
from efficientnet_lite.runtimes.model import Model, Outputs
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.artifact import INT8, About, Form, float_artifact, int8_artifact
from efficientnet_lite.vocabulary import Effort, Precision

# Least SNR of logits, features or a feature map, against float32. Measured with official and random weights and
# heads of 2 to 1000 classes at 32 to 260 pixels: float16 38 to 66 on the fixed inputs and 45 to 56 on photos,
# dynamic 15 to 49 and 21 to 31; int8 23 to 25 on photos at a real size, 8 to 20 at 32 pixels.
MIN_SNR_DB: dict[Precision, float] = {"float16": 30.0, "dynamic": 10.0, "int8": 15.0}
# Of the logits in a file of probabilities alone: an int8 one has the bars of `verify` besides.
MIN_SNR_INSIDE_DB: dict[Precision, float] = {"float16": 30.0, "dynamic": 10.0, "int8": 3.0}
NOTHING = 1e-5  # of a logit: no probability shows it
FEWEST_KEPT_BACK = 50  # photos; with fewer left beside the calibration, two halves prove each other


@dataclass(frozen=True, slots=True)
class Reduced:
    """A file and what it lost."""

    data: bytes
    comparison: Comparison | None  # of its main output, on photos; None where there are none
    parity: Parity  # of every output of its twin, on the same inputs
    cross_fitted: bool = False  # every photo calibrated, so two halves proved each other
    whole: bool = True  # no photo was lost between the first look and the comparison
    record: Int8Record | None = None  # how an int8 file was made

    def verdict(self, outputs: Sequence[str], bars: Bars) -> tuple[Verdict | None, tuple[str, ...]]:
        """What the photos say of it, and why no more; None where nobody asked them about classes."""
        if self.comparison is None or not {LOGITS, PROBABILITIES} & set(outputs):
            return None, ()
        said = verdict([self.comparison], bars, whole=self.whole)
        return said, tuple(doubts([self.comparison], bars, whole=self.whole)) if said == "not refuted" else ()

    def require(self, precision: Precision, outputs: Sequence[str], bars: Bars, where: Path) -> None:
        """Raises VerificationFailed where the file is farther from float32 than the bars allow."""
        if self.comparison is not None and {LOGITS, PROBABILITIES} & set(outputs):
            require([self.comparison], bars, where=where, precision=precision)
        inside = tuple(outputs) == (PROBABILITIES,)
        least = (MIN_SNR_INSIDE_DB if inside else MIN_SNR_DB)[precision]
        snr = self.parity.snr_db
        nothing = (
            inside and self.parity.logits_difference is not None and self.parity.logits_difference <= NOTHING
        )
        if not snr >= least and not nothing:
            what = "its logits differ" if inside else "it differs"
            judged = f"{self.comparison.count} photos" if self.comparison else "the fixed inputs"
            raise VerificationFailed(
                f"the {precision} file loses too much against float32, so nothing is published: "
                f"{what} by {noise(snr)} on {judged}, at most {noise(least)} is allowed",
                where=where,
                fix="give photos like those that the model will see (`data=`)"
                if precision == "int8" or self.comparison is None
                else "export it as float32",
            )


def judged_outputs(outputs: Sequence[str]) -> tuple[str, ...]:
    """`outputs`, and the logits besides where there are probabilities without them."""
    alone = PROBABILITIES in outputs and LOGITS not in outputs
    return (*outputs, LOGITS) if alone else tuple(outputs)


def twin(about: About) -> About:
    """Of a file of the same network whose outputs say all that is to be judged."""
    return replace(about, outputs=judged_outputs(about.outputs))


def require_same(file: Model, judged: Model) -> None:
    """Raises VerificationFailed where `file` gives for the fixed inputs what its twin `judged` does not."""
    images = fixed_inputs(file.contract.size)
    found, wanted = (
        model.run(np.stack([model.encode(image) for image in images])) for model in (file, judged)
    )
    for name, gap in differing(found, wanted):
        raise VerificationFailed(
            f"its {name} differ by {gap:.2g} from those of the file that was judged in its place",
            where=file.where,
            fix="report this: it is a fault of the package or the runtime",
        )


def differing(
    found: Mapping[str, npt.NDArray[Any]], wanted: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[str, float]]:
    """Outputs that differ by more than one code, or more than kernels of floats do, and by how much."""
    for name, values in found.items():
        codes = values.dtype.kind in "iu"
        gap = np.abs(values.astype(float) - wanted[name].astype(float))
        if not (gap <= (1 if codes else FLOAT_TOLERANCE * allowance(wanted[name]))).all():
            yield name, float(gap.max())


def main_output(outputs: Sequence[str]) -> str:
    """The output by which files are compared."""
    return next((name for name in (LOGITS, PROBABILITIES, POOLED) if name in outputs), outputs[0])


def compared(
    parent: Model, child: Model, sample: Sample, outputs: Sequence[str], on_progress: OnProgress
) -> tuple[Array, Array, Gauge]:
    """The main one of `outputs` of both for each image, (N, C), and the gauge of all that both give.

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
    origin: Origin,
    layers: Mapping[str, Layer],
    about: About,
    form: Form,
    parent: Model,
    sample: Sample | None,
    *,
    stage: ShowStage,
    where: Path,
) -> Reduced:
    """A float16 or dynamic file against `parent`, on the sample's photos or else on the fixed inputs."""
    with writable(form.precision, where):
        files = [float_artifact(origin.plan, layers, each, form) for each in (about, twin(about))]
        child = model_from_bytes(files[1], where=where, workers=parent.workers)
        require_same(model_from_bytes(files[0], where=where, workers=parent.workers), child)
    inputs = sample or Sample(list(fixed_inputs(origin.plan.size)))
    with stage("Comparing with float") as on_progress:
        true, found, gauge = compared(parent, child, inputs, about.outputs, on_progress)
    comparison = compare(true, found, _known(inputs.truth), "crop") if sample else None
    return Reduced(files[0], comparison, gauge.parity(), whole=inputs.whole)


@dataclass(frozen=True, slots=True)
class Int8Maker:
    """Makes the int8 file and compares it with its parent on photos that did not calibrate it."""

    origin: Origin
    layers: Mapping[str, Layer]
    about: About
    parent: Model  # the float32 file of the outputs of `twin(about)`
    cache: Cache
    workers: int
    out: Path
    form: Form = INT8
    effort: Effort = "standard"

    def make(self, sample: Sample, count: int, stage: ShowStage) -> Reduced:
        """The file, whose ranges the first `count` images of the sample set where enough others are left.

        Of fewer all set the ranges, and two halves prove each other. That quantizes three times, so where one takes
        minutes some photos are kept back instead.
        """
        fit = self._fitted(len(sample.images), count)
        if fit:
            kept_back = sample.part(range(fit, len(sample.images)))
            with stage("Quantizing to int8") as on_progress:
                data, judged, record = self._file(sample.part(range(fit)), on_progress)
            with stage("Comparing with float") as on_progress:
                found = [compared(self.parent, judged, kept_back, self.about.outputs, on_progress)]
            return self._reduced(data, record, found, kept_back.truth, False, sample.whole)
        with stage("Quantizing to int8") as on_progress:
            data, _, record = self._file(sample, on_progress)
        halves = _halves(sample)
        found = []
        for fit_on, other in (halves, halves[::-1]):
            with stage("Quantizing from one half") as on_progress, writable("int8", self.out):
                file = self._judged(self._quantized(fit_on.images, on_progress), self.about)
            with stage("Comparing on the other") as on_progress:
                found.append(compared(self.parent, file, other, self.about.outputs, on_progress))
        truth = None if sample.truth is None else [*(halves[1].truth or ()), *(halves[0].truth or ())]
        return self._reduced(data, record, found, truth, True, sample.whole)

    def _fitted(self, photos: int, count: int) -> int:
        """How many of the photos set the ranges where the others prove the file; 0: all of them do."""
        if photos - count >= min(FEWEST_KEPT_BACK, count):
            return count
        if self.effort == "standard":
            return 0
        return photos - max(1, min(FEWEST_KEPT_BACK, photos // 3))

    def _reduced(
        self,
        data: bytes,
        record: Int8Record,
        scores: Sequence[tuple[Array, Array, Gauge]],
        truth: Iterable[int] | None,
        crossed: bool,
        whole: bool,
    ) -> Reduced:
        true, found = (np.concatenate([each[side] for each in scores]) for side in (0, 1))
        parities = [gauge.parity() for _, _, gauge in scores]
        worst = min(parities, key=lambda each: each.snr_db)
        comparison = compare(true, found, _known(truth), "crop")
        return Reduced(data, comparison, worst, crossed, whole, record)

    @property
    def _method(self) -> Method:
        return Method(effort=self.effort, dense=self.form.dense)

    def _file(self, fit: Sample, on_progress: OnProgress) -> tuple[bytes, Model, Int8Record]:
        """The file whose ranges these photos set, its twin, and how it was made."""
        assert fit.photos is not None  # of `sample_of`
        with writable("int8", self.out):
            made, record = recorded(
                self.origin.plan,
                self.layers,
                fit.images,
                fit.photos,
                self.cache,
                method=self._method,
                workers=self.workers,
                on_progress=on_progress,
                warn=LOG.warning,
            )
            record = replace(record, kept=self.form.kept)
            about = replace(self.about, quantization=record.identity)
            data = int8_artifact(self.origin.plan, made.network, about, self.form, made.prepared)
            judged = self._judged(made, about)
            require_same(model_from_bytes(data, where=self.out, workers=self.workers), judged)
        return data, judged, record

    def _quantized(self, images: Sequence[Image], on_progress: OnProgress) -> Quantized:
        return calibration.quantized(
            self.origin.plan,
            self.layers,
            images,
            self.cache,
            method=self._method,
            workers=self.workers,
            on_progress=on_progress,
        )

    def _judged(self, made: Quantized, about: About) -> Model:
        """The twin of the file of these integers, opened."""
        data = int8_artifact(self.origin.plan, made.network, twin(about), self.form, made.prepared)
        return model_from_bytes(data, where=self.out, workers=self.workers)


def _halves(sample: Sample) -> tuple[Sample, Sample]:
    """Two halves by chance: photos that take turns by class and view would not be split evenly by place."""
    order = np.random.default_rng(0).permutation(len(sample.images)).tolist()
    return sample.part(sorted(order[::2])), sample.part(sorted(order[1::2]))


def _known(truth: Iterable[int] | None) -> npt.NDArray[np.intp] | None:
    return None if truth is None else np.asarray(list(truth), np.intp)
