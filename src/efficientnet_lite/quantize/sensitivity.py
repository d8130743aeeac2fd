"""What noise in each channel of each tensor costs at the network's answer, to first order.

Noise that is independent at every pixel adds, for each pixel, the squared norm of the answer's derivative there.
One backward pass a photo from random signs has that norm as the mean of its square (Hutchinson's estimate), for all
tensors at once. ReLU6 stops the derivative where it clips, and rounding makes no noise there.

Source: Hutchinson, A stochastic estimator of the trace of the influence matrix (1989).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer, same_padding
from efficientnet_lite.network.plan import DENSE, INPUT, POOLED, Add, Conv, Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.quantize.linear_tensors import inner_steps
from efficientnet_lite.quantize.observed import tensor_pool
from efficientnet_lite.runtimes.engine import Engine

PHOTOS = 32
_TINY = float(np.finfo(np.float32).tiny)


def costs(
    plan: Plan, layers: Mapping[str, Layer], images: Sequence[Image], *, workers: int
) -> dict[str, Array]:
    """Tensor -> (C,): noise of variance 1 at its pixels, as a part of the power of the answer.

    The answer are the centred logits, or the features of a plan without a head.
    """
    some = images[:: max(1, len(images) // PHOTOS)][:PHOTOS]

    def look(engine: Engine, numbered: tuple[int, Image]) -> tuple[float, dict[str, Array]]:
        number, image = numbered
        tensors = engine(image[None] / np.float32(255))
        with np.errstate(over="ignore", invalid="ignore"):  # of weights that nobody should use
            signs, power = _signs(plan, layers, tensors[POOLED], np.random.default_rng(number))
            return power, _squares(plan, layers, tensors, signs)

    pool = tensor_pool(plan, layers, workers=workers)
    total, sums = 0.0, dict[str, Array]()
    with np.errstate(over="ignore", invalid="ignore"):
        for power, squares in pool.map(look, list(enumerate(some)), ahead=1):
            total += power
            for name, square in squares.items():
                sums[name] = sums[name] + square if name in sums else square
        return {name: _finite(square / max(total, _TINY)) for name, square in sums.items()}


def _finite(values: Array) -> Array:
    """`values` where they are numbers, else 1 for all: of weights that nobody should use."""
    found = values.astype(np.float32)
    return found if np.isfinite(found).all() and found.any() else np.ones_like(found)


def _signs(
    plan: Plan, layers: Mapping[str, Layer], pooled: Array, random: np.random.Generator
) -> tuple[Array, float]:
    """Random signs of the answer, taken back to the features (1280,), and the answer's power."""
    features = pooled.ravel()
    if plan.classes is None:
        return random.choice([-1.0, 1.0], len(features)).astype(np.float32), float(np.square(features).sum())
    head = layers[DENSE]
    logits = features @ head.kernel + head.bias
    signs = random.choice([-1.0, 1.0], plan.classes).astype(np.float32)
    power = float(np.square(logits - logits.mean(), dtype=np.float64).sum())
    return head.kernel @ (signs - signs.mean()), power


def _squares(
    plan: Plan, layers: Mapping[str, Layer], tensors: Mapping[str, Array], signs: Array
) -> dict[str, Array]:
    """Tensor -> (C,), the squared derivatives of `signs` · features, summed over the pixels."""
    flows: dict[str, Array] = {POOLED: signs[None, None, None]}
    squares: dict[str, Array] = {}
    for step in reversed(inner_steps(plan)):
        flow = flows.pop(step.name)
        if isinstance(step, Conv) and step.relu6:
            value = tensors[step.name]
            flow = flow * ((value > 0) & (value < 6))
        flat = flow.reshape(-1, flow.shape[-1])
        squares[step.name] = np.einsum("pc,pc->c", flat, flat)
        if step.source == INPUT:
            continue
        if isinstance(step, Conv):
            back = _back(step, layers[step.name].kernel, flow, tensors[step.source].shape)
        elif isinstance(step, Add):
            back = flow
            flows[step.skip] = flows[step.skip] + flow if step.skip in flows else flow
        else:  # the pool
            shape = tensors[step.source].shape
            back = np.broadcast_to(flow / np.float32(shape[1] * shape[2]), shape)
        flows[step.source] = flows[step.source] + back if step.source in flows else back
    return squares


def _back(step: Conv, kernel: Array, flow: Array, shape: tuple[int, ...]) -> Array:
    """The derivative by what a convolution reads, of `shape`, from that by what it makes."""
    if not step.depthwise:
        back: Array = flow @ kernel[0, 0].T  # every one but the stem is 1 x 1
        return back
    (_, height, width, channels), k, stride = shape, step.kernel, step.stride
    (top, bottom), (left, right) = (same_padding(side, k, stride) for side in (height, width))
    rows, columns = flow.shape[1:3]
    total = np.zeros((1, height + top + bottom, width + left + right, channels), np.float32)
    for i in range(k):
        for j in range(k):
            down, across = i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1
            total[:, i:down:stride, j:across:stride] += flow * kernel[i, j, :, 0]
    return total[:, top : top + height, left : left + width]
