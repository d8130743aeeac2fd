"""What the float network's activations look like, measured by running it on unlabelled photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, INPUT, PROBABILITIES, Add, Conv, Plan, Step
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import Engine, EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_steps
from efficientnet_lite.tflite.quantmath import RELU6_SCALE, Scale, activation_scale

SAMPLE_PIXELS = 200  # of each tensor and photo, for the choice of its range
FINEST_SUM = 2.0**8  # steps of a sum in one step of its terms, at most
SHRINKS = np.linspace(0.4, 1.0, 31)  # fractions of the full range that are tried


@dataclass(frozen=True, slots=True)
class Activations:
    """One linear tensor over all calibration photos."""

    low: Array  # smallest value of each channel, (C,), at most 0
    high: Array  # largest, at least 0
    sample: Array  # (pixels, C), drawn evenly from all photos

    def scaled(self, factors: Array) -> "Activations":
        """The same when every channel is multiplied by a positive factor, (C,)."""
        return Activations(self.low * factors, self.high * factors, self.sample * factors)

    def best_scale(self) -> Scale:
        """The scale with the least mean squared error on the sample, from shrunken ranges.

        A few outliers cost less when they saturate than when they stretch the steps of all others
        (measured for lite0 to lite2: the logits gain 0.5 dB over the full range).
        """
        low, high = float(self.low.min()), float(self.high.max())
        values = self.sample.ravel()
        candidates = [activation_scale(low * shrink, high * shrink) for shrink in SHRINKS]
        with np.errstate(over="ignore"):  # of weights that `recipe` refuses
            errors = [np.square(scale.reals(scale.codes(values)) - values).mean() for scale in candidates]
        return candidates[int(np.argmin(errors))]


def backbone_steps(plan: Plan) -> list[Step]:
    """The steps up to the feature vector: what does not depend on the head."""
    return [step for step in plan.steps if step.name not in (DENSE, PROBABILITIES)]


def is_linear(step: Step) -> bool:
    """Whether the step's output has a range to be measured; ReLU6 gives [0, 6], and the pool keeps it."""
    return isinstance(step, Add) or (isinstance(step, Conv) and not step.relu6)


def measure(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> dict[str, Activations]:
    """Name -> `Activations` of every linear tensor of the backbone, over `images`, uint8 (S, S, 3).

    Raises CheckpointError where one of them is no finite number.
    """
    steps = backbone_steps(plan)
    names = [step.name for step in steps if is_linear(step)]
    model = write_steps(
        steps,
        layers,
        source=INPUT,
        shape=(1, plan.size, plan.size, 3),
        outputs={name: name for name in names},
        unit_input=True,
    )

    def look(runner: Engine, image: Image) -> dict[str, Activations]:
        outputs = runner(image[None] / np.float32(255))
        return {name: _summary(outputs[name]) for name in names}

    seen: dict[str, list[Activations]] = {name: [] for name in names}
    for done, found in enumerate(EnginePool(LiteRT, model, workers=workers).map(look, images), 1):
        for name in names:
            if not (np.isfinite(found[name].low).all() and np.isfinite(found[name].high).all()):
                raise CheckpointError(
                    f"with these weights {name} is no finite number for a photo",
                    where=plan.variant.name,
                    fix="look at the weights: a training that diverged leaves such ones",
                )
            seen[name].append(found[name])
        if on_progress:
            on_progress(done, len(images))
    return {
        name: Activations(
            np.min([each.low for each in parts], axis=0),
            np.max([each.high for each in parts], axis=0),
            np.concatenate([each.sample for each in parts]),
        )
        for name, parts in seen.items()
    }


def _summary(tensor: Array) -> Activations:
    pixels = tensor.reshape(-1, tensor.shape[-1])
    stride = max(1, len(pixels) // SAMPLE_PIXELS)
    return Activations(
        np.minimum(pixels.min(axis=0), 0), np.maximum(pixels.max(axis=0), 0), pixels[::stride].copy()
    )


def choose_scales(plan: Plan, activations: Mapping[str, Activations]) -> dict[str, Scale]:
    """The scale of every tensor of the backbone behind the input."""
    scales: dict[str, Scale] = {}
    for step in backbone_steps(plan):
        scales[step.name] = activations[step.name].best_scale() if is_linear(step) else RELU6_SCALE
        if isinstance(step, Add):  # of terms that cancel: no runtime takes a sum so much finer than they are
            own = scales[step.name]
            terms = max(scales[step.source].scale, scales[step.skip].scale)
            scales[step.name] = Scale(max(own.scale, terms / FINEST_SUM), own.zero_point)
    return scales
