"""The reference's own training, replayed: same losses, same weights; and every well-known mistake is seen.

EFFICIENTNET_LITE_TRACE            a trace to replay instead of the two shared ones, of any variant
EFFICIENTNET_LITE_TRACE_WEIGHTS    what it starts from, a checkpoint of any kind
"""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trace_replay import CLOSE_MARK, Trace, faults, measured, open_trace, replay

from efficientnet_lite.network.plan import Conv
from efficientnet_lite.training import schedule
from efficientnet_lite.weights.read import load_weights, read_checkpoint

TRACE, WEIGHTS = "EFFICIENTNET_LITE_TRACE", "EFFICIENTNET_LITE_TRACE_WEIGHTS"
SHARED_TRACES = ("lite0_train_trace_small", "lite0_train_trace")
SMALL = SHARED_TRACES[0]

pytestmark = [
    pytest.mark.trace,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3.15 on NumPy 2
]


@pytest.fixture(scope="module")
def make_step():
    """The training step, where a backend is installed; asked for a trace, its absence is a failure."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if missing := [name for name in ("keras", backend) if importlib.util.find_spec(name) is None]:
        missed = (
            f"{' and '.join(missing)} not installed, which a trace needs: the extra [train], make test-all"
        )
        pytest.fail(missed) if TRACE in os.environ else pytest.skip(missed)
    from efficientnet_lite.training.step import make_step

    return make_step


@pytest.fixture(scope="module")
def given(request, make_step):
    """Trace, start weights and our step for one shared trace, or for the one that the environment names."""
    name = getattr(request, "param", SMALL)
    if TRACE in os.environ:
        path, weights = Path(os.environ[TRACE]), os.environ.get(WEIGHTS)
    else:
        shared = request.getfixturevalue("shared")
        path, weights = shared / "reference" / f"{name}.npz", None
    trace = open_trace(path)
    return trace, start_weights(trace, weights, request), make_step(trace.plan, trace.recipe)


def start_weights(trace: Trace, weights: str | None, request) -> dict[str, np.ndarray]:
    if weights is None and WEIGHTS in os.environ:
        weights = os.environ[WEIGHTS]
    if weights is not None:
        return read_checkpoint(Path(weights), variant=trace.plan.variant).parameters
    if trace.plan.variant.name == "lite0":
        return read_checkpoint(request.getfixturevalue("shared") / "reference/efficientnet-lite0").parameters
    return load_weights(trace.plan.variant).parameters


shared_traces = pytest.mark.parametrize(
    "given", [TRACE] if TRACE in os.environ else SHARED_TRACES, indirect=True, scope="module"
)


@shared_traces
def test_the_reference_is_followed_in_rates_losses_weights_statistics_and_averages(given):
    trace, weights, step = given

    done = replay(trace, weights, step, steps=trace.config["steps"])

    print(trace.plan.variant.name, trace.recipe.peak_rate, measured(trace, done), sep="\n")
    assert faults(trace, done) == []


def wrong(given, step=None, **changes) -> list[str]:
    """What the bounds say of a replay that is spoiled by `changes`, over the first 16 steps."""
    trace, weights, right = given
    return faults(trace, replay(trace, weights, step or right, steps=CLOSE_MARK, **changes))


def figure(found: list[str], lead: str) -> float:
    """The number in the fault that begins with `lead`; 0 where there is no such fault."""
    return next(
        (float(line.removeprefix(lead).split()[0].strip(",")) for line in found if line.startswith(lead)), 0.0
    )


def test_accumulators_that_start_at_zero_are_seen(given):
    def zeros(state):
        return replace(state, accumulators={k: np.zeros_like(v) for k, v in state.accumulators.items()})

    found = wrong(given, begin=zeros)

    assert figure(found, "mark 16, raw: the change error is ") > 1
    assert figure(found, "a loss of the first 16 steps is off by ") > 0.1


def test_decay_outside_of_the_gradient_is_seen(given, make_step):
    trace = given[0]
    without = make_step(trace.plan, replace(trace.recipe, weight_decay=0.0))

    def decoupled(before, after):
        rate = schedule.learning_rate(trace.recipe, before.step)
        keep = 1 - np.float32(rate * trace.recipe.weight_decay)
        decayed = {
            name: value if name.endswith(("/gamma", "/beta")) else np.asarray(value) * keep
            for name, value in after.parameters.items()
        }
        return replace(after, parameters=decayed)

    found = wrong(given, without, change=decoupled)

    assert figure(found, "the first loss is off by ") > 0.05
    assert figure(found, "a loss of the first 16 steps is off by ") > 0.05


def test_averages_without_the_ramp_are_seen(given, monkeypatch):
    monkeypatch.setattr("efficientnet_lite.training.step.average_decay", lambda decay, step: decay)

    found = wrong(given)

    assert figure(found, "mark 16, ema: the change error is ") > 0.5
    assert 0 < figure(found, "the first averages took over ") < 0.001


def test_bessels_correction_of_the_moving_variance_is_seen(given):
    trace = given[0]
    sides = trace.plan.sides()
    counts = {
        f"{step.name}/moving_variance": trace.recipe.batch * sides[step.name] ** 2
        for step in trace.plan.steps
        if isinstance(step, Conv)
    }

    def corrected(before, after):
        """The batch's variance is in the new statistic: take it out, correct it, put it in, average it."""
        decay = np.float32(schedule.average_decay(trace.recipe.ema_decay, after.step))
        statistics, averages = dict(after.statistics), dict(after.averages)
        for name, count in counts.items():
            old, new = np.asarray(before.statistics[name]), np.asarray(after.statistics[name])
            statistics[name] = new + (new - np.float32(0.99) * old) * np.float32(1 / (count - 1))
            average = np.asarray(before.averages[name])
            averages[name] = average - (1 - decay) * (average - statistics[name])
        return replace(after, statistics=statistics, averages=averages)

    found = wrong(given, change=corrected)

    for mark in (1, 8, 16):
        for kind in ("raw", "ema"):
            assert figure(found, f"mark {mark}, {kind}: the change error of moving_variance is ") > 0.01
    assert not any("moving_mean" in fault for fault in found)


def test_a_drift_of_what_only_rounding_moves_is_seen(given):
    trace = given[0]
    still = [
        name
        for name, comparable in zip(trace.names, trace.arrays["comparable"], strict=True)
        if name.endswith("/moving_mean") and not comparable
    ]

    def drift(before, after):
        return replace(
            after,
            statistics=after.statistics
            | {name: np.asarray(after.statistics[name]) * np.float32(1 + 2e-5) for name in still},
        )

    found = wrong(given, change=drift)

    assert still
    assert figure(found, "mark 16, raw: what only rounding moves is off by ") > 2e-4


def test_weights_that_a_trace_does_not_start_from_are_refused(given):
    trace, weights, step = given
    other = {name: values * np.float32(1.001) for name, values in weights.items()}

    done = replay(trace, other, step, steps=1)

    assert faults(trace, done)[0].startswith("the trace starts from other weights than those given")
