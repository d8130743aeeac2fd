"""The TF1 Hub module: what lies on disk, what today's readers get from it, and that its training is the reference's.

`hub.Module` itself, which today's tensorflow_hub lacks, reads these modules in tests/hub1.
"""

import json
import shutil
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import scenes

from efficientnet_lite import artifacts
from efficientnet_lite.artifacts.hub_module import HUB_MODULE
from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import UsageError, VerificationFailed, WeightsMissing
from efficientnet_lite.network.naming import tf1_variables
from efficientnet_lite.network.plan import FEATURES, VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.storage.listing import is_own
from efficientnet_lite.tflite.artifact import About, float_artifact
from efficientnet_lite.weights.read import load_weights
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, write_safetensors

REASON = "TensorFlow is in an extra: make test-all"
tf = pytest.importorskip("tensorflow", reason=REASON)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tensorflow_hub imports pkg_resources, which says that it is deprecated
    hub = pytest.importorskip("tensorflow_hub", reason=REASON)
saved_model = pytest.importorskip("tensorflow.core.protobuf.saved_model_pb2", reason=REASON)
hub_tf1 = pytest.importorskip("efficientnet_lite.artifacts.hub_graph", reason=REASON)

v1 = tf.compat.v1
COLLECTIONS = {  # what tensorflow_hub 0.15 accepts; native_module.py, `_SUPPORTED_COLLECTIONS`
    *("variables", "trainable_variables", "model_variables", "update_ops", "regularization_losses"),
    *("table_initializer", "asset_filepaths", "cond_context", "while_context", "hub_module_attachments"),
}
LABELS = [f"class {number}" for number in range(1000)]
CONVOLUTIONS = 49  # of lite0
export_hub_module = partial(export, format="hub-tf1")
NOISE = 1e-3  # of a logit or feature, one runtime against another; measured: 1.2e-5


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights with labels, as a run has them."""
    folder = tmp_path_factory.mktemp("weights")
    random = open_origin(scenes.write_random_weights(folder / "random.safetensors"))
    path = folder / "lite0.safetensors"
    own = {"format": FORMAT, "schema": SCHEMA, "labels": json.dumps(LABELS)}
    write_safetensors(path, random.weights.parameters, own)
    return path


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory):
    """A feature-vector module of random weights; not to be changed."""
    out = tmp_path_factory.mktemp("modules") / "features"
    return export_hub_module(scenes.MODEL, out, weights=weights)


@pytest.fixture(scope="module")
def vectors(exported):
    return exported.path


@pytest.fixture(scope="module")
def classifier(weights, tmp_path_factory):
    """A classification module of the same weights; not to be changed."""
    out = tmp_path_factory.mktemp("modules") / "classes"
    return export_hub_module(scenes.MODEL, out, outputs=["logits"], weights=weights).path


@pytest.fixture(scope="module")
def loaded(vectors):
    """The feature-vector module, as today's tensorflow_hub opens it."""
    return hub.load(str(vectors), tags=[])


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).random((2, scenes.SIZE, scenes.SIZE, 3), np.float32)


def graphs(module):
    """Tags -> MetaGraphDef."""
    saved = saved_model.SavedModel.FromString((module / "saved_model.pb").read_bytes())
    return {tuple(graph.meta_info_def.tags): graph for graph in saved.meta_graphs}


def our_outputs(weights, images):
    """Logits and features of our float `.tflite` of the same weights."""
    origin = open_origin(scenes.MODEL, weights=weights)
    about = About(Contract(scenes.SIZE), "0" * 64, "unknown", ("logits", "features"), None)
    runner = LiteRT(float_artifact(origin.plan, origin.layers(), about))
    outputs = [runner(image[None]).values() for image in images]
    return [np.concatenate(each) for each in zip(*outputs, strict=True)]


def test_the_attachment_is_byte_for_byte_what_tensorflow_hub_wrote():
    # read from a module of the old library, 224; and computed from image_module_info.proto, 240
    assert (
        hub_tf1.image_module_info(224) == b"\x0a\x11image_module_info\x12\x08\x0a\x06\x08\xe0\x01\x10\xe0\x01"
    )
    assert hub_tf1.image_module_info(240).endswith(b"\x0a\x06\x08\xf0\x01\x10\xf0\x01")
    assert hub_tf1.image_module_info(64).endswith(b"\x12\x06\x0a\x04\x08\x40\x10\x40")


def test_a_module_is_the_files_that_the_format_names(vectors):
    assert (vectors / "tfhub_module.pb").read_bytes() == b"\x08\x03"  # ModuleDef{format: FORMAT_V3}
    assert scenes.names(vectors) == ["assets", "saved_model.pb", "tfhub_module.pb", "variables"]
    assert scenes.names(vectors / "variables") == ["variables.data-00000-of-00001", "variables.index"]


def test_both_graphs_have_the_collections_that_readers_accept_and_no_others(vectors, classifier):
    for module, regularized in ((vectors, CONVOLUTIONS), (classifier, CONVOLUTIONS + 2)):
        inference, training = graphs(module)[()], graphs(module)["train",]
        for graph in (inference, training):
            assert set(graph.collection_def) <= COLLECTIONS
            attachment = graph.collection_def["hub_module_attachments"].bytes_list.value
            assert list(attachment) == [hub_tf1.image_module_info(scenes.SIZE)]
            assert len(graph.collection_def["regularization_losses"].node_list.value) == regularized
        assert "update_ops" not in inference.collection_def
        assert len(training.collection_def["update_ops"].node_list.value) == 2 * CONVOLUTIONS


def test_both_graphs_offer_the_same_signatures(vectors, classifier):
    plan = make_plan(VARIANTS["lite0"], size=scenes.SIZE)
    hidden = {plan.endpoint_output(name) for name in plan.endpoints}
    features = {"default", "image_feature_vector", "image_feature-vector"}
    for module, names in ((vectors, features), (classifier, features | {"image_classification"})):
        for graph in graphs(module).values():
            assert set(graph.signature_def) == names
            for name, signature in graph.signature_def.items():
                (images,) = signature.inputs.items()
                assert images[0] == "images"
                assert [side.size for side in images[1].tensor_shape.dim] == [-1, -1, -1, 3]
                assert set(signature.outputs) == {"default"} | (set() if name == "default" else hidden)
            logits = graph.signature_def["default"].outputs["default"].tensor_shape.dim[1].size
            assert logits == (FEATURES if module == vectors else 1000)


def test_both_graphs_name_their_variables_as_the_reference_does(classifier):
    plan = make_plan(VARIANTS["lite0"], size=scenes.SIZE)
    stored = {name for name, _ in tf.train.list_variables(str(classifier / "variables/variables"))}

    assert stored == set(tf1_variables(plan).values())
    assert {"efficientnet-lite0/stem/conv2d/kernel", "efficientnet-lite0/head/dense/bias"} < stored
    for graph in graphs(classifier).values():
        handles = {node.name for node in graph.graph_def.node if node.op == "VarHandleOp"}
        assert handles == stored


def test_graphs_hold_no_weights_and_no_default_attributes(classifier):
    for graph in graphs(classifier).values():
        constants = [node.attr["value"].tensor for node in graph.graph_def.node if node.op == "Const"]
        convolutions = [node for node in graph.graph_def.node if node.op == "Conv2D"]

        assert max(len(tensor.tensor_content) for tensor in constants) < 256
        assert not any(set(node.attr) & {"data_format", "dilations"} for node in convolutions)


def test_input_is_normalized_by_scalars(vectors):
    for graph in graphs(vectors).values():
        nodes = {node.name: node for node in graph.graph_def.node}
        (multiply,) = (node for node in nodes.values() if "images" in node.input)
        (subtract,) = (node for node in nodes.values() if multiply.name in node.input)
        found = [nodes[node.input[1]].attr["value"].tensor for node in (multiply, subtract)]

        assert [(tensor.float_val[0], len(tensor.tensor_shape.dim)) for tensor in found] == [
            (np.float32(255 / 128), 0),
            (np.float32(127 / 128), 0),
        ]


def test_hub_load_of_today_gives_what_our_tflite_gives(loaded, classifier, weights, images):
    logits, features = our_outputs(weights, images)
    of_vectors, of_classes = loaded.signatures, hub.load(str(classifier)).signatures

    for signatures, name, true in (
        (of_vectors, "default", features),
        (of_vectors, "image_feature_vector", features),
        (of_vectors, "image_feature-vector", features),
        (of_classes, "default", logits),
        (of_classes, "image_classification", logits),
        (of_classes, "image_feature_vector", features),
    ):
        found = signatures[name](tf.constant(images))["default"].numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, true, atol=NOISE)


def test_hub_keras_layer_of_today_takes_a_module_without_being_told_more_than_its_place(
    vectors, classifier, weights, images
):
    logits, features = our_outputs(weights, images)
    by_name = hub.KerasLayer(
        str(vectors), signature="image_feature_vector", output_key="default", tags=[], trainable=False
    )

    np.testing.assert_allclose(by_name(images), features, atol=NOISE)
    np.testing.assert_allclose(hub.KerasLayer(str(classifier))(images), logits, atol=NOISE)


def test_images_of_every_size_are_taken(loaded):
    signature = loaded.signatures["image_feature_vector"]
    outputs = signature(tf.zeros([3, 70, 33, 3]))

    assert outputs["default"].shape == (3, FEATURES)
    assert outputs["efficientnet-lite0/reduction_2"].shape == (3, 18, 9, 24)


def test_an_export_says_what_it_has_proven(exported):
    assert (exported.format, exported.precision, exported.outputs) == ("hub-tf1", "float32", ("features",))
    assert exported.parity.difference < NOISE
    assert exported.parity.cosine > 0.999999
    assert exported.bytes == sum(len(data) for data in scenes.contents(exported.path).values())


def test_a_module_says_what_it_is_made_of(vectors, classifier):
    about = json.loads((classifier / "assets/efficientnet_lite.json").read_text())

    assert (about["variant"], about["contract"]["size"], about["classes"]) == ("lite0", scenes.SIZE, 1000)
    assert about["outputs"] == ["logits", "features"]
    assert about["license"] == "unknown"
    assert is_own(vectors, HUB_MODULE)


def test_a_folder_that_is_no_module_of_ours_is_never_replaced(tmp_path, weights):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "tfhub_module.pb").write_bytes(b"\x08\x03")
    for outputs, overwrite, reason in (
        (["features"], False, "exists"),
        (["features"], True, "never replaced"),
    ):
        with pytest.raises(UsageError, match=reason):
            export_hub_module(scenes.MODEL, foreign, outputs=outputs, weights=weights, overwrite=overwrite)
    with pytest.raises(UsageError, match="does not give masks"):
        export_hub_module(scenes.MODEL, tmp_path / "module", outputs=["masks"], weights=weights)

    assert scenes.names(tmp_path) == ["foreign"]
    assert scenes.names(foreign) == ["tfhub_module.pb"]


def test_a_module_of_ours_is_replaced_where_that_was_asked_for(tmp_path, vectors, weights):
    out = shutil.copytree(vectors, tmp_path / "module")
    second = export_hub_module("lite0@48", out, weights=weights, overwrite=True)

    assert second.path == out
    assert graphs(out)[()].collection_def["hub_module_attachments"].bytes_list.value[0].endswith(b"\x30")
    assert scenes.names(tmp_path) == ["module", "module.golden.npz"]


def test_a_module_that_is_not_what_it_was_made_of_is_not_published(tmp_path, weights, monkeypatch):
    write = hub_tf1.write_hub_module

    def write_wrong(folder, plan, parameters, names):
        beta = parameters["head/conv/beta"]
        write(folder, plan, {**parameters, "head/conv/beta": beta + np.float32(0.01)}, names)

    monkeypatch.setattr(hub_tf1, "write_hub_module", write_wrong)
    with pytest.raises(VerificationFailed, match="nothing is published"):
        export_hub_module(scenes.MODEL, tmp_path / "module", weights=weights)

    assert scenes.names(tmp_path) == []


def test_weights_without_a_classifier_make_no_classification_module(tmp_path, weights):
    parameters = open_origin(scenes.MODEL, weights=weights).weights.parameters
    headless = tmp_path / "headless.safetensors"
    write_safetensors(headless, {name: v for name, v in parameters.items() if "dense" not in name}, {})

    with pytest.raises(UsageError, match="end at the features"):
        export_hub_module(headless, tmp_path / "module", outputs=["logits"], model=scenes.MODEL)


def test_without_tensorflow_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(sys.modules, "efficientnet_lite.artifacts.hub_graph")
    monkeypatch.delattr(artifacts, "hub_graph")

    with pytest.raises(UsageError) as caught:
        export_hub_module(scenes.MODEL, tmp_path / "module")

    assert "efficientnet-lite[train]" in caught.value.fix


def trained_once(module, images, output="default"):
    """After one pass of the train graph with its updates: an output, the regularization loss, variables by name."""
    with tf.Graph().as_default(), v1.Session() as session:
        graph = v1.saved_model.loader.load(session, ["train"], str(module))
        signature = graph.signature_def["default" if output == "default" else "image_feature_vector"]
        found, loss, _ = session.run(
            [
                signature.outputs[output].name,
                tf.add_n(v1.losses.get_regularization_losses()),
                v1.get_collection(v1.GraphKeys.UPDATE_OPS),
            ],
            {signature.inputs["images"].name: images},
        )
        variables = {variable.op.name: variable for variable in v1.global_variables()}
        return found, loss, session.run(variables)


def test_the_train_graph_is_the_references_to_the_moving_variance(shared, tmp_path):
    try:
        loaded = load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")
    plan = make_plan(VARIANTS["lite0"], size=96)
    hub_tf1.write_hub_module(tmp_path, plan, loaded.parameters, tf1_variables(plan), survival=1)
    trace = np.load(shared / "reference/lite0_train_trace_small.npz")

    logits, loss, variables = trained_once(
        tmp_path, trace["images"][trace["batch_index"][0]] / np.float32(255)
    )

    # Drop-connect is off in the trace. Its first step has rate 0, so the moving statistics alone change.
    np.testing.assert_allclose(logits, trace["logits_step1"], atol=5e-4)
    np.testing.assert_allclose(loss, trace["loss"][0] - trace["cross_entropy"][0], rtol=1e-3)
    compared = 0
    for name in trace["full_names"]:
        if "/moving_" in name:
            true = trace[name.replace("efficientnet-lite0", "raw/1", 1)]
            np.testing.assert_allclose(variables[name], true, rtol=1e-3, atol=1e-5, err_msg=name)
            compared += 1
    assert compared >= 10


def test_the_moving_variance_follows_that_of_the_population(vectors, images):
    features, _, variables = trained_once(vectors, images, "efficientnet-lite0/features")
    batch = features.reshape(2, -1) @ variables["efficientnet-lite0/head/conv2d/kernel"][0, 0]
    norm = "efficientnet-lite0/head/tpu_batch_normalization"

    # Two images, one pixel each: the variance of a sample is twice that of the population. Both began at 0 and 1.
    assert features.shape == (2, 1, 1, 320)
    assert batch.var(axis=0).max() > 0.1
    np.testing.assert_allclose(variables[f"{norm}/moving_mean"], 0.01 * batch.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        variables[f"{norm}/moving_variance"], 0.99 + 0.01 * batch.var(axis=0), rtol=1e-5
    )


def test_residuals_are_dropped_by_chance_in_training_alone(vectors, loaded, images):
    batch = np.repeat(images[:1], 16, axis=0)  # one image sixteen times: without chance all rows are equal
    trained, _, _ = trained_once(vectors, batch)
    inferred = loaded.signatures["default"](tf.constant(batch))["default"].numpy()

    assert np.ptp(trained, axis=0).max() > 0.01
    np.testing.assert_allclose(inferred, np.broadcast_to(inferred[0], inferred.shape), atol=1e-5)


def test_a_classification_module_alone_brings_its_labels_in_the_order_of_the_logits(classifier, vectors):
    assert (classifier / "assets/labels.txt").read_text().splitlines() == LABELS
    assert scenes.names(vectors / "assets") == ["efficientnet_lite.json"]
