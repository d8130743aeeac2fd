"""What the clinic does with a patient, in order: how far, on which photos, where from, what helps, how many photos."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.artifacts.sample import Sample
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.plan import DENSE
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress, ShowStage
from efficientnet_lite.quantize.clinic.damage import by_class, changed_photos, distance
from efficientnet_lite.quantize.clinic.enough import FEWEST, CalibrationCurve, CurveMaker
from efficientnet_lite.quantize.clinic.substitution import centred_power, last_outputs, measure_noises
from efficientnet_lite.quantize.integer_outputs import integer_outputs, last_output
from efficientnet_lite.quantize.kept import WhatIf, gains
from efficientnet_lite.quantize.method import Method
from efficientnet_lite.quantize.network_part import NetworkPart
from efficientnet_lite.run.clinic.diagnosis import Diagnosis, NoiseShares, PartShare
from efficientnet_lite.run.clinic.patient import Patient, calibrated
from efficientnet_lite.runtimes.engine import EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.int8 import write_int8

MOST_FOR_SHARES = 48  # photos: each runs some 140 networks of lite1
MOST_FOR_GAINS = 60  # photos: two files of each part
WORST = 8  # parts
CHECKED = 4  # photos on which the file gives what its integers give


@dataclass(frozen=True, slots=True)
class Examination:
    """One patient on the photos of a sample."""

    patient: Patient
    sample: Sample
    cache: Cache
    workers: int

    def diagnosis(self, *, calibrations: Sequence[int], stage: ShowStage) -> Diagnosis:
        """All of it. Raises ArtifactError where the file does not give what its integers give."""
        images, plan = self.sample.images, self.patient.integers.plan
        with stage("Running float and int8") as on_progress:
            self._check_file(images[:CHECKED])
            true, found = self._both(images, on_progress)
        classes = plan.classes is not None
        labels = self.patient.model.names if classes else ()
        names = (
            self.sample.photos.names if self.sample.photos else [str(place) for place in range(len(images))]
        )
        truth = None if self.sample.truth is None else np.asarray(list(self.sample.truth), np.intp)
        with stage("Rounding one part at a time") as on_progress:
            shares = self._shares(true, found, on_progress)
        gained = self._gains(true, shares, stage)
        curve = self._curve(true, calibrations, stage)
        return Diagnosis(
            path=self.patient.where,
            variant=plan.variant.name,
            size=plan.size,
            parent=self.patient.origin.name,
            whole=distance(true, found, classes=classes),
            top1_float=None if truth is None else metrics.accuracy(truth, true.argmax(1)),
            top1_int8=None if truth is None else metrics.accuracy(truth, found.argmax(1)),
            shares=shares,
            gains=gained,
            curve=curve,
            classes=by_class(true, found, labels, truth) if classes else (),
            changed=changed_photos(true, found, names, labels, truth) if classes else (),
            notes=(*self.sample.all_notes(), *self._seen(), *_notes(curve, len(images))),
        )

    def _seen(self) -> list[str]:
        """A note where photos may have calibrated the file."""
        photos = self.sample.photos
        seen = calibrated(self.patient, photos.contents) if photos else 0
        if not seen:
            return []
        return [
            f"the run learned from {seen} of these {len(self.sample.images)} photos, and some of them calibrated its "
            "file: it does better on them than on new ones"
        ]

    def _check_file(self, images: Sequence[Image]) -> None:
        """Raises ArtifactError where the file's own outputs are not those of the integers that were read from it."""
        model, file = self.patient.model, self.patient.integers
        data = write_int8(file.plan, file.network, outputs=file.identity.outputs)
        again = EnginePool(LiteRT, data, workers=1)
        for image in images:
            with model.pool.borrowed() as runner:
                own = model.on_image(runner, image)
            codes = again.first(image[None])
            for output in again.first.outputs:
                reals = output.reals(codes[output.name])
                if not np.allclose(own[output.name], reals.ravel(), rtol=0, atol=output.scale / 100):
                    raise ArtifactError(
                        f"its output {output.name} is not what its weights give",
                        where=self.patient.where,
                        fix="export it again",
                    )

    def _both(self, images: Sequence[Image], on_progress: OnProgress) -> tuple[Array, Array]:
        """Logits of float and of int8, or features where the file has no logits."""
        plan, whole = self.patient.integers.plan, 2 * len(images)
        true = last_outputs(
            plan,
            self.patient.layers,
            images,
            self.workers,
            on_progress=lambda done, _: on_progress(done, whole),
        )
        found = integer_outputs(
            plan,
            self.patient.integers.network,
            last_output(plan),
            images,
            workers=self.workers,
            on_progress=lambda done, _: on_progress(len(images) + done, whole),
        )
        return true, found

    def _shares(self, true: Array, found: Array, on_progress: OnProgress) -> NoiseShares:
        some = slice(0, MOST_FOR_SHARES)
        images, integers = self.sample.images[some], self.patient.integers
        noises = measure_noises(
            integers.plan,
            self.patient.twin,
            integers.network,
            images,
            workers=self.workers,
            on_progress=on_progress,
        )
        whole = max(float(centred_power(found[some] - true[some]).sum()), float(np.finfo(np.float32).tiny))
        order = {step.name: place for place, step in enumerate(integers.plan.steps)}

        def place(part: NetworkPart) -> tuple[int, str]:
            return order[part.name], part.kind

        parts = sorted(noises.alone, key=place)
        return NoiseShares(
            len(images),
            tuple(PartShare(part, float(noises.alone[part].sum()) / whole) for part in parts),
            float(noises.weights.sum()) / whole,
            float(noises.activations.sum()) / whole,
            float(centred_power(noises.true - true[some]).sum()) / whole,
        )

    def _gains(self, true: Array, shares: NoiseShares, stage: ShowStage) -> tuple[WhatIf, ...]:
        """Of the worst parts, the most helpful first."""
        some, integers = slice(0, MOST_FOR_GAINS), self.patient.integers
        with stage("Keeping the worst in float") as on_progress:
            found = gains(
                integers.plan,
                integers.network,
                self.patient.twin,
                self.sample.images[some],
                true[some],
                [each.part for each in shares.worst()[:WORST]],
                workers=self.workers,
                on_progress=on_progress,
            )
        return tuple(sorted(found, key=lambda each: -each.gain_db))

    def _curve(self, true: Array, asked: Sequence[int], stage: ShowStage) -> CalibrationCurve | None:
        if len(self.sample.images) < FEWEST:
            return None
        plan, network = self.patient.integers.plan, self.patient.integers.network
        per_channel = plan.classes is not None and len(network.layers[DENSE].scales) > 1
        maker = CurveMaker(
            plan,
            self.patient.layers,
            Method(dense="per-channel" if per_channel else "per-tensor"),
            lambda network, images: integer_outputs(
                plan, network, last_output(plan), images, workers=self.workers
            ),
            self.cache,
            self.workers,
        )
        return maker.curve(self.sample.images, true, asked=asked, stage=stage)


def _notes(curve: CalibrationCurve | None, photos: int) -> list[str]:
    if curve is None:
        return [f"{photos} photos are too few to say how many calibration photos are enough: give {FEWEST}"]
    if curve.left_out:
        counts = " and ".join(map(str, curve.left_out))
        return [
            f"calibrating with {counts} photos would take minutes more, so it was left out: `calibration={counts}`"
        ]
    return []
