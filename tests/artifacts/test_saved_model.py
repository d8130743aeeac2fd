"""The SavedModel in the hands of everyone who consumes it: called, served, fine-tuned, refused."""

# ruff: noqa: E402  (the heavy libraries are asked for before anything that needs them)

import io
import json
import shutil
from functools import partial

import numpy as np
import pytest
import scenes

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-all", exc_type=ImportError)
keras = pytest.importorskip("keras", reason="needs Keras: make test-all", exc_type=ImportError)


from efficientnet_lite import metrics
from efficientnet_lite.artifacts import kind
from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import CheckpointError, UsageError, VerificationFailed
from efficientnet_lite.labels import digest
from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.keras_arrays import assign_parameters
from efficientnet_lite.network.keras_model import build_model
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare, to_float
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs
from efficientnet_lite.storage import files
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.safetensors import write_safetensors

pytestmark = [  # of tensorflow_hub and TensorFlow themselves
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
    pytest.mark.filterwarnings("ignore:Deprecated call to `pkg_resources"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
export_saved_model = partial(export, format="savedmodel")
SIZE = scenes.SIZE
LABELS = ("ball", "box", "stripes")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights of lite0 for three named classes."""
    folder = tmp_path_factory.mktemp("weights")
    found = read_checkpoint(scenes.write_random_weights(folder / "all.safetensors")).parameters
    found[f"{DENSE}/kernel"] = found[f"{DENSE}/kernel"][:, :3].copy()
    found[f"{DENSE}/bias"] = np.float32([0.1, 0.2, 0.3])
    metadata = {"format": "efficientnet-lite", "schema": "1", "labels": json.dumps(LABELS)}
    write_safetensors(folder / "three.safetensors", found, metadata)
    return folder / "three.safetensors"


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """A classifier; not to be changed."""
    return export_saved_model(checkpoint, tmp_path_factory.mktemp("out") / "model", model=scenes.MODEL)


@pytest.fixture(scope="module")
def vectors(checkpoint, tmp_path_factory):
    """The same without the classifier; not to be changed."""
    out = tmp_path_factory.mktemp("out") / "model"
    return export_saved_model(checkpoint, out, model=scenes.MODEL, outputs=["features"])


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip(
        "tensorflow_hub", reason="needs tensorflow_hub: make test-all", exc_type=ImportError
    )


def two_tones(count=32):
    """Images that are dark or light, with noise, and which of both."""
    random = np.random.default_rng(0)
    tone = np.arange(count) % 2
    noise = random.random((count, SIZE, SIZE, 3), np.float32) * 0.3
    return noise + 0.7 * tone[:, None, None, None].astype(np.float32), tone


def test_tensorflow_loads_what_the_hub_contract_asks_for(checkpoint, exported):
    loaded = tf.saved_model.load(str(exported.path))
    plan = make_plan(VARIANTS["lite0"], size=45, classes=3)
    images = fixed_inputs(45)  # another size than the model's, and odd

    wanted = numpy_outputs(plan, fold(plan, read_checkpoint(checkpoint).parameters), images)
    normal = loaded(images.astype(np.float32) / 255)
    trained = loaded(images.astype(np.float32) / 255, training=True)

    np.testing.assert_allclose(normal, wanted["logits"], atol=1e-3)
    assert np.abs(trained - normal).max() > 1e-2  # batch statistics
    assert len(loaded.trainable_variables) == 149
    assert len([v for v in loaded.variables if v.dtype == tf.float32]) == 247  # the others are seeds
    assert len(loaded.regularization_losses) == 50  # kernels
    kernels = [v for v in loaded.trainable_variables if len(v.shape) > 1]
    decay = sum(1e-5 * (kernel.numpy().astype(np.float64) ** 2).sum() / 2 for kernel in kernels)
    assert sum(loss().numpy() for loss in loaded.regularization_losses) == pytest.approx(decay, rel=1e-4)
    assert tuple(tf.io.gfile.GFile(loaded.labels.asset_path.numpy()).read().split()) == LABELS
    assert loaded.signatures["serving_default"].structured_input_signature[1].keys() == {"images"}


def test_signatures_have_the_intermediate_outputs_under_the_architectures_name(exported, vectors):
    images = tf.constant(fixed_inputs(SIZE)[:1].astype(np.float32) / 255)
    loaded, other = (tf.saved_model.load(str(each.path)) for each in (exported, vectors))

    classified = loaded.signatures["image_classification"](images=images)
    features = loaded.signatures["image_feature_vector"](images=images)

    endpoints = {f"efficientnet-lite0/{name}" for name in make_plan(VARIANTS["lite0"]).endpoints}
    assert set(classified) == set(features) == {"default", *endpoints}
    assert classified["default"].shape == (1, 3)
    assert features["default"].shape == (1, 1280)
    served = loaded.signatures["serving_default"](images=images)
    assert {name: tuple(value.shape) for name, value in served.items()} == {
        "logits": (1, 3),
        "probabilities": (1, 3),
        "features": (1, 1280),
    }
    np.testing.assert_allclose(served["probabilities"].numpy().sum(), 1, rtol=1e-6)
    assert set(other.signatures) == {"serving_default", "image_feature_vector", "image_bytes"}
    np.testing.assert_allclose(other(images), served["features"], atol=1e-5)
    assert len(other.trainable_variables) == 147


@pytest.mark.parametrize("kind", ["jpeg", "png", "gray"])
def test_encoded_images_are_prepared_as_the_contract_says(exported, kind):
    stream = io.BytesIO()
    photo = scenes.draw("ball", 3).resize((333, 251))
    (photo.convert("L") if kind == "gray" else photo).save(stream, "PNG" if kind == "png" else "JPEG")
    loaded = tf.saved_model.load(str(exported.path))
    data = stream.getvalue()

    found = loaded.signatures["image_bytes"](image_bytes=tf.constant([data, data]))

    ours = to_float(prepare(data, ["crop"], Contract(SIZE)).images[0])
    from efficientnet_lite.artifacts.saved_model_graph import _prepare

    theirs = _prepare(tf.constant(data), Contract(SIZE)).numpy()
    # Measured at 7.5 times smaller: 3 to 6 levels at most. Without antialiasing noise would differ by 50.
    assert np.abs(ours - theirs).max() <= 8 / 255
    assert np.abs(ours - theirs).mean() <= 1.5 / 255
    wanted = loaded.signatures["serving_default"](images=tf.constant(np.stack([theirs, theirs])))
    np.testing.assert_allclose(found["logits"], wanted["logits"], atol=1e-5)


# Fine-tuning


def test_a_hub_layer_of_keras_2_is_trained(vectors, hub):
    tf_keras = pytest.importorskip("tf_keras", reason="needs tf_keras: make test-all", exc_type=ImportError)
    layer = hub.KerasLayer(str(vectors.path), trainable=True)
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(2)])
    images, tones = two_tones()
    model.build((None, SIZE, SIZE, 3))
    assert (len(layer.trainable_weights), len(layer.losses)) == (147, 49)
    before = [variable.numpy() for variable in layer.weights]
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])

    history = model.fit(images, tones, batch_size=16, epochs=12, verbose=0).history

    assert_moved(layer.weights, before)
    assert max(history["accuracy"][-3:]) > max(0.8, history["accuracy"][0])
    frozen = hub.KerasLayer(str(vectors.path))
    assert len(frozen.trainable_weights) == 0
    np.testing.assert_array_equal(frozen(images[:2]), hub.load(str(vectors.path))(images[:2]))


def test_a_saved_model_layer_of_keras_3_is_trained(vectors):
    layer = keras.layers.TFSMLayer(
        str(vectors.path), call_endpoint="call_inference", call_training_endpoint="call_training"
    )
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layer, keras.layers.Dense(2)])
    images, tones = two_tones()
    before = [variable.numpy() for variable in layer.weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # No optimizer with slots: Keras 3.15 names them after these variables, `...:0`, which it then refuses.
    model.compile(keras.optimizers.SGD(0.01), loss, metrics=["accuracy"], jit_compile=False)

    history = model.fit(images, tones, batch_size=16, epochs=20, verbose=0).history

    assert len(layer.trainable_weights) == 147
    assert_moved(layer.weights, before)
    assert max(history["accuracy"][-3:]) > max(0.8, history["accuracy"][0])


def assert_moved(variables, before):
    """Nearly every kernel and all moving statistics have other values than before."""
    moved = {"moving": [], "kernel": []}
    for variable, old in zip(variables, before, strict=True):
        for part, answers in moved.items():
            if part in variable.name:
                answers.append(not np.array_equal(variable.numpy(), old))
    assert len(moved["moving"]) == 98
    assert all(moved["moving"])
    assert len(moved["kernel"]) == 49
    assert sum(moved["kernel"]) >= 45


# Read again, without TensorFlow


def test_what_is_written_reads_as_what_it_was_made_of(exported, vectors, checkpoint):
    wanted = read_checkpoint(checkpoint)

    classifier, headless = read_checkpoint(exported.path), read_checkpoint(vectors.path)

    assert (classifier.format, classifier.labels, classifier.classes) == ("SavedModel", LABELS, 3)
    assert (headless.labels, headless.classes) == (None, None)
    assert classifier.contract == headless.contract == Contract(SIZE)
    assert set(classifier.parameters) == set(wanted.parameters)
    assert set(headless.parameters) == {name for name in wanted.parameters if not name.startswith(DENSE)}
    for found in (classifier, headless):
        for name, array in found.parameters.items():
            np.testing.assert_array_equal(array, wanted.parameters[name])


@pytest.mark.parametrize("way", ["save", "export", "save_weights"])
def test_a_hub_layer_that_was_trained_and_saved_with_a_head_is_read(vectors, hub, tmp_path, way):
    tf_keras = pytest.importorskip("tf_keras", reason="needs tf_keras: make test-all", exc_type=ImportError)
    head = tf_keras.layers.Dense(2, activation="softmax", name="mine")
    model = tf_keras.Sequential([hub.KerasLayer(str(vectors.path), trainable=True), head])
    images, tones = two_tones()
    model.build((None, SIZE, SIZE, 3))
    model.compile(tf_keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, tones, batch_size=16, epochs=2, verbose=0)
    getattr(model, way)(str(tmp_path / "tuned/model"))  # of weights alone a prefix, else a folder

    found = read_checkpoint(tmp_path / "tuned" if way == "save_weights" else tmp_path / "tuned/model")

    assert found.notes == ("its dense layer mine is the head, of 2 classes",)
    wanted = model.predict(images[:3], verbose=0)
    np.testing.assert_allclose(probabilities(found, images[:3]), wanted, atol=1e-4)
    assert not np.allclose(wanted[0], wanted[1], atol=1e-3)


def test_what_tensorflow_trained_and_saved_again_is_read(exported, tmp_path):
    model = tf.saved_model.load(str(exported.path))
    images, _ = two_tones(4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(images, training=True) ** 2)
    for variable, slope in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        variable.assign_sub(0.01 * slope)
    tf.saved_model.save(model, str(tmp_path / "again"))

    found = read_checkpoint(tmp_path / "again")

    wanted = tf.nn.softmax(model(images, training=False)).numpy()
    np.testing.assert_allclose(probabilities(found, images), wanted, atol=1e-4)


@pytest.mark.parametrize("way", ["export", "checkpoint"])
def test_what_keras_3_saved_of_our_network_is_read(checkpoint, tmp_path, way):
    parameters = read_checkpoint(checkpoint).parameters
    network = build_model(make_plan(VARIANTS["lite0"], size=SIZE, classes=3), side=SIZE)
    assign_parameters(network, parameters)
    if way == "export":
        network.export(str(tmp_path / "saved"), verbose=False)
    else:
        tf.train.Checkpoint(network=network).save(str(tmp_path / "saved/c"))

    found = read_checkpoint(tmp_path / "saved")

    assert set(found.parameters) == set(parameters)
    for name, array in parameters.items():
        np.testing.assert_array_equal(found.parameters[name], array)


def test_a_network_of_another_maker_is_refused_with_what_to_do(tmp_path):
    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((SIZE, SIZE, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)]
    )
    network.export(str(tmp_path / "saved"), verbose=False)

    with pytest.raises(CheckpointError, match="this SavedModel is of another network") as caught:
        read_checkpoint(tmp_path / "saved")
    assert "TensorFlow's converter" in caught.value.fix


def probabilities(found, images):
    """What numpy gives with these weights, for images in [0, 1]."""
    plan = make_plan(found.variant, size=SIZE, classes=found.classes)
    tensors = numpy_run.run(plan.steps, fold(plan, found.parameters), (images * 255 - 127) / np.float32(128))
    return metrics.softmax(tensors[DENSE])


# The folder


def test_the_folder_says_what_it_is_made_of(exported, checkpoint):
    card = json.loads((exported.path / "efficientnet-lite.json").read_text())

    assert (card["format"], card["variant"], card["classes"]) == ("savedmodel", "lite0", 3)
    assert card["contract"] == Contract(SIZE).to_json()
    assert card["labels_sha256"] == digest(LABELS)
    assert card["weights_sha256"] == files.sha256_file(checkpoint)
    assert (exported.path / "assets/labels.txt").read_text() == "ball\nbox\nstripes\n"
    assert {"saved_model.pb", "variables", "assets", "efficientnet-lite.json"} <= set(
        scenes.names(exported.path)
    )
    assert "labels.txt" not in scenes.names(exported.path)
    assert scenes.names(exported.path.parent) == ["model", "model.golden.npz"]
    assert str(exported.path.parent).encode() not in (exported.path / "saved_model.pb").read_bytes()
    assert (exported.format, exported.precision) == ("savedmodel", "float32")
    assert exported.parity.difference < 1e-3
    assert exported.sha256 == files.sha256_folder(exported.path)


def test_what_is_not_ours_is_never_replaced(checkpoint, tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    (out / "precious.txt").write_text("mine")

    with pytest.raises(UsageError, match="the target exists"):
        export_saved_model(checkpoint, out, model=scenes.MODEL)
    with pytest.raises(UsageError, match="no SavedModel of ours"):
        export_saved_model(checkpoint, out, model=scenes.MODEL, overwrite=True)
    (out / "saved_model.pb").write_bytes(b"")
    (out / "efficientnet-lite.json").write_text('{"schema": 1}')
    with pytest.raises(UsageError, match="no SavedModel of ours"):
        export_saved_model(checkpoint, out, model=scenes.MODEL, overwrite=True)
    assert (out / "precious.txt").read_text() == "mine"


def test_ours_is_replaced_and_a_failed_proof_leaves_it(checkpoint, exported, tmp_path, monkeypatch):
    out = shutil.copytree(exported.path, tmp_path / "model")
    (out / "old.txt").write_text("old")
    true = kind.numpy_outputs
    monkeypatch.setattr(
        kind, "numpy_outputs", lambda *given: {name: value + 1 for name, value in true(*given).items()}
    )
    with pytest.raises(VerificationFailed, match="nothing is published"):
        export_saved_model(checkpoint, out, model=scenes.MODEL, overwrite=True)
    assert (out / "old.txt").exists()
    monkeypatch.undo()

    export_saved_model(checkpoint, out, model=scenes.MODEL, overwrite=True)

    assert (out / "old.txt").read_text() == "old"  # which we did not write
    assert scenes.names(tmp_path) == ["model", "model.golden.npz"]


def test_what_cannot_be_made_is_refused_before_any_work(checkpoint, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="does not give boxes"):
        export_saved_model(checkpoint, tmp_path / "m", outputs=["boxes"])
    with pytest.raises(UsageError, match="folder does not exist"):
        export_saved_model(checkpoint, tmp_path / "none" / "m")
    headless = tmp_path / "headless.safetensors"
    backbone = {
        name: array
        for name, array in read_checkpoint(checkpoint).parameters.items()
        if not name.startswith(DENSE)
    }
    write_safetensors(headless, backbone, {})
    with pytest.raises(UsageError, match="classify nothing"):
        export_saved_model(headless, tmp_path / "m", outputs=["logits"])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UsageError, match=r"Keras runs on jax[\s\S]*KERAS_BACKEND=tensorflow"):
        export_saved_model(checkpoint, tmp_path / "m")
    assert scenes.names(tmp_path) == ["headless.safetensors"]
