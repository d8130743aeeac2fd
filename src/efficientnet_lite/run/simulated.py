"""Whether an int8 file answers as the simulation in which its integers learned."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from efficientnet_lite.artifacts.reduced import require_same, twin
from efficientnet_lite.errors import VerificationFailed
from efficientnet_lite.metrics import Interval, wilson_interval
from efficientnet_lite.network.plan import DENSE, LOGITS, Plan
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.images import Refused, images_of
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.tflite.artifact import About, int8_artifact
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.training.code_tuning import ENOUGH

BATCH = 8  # images in the simulation at once, always: it is compiled for as many


@dataclass(frozen=True, slots=True)
class AsSimulated:
    """A file against its simulation, on the same pixels."""

    count: int  # images: photos in each view
    agreement: float  # fraction of them for which both name the same class
    interval: Interval  # 95 %
    equal_codes: float  # fraction of all logits that are the same code

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def as_simulated(
    plan: Plan,
    network: IntegerNetwork,
    file: Model,
    about: About,
    photos: Surveyed,
    views: Sequence[View],
    on_progress: OnProgress,
) -> AsSimulated:
    """The int8 `file` of `network` against the simulation, on `photos` in `views`; one that is lost does not count.

    Raises VerificationFailed where they name the same class for less than `ENOUGH` of them.
    """
    from efficientnet_lite.quantize.learned.simulation import Simulation  # TensorFlow

    judged = model_from_bytes(
        int8_artifact(plan, network, twin(about)), where=file.where, workers=file.workers
    )
    require_same(file, judged)
    simulation, scale = Simulation(plan, network), network.tensors[DENSE]
    same = equal = count = 0
    for images in _batches(photos, views, file, on_progress):
        with judged.pool.borrowed() as runner:
            written = np.stack([judged.on_image(runner, image)[LOGITS] for image in images])
        pixels = np.zeros((BATCH, plan.size, plan.size, 3), np.uint8)
        pixels[: len(images)] = [judged.encode(image) for image in images]
        simulated = simulation.logits(pixels).numpy()[: len(images)]
        codes = [scale.codes(each) for each in (written, simulated)]
        same += int((codes[0].argmax(axis=1) == codes[1].argmax(axis=1)).sum())
        equal += int((codes[0] == codes[1]).sum())
        count += len(images)
    _require(same, count, file)
    return AsSimulated(
        count,
        same / count,
        wilson_interval(same, count),
        equal / (count * network.layers[DENSE].kernel.shape[-1]),
    )


def _batches(
    photos: Surveyed, views: Sequence[View], file: Model, on_progress: OnProgress
) -> Iterator[list[Image]]:
    held: list[Image] = []
    for done, (path, content) in enumerate(zip(photos.paths, photos.contents, strict=True), 1):
        found = images_of(path, views, file.contract, sha256=content)
        held += () if isinstance(found, Refused) else found
        while len(held) >= BATCH or (held and done == len(photos.paths)):
            yield held[:BATCH]
            held = held[BATCH:]
        on_progress(done, len(photos.paths))


def _require(same: int, count: int, file: Model) -> None:
    if not count or same < ENOUGH * count:
        raise VerificationFailed(
            f"the int8 file names the same class as the simulation in which it learned for {same} of {count} images "
            f"({100 * same / max(1, count):.1f} %), and {100 * ENOUGH:.1f} % is wanted, so nothing is published",
            where=file.where,
            fix="leave `quantization_aware=True` out, and report this: the runtime here rounds as none that we know",
        )
