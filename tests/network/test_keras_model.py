"""The Keras model against the written float file and numpy, its training behavior, and weights both ways."""

# ruff: noqa: E402  (the heavy libraries are asked for before anything that needs them)

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-all", exc_type=ImportError)
keras = pytest.importorskip("keras", reason="needs Keras: make test-all", exc_type=ImportError)

import efficientnet_lite as el
from efficientnet_lite.errors import CheckpointError, UsageError, WeightsMissing
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.keras_arrays import assign_parameters, read_parameters
from efficientnet_lite.network.keras_model import DropConnect, build_model, survival_rates
from efficientnet_lite.network.numpy_run import convolve
from efficientnet_lite.network.plan import DENSE, VARIANTS, Add, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.tflite.artifact import About, float_artifact
from efficientnet_lite.weights.read import load_weights, read_checkpoint

SIDE = 65  # odd, so that SAME pads on both sides, and even sides follow: 33, 17, 9, 5, 3
TOLERANCE = 1e-5  # of the largest value of an output: float32 sums in another order


def lively_parameters(plan, seed=0):
    """Random weights and moving statistics under which activations stay of one size.

    Residual branches count a tenth: a deep random network multiplies rounding errors otherwise.
    """
    random = np.random.default_rng(seed)
    branches = {step.source for step in plan.steps if isinstance(step, Add)}
    found = {}
    for name, shape in plan.parameter_shapes().items():
        part = name.rpartition("/")[2]
        if part in ("gamma", "moving_variance"):
            branch = part == "gamma" and name.rpartition("/")[0] in branches
            values = random.uniform(0.6, 1.4, shape) * (0.1 if branch else 1)
        elif part in ("beta", "moving_mean", "bias"):
            values = random.normal(0, 0.1, shape)
        else:
            reads = np.prod(shape[:2]) if shape[-1] == 1 and len(shape) == 4 else np.prod(shape[:-1])
            values = random.normal(0, np.sqrt(2 / reads), shape)
        found[name] = values.astype(np.float32)
    return found


def given_parameters(variant, plan):
    """The official weights where a package has them, else random ones."""
    try:
        return load_weights(variant, download=no_download).parameters
    except WeightsMissing:
        return lively_parameters(plan)


def no_download(source, *, offline):
    raise WeightsMissing("tests download nothing", where=source.repository, fix="none")


def assert_near(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= TOLERANCE * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("name", VARIANTS)
def test_the_model_gives_what_the_float_file_gives(name, tmp_path):
    plan = make_plan(VARIANTS[name], size=SIDE)
    parameters = given_parameters(VARIANTS[name], plan)
    outputs = ("logits", "features")
    about = About(Contract(SIDE), "0" * 64, "unknown", outputs)
    file = model_from_bytes(
        float_artifact(plan, fold(plan, parameters), about), where=tmp_path / "m.tflite", workers=1
    )
    model = build_model(plan, side=SIDE, endpoints=["pooled_features"])
    assign_parameters(model, parameters)
    images = fixed_inputs(SIDE).astype(np.float32) / 255

    found = model(images, training=False)

    wanted = file.run(images)
    assert_near(found["logits"].numpy(), wanted["logits"])
    assert_near(found[plan.endpoint_output("pooled_features")].numpy(), wanted["features"])


def test_every_endpoint_can_be_asked_for_and_is_the_plans():
    plan = make_plan(VARIANTS["lite0"], size=33, classes=4)
    parameters = lively_parameters(plan)
    model = build_model(plan, side=None, endpoints=list(plan.endpoints))
    assign_parameters(model, parameters)
    images = fixed_inputs(33)

    found = model(images.astype(np.float32) / 255)

    wanted = numpy_outputs(plan, fold(plan, parameters), images)
    assert set(found) == {"logits", *map(plan.endpoint_output, plan.endpoints)}
    assert len(found) == 1 + 1 + 16 + 5 + 3  # logits, stem, blocks, reductions, the three of the head
    for name, tensor in found.items():
        assert_near(tensor.numpy(), wanted[name])


@pytest.mark.parametrize(("input_size", "shape"), [(None, 40), (33, 33), ("any", None)])
def test_the_input_has_the_size_that_was_asked_for(input_size, shape):
    model = el.create_model("lite0@40", weights=None, input_size=input_size)

    assert model.input_shape == (None, shape, shape, 3)
    assert model.output_shape == (None, 1280)
    assert model.input.name == "images"


def test_what_cannot_be_made_is_refused():
    with pytest.raises(UsageError, match="no endpoint block_99"):
        el.create_model("lite0@32", weights=None, endpoints=["block_99"])
    with pytest.raises(UsageError, match="outside 32 to"):
        el.create_model("lite0", weights=None, input_size=7)
    with pytest.raises(UsageError, match="num_classes is 0"):
        el.create_model("lite0@32", weights=None, num_classes=0)
    with pytest.raises(UsageError, match="no such model"):
        el.create_model("b0", weights=None)


# Training


@pytest.mark.parametrize("name", VARIANTS)
def test_a_model_has_the_published_number_of_parameters_and_the_references_rates(name):
    variant = VARIANTS[name]
    model = el.create_model(f"{name}@32", weights=None, num_classes=1000)

    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == variant.parameters
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.99, 1e-3)}
    assert model.get_layer("head_dropout").rate == variant.dropout
    rates = survival_rates(make_plan(variant), 0.8)
    layers = {layer.name: layer.survival for layer in model.layers if isinstance(layer, DropConnect)}
    assert layers == {key.replace("/add", "_project_drop"): rate for key, rate in rates.items()}


def test_drop_connect_follows_the_references_formula():
    rates = survival_rates(make_plan(VARIANTS["lite0"]), 0.8)

    assert [int(name.split("_")[1].split("/")[0]) for name in rates] == [2, 4, 6, 7, 9, 10, 12, 13, 14]
    assert rates["blocks_14/add"] == pytest.approx(1 - 0.2 * 14 / 16)
    layer, ones = DropConnect(0.75), np.ones((4000, 2, 2, 1), np.float32)
    found = layer(ones, training=True).numpy().reshape(4000, 4)
    assert np.array_equal(np.unique(found), np.float32([0, 1 / 0.75]))
    assert (found == found[:, :1]).all()  # an image is kept or dropped whole
    assert abs((found[:, 0] > 0).mean() - 0.75) < 0.03  # 4 standard errors
    assert np.array_equal(layer(ones, training=False), ones)
    assert not np.array_equal(layer(ones, training=True), layer(ones, training=True))


def test_training_uses_the_batch_and_moves_the_statistics_by_its_population_variance():
    plan = make_plan(VARIANTS["lite0"], size=32, classes=3)
    parameters = lively_parameters(plan)
    model = build_model(plan, side=32, survival=1.0, endpoints=["stem"])
    assign_parameters(model, parameters)
    images = np.random.default_rng(1).random((5, 32, 32, 3), np.float32)

    found = model(images, training=True)[plan.endpoint_output("stem")].numpy()

    normalized = (images * 255 - 127) / 128
    x = convolve(normalized, parameters["stem/conv/kernel"], 2, depthwise=False).astype(np.float64)
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))  # var divides by N
    gamma, beta = parameters["stem/conv/gamma"], parameters["stem/conv/beta"]
    wanted = np.clip((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0, 6)
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    after = read_parameters(model)
    for part, batch in (("moving_mean", mean), ("moving_variance", variance)):
        name = f"stem/conv/{part}"
        # Bessel's correction, N / (N - 1) with N = 5 * 16 * 16, would be off by 8e-6 at least.
        np.testing.assert_allclose(after[name], 0.99 * parameters[name] + 0.01 * batch, rtol=2e-6, atol=2e-7)


def test_fresh_weights_have_the_references_spread():
    keras.utils.set_random_seed(3)
    found = read_parameters(el.create_model("lite0@32", weights=None, num_classes=10))

    for name, spread in (
        ("head/conv/kernel", np.sqrt(2 / 1280)),
        ("blocks_14/depthwise/kernel", np.sqrt(2 / 25)),
        ("blocks_15/expand/kernel", np.sqrt(2 / 1152)),
    ):
        assert found[name].std() == pytest.approx(spread, rel=0.02)
        assert np.abs(found[name]).max() > 3 * spread  # a truncated normal ends at 2
    dense = found[f"{DENSE}/kernel"]
    assert 0.99 / np.sqrt(10) < np.abs(dense).max() <= 1 / np.sqrt(10)
    assert not found[f"{DENSE}/bias"].any()
    assert all((array == 1).all() for name, array in found.items() if name.endswith(("gamma", "variance")))


# Weights, both ways


def test_another_number_of_classes_gets_a_fresh_last_layer(tmp_path):
    plan = make_plan(VARIANTS["lite0"], classes=3)
    parameters = lively_parameters(plan)
    path = tmp_path / "w.safetensors"
    start = build_model(plan, side=32)
    assign_parameters(start, parameters)
    el.save_weights(start, path)

    same = read_parameters(el.create_model("lite0@32", weights=path, num_classes=3))
    other = read_parameters(el.create_model("lite0@32", weights=path, num_classes=7))
    none = read_parameters(el.create_model("lite0@32", weights=path))

    assert list(same) == list(parameters)
    assert all(np.array_equal(same[name], parameters[name]) for name in parameters)
    assert other[f"{DENSE}/kernel"].shape == (1280, 7)
    assert list(none) == [name for name in parameters if not name.startswith(DENSE)]
    for found in (other, none):
        assert all(
            np.array_equal(found[name], parameters[name]) for name in parameters if not name.startswith(DENSE)
        )


def test_parameters_that_do_not_fit_are_refused_and_nothing_changes():
    model = el.create_model("lite0@32", weights=None, num_classes=3)
    before = read_parameters(model)
    changed = {name: array + 1 for name, array in before.items()}

    for spoiled, message in (
        ({k: v for k, v in changed.items() if k != "stem/conv/beta"}, "stem/conv/beta is missing"),
        (changed | {"stem/conv/bias": np.zeros(32)}, "stem/conv/bias is left over"),
        (changed | {"stem/conv/beta": np.zeros(31)}, r"has shape \(31,\), expected \(32,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            assign_parameters(model, spoiled)
    assert all(np.array_equal(array, before[name]) for name, array in read_parameters(model).items())


def test_weights_beside_those_of_the_plan_are_not_lost_silently(tmp_path):
    inner = el.create_model("lite0@32", weights=None)
    two = [keras.layers.Dense(2, name="mine"), keras.layers.Dense(2, name="last")]
    model = keras.Sequential([keras.Input((32, 32, 3)), inner, *two])

    with pytest.raises(ValueError, match=r"4 weights are no part of the layer plan: .*mine"):
        el.save_weights(model, tmp_path / "w.safetensors")


@pytest.mark.parametrize("bias", [True, False])
def test_a_dense_layer_of_ones_own_is_saved_as_the_head(tmp_path, bias):
    inner = el.create_model("lite0@32", weights=None)
    head = keras.layers.Dense(2, name="mine", activation="softmax", use_bias=bias)
    model = keras.Sequential([keras.Input((32, 32, 3)), inner, keras.layers.Dropout(0.2), head])

    el.save_weights(model, tmp_path / "w.safetensors", labels=["a", "b"])
    found = read_checkpoint(tmp_path / "w.safetensors")

    wanted = np.asarray(head.bias) if bias else np.zeros(2)
    assert (found.classes, found.labels) == (2, ("a", "b"))
    assert np.array_equal(found.parameters["head/dense/kernel"], np.asarray(head.kernel))
    assert np.array_equal(found.parameters["head/dense/bias"], wanted)


def test_a_dense_layer_with_another_activation_is_no_head(tmp_path):
    inner = el.create_model("lite0@32", weights=None)
    model = keras.Sequential([inner, keras.layers.Dense(2, name="mine", activation="sigmoid")])

    with pytest.raises(ValueError, match="mine has another activation than softmax"):
        el.save_weights(model, tmp_path / "w.safetensors")


def test_a_trained_model_goes_into_a_file_for_phones(tmp_path):
    keras.utils.set_random_seed(0)
    model = el.create_model("lite0@32", weights=None, num_classes=2)
    images = np.zeros((16, 32, 32, 3), np.float32)
    images[8:] = 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)  # tracing takes half a minute
    model.fit(images, np.repeat([0, 1], 8), epochs=1, batch_size=8, verbose=0)
    path = tmp_path / "trained.safetensors"

    el.save_weights(model, path, labels=["dark", "light"], source="two tones", license="CC0-1.0")
    exported = el.export(path, tmp_path / "m.tflite", model="lite0@32", outputs=["logits"])

    checkpoint = read_checkpoint(path)
    assert (checkpoint.labels, checkpoint.source) == (("dark", "light"), "two tones")
    file = el.load(exported.path)
    assert file.labels == ("dark", "light")
    assert_near(file.run(images[7:9])["logits"], model(images[7:9]).numpy())


def test_labels_that_do_not_fit_are_refused(tmp_path):
    model = el.create_model("lite0@32", weights=None, num_classes=2)

    for labels, message in ((["a"], "1 labels for 2 classes"), (["a", "b\n"], "cannot be used")):
        with pytest.raises(UsageError, match=message):
            el.save_weights(model, tmp_path / "w.safetensors", labels=labels)
    model.get_layer("stem_conv").kernel.assign(np.full((3, 3, 3, 32), np.nan))
    with pytest.raises(CheckpointError, match="NaN"):
        el.save_weights(model, tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


ON_JAX = """
import numpy as np, keras
from efficientnet_lite.network.keras_model import build_model
from efficientnet_lite.network.keras_arrays import assign_parameters, read_parameters
from efficientnet_lite.network.plan import VARIANTS, make_plan
assert keras.backend.backend() == "jax"
plan = make_plan(VARIANTS["lite0"], size=33, classes=3)
with np.load("in.npz") as file:
    given = dict(file)
images = given.pop("images")
model = build_model(plan, side=33)
assign_parameters(model, given)
logits = np.asarray(model(images))
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(images, np.arange(3), epochs=1, verbose=0)
after = read_parameters(model)
assert all(np.isfinite(array).all() for array in after.values())
moved = sum(not np.array_equal(after[name], given[name]) for name in given)
np.savez("out.npz", logits=logits, moved=moved)
"""


def test_the_model_is_the_same_on_jax(tmp_path):
    pytest.importorskip("jax", reason="needs JAX, which is in no extra yet: pip install jax")
    plan = make_plan(VARIANTS["lite0"], size=33, classes=3)
    parameters = lively_parameters(plan)
    images = fixed_inputs(33)
    np.savez(tmp_path / "in.npz", images=images.astype(np.float32) / 255, **parameters)

    subprocess.run(
        [sys.executable, "-c", ON_JAX], cwd=tmp_path, env={**os.environ, "KERAS_BACKEND": "jax"}, check=True
    )

    with np.load(tmp_path / "out.npz") as file:
        assert_near(file["logits"], numpy_outputs(plan, fold(plan, parameters), images)["logits"])
        assert file["moved"] > len(parameters) // 2


def test_weights_replace_no_file_that_is_neither_such_weights_nor_named_as_them(tmp_path):
    model = el.create_model("lite0@32", weights=None, num_classes=2)
    for name in ("model.keras", "IMG_1.heic", "notes"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 the user's own")

        with pytest.raises(UsageError, match="never replaced"):
            el.save_weights(model, tmp_path / name)

        assert (tmp_path / name).read_bytes() == b"PK\x03\x04 the user's own"
    for _ in range(2):
        el.save_weights(model, tmp_path / "weights.v1")
    assert read_checkpoint(tmp_path / "weights.v1").classes == 2
