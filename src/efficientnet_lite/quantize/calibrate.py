"""Activation ranges, measured by running the float network on unlabelled photos."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from efficientnet_lite.doors.litert import Pool, Runner
from efficientnet_lite.quantmath import RELU6_SCALE, Scale, activation_scale
from efficientnet_lite.spec import DENSE, INPUT, POOLED, Conv, Plan, Step
from efficientnet_lite.spec import Pool as PoolStep
from efficientnet_lite.tflite.fold import Layer
from efficientnet_lite.tflite.write import write_steps

Image = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]


def backbone_steps(plan: Plan) -> list[Step]:
    """The steps up to the feature vector: what does not depend on the head."""
    return [step for step in plan.steps if step.name not in (DENSE, "probabilities")]


def is_linear(step: Step) -> bool:
    """Whether the range of the step's output must be measured; ReLU6 and the pool behind it have [0, 6]."""
    return not (isinstance(step, PoolStep) or (isinstance(step, Conv) and step.relu6))


def measure_scales(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: Progress | None = None,
) -> dict[str, Scale]:
    """The scale of every tensor of the backbone.

    ReLU6 tensors get [0, 6] exactly; linear ones the smallest and largest value over `images`, which are
    uint8 (S, S, 3).
    """
    steps = backbone_steps(plan)
    linear = [step.name for step in steps if is_linear(step)]
    model = write_steps(
        steps,
        layers,
        source=INPUT,
        shape=(1, plan.size, plan.size, 3),
        outputs={name: name for name in linear},
        unit_input=True,
    )

    def extremes(runner: Runner, image: Image) -> npt.NDArray[np.float32]:
        outputs = runner(np.float32(image[None] / np.float32(255)))
        return np.array([[outputs[name].min(), outputs[name].max()] for name in linear], np.float32)

    low = np.zeros(len(linear), np.float32)
    high = np.zeros(len(linear), np.float32)
    for done, found in enumerate(Pool(model, workers=workers).map(extremes, images), 1):
        np.minimum(low, found[:, 0], out=low)
        np.maximum(high, found[:, 1], out=high)
        if on_progress:
            on_progress(done, len(images))
    scales = {step.name: RELU6_SCALE for step in steps if not is_linear(step)}
    scales |= {name: activation_scale(float(a), float(b)) for name, a, b in zip(linear, low, high, strict=True)}
    return scales


__all__ = ["POOLED", "backbone_steps", "is_linear", "measure_scales"]
