"""A recorded training of the reference: replayed by our step, and judged by the bounds of its own recomputations.

A trace is an .npz file that the reference code wrote under TensorFlow 1's graph mode: rates and losses of
30 steps, and how far every variable had come after 1, 8, 16 and 30. Everything about it (variant, size,
constants) stands in its `config`. Two correct programs part ways exponentially, so the bounds widen with
the steps; `recomputed_*` says how far an independent program in torch got from the same trace.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.network.naming import foreign_names
from efficientnet_lite.network.plan import Plan, make_plan, model_name
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.train_state import TrainState, start_state

SMALL_PEAK = 1e-4  # below, a trace stays comparable for all of its steps
CLOSE_MARK = 16
MEDIAN, PERCENTILE_95 = 0.03, 0.10  # of the change error; never asked for less
FULL_RATE_MARK = 8  # up to here values of a full-rate trace mean something
STATISTIC = 1e-3  # median change error of moving means, and of moving variances: hardly any rounding there
AVERAGE_SHARE = 9 / 11  # of a change that the averages take over in the first step


@dataclass(frozen=True)
class Trace:
    """The file's arrays, and what its `config` means here."""

    arrays: Mapping[str, np.ndarray]
    config: Mapping[str, Any]
    plan: Plan
    recipe: Recipe
    names: tuple[str, ...]  # of the plan, in the order of the file's `names`

    @property
    def is_small(self) -> bool:
        return self.recipe.peak_rate < SMALL_PEAK

    @property
    def marks(self) -> list[int]:
        return self.arrays["marks"].tolist()

    @property
    def statistics(self) -> np.ndarray:
        return np.array(["/moving_" in name for name in self.names])

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.arrays["batch_index"][step]
        return self.arrays["images"][chosen], self.arrays["labels"][chosen]


def open_trace(path: Path) -> Trace:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    config = json.loads(str(arrays["config"]))
    model = model_name(f"{config['variant']}@{config['image_size']}")
    classes = int(arrays["logits_step1"].shape[1])
    plan = make_plan(model.variant, size=model.size, classes=classes)
    recipe = Recipe(
        train_images=config["num_train_images"],
        batch=config["batch_size"],
        base_rate=config["base_learning_rate"],
        steps=config["steps"],
        warmup_epochs=config["warmup_epochs"],
        decay_factor=config["decay_factor"],
        decay_epochs=config["decay_epochs"],
        label_smoothing=config["label_smoothing"],
        weight_decay=config["weight_decay"],
        ema_decay=config["ema_decay"],
        dropout=config["dropout_rate"],
        survival=1.0,  # `drop_connect` is off in every trace
        precision="float32",
    )
    known = {foreign.name: name for name, foreign in foreign_names(plan, "tf1").items()}
    names = tuple(known[name.partition("/")[2]] for name in arrays["names"].tolist())
    return Trace(arrays, config, plan, recipe, names)


@dataclass
class Replay:
    """What our steps gave; arrays of one number for each step, and states at the trace's marks."""

    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    cross_entropies: list[float] = field(default_factory=list)
    states: dict[int, TrainState] = field(default_factory=dict)
    start: dict[str, np.ndarray] = field(default_factory=dict)


Change = Callable[[TrainState, TrainState], TrainState]


def replay(
    trace: Trace,
    parameters: Mapping[str, np.ndarray],
    step: Any,
    *,
    steps: int,
    begin: Callable[[TrainState], TrainState] = lambda state: state,
    change: Change = lambda before, after: after,
) -> Replay:
    """Run `steps` steps of the trace from `parameters`; `begin` and `change` make wrong trainings of it."""
    done = Replay(start={name: np.array(values) for name, values in parameters.items()})
    state = begin(start_state(parameters))
    for number in range(steps):
        before = state
        after, losses = step(state, *trace.batch(number))
        state = change(before, after)
        done.rates.append(losses.rate)
        done.losses.append(float(losses.total))
        done.cross_entropies.append(float(losses.cross_entropy))
        if number + 1 in trace.marks:
            done.states[number + 1] = state
    return done


def faults(trace: Trace, done: Replay) -> list[str]:
    """Every bound that a replay misses, as a sentence with both numbers; a shorter replay meets fewer bounds."""
    found = [*_start_faults(trace, done), *_rate_faults(trace, done), *_loss_faults(trace, done)]
    for mark in done.states:
        if trace.is_small or mark <= FULL_RATE_MARK:
            found += _value_faults(trace, done, mark)
        else:
            found += _norm_faults(trace, done, mark)
    return found


def measured(trace: Trace, done: Replay) -> str:
    """One line for each mark: the change errors of the comparable variables, median / 95 % / largest."""
    comparable = trace.arrays["comparable"]
    lines = []
    for mark in done.states:
        for kind in ("raw", "ema"):
            relative = _errors(trace, done, mark, kind)[0]
            for title, chosen in (("trainable", ~trace.statistics), ("statistics", trace.statistics)):
                part = relative[comparable & chosen]
                numbers = (np.median(part), np.percentile(part, 95), part.max())
                lines.append(
                    f"mark {mark:2} {kind} {title:10} " + " / ".join(f"{number:.1e}" for number in numbers)
                )
    errors = np.abs(np.array(done.losses) - trace.arrays["loss"][: len(done.losses)])
    lines.append("loss errors " + " ".join(f"{error:.0e}" for error in errors))
    return "\n".join(lines)


def _start_faults(trace: Trace, done: Replay) -> Iterator[str]:
    """The trace began from the same weights."""
    for name, index, values in zip(
        trace.names, trace.arrays["sample_index"], trace.arrays["sample_start"], strict=True
    ):
        if not np.array_equal(done.start[name].ravel()[index], values):
            yield f"the trace starts from other weights than those given: {name}"
            return


def _rate_faults(trace: Trace, done: Replay) -> Iterator[str]:
    wanted = trace.arrays["learning_rate"].astype(np.float64)[: len(done.rates)]
    if not np.allclose(done.rates, wanted, rtol=1e-6, atol=0):
        worst = int(np.argmax(np.abs(np.array(done.rates) - wanted)))
        yield f"the rate of step {worst} is {done.rates[worst]:.8g}, expected {wanted[worst]:.8g}"


def _loss_faults(trace: Trace, done: Replay) -> Iterator[str]:
    recomputed = np.abs(trace.arrays["recomputed_loss_err"]).max(axis=0)
    errors = np.abs(np.array(done.losses) - trace.arrays["loss"][: len(done.losses)])
    first = abs(done.cross_entropies[0] - float(trace.arrays["cross_entropy"][0]))
    if max(errors[0], first) > 1e-5:
        yield f"the first loss is off by {errors[0]:.2g}, its cross entropy by {first:.2g}, allowed 1e-05"
    for steps, bound in ((16, 3e-4), (30, 5e-3)) if trace.is_small else ((30, 0.3),):
        allowed = max(bound, 2 * recomputed[:steps].max())
        worst = errors[:steps].max()
        if not worst <= allowed:
            yield f"a loss of the first {steps} steps is off by {worst:.2g}, allowed {allowed:.2g}"


def _value_faults(trace: Trace, done: Replay, mark: int) -> Iterator[str]:
    comparable, start = trace.arrays["comparable"], trace.arrays["start_norm"]
    for kind in ("raw", "ema"):
        relative, absolute = _errors(trace, done, mark, kind)
        noise = (absolute[~comparable] / np.maximum(start[~comparable], 1e-30)).max()
        allowed = _rounding(trace, mark, kind)
        if not noise <= allowed:
            yield (
                f"mark {mark}, {kind}: what only rounding moves is off by {noise:.2g} of its start, "
                f"allowed {allowed:.2g}"
            )
        yield from _change_faults(trace, mark, kind, relative)
        for part in ("moving_mean", "moving_variance"):
            chosen = comparable & np.array([name.endswith(part) for name in trace.names])
            found = np.median(relative[chosen])
            allowed = max(STATISTIC, 2 * np.median(_recomputed(trace, mark, kind)[chosen]))
            if not found <= allowed:
                yield f"mark {mark}, {kind}: the change error of {part} is {found:.2g}, allowed {allowed:.2g}"
    if mark == 1:
        yield from _share_faults(trace, done)


def _change_faults(trace: Trace, mark: int, kind: str, relative: np.ndarray) -> Iterator[str]:
    """Over all comparable variables. Not at mark 1 and, of a small trace, 8: weights have hardly moved."""
    comparable = trace.arrays["comparable"]
    if mark == 1 or (mark < CLOSE_MARK and trace.is_small):
        return
    medians, tails = MEDIAN, PERCENTILE_95
    if mark > CLOSE_MARK or not trace.is_small:
        recomputed = _recomputed(trace, mark, kind)[comparable]
        medians = max(medians, 2 * np.median(recomputed))
        tails = max(tails, 2 * np.percentile(recomputed, 95))
    found = np.median(relative[comparable]), np.percentile(relative[comparable], 95)
    if not (found[0] <= medians and found[1] <= tails):
        yield (
            f"mark {mark}, {kind}: the change error is {found[0]:.2g} (95 %: {found[1]:.2g}), "
            f"allowed {medians:.2g} ({tails:.2g})"
        )


def _recomputed(trace: Trace, mark: int, kind: str) -> np.ndarray:
    return trace.arrays[f"recomputed_rel_err_{kind}"][trace.marks.index(mark)]


def _rounding(trace: Trace, mark: int, kind: str) -> float:
    """How far two correct programs may be apart in what is not comparable, of the start's norm.

    Rounding alone moves these variables, so as far as the reference itself has come, or twice the error of the
    recomputation where that is more.
    """
    moved = trace.arrays[f"delta_{kind}"][trace.marks.index(mark)] / np.maximum(
        trace.arrays["start_norm"], 1e-30
    )
    off = np.where(moved > 0, _recomputed(trace, mark, kind) * moved, 0.0)
    return float(np.maximum(moved, 2 * off)[~trace.arrays["comparable"]].max())


def _share_faults(trace: Trace, done: Replay) -> Iterator[str]:
    """In the first step the averages take over 9/11 of what the statistics moved."""
    raw, ema = (_changes(trace, done, 1, kind) for kind in ("raw", "ema"))
    chosen = trace.arrays["comparable"] & trace.statistics
    shares = np.array([_norm(e) / _norm(r) for e, r, c in zip(ema, raw, chosen, strict=True) if c])
    if not np.allclose(shares, AVERAGE_SHARE, rtol=1e-2):
        yield f"the first averages took over {np.median(shares):.4f} of the change, expected {AVERAGE_SHARE:.4f}"


def _norm_faults(trace: Trace, done: Replay, mark: int) -> Iterator[str]:
    """At the full rate, later on: how far the variables have come altogether, by a factor of 1.5."""
    row, comparable = trace.marks.index(mark), trace.arrays["comparable"]
    for kind in ("raw", "ema"):
        found = np.array([_norm(change) for change in _changes(trace, done, mark, kind)])[comparable]
        low, high = np.percentile(found / trace.arrays[f"delta_{kind}"][row][comparable], [5, 95])
        if not (low >= 1 / 1.5 and high <= 1.5):
            yield f"mark {mark}, {kind}: changes are {low:.2f} to {high:.2f} times the reference's, allowed 1.5"


def _errors(trace: Trace, done: Replay, mark: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """|d - d_ref| / |d_ref| and |d - d_ref| of every variable, d being its change since the start.

    Over the whole variable where the trace has it, else over 32 of its values, and never less than the
    norms of the two changes differ.
    """
    row, arrays = trace.marks.index(mark), trace.arrays
    relative, absolute = [], []
    for number, change in enumerate(_changes(trace, done, mark, kind)):
        start = done.start[trace.names[number]].astype(np.float64).ravel()
        full = arrays.get(f"{kind}/{mark}/{arrays['names'][number].partition('/')[2]}")
        if full is not None:
            mine, wanted = change, full.astype(np.float64).ravel() - start
        else:
            index = arrays["sample_index"][number]
            mine, wanted = (
                change[index],
                arrays[f"sample_{kind}"][row][number].astype(np.float64) - start[index],
            )
        recorded = arrays[f"delta_{kind}"][row][number]
        off = abs(_norm(change) - recorded)
        error = _norm(mine - wanted)
        absolute.append(max(error, off))
        relative.append(max(_ratio(error, _norm(wanted)), _ratio(off, recorded)))
    return np.array(relative), np.array(absolute)


def _changes(trace: Trace, done: Replay, mark: int, kind: str) -> list[np.ndarray]:
    state = done.states[mark]
    tensors = state.weights if kind == "raw" else state.averages
    return [
        np.asarray(tensors[name]).astype(np.float64).ravel() - done.start[name].astype(np.float64).ravel()
        for name in trace.names
    ]


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).sum()))


def _ratio(error: float, wanted: float) -> float:
    return error / wanted if wanted else (0.0 if error == 0 else np.inf)
