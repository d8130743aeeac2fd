"""In a process of its own: how long lite0 takes in float32 and in int8, run by LiteRT. See `kernel_speed`.

Its weights are chance: how long a network takes hangs on its layers and shapes alone.
"""

import json
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from efficientnet_lite.machine.kernel_speed import MODEL
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT, VARIANTS, Conv, Dense, Plan, make_plan
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, RELU6_SCALE

CLASSES = 10
WARM_UP, RUNS = 2, 12
FINE_SECONDS = 1e-5


def respond(data: bytes, file: BinaryIO) -> None:
    """The least of some runs of each, in milliseconds, and the size in pixels, as JSON."""
    from efficientnet_lite.runtimes.litert import LiteRT

    plan = make_plan(VARIANTS[MODEL], classes=CLASSES)
    image = np.random.default_rng(0).integers(0, 256, (1, plan.size, plan.size, 3), np.uint8)
    models = [LiteRT(model) for model in made_up(plan)]
    inputs: list[Any] = [(image / 255).astype(np.float32), image]
    clock = _clock()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP + RUNS):
        for model, given, taken in zip(models, inputs, times, strict=True):
            start = clock()
            model(given)
            if number >= WARM_UP:
                taken.append(1000 * (clock() - start))
    file.write(json.dumps([*(min(taken) for taken in times), plan.size]).encode())


def _clock() -> Callable[[], float]:
    """Seconds of the processor, which other programs do not lengthen; of the clock where those are counted coarsely.

    LiteRT computes in the thread that calls it. That of the process will not do: Linux counts it in ticks where it
    is limited.
    """
    fine = time.get_clock_info("thread_time").resolution <= FINE_SECONDS
    return time.thread_time if fine else time.perf_counter


def made_up(plan: Plan) -> tuple[bytes, bytes]:
    """A float32 and an int8 file of the plan; their weights are chance, of the size that keeps answers in range."""
    from efficientnet_lite.tflite.float import write_float
    from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8

    random = np.random.default_rng(0)
    layers, integers, scales = {}, {}, {INPUT: INPUT_SCALE}
    for step in plan.steps[:-1]:
        scales[step.name] = RELU6_SCALE
        if not isinstance(step, Conv | Dense):
            continue
        shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
        codes = random.integers(-127, 128, shape, np.int8)
        reads = codes.size // step.outputs
        scale = np.float32(1 / (40 * np.sqrt(reads)))
        layers[step.name] = Layer(codes * scale, np.zeros(step.outputs, np.float32))
        channels = step.outputs if isinstance(step, Conv) else 1
        integers[step.name] = IntegerLayer(codes, np.full(channels, scale), np.zeros(step.outputs, np.int32))
    return write_float(plan, layers), write_int8(plan, IntegerNetwork(integers, scales))
