"""Gains and biases corrected for what rounding the weights does to every channel.

Rounding a kernel changes its output channel's gain and shifts its mean, and the shift of one layer is
the input of the next: most of the damage of int8 weights is this drift. The scale of a channel's weights
and its bias are free numbers, so each layer takes back the gain and the mean that are left when all
layers before it are already rounded and corrected; strictly one after another, since corrections from
one common measurement compound. Activations stay float meanwhile: correcting for their rounding too
makes it worse (measured for lite0, 23.0 against 24.1 dB).

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction (2019),
section 4.2, for the means; the gains are ours (measured for lite1, weights alone: 27.0 to 28.5 dB).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT, Add, Conv, Plan, Step
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_steps

SAMPLE_PIXELS = 800  # of each layer and photo, for the gains
FEWEST = 200  # pixels strictly between 0 and 6 below which a channel keeps its gain
GAIN_LIMITS = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What to change in the rounded network: a factor for each channel's weights, and its new bias."""

    gain: Array  # (C,)
    bias: Array  # (C,)


def segments(plan: Plan) -> Iterator[tuple[str, list[Step]]]:
    """Runs of steps that read a single tensor: stem with the first block, every other block, the head.

    Yields the tensor that is read and the steps. Only these tensors are kept for all photos at once, and
    they are the narrow ones.
    """
    source, steps = INPUT, list[Step]()
    ends = {tensor for name, tensor in plan.endpoints.items() if name.startswith("block_")}
    for step in plan.steps:
        if not isinstance(step, Conv | Add):
            break
        steps.append(step)
        if step.name in ends:
            yield source, steps
            source, steps = step.name, []
    yield source, steps


def correct(
    plan: Plan,
    layers: Mapping[str, Layer],
    rounded: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> dict[str, Corrected]:
    """Convolution -> gains and biases that give `rounded` the channels of `layers`.

    Args:
        layers: the float network.
        rounded: the same with kernels rounded to int8 and back.
        images: uint8 (S, S, 3).
    """
    float_net, int_net = dict(layers), dict(rounded)
    corrections: dict[str, Corrected] = {}
    true = drifted = [(image[None].astype(np.float32) - MEAN) / np.float32(STDDEV) for image in images]
    parts = list(segments(plan))
    for number, (source, steps) in enumerate(parts):
        for position, step in enumerate(steps):
            if not isinstance(step, Conv):
                continue
            prefix = steps[:position]
            layer = int_net[step.name]
            gain = _gains(prefix, step, (float_net, int_net), source, (true, drifted), workers)
            kernel = layer.kernel * (gain[:, None] if step.depthwise else gain)
            int_net[step.name] = Layer(kernel, layer.bias)
            wanted = _means([*prefix, step], float_net, source, true, workers)
            found = _means([*prefix, step], int_net, source, drifted, workers)
            int_net[step.name] = Layer(kernel, layer.bias + (wanted - found))
            corrections[step.name] = Corrected(gain, int_net[step.name].bias)
        if number < len(parts) - 1:
            true = list(_outputs(steps, float_net, source, true, workers))
            drifted = list(_outputs(steps, int_net, source, drifted, workers))
        if on_progress:
            on_progress(number + 1, len(parts))
    return corrections


def _gains(
    prefix: Sequence[Step],
    step: Conv,
    networks: tuple[Mapping[str, Layer], Mapping[str, Layer]],
    source: str,
    inputs: tuple[Sequence[Array], Sequence[Array]],
    workers: int,
) -> Array:
    """Slope of the true output on the drifted one, for each channel of `step`.

    Where a ReLU6 follows, it is a least-squares fit over the pixels that it lets through.
    """
    steps = [*prefix, replace(step, relu6=False)]
    pairs = [
        _outputs(steps, net, source, values, workers, pick=_sampled)
        for net, values in zip(networks, inputs, strict=True)
    ]
    sums = np.zeros((5, step.outputs))
    for true, drifted in zip(*pairs, strict=True):
        if step.relu6:
            true, through = np.clip(true, 0, 6), ((drifted > 0) & (drifted < 6)).astype(np.float32)
        else:
            through = np.ones_like(drifted)
        kept, masked = through * drifted, through * true
        sums += [
            through.sum(0),
            masked.sum(0),
            kept.sum(0),
            (masked * drifted).sum(0),
            (kept * drifted).sum(0),
        ]
    count, true_sum, drifted_sum, product, square = sums
    many = np.maximum(count, 1)
    covariance = product / many - true_sum * drifted_sum / many**2
    variance = square / many - (drifted_sum / many) ** 2
    known = (count > FEWEST) & (variance > 1e-6)
    gains = np.divide(covariance, variance, out=np.ones_like(variance), where=known)
    limited: Array = gains.clip(*GAIN_LIMITS).astype(np.float32)
    return limited


def _sampled(tensor: Array) -> Array:
    pixels = tensor.reshape(-1, tensor.shape[-1])
    return pixels[:: max(1, len(pixels) // SAMPLE_PIXELS)].copy()


def _means(
    steps: Sequence[Step], layers: Mapping[str, Layer], source: str, inputs: Sequence[Array], workers: int
) -> Array:
    """Mean of each channel of the last step's output over all inputs, (C,)."""
    model = write_steps(
        steps, layers, source=source, shape=inputs[0].shape, outputs={}, means={"y": steps[-1].name}
    )
    means = _runs(model, inputs, workers, pick=lambda mean: mean[0])
    mean: Array = np.stack(list(means)).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _outputs(
    steps: Sequence[Step],
    layers: Mapping[str, Layer],
    source: str,
    inputs: Sequence[Array],
    workers: int,
    *,
    pick: Callable[[Array], Array] = np.asarray,
) -> Iterator[Array]:
    """What `pick` takes of the last step's output for every input."""
    model = write_steps(steps, layers, source=source, shape=inputs[0].shape, outputs={"y": steps[-1].name})
    return _runs(model, inputs, workers, pick)


def _runs(
    model: bytes, inputs: Sequence[Array], workers: int, pick: Callable[[Array], Array]
) -> Iterator[Array]:
    pool = EnginePool(LiteRT, model, workers=workers)
    return pool.map(lambda engine, value: pick(engine(value)["y"]), inputs)
