"""RMSProp, L2, moving averages and the state of a training, against the reference and against plain numpy."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]: make test-all", exc_type=ImportError)
pytest.importorskip("keras", reason="needs the extra [train]: make test-all", exc_type=ImportError)

from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.keras_arrays import named_variables, read_parameters
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.training import backend
from efficientnet_lite.training.optimizer import averaged, l2_loss, rmsprop
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.schedule import average_decay, learning_rate
from efficientnet_lite.training.step import build_network, make_step, smoothed_cross_entropy
from efficientnet_lite.training.train_state import RMS_START, from_arrays, start_state, to_arrays

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras 3.15, NumPy 2
SIDE, CLASSES, BATCH = 32, 5, 4


@pytest.fixture(scope="module")
def unit(shared):
    with np.load(shared / "reference/optimizer_unit.npz") as file:
        return {name: file[name] for name in file.files}


def unit_recipe(unit) -> Recipe:
    config = json.loads(str(unit["config"]))["unit"]
    batch = 10
    return Recipe(
        train_images=round(config["steps_per_epoch"] * batch),
        batch=batch,
        base_rate=config["initial_lr"] * 256 / batch,
        warmup_epochs=config["warmup_epochs"],
        decay_factor=config["decay_factor"],
        decay_epochs=config["decay_epochs"],
        rms_decay=config["rms_decay"],
        momentum=config["momentum"],
        epsilon=config["epsilon"],
        ema_decay=config["ema_decay"],
    )


def optimize(unit, recipe, *, start=RMS_START, ramp=average_decay):
    """Parameter, average, accumulator and momentum after each of the 120 steps: (120, 16) each."""
    value = average = unit["param_start"]
    accumulator, momentum = np.full_like(value, start), np.zeros_like(value)
    rows = []
    for step, gradient in enumerate(unit["gradients"]):
        rate = np.float32(learning_rate(recipe, step))
        value, accumulator, momentum = rmsprop(recipe, value, gradient, accumulator, momentum, rate)
        average = averaged(average, value, 1 - np.float32(ramp(recipe.ema_decay, step + 1)))
        rows.append([np.asarray(tensor) for tensor in (value, average, accumulator, momentum)])
    return np.array(rows).transpose(1, 0, 2)


def distances(unit, found):
    names = ("param_f32", "ema_f32", "rms_f32", "momentum_f32")
    return [float(np.abs(rows - unit[name]).max()) for rows, name in zip(found, names, strict=True)]


def test_120_steps_are_the_references(unit):
    recipe = unit_recipe(unit)
    rates = [learning_rate(recipe, step) for step in range(120)]

    found = optimize(unit, recipe)

    np.testing.assert_allclose(rates, unit["learning_rate"].astype(float), rtol=1e-6)
    assert max(distances(unit, found)) <= 1e-5


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"start": 0.0}, 0),
        ({"ramp": lambda decay, step: decay}, 1),
        ({"ramp": lambda decay, step: average_decay(decay, step - 1)}, 1),
    ],
    ids=["accumulators start at zero", "no ramp", "the ramp counts before the step"],
)
def test_a_wrong_start_or_ramp_is_seen(unit, changes, wrong):
    assert distances(unit, optimize(unit, unit_recipe(unit), **changes))[wrong] > 1e-3


@pytest.mark.parametrize("change", [{"epsilon": 1e-7}, {"momentum": 0.0}, {"rms_decay": 0.99}], ids=str)
def test_a_wrong_constant_is_seen(unit, change):
    assert distances(unit, optimize(unit, replace(unit_recipe(unit), **change)))[0] > 1e-3


def test_all_but_batch_norm_is_decayed_the_dense_bias_too():
    ones = np.ones(4, np.float32)
    names = ("a/kernel", "a/gamma", "a/beta", "head/dense/kernel", "head/dense/bias")

    found = l2_loss(Recipe(weight_decay=0.5), dict.fromkeys(names, ones))

    assert float(found) == 0.5 * 0.5 * 3 * 4


def test_smoothing_gives_every_class_its_share():
    logits = np.array([[2.0, 0.0, -1.0]], np.float32)
    shares = np.array([[0.0, 1.0, 0.0]], np.float32)
    logarithms = logits - np.log(np.exp(logits).sum())

    found = float(smoothed_cross_entropy(logits, shares, 0.3))

    assert found == pytest.approx(-float((np.array([0.1, 0.8, 0.1]) * logarithms).sum()), rel=1e-6)


def tiny_recipe(**changes) -> Recipe:
    return Recipe(
        **{"train_images": 40, "batch": BATCH, "warmup_epochs": 0.0, "precision": "float32"} | changes
    )


@pytest.fixture(scope="module")
def plan():
    """Three blocks, the last with a residual: a step of it is compiled in a moment."""
    whole = make_plan(VARIANTS["lite0"], size=SIDE, classes=CLASSES)
    names = [step.name for step in whole.steps]
    below, above = names.index("blocks_2/add"), names.index("head/conv")
    last = whole.steps[below]
    head = replace(whole.steps[above], source=last.name, inputs=24)
    return replace(whole, steps=(*whole.steps[: below + 1], head, *whole.steps[above + 1 :]))


@pytest.fixture(scope="module")
def step(plan):
    return make_step(plan, tiny_recipe())


@pytest.fixture(scope="module")
def parameters(plan):
    return read_parameters(build_network(plan, tiny_recipe()))


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, SIDE, SIDE, 3), np.uint8)
    return images, random.integers(0, CLASSES, BATCH)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert np.array_equal(array, other[name]), name


def test_a_state_goes_through_arrays_bit_for_bit_and_training_goes_on_as_if_nothing_had_been(
    step, parameters, batch
):
    whole = start_state(parameters)
    for _ in range(4):
        whole, _ = step(whole, *batch)
    half = start_state(parameters)
    for _ in range(2):
        half, _ = step(half, *batch)

    resumed = from_arrays(to_arrays(half))
    assert_same(to_arrays(resumed), to_arrays(half))
    for _ in range(2):
        resumed, _ = step(resumed, *batch)

    assert resumed.step == 4
    assert_same(to_arrays(resumed), to_arrays(whole))


def test_what_a_step_drops_follows_from_the_seed_and_the_step(plan, step, parameters, batch):
    start = start_state(parameters)
    drop = float(step(start, *batch)[1].total)

    assert float(step(start, *batch)[1].total) == drop
    assert float(step(replace(start, step=1), *batch)[1].total) != drop
    assert float(make_step(plan, tiny_recipe(seed=1))(start, *batch)[1].total) != drop


def test_with_a_rate_of_zero_only_statistics_and_slots_move(plan, parameters, batch):
    start = start_state(parameters)

    after, losses = make_step(plan, tiny_recipe(warmup_epochs=1.0))(start, *batch)

    assert losses.rate == 0
    assert all(np.array_equal(after.parameters[name], old) for name, old in start.parameters.items())
    assert not any(np.array_equal(after.statistics[name], old) for name, old in start.statistics.items())
    moved = np.asarray(after.statistics["stem/conv/moving_mean"]) - start.statistics["stem/conv/moving_mean"]
    share = np.asarray(after.averages["stem/conv/moving_mean"]) - start.averages["stem/conv/moving_mean"]
    np.testing.assert_allclose(share, moved * 9 / 11, rtol=1e-4)


def test_class_numbers_and_shares_of_classes_are_one_thing(step, parameters, batch):
    images, labels = batch
    shares = np.eye(CLASSES, dtype=np.float32)[labels]

    by_number = step(start_state(parameters), images, labels)[1]
    by_share = step(start_state(parameters), images.astype(np.float32), shares)[1]

    assert float(by_number.total) == float(by_share.total)


def test_bfloat16_computes_in_it_and_keeps_float32(plan, parameters, batch):
    recipe = tiny_recipe(precision="bfloat16")

    network = build_network(plan, recipe)
    after, losses = make_step(plan, recipe)(start_state(parameters), *batch)

    assert network.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert {variable.dtype for variable in named_variables(network).values()} == {"float32"}
    assert {np.asarray(tensor).dtype for tensor in after.parameters.values()} == {np.dtype(np.float32)}
    assert np.isfinite(float(losses.total))


def test_the_recipes_dropout_and_survival_are_the_networks(plan):
    network = build_network(plan, tiny_recipe(dropout=0.45, survival=0.6))

    assert network.get_layer("head_dropout").rate == 0.45
    assert network.get_layer("blocks_2_project_drop").survival == pytest.approx(1 - 0.4 * 2 / 3)
    assert build_network(plan, tiny_recipe()).get_layer("head_dropout").rate == plan.variant.dropout


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda a: a.pop("step"), "no step count"),
        (lambda a: a.update(step=np.array(-1)), "no step count"),
        (lambda a: a.update(step=np.array(1.0)), "no step count"),
        (lambda a: a.pop("momentum/stem/conv/gamma"), "momentum/stem/conv/gamma is missing"),
        (lambda a: a.pop("parameters/stem/conv/gamma"), "stem/conv/gamma is left over"),
        (lambda a: a.update({"averages/x": np.zeros(1, np.float32)}), "averages/x is left over"),
        (lambda a: a.update({"other/x": np.zeros(1, np.float32)}), "other/x is no part"),
        (lambda a: a.update({"momentum/stem/conv/gamma": np.zeros(32)}), "is float64, expected float32"),
        (lambda a: a.update({"momentum/stem/conv/gamma": np.zeros(31, np.float32)}), r"\(31,\), expected \(32,\)"),
    ],
)  # fmt: skip
def test_arrays_of_no_state_are_refused_by_name(parameters, change, what):
    arrays = to_arrays(start_state(parameters))
    change(arrays)

    with pytest.raises(ValueError, match=what):
        from_arrays(arrays)


def test_a_backend_that_cannot_differentiate_here_is_named(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "numpy")

    with pytest.raises(UsageError, match="numpy"):
        backend.compiled(lambda x: x)
