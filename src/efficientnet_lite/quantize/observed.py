"""What the float network's tensors hold on unlabelled photos, and what noise in each of their channels costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT, Plan, Pool, Step
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.linear_tensors import inner_steps, is_linear
from efficientnet_lite.runtimes.engine import Engine, EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_steps

SAMPLE_PIXELS, FEWEST_PIXELS = 12_000, 60  # of each linear tensor: over all photos, and of each
MEMORY = 1_000_000_000  # bytes that the tensors of the photos under way may take together


@dataclass(frozen=True, slots=True)
class Observed:
    """One tensor over all calibration photos."""

    low: Array  # smallest value of each channel, (C,), at most 0
    high: Array  # largest, at least 0
    mean: Array  # (C,)
    sample: Array  # (pixels, C), drawn from all photos; of linear tensors and the features alone
    cost: Array  # (C,): what noise of variance 1 at each pixel that is not clipped adds to the noise of the answer

    def scaled(self, factors: Array) -> "Observed":
        """The same when every channel is multiplied by a positive factor, (C,)."""
        return Observed(
            self.low * factors,
            self.high * factors,
            self.mean * factors,
            self.sample * factors,
            (self.cost / np.square(factors)).astype(np.float32),
        )

    def rearranged(self, places: npt.NDArray[np.intp], cost: Array) -> "Observed":
        """The same when channel c is a copy of channel `places[c]`."""
        return Observed(self.low[places], self.high[places], self.mean[places], self.sample[:, places], cost)


def tensor_pool(plan: Plan, layers: Mapping[str, Layer], *, workers: int) -> EnginePool:
    """Engines that give every tensor up to the features; fewer than `workers` where those are large."""
    steps, sides = inner_steps(plan), plan.sides()
    channels = {step.name: step.outputs for step in plan.convs}
    values = sum(sides[name] ** 2 * count for name, count in channels.items())
    shape = (1, plan.size, plan.size, 3)
    names = {step.name: step.name for step in steps}
    model = write_steps(steps, layers, source=INPUT, shape=shape, outputs=names, unit_input=True)
    return EnginePool(LiteRT, model, workers=min(workers, max(1, MEMORY // (12 * values))))


def observe(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> dict[str, Observed]:
    """Name -> `Observed` of every tensor up to the features, over `images`, uint8 (S, S, 3). Noise costs 1 each.

    Raises CheckpointError where one of them is no finite number.
    """
    steps = inner_steps(plan)

    def look(engine: Engine, numbered: tuple[int, Image]) -> dict[str, Observed]:
        number, image = numbered
        outputs = engine(image[None] / np.float32(255))
        return {step.name: _seen(step, outputs[step.name], number, len(images)) for step in steps}

    seen: dict[str, list[Observed]] = {step.name: [] for step in steps}
    pool = tensor_pool(plan, layers, workers=workers)
    for done, found in enumerate(pool.map(look, list(enumerate(images))), 1):
        for name, one in found.items():
            if not (np.isfinite(one.low).all() and np.isfinite(one.high).all()):
                raise CheckpointError(
                    f"with these weights {name} is no finite number for a photo",
                    where=plan.variant.name,
                    fix="look at the weights: a training that diverged leaves such ones",
                )
            seen[name].append(one)
        if on_progress:
            on_progress(done, len(images))
    return {name: _together(parts) for name, parts in seen.items()}


def _seen(step: Step, tensor: Array, photo: int, photos: int) -> Observed:
    pixels = tensor.reshape(-1, tensor.shape[-1])
    count = max(FEWEST_PIXELS, SAMPLE_PIXELS // photos) if is_linear(step) or isinstance(step, Pool) else 0
    return Observed(
        np.minimum(pixels.min(axis=0), 0),
        np.maximum(pixels.max(axis=0), 0),
        np.mean(pixels, axis=0, keepdims=True).reshape(-1),
        drawn(pixels, count, photo),
        np.ones(pixels.shape[1], np.float32),
    )


def drawn(pixels: Array, count: int, photo: int) -> Array:
    """`count` of the pixels, or all where there are no more; which, depends on the number of the photo.

    Every n-th one would stand in few columns of the tensor, if not in one alone.
    """
    if len(pixels) <= count:
        return pixels.copy()
    return pixels[np.random.default_rng(photo).integers(0, len(pixels), count)]


def _together(parts: Sequence[Observed]) -> Observed:
    return Observed(
        np.min([each.low for each in parts], axis=0),
        np.max([each.high for each in parts], axis=0),
        np.asarray(np.mean([each.mean for each in parts], axis=0, dtype=np.float64), np.float32),
        np.concatenate([each.sample for each in parts]),
        parts[0].cost,
    )


def with_costs(observed: Mapping[str, Observed], costs: Mapping[str, Array]) -> dict[str, Observed]:
    """`observed` with what noise costs."""
    return {name: replace(each, cost=costs[name]) for name, each in observed.items()}
