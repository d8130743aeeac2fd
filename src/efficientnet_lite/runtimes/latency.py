"""How long a file takes for one image on one thread of this machine."""

import time
from dataclasses import dataclass

import numpy as np

from efficientnet_lite.runtimes.model import Model

WARM_UP, RUNS = 3, 25


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for one image, without decoding and resizing it."""

    median_ms: float
    p90_ms: float


def latency(model: Model) -> Latency:
    """Measured with one thread on an image of noise; other load on the machine shows."""
    shape = model.input.shape[1:]
    image = model.encode(np.random.default_rng(0).integers(0, 256, shape, np.uint8))[None]
    times = []
    with model.pool.borrowed() as runner:
        for number in range(WARM_UP + RUNS):
            start = time.perf_counter()
            runner(image)
            if number >= WARM_UP:
                times.append(1000 * (time.perf_counter() - start))
    return Latency(float(np.median(times)), float(np.quantile(times, 0.9)))
