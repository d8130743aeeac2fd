"""SavedModels and Hub modules as checkpoints, without TensorFlow: ours are read, strangers' say what to do."""

import json
import shutil
import tarfile

import numpy as np
import pytest
from checkpoint_files import (
    bundle,
    keras_name,
    object_graph,
    random_parameters,
    to_dialect,
    write_bundle,
    write_saved_model,
)

from efficientnet_lite.artifacts.origin import origin_of_checkpoint
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.labels import digest
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.weights.object_graph import plan_name
from efficientnet_lite.weights.read import read_checkpoint

LITE0 = VARIANTS["lite0"]
LABELS = ("ball", "box", "stripes")
CONTRACT = Contract(64, view="squash")
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
DATA = "variables/variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(LITE0, classes=3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, parameters):
    """A classifier of ours; not to be changed."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    write_saved_model(folder, parameters, **card())
    return with_labels(folder)


@pytest.fixture
def small(tmp_path):
    """One of ours with a single variable, where what is wrong is told before the weights are judged."""
    parameters = {"blocks_0/depthwise/kernel": np.ones((3, 3, 32, 1), np.float32)}
    return with_labels(write_saved_model(tmp_path / "model", parameters, **card()))


def card(**fields):
    document = {"variant": "lite0", "contract": CONTRACT.to_json(), "classes": 3, "source": "here"}
    return document | {"license": "CC0-1.0", "labels_sha256": digest(LABELS)} | fields


def with_labels(folder, names=LABELS):
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets/labels.txt").write_text("\n".join(names) + "\n")
    return folder


def hub_module(folder, tensors, **fields):
    (folder / "variables").mkdir(parents=True)
    index, (data,) = bundle({f"efficientnet-lite0/{name}": array for name, array in tensors.items()})
    (folder / "variables/variables.index").write_bytes(index)
    (folder / DATA).write_bytes(data)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    (folder / "assets").mkdir()
    (folder / "assets/efficientnet_lite.json").write_text(json.dumps({"schema": 1} | card(**fields)))
    return folder


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_saved_model_is_read_by_its_folder_its_parts_or_an_archive(saved, parameters, tmp_path):
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(saved, ".")  # as tfhub.dev packed them

    for path in (
        saved,
        saved / "saved_model.pb",
        saved / "variables",
        saved / "variables/variables.index",
        archive,
    ):
        found = read_checkpoint(path)
        assert_same(found.parameters, parameters)
        assert (found.variant, found.classes, found.labels) == (LITE0, 3, LABELS)
        assert (found.format, found.source, found.license) == ("SavedModel", "here", "CC0-1.0")
        assert found.contract == CONTRACT


def test_its_card_says_how_it_takes_photos_unless_the_caller_does(saved):
    itself, asked = origin_of_checkpoint(saved), origin_of_checkpoint(saved, "lite0@96")

    assert (itself.name, itself.plan.size, itself.contract, itself.labels) == (
        "lite0@64",
        64,
        CONTRACT,
        LABELS,
    )
    assert (asked.name, asked.plan.size, asked.contract) == ("lite0@96", 96, Contract(96))


def test_variables_go_by_their_names_and_not_by_their_places(tmp_path, parameters):
    turned = dict(reversed(parameters.items()))

    found = read_checkpoint(write_saved_model(tmp_path / "model", turned, first=7))

    assert_same(found.parameters, parameters)
    assert (found.labels, found.contract, found.source) == (None, None, "SavedModel")


def test_one_that_was_trained_further_with_a_head_of_its_own_is_read_with_it(tmp_path, parameters):
    """As tf_keras saves a hub.KerasLayer with a dense layer behind it, and Adam beside it."""
    backbone = {name: array for name, array in parameters.items() if not name.startswith("head/dense")}
    kernel, bias = np.float32(np.ones((1280, 2))), np.float32([1, 2])
    named = {f"layer_with_weights-0/{n}{VALUE}": (keras_name(n), array) for n, array in backbone.items()}
    named |= {
        f"_all_variables/{n}{VALUE}": (keras_name(n), array) for n, array in backbone.items()
    }  # Keras 3
    named |= {f"w/kernel{VALUE}": ("mine/kernel:0", kernel), f"w/bias{VALUE}": ("mine/bias:0", bias)}
    named |= {
        f"optimizer/_variables/{n}{VALUE}": (f"Adam/m/{keras_name(n)}", array)
        for n, array in backbone.items()
    }
    named |= {f"w/kernel/.OPTIMIZER_SLOT/o/m{VALUE}": ("mine/kernel/m", kernel)}
    named |= {f"seed{VALUE}": ("seed_generator/seed_generator_state", np.array([1, 2], np.int64))}
    named |= {f"keras_api/metrics/0/total{VALUE}": ("total", np.array(3, np.float32))}
    graph = object_graph({key: called for key, (called, _) in named.items()})
    index, shards = bundle({key: array for key, (_, array) in named.items()}, graph=graph)

    found = read_checkpoint(write_bundle(tmp_path / "model", index, shards, "w"))

    assert found.format == "TensorFlow checkpoint"
    assert found.notes == ("its dense layer mine is the head, of 2 classes",)
    assert_same(found.parameters, backbone | {"head/dense/kernel": kernel, "head/dense/bias": bias})


def test_a_head_with_another_activation_is_refused_where_keras_says_so(tmp_path, parameters):
    wide = {name.replace("head/dense", "own/dense"): array for name, array in parameters.items()}
    folder = write_saved_model(tmp_path / "model", wide)
    layer = {"class_name": "Dense", "config": {"name": "own_dense", "activation": "sigmoid"}}
    text = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}).encode()
    head = b"\x2a" + bytes([len(text) & 127 | 128, len(text) >> 7]) + text
    (folder / "keras_metadata.pb").write_bytes(
        b"\x0a" + bytes([len(head) & 127 | 128, len(head) >> 7]) + head
    )

    with pytest.raises(CheckpointError, match="activation sigmoid"):
        read_checkpoint(folder)
    (folder / "keras_metadata.pb").write_bytes(b"\xff" * 50)  # says nothing

    assert read_checkpoint(folder).classes == 3


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("stem_conv/kernel", "stem/conv/kernel"),
        ("model/blocks_3_depthwise/depthwise_kernel:0", "blocks_3/depthwise/kernel"),
        ("blocks_3_expand_bn/moving_mean", "blocks_3/expand/moving_mean"),
        ("head_dense/bias:0", "head/dense/bias"),
        ("efficientnet-lite0/stem/conv2d/kernel", "efficientnet-lite0/stem/conv2d/kernel"),
        ("block1a_dwconv/depthwise_kernel:0", "block1a_dwconv/depthwise_kernel"),
        ("kernel", "kernel"),
        ("", ""),
    ],
)
def test_names_of_ours_become_the_plans_and_others_stay(called, name):
    assert plan_name(called) == name


# Hub modules


def test_a_hub_module_is_read_by_its_folder_or_by_the_cache_that_holds_it(tmp_path, parameters):
    cache = tmp_path / "cache"
    module = hub_module(cache / "65565c66", to_dialect(parameters, make_plan(LITE0, classes=3), "tf1"))
    with_labels(module)
    (cache / "65565c66.descriptor.txt").write_text("Module: https://tfhub.dev/x\n")

    for path in (module, cache, module / "tfhub_module.pb", module / "variables"):
        found = read_checkpoint(path)
        assert_same(found.parameters, parameters)
        assert (found.format, found.labels, found.contract) == ("TF1 Hub module", LABELS, CONTRACT)
        assert found.notes == ()


def test_of_a_cache_with_modules_of_the_same_weights_the_one_with_the_last_layer_is_read(
    tmp_path, parameters
):
    backbone = {name: array for name, array in parameters.items() if not name.startswith("head/dense")}
    tensors, headless = (
        to_dialect(each, make_plan(LITE0, classes=classes), "tf1")
        for each, classes in ((parameters, 3), (backbone, None))
    )
    hub_module(tmp_path / "a", headless, classes=None, weights_sha256="one")
    with_labels(hub_module(tmp_path / "b", tensors, weights_sha256="one"))

    found = read_checkpoint(tmp_path)

    assert (found.classes, found.labels) == (3, LABELS)
    assert found.notes == ("of its 2 modules, of the same weights, b is read",)
    hub_module(tmp_path / "c", headless, classes=None, weights_sha256="other")
    (tmp_path / "c.descriptor.txt").write_text("Module: https://tfhub.dev/c\x1b[2J\nmore")
    with pytest.raises(
        CheckpointError, match=r"3 modules of different weights: a, b, https://tfhub.dev/c"
    ) as caught:
        read_checkpoint(tmp_path)
    assert str(tmp_path / "a") in caught.value.fix
    assert "\x1b" not in str(caught.value)


def test_a_module_that_google_published_needs_no_card(tmp_path, parameters):
    tensors = to_dialect(parameters, make_plan(LITE0, classes=3), "tf1")
    folder = hub_module(tmp_path / "module", {f"module/{name}": array for name, array in tensors.items()})
    (folder / "assets/efficientnet_lite.json").unlink()

    found = read_checkpoint(folder)

    assert_same(found.parameters, parameters)
    assert (found.source, found.license, found.contract) == ("TF1 Hub module", "unknown", None)


# Strangers', and damaged ones


@pytest.mark.parametrize(
    "names",
    [
        ["conv2d/kernel", "dense/kernel", "dense/bias"],
        [
            "stem_conv/kernel",
            "stem_bn/gamma",
            "block1a_dwconv/depthwise_kernel",
            "top_conv/kernel",
            "probs/bias",
        ],
    ],
    ids=["of Keras", "an EfficientNet-Lite of somebody else's"],
)
def test_a_stranger_is_refused_with_what_to_do(tmp_path, names):
    named = {f"variables/{place}{VALUE}": name for place, name in enumerate(names)}
    index, shards = bundle({key: np.ones(3, np.float32) for key in named}, graph=object_graph(named))
    folder = write_bundle(tmp_path / "model/variables", index, shards, "variables").parent
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")

    with pytest.raises(
        CheckpointError, match="of another network, or has its variables under names"
    ) as caught:
        read_checkpoint(folder)
    assert "TensorFlow's converter" in caught.value.fix
    shutil.rmtree(folder / "variables")
    with pytest.raises(CheckpointError, match="this SavedModel has no variables") as caught:
        read_checkpoint(folder)
    assert "TensorFlow's converter" in caught.value.fix


def test_of_a_full_efficientnet_it_says_that_it_is_one(tmp_path):
    key = f"variables/0{VALUE}"
    index, shards = bundle(
        {key: np.ones(3, np.float32)}, graph=object_graph({key: "block1a_se_reduce/kernel"})
    )
    folder = write_bundle(tmp_path / "model/variables", index, shards, "variables").parent
    (folder / "saved_model.pb").write_bytes(b"")

    with pytest.raises(CheckpointError, match="squeeze-and-excite"):
        read_checkpoint(folder)


def test_a_card_of_other_weights_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "model")
    for fields, message in (
        ({"variant": "lite1"}, "its card is of lite1, the weights of lite0"),
        ({"classes": 4, "labels_sha256": None}, "its card says 4 classes, the weights have 3"),
        ({"classes": None}, "its card says no classes, the weights have 3"),
        ({"contract": Contract(31).to_json()}, "31 pixels is outside 32 to 2048"),
        ({"contract": Contract(4096).to_json()}, "4096 pixels is outside 32 to 2048"),
    ):
        (folder / "efficientnet-lite.json").write_text(json.dumps({"schema": 1} | card(**fields)))
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variant": 3}, "no usable 'variant'"),
        ({"contract": None}, "no usable 'contract'"),
        ({"contract": Contract(10**6).to_json()}, "no usable 'size'"),
        ({"classes": True}, "no usable 'classes'"),
        ({"source": ["here"]}, "no usable 'source'"),
        ({"schema": 2}, "a form that this version does not know"),
        ({"labels_sha256": "0" * 64}, "labels.txt is no longer what was written"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(small, fields, message):
    (small / "efficientnet-lite.json").write_text(json.dumps({"schema": 1} | card(**fields)))

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(small)


@pytest.mark.parametrize(
    "text", [b"[", b"[" * 60_000, b"3", b"\xff\xfe{", b'{"schema": ' + b"9" * 5000 + b"}"]
)
def test_a_card_that_is_none_is_refused(small, text):
    (small / "efficientnet-lite.json").write_bytes(text)

    with pytest.raises(CheckpointError, match=r"its card|its labels|form that this version"):
        read_checkpoint(small)


def test_labels_that_somebody_changed_or_took_away_are_told(small):
    with_labels(small, ("ball", "box", "other"))
    with pytest.raises(CheckpointError, match=r"labels\.txt is no longer what was written"):
        read_checkpoint(small)
    (small / "assets/labels.txt").unlink()
    with pytest.raises(CheckpointError, match=r"labels\.txt is missing"):
        read_checkpoint(small)


@pytest.mark.parametrize("place", [3, 30, 150])
def test_a_changed_byte_in_the_graph_of_objects_is_told_by_its_checksum(small, place):
    data = bytearray((small / DATA).read_bytes())
    data[place] ^= 1
    (small / DATA).write_bytes(data)

    with pytest.raises(CheckpointError, match="in its graph of objects, the checksum is wrong"):
        read_checkpoint(small)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (b"\x0a\xff", "in its graph of objects"),
        (b"\x08\x01", "in its graph of objects, field 1 has wire type 0"),
        (b"\x0a\x04\x12\x02\x12\xff", "in its graph of objects"),
        (b"\x0a\x0a\x12\x08\x12\x02\xff\xff\x1a\x02\xff\xff", "in its graph of objects, a name is no text"),
        (b"\x0a\x00" * 100_001, "more than 100,000 objects"),
        (bytes(2**21 + 1), "in its graph of objects, there are"),
    ],
)
def test_a_graph_of_objects_that_makes_no_sense_is_refused(tmp_path, graph, message):
    index, shards = bundle({f"variables/0{VALUE}": np.ones(3, np.float32)}, graph=graph)

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(write_bundle(tmp_path / "model", index, shards))


def test_one_name_for_two_tensors_is_refused(tmp_path):
    names = {f"variables/{place}{VALUE}": "stem_conv/kernel" for place in range(2)}
    tensors = {key: np.full(3, place, np.float32) for place, key in enumerate(names)}

    with pytest.raises(CheckpointError, match="stem/conv/kernel is there twice"):
        read_checkpoint(write_bundle(tmp_path / "model", *bundle(tensors, graph=object_graph(names))))


def test_a_graph_beyond_its_shard_or_of_another_type_is_refused(tmp_path, parameters):
    from checkpoint_files import entry, header, table

    for record in (entry(7, (), 0, 2**63, 100, 0), entry(7, (), 5, 0, 100, 0), entry(1, (2,), 0, 0, 8, 0)):
        folder = write_bundle(
            tmp_path / "model", table([header(), (b"_CHECKPOINTABLE_OBJECT_GRAPH", record)]), [b"x"]
        )
        with pytest.raises(CheckpointError, match="damaged"):
            read_checkpoint(folder)
