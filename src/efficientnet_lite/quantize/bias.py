"""Biases corrected for what rounding the weights does to the mean of every channel.

Rounding a kernel shifts the mean of its outputs, and the shift of one layer is the input of the next:
most of the damage of int8 weights is this drift. So each layer's bias takes back the mean error that
is left when all layers before it are already rounded and corrected; strictly one after another, since
corrections from one common measurement compound. Activations stay float meanwhile: correcting their
rounding too makes it worse (measured for lite0, 23.0 against 24.1 dB).

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction (2019),
section 4.2, empirical form.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from efficientnet_lite.doors.litert import Pool, Runner
from efficientnet_lite.quantize.calibrate import Image, Progress
from efficientnet_lite.spec import INPUT, Add, Conv, Plan, Step
from efficientnet_lite.tflite.fold import Layer
from efficientnet_lite.tflite.write import write_steps

Array = npt.NDArray[np.float32]


def segments(plan: Plan) -> Iterator[tuple[str, list[Step]]]:
    """Runs of steps that read a single tensor: stem with the first block, every other block, the head.

    Yields the tensor that is read and the steps. Only these tensors are kept for all photos at once, and
    they are the narrow ones.
    """
    source, steps = INPUT, list[Step]()
    ends = [plan.endpoints[name] for name in plan.endpoints if name.startswith("block_")]
    for step in plan.steps:
        if not isinstance(step, Conv | Add):
            break
        steps.append(step)
        if step.name in ends:
            yield source, steps
            source, steps = step.name, []
    yield source, steps


def correct_biases(
    plan: Plan,
    layers: Mapping[str, Layer],
    rounded: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: Progress | None = None,
) -> dict[str, Layer]:
    """`rounded` with biases that give every channel the mean, behind its ReLU6, that it has in `layers`.

    Args:
        layers: the float network.
        rounded: the same with kernels rounded to int8 and back.
        images: uint8 (S, S, 3).
    """
    corrected = dict(rounded)
    normalized = [((image[None].astype(np.float32)) - 127) / 128 for image in images]
    true, drifted = normalized, normalized
    parts = list(segments(plan))
    for number, (source, steps) in enumerate(parts):
        for position, step in enumerate(steps):
            if not isinstance(step, Conv):
                continue
            prefix = steps[: position + 1]
            wanted = _means(prefix, layers, source, true, workers)
            found = _means(prefix, corrected, source, drifted, workers)
            layer = corrected[step.name]
            corrected[step.name] = Layer(layer.kernel, layer.bias + (wanted - found))
        if number < len(parts) - 1:
            true = _outputs(steps, layers, source, true, workers)
            drifted = _outputs(steps, corrected, source, drifted, workers)
        if on_progress:
            on_progress(number + 1, len(parts))
    return corrected


def _means(
    steps: Sequence[Step], layers: Mapping[str, Layer], source: str, inputs: Sequence[Array], workers: int
) -> Array:
    """Mean of each channel of the last step's output over all inputs, (C,)."""
    model = write_steps(
        steps, layers, source=source, shape=inputs[0].shape, outputs={}, means={"mean": steps[-1].name}
    )

    def mean(runner: Runner, value: Array) -> Array:
        return runner(value)["mean"][0]

    return np.mean(list(Pool(model, workers=workers).map(mean, inputs)), axis=0, dtype=np.float64).astype(np.float32)


def _outputs(
    steps: Sequence[Step], layers: Mapping[str, Layer], source: str, inputs: Sequence[Array], workers: int
) -> list[Array]:
    """The last step's output for every input."""
    model = write_steps(
        steps, layers, source=source, shape=inputs[0].shape, outputs={"output": steps[-1].name}
    )

    def output(runner: Runner, value: Array) -> Array:
        return runner(value)["output"]

    return list(Pool(model, workers=workers).map(output, inputs))
