"""The layer plan run in plain numpy: slow, obvious, and independent of every runtime.

What a written file computes is compared with this where no photos are needed. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.network.plan import INPUT, Add, Conv, Dense, Pool, Step


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's arithmetic with batch norm folded in: y = x * kernel + bias, both float32.

    `kernel` is HWIO for a convolution, (k, k, C, 1) for a depthwise one, (inputs, outputs) for a dense
    layer; `bias` is (outputs,).
    """

    kernel: Array
    bias: Array


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after, for TensorFlow's SAME: the odd one comes after."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def convolve(x: Array, kernel: Array, stride: int, *, depthwise: bool) -> Array:
    """SAME convolution of `x` (N, H, W, C) as a sum over the kernel's positions of shifted products."""
    k = kernel.shape[0]
    rows, columns = (-(-side // stride) for side in x.shape[1:3])
    padded = np.pad(
        x, ((0, 0), same_padding(x.shape[1], k, stride), same_padding(x.shape[2], k, stride), (0, 0))
    )
    total: Array | None = None
    for i in range(k):
        for j in range(k):
            window = padded[
                :, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride
            ]
            product = window * kernel[i, j, :, 0] if depthwise else window @ kernel[i, j]
            total = product if total is None else np.add(total, product, out=total)
    assert total is not None  # a kernel has at least one position
    return total


def run(steps: Iterable[Step], layers: Mapping[str, Layer], normalized: Array) -> dict[str, Array]:
    """Every tensor of the plan by name, for `normalized` (N, S, S, 3), which is (x - 127) / 128.

    Convolutions give (N, H, W, C), `features` (N, 1, 1, 1280), logits and probabilities (N, classes).
    """
    tensors: dict[str, Array] = {INPUT: normalized.astype(np.float32)}
    for step in steps:
        tensors[step.name] = run_step(step, layers, tensors)
    return tensors


def run_step(step: Step, layers: Mapping[str, Layer], tensors: Mapping[str, Array]) -> Array:
    """What `step` makes of those of `tensors` that it reads."""
    x = tensors[step.source]
    if isinstance(step, Conv):
        layer = layers[step.name]
        y = convolve(x, layer.kernel, step.stride, depthwise=step.depthwise) + layer.bias
        return np.clip(y, 0, 6) if step.relu6 else y
    if isinstance(step, Add):
        total: Array = x + tensors[step.skip]
        return total
    if isinstance(step, Pool):
        mean: Array = x.mean(axis=(1, 2), keepdims=True)
        return mean
    if isinstance(step, Dense):
        layer = layers[step.name]
        logits: Array = x.reshape(len(x), -1) @ layer.kernel + layer.bias
        return logits
    return metrics.softmax(x)
