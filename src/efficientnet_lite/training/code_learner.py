"""The codes and biases of an int8 network that learn to answer as the float network does; TensorFlow.

Only numbers that cost nothing in the file learn: the codes of the kernels, whose scales stay, and the biases. Scales
of weights and activations stay as the closed form chose them, and with them what makes kernels of several runtimes
answer alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.plan import INPUT, Conv, Dense, Plan
from efficientnet_lite.quantize.learned.simulation import Simulation
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.channel_copies import ChannelCopies
from efficientnet_lite.training.code_tuning import CodeTuning
from efficientnet_lite.training.kept_features import PartInputs
from efficientnet_lite.training.learned import Cell, LogRow
from efficientnet_lite.training.learner import Journal, Losses, Scores, Timetable
from efficientnet_lite.training.oscillation import Oscillation
from efficientnet_lite.training.schedule import average_decay, fine_tuning_rate

MOST_AT_ONCE = 8  # images whose tensors are in memory at once,
MOST_VALUES = 2**27  # with so many numbers; about 2 GB with their gradients
FIRST, SECOND, TINY = 0.9, 0.999, 1e-12  # of Adam

Judge = Callable[[IntegerNetwork], Scores]  # `snr_db` and `agreement` of the written file
Teacher = Callable[[Array], Array]  # images, (N, S, S, 3) of 0 to 255, to the float network's logits


@dataclass(frozen=True, slots=True)
class UnlabelledPhotos:
    """Photos to learn from, and who knows the answers."""

    images: PartInputs
    count: int
    teacher: Teacher


class CodeLearner:
    """A `Learner`: an int8 network, simulated to the code. Everything random follows from `seed`."""

    name = "the quantization-aware tuning"

    def __init__(
        self,
        simulation: Simulation,
        recipe: CodeTuning,
        photos: UnlabelledPhotos,
        judge: Judge,
        *,
        power: float,
        seed: int,
    ) -> None:
        """`power`: mean square of the float network's centered logits, of which the loss is a part."""
        self._simulation, self.recipe, self._photos, self._judge = simulation, recipe, photos, judge
        self._power, self._seed = power, seed
        self._learning = {
            name: variable
            for name, variable in sorted(simulation.variables.items())
            if name.endswith(("/codes", "/bias"))
        }
        self._copies = _copies_of(simulation.plan, self._learning)
        for name, variable in self._learning.items():
            if name.endswith("/codes"):
                variable.assign(self._tied(name, variable))
        self._first, self._second = (self._zeros() for _ in range(2))
        self._averages = {name: tf.Variable(each) for name, each in self._learning.items()}
        self._oscillation = {
            name: Oscillation(variable)
            for name, variable in self._learning.items()
            if name.endswith("/codes")
        }
        self._gradients = tf.function(self._gradients_of)
        self._move = tf.function(self._moved)
        self._part = at_once(simulation.plan)
        each = recipe.steps_per_epoch(photos.count)
        self.timetable = Timetable(
            recipe.epochs * each,
            each,
            evaluate_every=each,
            save_every=each,
            begins_evaluated=True,
            saves_within_epochs=False,
        )
        self.done = 0
        self._losses: list[float] = []  # of the epoch under way
        self._start: Scores = {}  # how good the network is that this began with

    def _tied(self, name: str, values: Any) -> Any:
        copies = self._copies.get(name.rpartition("/")[0])
        return copies.tied(values) if copies else values

    def _zeros(self) -> dict[str, Any]:
        return {name: tf.Variable(tf.zeros_like(each)) for name, each in self._learning.items()}

    def batches(self) -> Iterator[Array]:
        """Images of the epochs that are left; an epoch under way is begun anew. Each pass has views of its own."""
        recipe, count, batch = self.recipe, self._photos.count, self.recipe.batch
        passes, steps = recipe.passes(count), recipe.steps_per_pass(count)
        for number in range(self.done // self.timetable.per_epoch * passes, recipe.epochs * passes):
            order = generator(self._seed, number, 0, "order").permutation(count)[: steps * batch]
            yield from self._photos.images.batches(order.tolist(), number, batch)

    def step(self, batch: Array) -> Losses:
        rate = fine_tuning_rate(self.done, steps=self.timetable.total, warmup=self.recipe.warmup, peak=1.0)
        parts = range(0, len(batch), self._part)
        truth = self._photos.teacher(batch)
        total, sums = 0.0, None
        for at in parts:
            loss, gradients = self._gradients(
                tf.constant(batch[at : at + self._part]), tf.constant(truth[at : at + self._part])
            )
            total += float(loss)
            sums = gradients if sums is None else [a + b for a, b in zip(sums, gradients, strict=True)]
        self.done += 1
        self._move(
            [each / float(len(batch)) for each in sums or ()],
            tf.constant(rate, tf.float32),
            tf.constant(self.done, tf.float32),
            tf.constant(1 - average_decay(self.recipe.ema, self.done - 1), tf.float32),
        )
        loss = total / len(batch)
        self._losses.append(loss)
        return Losses(loss, loss, rate * self.recipe.code_rate)

    def _gradients_of(self, images: Any, truth: Any) -> tuple[Any, list[Any]]:
        """Sum over the images of the squared error of the centered logits, as a part of their power."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(self._learning.values()))
            error = self._simulation.logits(images) - truth
            error -= tf.reduce_mean(error, axis=1, keepdims=True)
            loss = tf.reduce_sum(tf.reduce_mean(tf.square(error), axis=1)) / self._power
        return loss, tape.gradient(loss, list(self._learning.values()))

    def _moved(self, gradients: Sequence[Any], rate: Any, step: Any, share: Any) -> None:
        """One step of Adam, of the averages, and of what tells oscillating codes."""
        for (name, variable), gradient in zip(self._learning.items(), gradients, strict=True):
            gradient = self._tied(name, gradient)
            first, second = self._first[name], self._second[name]
            first.assign(FIRST * first + (1 - FIRST) * gradient)
            second.assign(SECOND * second + (1 - SECOND) * tf.square(gradient))
            slope = (first / (1 - FIRST**step)) / (tf.sqrt(second / (1 - SECOND**step)) + TINY)
            is_code = name.endswith("/codes")
            moved = variable - rate * (self.recipe.code_rate if is_code else self.recipe.bias_rate) * slope
            if is_code:
                moved = self._oscillation[name].held(variable, moved, self.recipe.freeze_above)
            variable.assign(moved)
            self._averages[name].assign_add(share * (variable - self._averages[name]))

    def network(self) -> IntegerNetwork:
        """The averages as integers."""
        own = {name: tf.identity(each) for name, each in self._learning.items()}
        self._assign(self._averages)
        try:
            return self._simulation.network()
        finally:
            self._assign(own)

    def _assign(self, values: Mapping[str, Any]) -> None:
        for name, variable in self._learning.items():
            variable.assign(values[name])

    def evaluate(self) -> Scores:
        """Logit SNR, dB, and agreement of the file that the averages make, against float."""
        scores = dict(self._judge(self.network()))
        self._start = self._start or scores
        return scores

    def rank(self, scores: Scores) -> tuple[float, ...]:
        """Nothing that changes more answers than the start, or has a lower SNR, is better than it."""
        start = self._start or scores
        gains = scores["snr_db"] > start["snr_db"], scores["agreement"] >= start["agreement"]
        same = scores["snr_db"] == start["snr_db"] and scores["agreement"] == start["agreement"]
        return 0.0 if same else 1.0 if all(gains) else -1.0, scores["snr_db"]

    def averages(self) -> dict[str, Array]:
        return {name: each.numpy() for name, each in self._averages.items()}

    def take(self, averages: Mapping[str, Array]) -> None:
        """Go on from what `averages` gave; raises ValueError or KeyError for that of another network."""
        for name, each in self._averages.items():
            each.assign(averages[name])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            f"{group}/{name}": each.numpy()
            for group, variables in self._variables().items()
            for name, each in variables.items()
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]], done: int, start: LogRow) -> None:
        """Take over what `to_arrays` gave behind `done` steps; `start` is the first row of the log.

        Raises ValueError where it is of another network; then this one is of no use.
        """
        groups = self._variables()
        wanted = {f"{group}/{name}" for group, variables in groups.items() for name in variables}
        if arrays.keys() != wanted:
            raise ValueError("its arrays are not those of this network")
        for group, variables in groups.items():
            for name, each in variables.items():
                each.assign(arrays[f"{group}/{name}"])  # raises ValueError for another shape
        self.done = done
        self._start = {name: float(start[name] or 0) for name in ("snr_db", "agreement")}

    def _variables(self) -> dict[str, dict[str, Any]]:
        return {
            "learning": self._learning,
            "first": self._first,
            "second": self._second,
            "averages": self._averages,
            "turns": {name: each.turns for name, each in self._oscillation.items()},
            "last": {name: each.last for name, each in self._oscillation.items()},
            "frozen": {name: each.frozen for name, each in self._oscillation.items()},
        }

    def row(self, epoch: int, journal: Journal) -> dict[str, Cell]:
        loss = float(np.mean(self._losses)) if self._losses else None  # of epoch 0 there is none
        self._losses.clear()
        return {"epoch": epoch, "loss": loss, **(journal.score or {}), "learning_rate": journal.rate}

    def line(self, row: LogRow, *, is_best: bool, seconds: float) -> str:
        text = f"logit SNR {row['snr_db']:.2f} dB, same class {100 * (row['agreement'] or 0):.1f} %"
        if row["epoch"] == 0:
            text = f"int8 before it learns: {text}"
        else:
            text = f"int8, epoch {row['epoch']} of {self.recipe.epochs}: loss {row['loss']:.5f}, {text}"
            text += f", {seconds:.1f} s"
        return text + ("  <- best so far" if is_best else "")

    def figures(self, row: LogRow) -> tuple[int, Mapping[str, Cell]]:
        names = ("loss", "snr_db", "agreement", "learning_rate")
        return int(row["epoch"] or 0), {f"int8/{name}": row[name] for name in names}

    def slower(self) -> str:
        return "leave `quantization_aware=True` out, and look at the weights"


def _copies_of(plan: Plan, variables: Mapping[str, Any]) -> dict[str, ChannelCopies]:
    return {
        step.name: ChannelCopies(variables[f"{step.name}/codes"].numpy(), step.outputs) for step in plan.convs
    }


def at_once(plan: Plan) -> int:
    """How many images go through the network together, at least one."""
    sides, channels, values = plan.sides(), {INPUT: 3}, 0
    for step in plan.steps:
        channels[step.name] = step.outputs if isinstance(step, Conv | Dense) else channels[step.source]
        values += sides[step.name] ** 2 * channels[step.name]
    return max(1, min(MOST_AT_ONCE, MOST_VALUES // values))
