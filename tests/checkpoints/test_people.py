"""Checkpoints as people save them: prefixes, containers, neighbours that are no tensors, heads of one's own."""

import json
import pickle
import struct
import time

import numpy as np
import pytest
from checkpoint_files import Raw, View, instructions, name, random_parameters, views, zip_pth

from efficientnet_lite.checkpoints import naming
from efficientnet_lite.checkpoints.containers import AVERAGED, RAW
from efficientnet_lite.checkpoints.pth import read_pth
from efficientnet_lite.checkpoints.read import read_checkpoint
from efficientnet_lite.checkpoints.safetensors import encode_safetensors
from efficientnet_lite.cli.common import console_of
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.notices import listening
from efficientnet_lite.spec import DENSE, VARIANTS, make_plan

LITE0 = VARIANTS["lite0"]
NAMESPACE = Raw(
    name("argparse", "Namespace")
    + pickle.EMPTY_TUPLE
    + pickle.NEWOBJ
    + instructions({"lr": 0.1, "model": "tf_efficientnet_lite0"})
    + pickle.BUILD
)
SCALAR = Raw(
    name("numpy._core.multiarray", "scalar")
    + pickle.MARK
    + name("numpy", "dtype")
    + instructions(("f8", False, True))
    + pickle.REDUCE
    + instructions("\x00" * 8)
    + pickle.TUPLE
    + pickle.REDUCE
)


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(LITE0, classes=3)


@pytest.fixture(scope="module")
def state(parameters):
    """In timm's names, with the counters that torch keeps."""
    found = naming.to_dialect(parameters, make_plan(LITE0, classes=3), "timm")
    counters = {key.replace("running_var", "num_batches_tracked") for key in found if "running_var" in key}
    return found | {key: np.array(7) for key in counters}


def prefixed(state, prefix):
    return {prefix + key: array for key, array in state.items()}


def write(path, root):
    """A file of torch's with `root`: dicts of arrays, and anything else beside them."""
    tensors = {}

    def described(value):
        if isinstance(value, dict):
            return {key: described(each) for key, each in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        key = str(len(tensors))
        tensors[key] = value.tobytes()
        view = views({"": value})[""]
        return View(key, view.count, view.shape, view.stride, storage=view.storage)

    path.write_bytes(zip_pth(described(root), tensors))
    return path


def assert_same(found, wanted):
    assert found.parameters.keys() == wanted.keys()
    for key, array in wanted.items():
        assert np.array_equal(found.parameters[key], array), key


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "module._orig_mod.model.backbone.net.0.",
        "x.y_z.",
    ],
)
def test_a_prefix_that_all_names_have_is_taken_off(tmp_path, parameters, state, prefix):
    found = read_checkpoint(write(tmp_path / "w.pth", prefixed(state, prefix)))
    (tmp_path / "w.safetensors").write_bytes(
        encode_safetensors({key: array for key, array in prefixed(state, prefix).items() if array.ndim}, {})
    )

    assert_same(found, parameters)
    assert_same(read_checkpoint(tmp_path / "w.safetensors"), parameters)
    assert (found.classes, found.notes) == (3, ())


def in_container(state, place):
    """What a training saves, with its weights under `place`."""
    root = prefixed(state, "module.")
    for key in reversed(place):
        root = {key: root}
    return root | {
        "epoch": 3,
        "args": NAMESPACE,
        "metric": SCALAR,
        "rng_state": np.zeros(5, np.int64),
        "optimizer": {"state": {0: {"momentum": np.ones(4, np.float32)}}, "param_groups": [{"lr": SCALAR}]},
        "callbacks": {"early": NAMESPACE},
    }


@pytest.mark.parametrize("place", [("state_dict",), ("ema", "module")])
def test_weights_are_read_beside_whatever_a_training_keeps(tmp_path, parameters, state, place):
    found = read_checkpoint(write(tmp_path / "w.pth", in_container(state, place)))

    assert_same(found, parameters)
    assert found.notes == ()


@pytest.mark.parametrize("place", [*[(key,) for key in AVERAGED + RAW], ("model", "state_dict")])
def test_a_state_dict_is_found_in_any_container_of_the_list(tmp_path, place):
    tensor = {"blocks.0.0.conv_dw.weight": np.ones(3, np.float32)}
    path = write(tmp_path / "w.pth", in_container(tensor, place))

    assert list(read_pth(path.read_bytes(), where=path)) == ["module.blocks.0.0.conv_dw.weight"]


def test_of_raw_and_averaged_weights_the_choice_is_said_and_can_be_changed(tmp_path, parameters, state):
    other = state | {"conv_stem.weight": state["conv_stem.weight"] + 1}
    path = write(tmp_path / "w.pth", {"state_dict": other, "state_dict_ema": state, "model": other})

    averaged, raw = read_checkpoint(path), read_checkpoint(path, ema=False)

    assert_same(averaged, parameters)
    assert np.array_equal(raw.parameters["stem/conv/kernel"], parameters["stem/conv/kernel"] + 1)
    assert averaged.notes == ("state_dict_ema is read, not state_dict, model",)
    assert raw.notes == ("state_dict is read, not state_dict_ema, model",)
    with pytest.raises(CheckpointError, match="moving averages only: ema"):
        read_checkpoint(write(tmp_path / "a.pth", {"ema": state}), ema=False)


def test_of_two_networks_in_one_dict_the_averaged_one_is_read_or_the_user_is_asked(
    tmp_path, parameters, state
):
    other = state | {"conv_stem.weight": state["conv_stem.weight"] + 1}
    path = write(tmp_path / "w.pth", prefixed(other, "online_model.") | prefixed(state, "ema_model."))

    found, raw = read_checkpoint(path), read_checkpoint(path, ema=False)

    assert_same(found, parameters)
    assert np.array_equal(raw.parameters["stem/conv/kernel"], parameters["stem/conv/kernel"] + 1)
    assert "under ema_model. are read" in found.notes[0]
    assert "under online_model. are read" in raw.notes[0]
    with pytest.raises(CheckpointError, match=r"2 networks, under teacher\., student\."):
        read_checkpoint(write(tmp_path / "t.pth", prefixed(other, "teacher.") | prefixed(state, "student.")))


def test_a_loss_beside_the_network_is_passed_over_and_named(tmp_path, parameters, state):
    beside = {"criterion.weight": np.ones(3, np.float32), "train_acc.total": np.array(9.0, np.float32)}
    path = write(
        tmp_path / "w.pth", {"state_dict": prefixed(state, "model.") | beside | {"n_averaged": np.array(3)}}
    )

    found = read_checkpoint(path)

    assert_same(found, parameters)
    assert found.notes == ("passed over, since no network has it: criterion.weight, train_acc.total",)


def test_counters_beside_the_network_are_passed_over(tmp_path, parameters, state):
    counters = {"n_averaged": np.array(3), "model.steps": np.zeros(5, np.int64)}

    for prefix in ("", "model."):
        assert_same(
            read_checkpoint(write(tmp_path / "w.pth", prefixed(state, prefix) | counters)), parameters
        )


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"normalize.mean": np.ones(3, np.float32)}, r"1 left over: normalize\.mean"),
        ({"neck.bn1.weight": np.ones(32, np.float32)}, r"1 left over: neck\.bn1\.weight"),
        ({"bn1.weight": np.ones(32, np.float32)}, r"1 left over: bn1\.weight \(outside of model\.\)"),
        ({"model.extra.weight": np.ones(3, np.float32)}, r"1 left over: extra\.weight"),
        ({"model.classifier.2.weight": np.ones((3, 9), np.float32)}, "1 left over"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_anything_else_beside_the_network_is_left_over_and_named(tmp_path, state, beside, message):
    path = write(tmp_path / "w.pth", prefixed(state, "model.") | beside)

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("weight", "value"),
    [
        ("conv_stem.weight", NAMESPACE),
        ("classifier.bias", SCALAR),
        ("classifier.weight", None),
        ("blocks.2.0.bn2.running_var", 3),
        ("bn2.bias", "text"),
        ("blocks.0.0.conv_dw.weight", {}),
    ],
)
def test_only_a_weight_that_is_no_tensor_is_an_error_and_is_named(tmp_path, parameters, state, weight, value):
    assert_same(
        read_checkpoint(write(tmp_path / "w.pth", state | {"args": value, "epoch": value})), parameters
    )

    with pytest.raises(CheckpointError, match=rf"1 weights of lite0 are no tensors: {weight} \("):
        read_checkpoint(write(tmp_path / "w.pth", state | {weight: value}))


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_floats_become_float32(tmp_path, parameters, state, dtype):
    other = {key: array.astype(dtype) if array.ndim else array for key, array in state.items()}

    found = read_checkpoint(write(tmp_path / "w.pth", other))

    for key, array in parameters.items():
        assert found.parameters[key].dtype == np.float32
        assert np.array_equal(found.parameters[key], array.astype(dtype).astype(np.float32)), key


def test_a_double_that_float32_does_not_hold_is_refused(tmp_path, state):
    other = state | {"conv_stem.weight": state["conv_stem.weight"].astype(np.float64) * 1e300}

    with pytest.raises(
        CheckpointError, match=r"stem/conv/kernel \(conv_stem.weight in the file\) has .*infinite"
    ):
        read_checkpoint(write(tmp_path / "w.pth", other))


@pytest.mark.parametrize("head", ["head.1", "fc", "classifier"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_dense_layer_behind_a_network_without_one_is_its_head(tmp_path, parameters, state, head, bias):
    network = {f"backbone.{key}": array for key, array in state.items() if not key.startswith("classifier")}
    own = {f"{head}.weight": state["classifier.weight"], f"{head}.bias": state["classifier.bias"]}
    own = dict(list(own.items())[: 1 + bias])

    if head == "classifier" and not bias:
        with pytest.raises(CheckpointError, match=r"1 missing: classifier\.bias"):
            read_checkpoint(write(tmp_path / "w.pth", network | own))
        return
    found = read_checkpoint(write(tmp_path / "w.pth", network | own))

    wanted = parameters if bias else parameters | {f"{DENSE}/bias": np.zeros(3, np.float32)}
    assert_same(found, wanted)
    assert found.classes == 3


def test_two_dense_layers_are_no_head(tmp_path, state):
    network = {key: array for key, array in state.items() if not key.startswith("classifier")}
    own = {"fc1.weight": np.ones((9, 1280), np.float32), "fc2.weight": np.ones((3, 9), np.float32)}

    with pytest.raises(CheckpointError, match=r"2 left over: fc1\.weight, fc2\.weight"):
        read_checkpoint(write(tmp_path / "w.pth", network | own))


def test_a_whole_model_is_refused_by_the_name_of_its_class(tmp_path):
    whole = Raw(name("timm.models.efficientnet", "EfficientNet") + pickle.EMPTY_TUPLE + pickle.NEWOBJ)

    for root, words in (
        (whole, "the file holds a whole object"),
        ({"model": whole}, "the file's model is a whole"),
    ):
        with pytest.raises(CheckpointError, match=f"{words}.*EfficientNet.*not executed") as refused:
            read_checkpoint(write(tmp_path / "w.pth", root))
        assert "torch.save(model.state_dict()" in refused.value.fix


def test_names_of_a_million_dots_take_no_time(tmp_path, state):
    path = write(tmp_path / "w.pth", state | {"." * 10**6: np.ones(1, np.float32)})

    with pytest.raises(CheckpointError, match="1 left over"):
        read_checkpoint(path)


def test_what_was_chosen_is_printed_once_beside_the_result_unless_quiet(tmp_path, state, capsys):
    path = write(tmp_path / "w.pth", {"state_dict": state, "state_dict_ema": state})

    for quiet, wanted in ((False, f"{path}: state_dict_ema is read, not state_dict\n"), (True, "")):
        with listening(print):
            console_of(json=True, verbose=0, quiet=quiet)
            read_checkpoint(path)
            read_checkpoint(path)

        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", wanted)


def test_doubles_in_safetensors_are_read_and_integers_beside_the_network_too(tmp_path, parameters, state):
    torch_names = {"<f8": "F64", "<i8": "I64", "|u1": "U8", "<i4": "I32"}
    beside = {"step": np.array(3, "<i4"), "rng": np.zeros(5, "|u1")}
    wide = {f"model.{key}": np.asarray(array, "<f8" if array.ndim else "<i8") for key, array in state.items()}
    header, chunks, position = {}, [], 0
    for key, array in (wide | beside).items():
        end = position + array.nbytes
        kind, shape = torch_names[array.dtype.str], list(array.shape)
        header[key] = {"dtype": kind, "shape": shape, "data_offsets": [position, end]}
        chunks.append(array.tobytes())
        position = end
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))

    assert_same(read_checkpoint(path), parameters)


def test_a_part_of_a_checkpoint_is_refused_for_what_it_is(tmp_path, state):
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    part, index = tmp_path / names[0], tmp_path / "model.safetensors.index.json"
    part.write_bytes(encode_safetensors({key: array for key, array in state.items() if array.ndim}, {}))
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict(zip("ab", names, strict=True))}))

    for path in (part, index):
        with pytest.raises(CheckpointError, match="one of 2 files that make up a checkpoint"):
            read_checkpoint(path)


def test_a_hundred_thousand_networks_take_no_time(tmp_path):
    one = np.ones(1, np.float32)
    started = time.process_time()

    for count, message in ((100_000, "100,001 tensors, more than 20,000"), (15_000, "15001 networks")):
        many = {f"{number}.blocks.0.0.conv_dw.weight": one for number in range(count)}
        header = {
            name: {"dtype": "F32", "shape": [], "data_offsets": [4 * number, 4 * number + 4]}
            for number, name in enumerate(["ema.blocks.0.0.conv_dw.weight", *many])
        }
        text = json.dumps(header).encode()
        path = tmp_path / "w.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4 * (count + 1)))
        with pytest.raises(CheckpointError, match=f"{message}|header"):
            read_checkpoint(path)

    assert time.process_time() - started < 10
