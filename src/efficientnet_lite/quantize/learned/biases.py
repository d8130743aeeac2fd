"""All biases learned together, by gradients through the roundings, so that the logits come nearer to float's.

The float network teaches on views of the calibration photos; labels are not needed. Scales and weights stay: a weight
that moves to another code undoes what its neighbors took back, and a scale that moves changes what all kernels agree
on. Photos kept back decide whether what was learned is used.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Conv, Plan
from efficientnet_lite.photos.contract import Box
from efficientnet_lite.photos.resizing import resize
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.integer_outputs import integer_outputs, last_output
from efficientnet_lite.quantize.learned.simulation import Simulation
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import IntegerNetwork

SEED = 0
STEPS, BATCH = 200, 8
RATE = 0.003  # steps of a layer's output, of one update
WARM_UP = 10  # updates
MOMENTS = 0.9, 0.99  # of Adam
AVERAGE = 0.985  # of the biases over the updates: one update's are noisy
LOOK_EVERY = 20  # updates, after which photos kept back are asked
SMALLEST_CROP = 0.6  # of the side
KEPT_BACK = 5  # one photo in so many decides, by two crops: the photo itself has calibrated
MOST_VALUES = 2**28  # of all tensors of the photos that go through at once, about 4 GB with their gradients


def learned_biases(
    plan: Plan,
    layers: Mapping[str, Layer],
    network: IntegerNetwork,
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> IntegerNetwork:
    """`network` with other biases, or itself where they would not be better on photos kept back.

    Args:
        layers: the float network, batch norm folded in.
        images: uint8 (S, S, 3), unlabelled.

    The same photos give the same biases on the same machine with the same TensorFlow and number of threads.
    """
    output = last_output(plan)
    teacher = FileAnswers(write_float(plan, layers, outputs=(output,)), workers=workers)
    random = np.random.default_rng(SEED)
    judging = [_view(image, random) for image in images[::KEPT_BACK] for _ in range(2)]
    teaching = [image for place, image in enumerate(images) if place % KEPT_BACK]
    wanted = _centred(teacher(judging))

    def nearness(candidate: IntegerNetwork) -> float:
        return snr_db(wanted, integer_outputs(plan, candidate, output, judging, workers=workers))

    learner, best = _Learner(plan, network), (nearness(network), network)
    for number, batch in enumerate(_batches(teaching or images, random), 1):
        learner.update(batch, _centred(teacher(batch)), _rate(number))
        if number % LOOK_EVERY == 0 or number == STEPS:
            found = learner.averaged()
            if found is None:
                break
            best = max(best, (nearness(found), found), key=lambda each: each[0])
        if on_progress:
            on_progress(number, STEPS)
    return best[1]


class _Learner:
    """The biases, and Adam's state."""

    def __init__(self, plan: Plan, network: IntegerNetwork) -> None:
        import tensorflow as tf

        self._simulation = Simulation(plan, network)
        variables = self._simulation.variables
        self._biases = {name: each for name, each in variables.items() if name.endswith("/bias")}
        self._average = {name: each.numpy() for name, each in self._biases.items()}
        self._first = {name: np.zeros_like(value) for name, value in self._average.items()}
        self._second = {name: np.zeros_like(value) for name, value in self._average.items()}
        self._same = {
            f"{step.name}/bias": _copies(step, network.layers[step.name].kernel) for step in plan.convs
        }
        self._updates = 0
        sides = plan.sides()
        values = sum(sides[step.name] ** 2 * getattr(step, "outputs", 0) for step in plan.steps)
        self._at_once = max(1, min(BATCH, MOST_VALUES // max(values, 1)))

        def slopes(images: Any, wanted: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(self._biases)
                found = self._simulation.logits(images)
                found -= tf.reduce_mean(found, 1, keepdims=True)
                loss = tf.reduce_sum(tf.square(found - wanted))
            return tape.gradient(loss, self._biases)

        self._slopes = tf.function(slopes, reduce_retracing=True)

    def update(self, images: Sequence[Image], wanted: Array, rate: float) -> None:
        """One step against the squared distance from `wanted`, (N, C), centred."""
        import tensorflow as tf

        slopes = {name: np.zeros_like(value) for name, value in self._average.items()}
        for start in range(0, len(images), self._at_once):
            part = slice(start, start + self._at_once)
            found = self._slopes(tf.constant(np.stack(images[part])), tf.constant(wanted[part]))
            for name, slope in found.items():
                slopes[name] += slope.numpy()
        for name, same in self._same.items():  # copies stay parts of a step apart
            slopes[name] = (np.bincount(same, slopes[name]) / np.bincount(same))[same].astype(np.float32)
        self._updates += 1
        decay, decay_of_squares = MOMENTS
        average = min(AVERAGE, self._updates / (self._updates + 10))
        for name, slope in slopes.items():
            first, second = self._first[name], self._second[name]
            first += (1 - decay) * (slope - first)
            second += (1 - decay_of_squares) * (slope * slope - second)
            size = np.sqrt(second / (1 - decay_of_squares**self._updates)) + np.finfo(np.float32).tiny
            self._biases[name].assign_sub(rate * first / (1 - decay**self._updates) / size)
            self._average[name] += (1 - average) * (self._biases[name].numpy() - self._average[name])

    def averaged(self) -> IntegerNetwork | None:
        """The network with the biases' mean over the last updates; None where they are no finite numbers."""
        if not all(np.isfinite(value).all() for value in self._average.values()):
            return None
        latest = {name: each.numpy() for name, each in self._biases.items()}
        self._assign(self._average)
        network = self._simulation.network()
        self._assign(latest)
        return network

    def _assign(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            self._biases[name].assign(value)


def _copies(step: Conv, kernel: npt.NDArray[np.int8]) -> npt.NDArray[np.intp]:
    """A number for each channel of a layer, the same for those whose weights are the same."""
    columns = kernel.reshape(-1, step.outputs)
    return np.unique(columns, axis=1, return_inverse=True)[1].reshape(-1)


def _rate(number: int) -> float:
    """Warmed up, then half a cosine down to 0."""
    return RATE * min(1.0, number / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * (number - 1) / STEPS))


def _batches(images: Sequence[Image], random: np.random.Generator) -> Iterator[list[Image]]:
    """`STEPS` batches of views; each photo once before any comes again."""
    places: list[int] = []
    for _ in range(STEPS):
        while len(places) < BATCH:
            places += random.permutation(len(images)).tolist()
        yield [_view(images[place], random) for place in places[:BATCH]]
        del places[:BATCH]


def _view(image: Image, random: np.random.Generator) -> Image:
    """A crop, and every other one mirrored: of larger crops, and whole photos among them, more is learned by heart."""
    size = len(image)
    side = max(1, round(size * random.uniform(SMALLEST_CROP, 1)))
    top, left = random.integers(0, size - side + 1, 2).tolist()
    if random.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    return (
        image if random.random() < 0.5 else resize(image, Box(top, left, side, side), size, filter="bicubic")
    )


def _centred(rows: Array) -> Array:
    centred: Array = rows - rows.mean(axis=1, keepdims=True)
    return centred
