"""The largest input size at which a network fits into an NPU's SRAM, found by asking Vela for one size after the other.

How much SRAM a network needs hangs on its shapes, so files of random weights are asked about.
"""

from collections.abc import Callable

import numpy as np

from efficientnet_lite.network.plan import INPUT, Add, Conv, Dense, Plan, Pool, make_plan
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, RELU6_SCALE

STEP, SMALLEST = 32, 32  # pixels: five halvings of the side divide evenly


def largest_size(plan: Plan, needed: Callable[[bytes], int], limit: int) -> int | None:
    """The largest size below that of `plan` that needs at most `limit` bytes; None where not even 32 pixels do.

    `needed` says how many bytes an int8 file takes; a larger input never takes fewer.
    """
    sizes = range(SMALLEST, plan.size, STEP)
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        if needed(blank_file(make_plan(plan.variant, size=sizes[middle], classes=plan.classes))) <= limit:
            low = middle + 1
        else:
            high = middle
    return sizes[low - 1] if low else None


def blank_file(plan: Plan) -> bytes:
    """An int8 file of the plan's shapes, whose weights are noise."""
    random, layers, tensors = np.random.default_rng(0), dict[str, IntegerLayer](), {INPUT: INPUT_SCALE}
    for step in plan.steps:
        if isinstance(step, Conv | Dense):
            tensors[step.name] = RELU6_SCALE
            shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
            kernel = random.integers(-127, 128, shape).astype(np.int8)
            scales = np.full(step.outputs if isinstance(step, Conv) else 1, 1e-2, np.float32)
            layers[step.name] = IntegerLayer(kernel, scales, np.zeros(step.outputs, np.int32))
        elif isinstance(step, Add | Pool):
            tensors[step.name] = RELU6_SCALE
    output = "features" if plan.classes is None else "probabilities"
    return write_int8(plan, IntegerNetwork(layers, tensors), outputs=(output,))
