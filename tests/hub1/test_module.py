"""`hub.Module` of tensorflow_hub 0.15, the last that has it, takes our modules by their published addresses.

It runs beside a TensorFlow with which the project itself cannot be installed, so nothing of ours is imported
here; `make test-hub1` has `efficientnet-lite hub-cache lite1` write the modules first.
"""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

REASON = "hub.Module is in tensorflow_hub 0.15: make test-hub1"
CACHE = Path(os.environ.get("TFHUB_CACHE_DIR", "missing"))
VECTORS = CACHE.with_name("vectors.npz")  # of embed_photos.py
if not CACHE.is_dir():
    pytest.skip(f"TFHUB_CACHE_DIR holds no modules. {REASON}", allow_module_level=True)
tf = pytest.importorskip("tensorflow.compat.v1", reason=REASON)
hub = pytest.importorskip("tensorflow_hub", reason=REASON)
if not hasattr(hub, "Module"):
    pytest.skip(REASON, allow_module_level=True)

FEATURE_VECTOR = "https://tfhub.dev/tensorflow/efficientnet/lite1/feature-vector/2"
CLASSIFICATION = "https://tfhub.dev/tensorflow/efficientnet/lite1/classification/2"
SAME = 1e-4  # of a number of a vector, by every door; they reach 4
NOISE = 1e-3  # of a logit or feature; measured: 2e-5
CONVOLUTIONS = 64  # of lite1
GIANT_PANDA = 388


@pytest.fixture(autouse=True)
def offline_graph(monkeypatch):
    """A graph of its own, which hub.Module demands, and no way to another machine."""

    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with tf.Graph().as_default():
        tf.set_random_seed(0)
        yield


@pytest.fixture(scope="module")
def panda(shared):
    """The panda as the reference's network was fed it, back in [0, 1], and what it answered."""
    known = np.load(shared / "reference/panda_lite1.npz")
    return (known["input"] * 128 + 127) / 255, known


def ran(tensor, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensor, feed)


def test_the_pages_own_snippet_runs():
    module = hub.Module("https://tfhub.dev/tensorflow/efficientnet/lite1/feature-vector/2")
    height, width = hub.get_expected_image_size(module)
    images = tf.random_uniform(
        [2, height, width, 3]
    )  # A batch of images with shape [batch_size, height, width, 3].
    features = module(images)  # Features with shape [batch_size, num_features].

    assert [height, width] == [240, 240]
    assert features.shape.as_list() == [2, 1280]
    assert np.isfinite(ran(features)).all()


def test_the_snippet_of_our_page_runs(capsys):
    page = (Path(__file__).resolve().parents[2] / "docs/artifacts.md").read_text(encoding="utf-8")
    (block,) = (each for each in page.split("```") if each.startswith("python\n") and "hub.Module(" in each)

    exec(block.removeprefix("python\n"), {})

    assert capsys.readouterr().out == "(2, 1280)\n"


def test_features_and_logits_are_those_of_the_reference(panda):
    images, known = panda
    features = hub.Module(FEATURE_VECTOR)(images.astype(np.float32))
    logits = hub.Module(CLASSIFICATION)(images.astype(np.float32))
    features, logits = ran([features, logits])

    np.testing.assert_allclose(features, known["pooled_features"].reshape(1, 1280), atol=NOISE)
    np.testing.assert_allclose(logits, known["logits"], atol=NOISE)
    assert logits.argmax() == GIANT_PANDA


def test_vectors_of_ten_photos_are_those_of_embed():
    if not VECTORS.is_file():
        pytest.skip(f"the shared photos were not there. {REASON}")
    known = np.load(VECTORS)
    features = ran(hub.Module(FEATURE_VECTOR)(known["images"]))

    assert features.shape == known["features"].shape == (10, 1280)
    np.testing.assert_allclose(features, known["features"], rtol=0, atol=SAME)
    assert known["features"].max() > 1


def test_every_published_version_is_there():
    for kind, width in (("feature-vector", 1280), ("classification", 1000)):
        for version in (1, 2):
            module = hub.Module(f"https://tfhub.dev/tensorflow/efficientnet/lite1/{kind}/{version}")
            assert module.get_output_info_dict()["default"].get_shape().as_list() == [None, width]


def test_signatures_are_those_of_the_pages():
    features, classes = (hub.load_module_spec(address) for address in (FEATURE_VECTOR, CLASSIFICATION))
    vectors = {"default", "image_feature_vector", "image_feature-vector"}

    assert set(features.get_signature_names()) == vectors
    assert set(classes.get_signature_names()) == vectors | {"image_classification"}
    for spec in (features, classes):
        assert hub.get_expected_image_size(spec) == [240, 240]
        for tags in (set(), {"train"}):
            for signature in spec.get_signature_names(tags=tags):
                inputs = spec.get_input_info_dict(signature=signature, tags=tags)
                assert list(inputs) == ["images"]
                assert inputs["images"].get_shape().as_list() == [None, None, None, 3]


def test_hidden_activations_come_with_the_name_of_the_architecture_and_for_images_of_any_size():
    module = hub.Module(CLASSIFICATION)
    outputs = module(tf.zeros([1, 100, 70, 3]), signature="image_classification", as_dict=True)

    assert outputs["default"].shape.as_list() == [1, 1000]
    shapes = ran(
        {
            name: tf.shape(outputs[f"efficientnet-lite1/{name}"])
            for name in ("stem", "reduction_3", "features")
        }
    )
    assert {name: list(shape) for name, shape in shapes.items()} == {
        "stem": [1, 50, 35, 32],
        "reduction_3": [1, 13, 9, 40],
        "features": [1, 4, 3, 320],
    }


def test_a_module_that_is_not_trained_adds_nothing_to_train():
    hub.Module(FEATURE_VECTOR)(tf.zeros([1, 64, 64, 3]))

    assert tf.trainable_variables() == []
    assert tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES) == []
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []


def test_fine_tuning_lowers_the_loss_and_moves_kernels_and_statistics():
    random = np.random.default_rng(0)
    labels = np.arange(12) % 3
    colors = np.array([[0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])[labels]
    images = np.clip(colors[:, None, None] + random.normal(0, 0.2, (12, 64, 64, 3)), 0, 1).astype(np.float32)

    module = hub.Module(FEATURE_VECTOR, trainable=True, tags={"train"})
    logits = tf.matmul(module(images), tf.get_variable("head", [1280, 3], initializer=tf.zeros_initializer()))
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    regularization = tf.losses.get_regularization_losses()
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    variables = {variable.op.name.removeprefix("module/"): variable for variable in tf.global_variables()}
    with tf.control_dependencies(updates):
        step = tf.train.GradientDescentOptimizer(0.02).minimize(tf.losses.get_total_loss())

    assert len(updates) == 2 * CONVOLUTIONS
    assert len(regularization) == CONVOLUTIONS
    assert len(tf.trainable_variables()) == 3 * CONVOLUTIONS + 1  # the head
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(variables)
        losses = [session.run([step, loss])[1] for _ in range(12)]
        after = session.run(variables)

    moved = {name: float(np.abs(after[name] - before[name]).max()) for name in before}
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    assert all(moved[name] > 1e-6 for name in moved if name.endswith("kernel"))
    assert all(moved[name] > 1e-6 for name in moved if name.endswith("moving_variance"))
    # Behind a batch norm without activation the mean stays what it was; these two are behind others.
    for norm in ("stem/tpu_batch_normalization", "blocks_20/tpu_batch_normalization_1"):
        assert moved[f"efficientnet-lite1/{norm}/moving_mean"] > 1e-3
