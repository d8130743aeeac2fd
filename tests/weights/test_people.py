"""Checkpoints as people save them: prefixes, containers, neighbours that are no tensors, heads of one's own."""

import io
import json
import pickle
import struct
import time
import zipfile

import numpy as np
import pytest
from checkpoint_files import Raw, View, instructions, name, random_parameters, to_dialect, views, zip_pth
from pth_tensors import read_pth

from efficientnet_lite.cli.common import console_of
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.notices import listening
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.safetensors import encode_safetensors
from efficientnet_lite.weights.state_dicts import AVERAGED, RAW

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
    found = to_dialect(parameters, make_plan(LITE0, classes=3), "timm")
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


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda key: "_fsdp_wrapped_module." + key.replace("conv_dw.", "_fsdp_wrapped_module.conv_dw."),
        lambda key: key.replace("blocks.", "module.blocks._checkpoint_wrapped_module."),
        lambda key: "_orig_mod.module." + key.replace("bn1.", "_orig_mod.bn1._orig_mod."),
        lambda key: "model.backbone." + key.replace("conv_dw.", "conv_dw._fsdp_wrapped_module."),
        lambda key: "_module." + key,
        lambda key: key.replace("blocks.", "blocks.module."),
    ],
    ids=[
        "FSDP",
        "checkpointing",
        "compiled parts",
        "FSDP in a model of one's own",
        "Opacus",
        "DataParallel of a part",
    ],
)
def test_wrappers_anywhere_in_the_names_are_taken_off(tmp_path, parameters, state, wrapped):
    named = {wrapped(key): array for key, array in state.items()}

    for root in (named, {"state_dict": named}, {"model": {"net": named}}):
        found = read_checkpoint(write(tmp_path / "w.pth", root))
        assert_same(found, parameters)
        assert found.notes == ()


def test_a_wrapper_without_which_two_names_would_be_one_stays(tmp_path, parameters, state):
    twice = prefixed(state, "ema._orig_mod.") | prefixed(state, "ema.")

    with pytest.raises(CheckpointError, match=r"2 networks, under ema\._orig_mod\., ema\."):
        read_checkpoint(write(tmp_path / "w.pth", twice))


OWN_PLACES = {
    ("best_model",): False,
    ("student",): False,
    ("checkpoint", "weights_of_epoch_3"): False,
    ("state", "model_weights"): False,
    ("params_ema",): True,
    ("swa_model",): True,
    ("averaged_model",): True,
    ("averages", "ema-of-3", "weights"): True,
}


@pytest.mark.parametrize("place", OWN_PLACES)
def test_a_network_is_found_under_any_key(tmp_path, parameters, state, place):
    path = write(tmp_path / "w.pth", in_container(state, place))

    assert_same(read_checkpoint(path), parameters)

    other = {"state_dict": {key: np.asarray(array + array.dtype.type(1)) for key, array in state.items()}}
    path = write(tmp_path / "w.pth", in_container(state, place) | other)
    chosen = "state_dict", ".".join(place)
    if OWN_PLACES[place]:
        assert_same(read_checkpoint(path), parameters)
        chosen = chosen[::-1]
    assert read_checkpoint(path).notes == (f"{chosen[0]} is read, not {chosen[1]}",)


def test_of_two_networks_under_keys_of_ones_own_the_user_is_asked(tmp_path, state):
    path = write(tmp_path / "w.pth", {"student": state, "teacher": state, "step": 3})
    with pytest.raises(CheckpointError, match="2 networks, under student, teacher"):
        read_checkpoint(path)


@pytest.mark.parametrize("key", [str, lambda number: f"ema.{number}"])
def test_twenty_thousand_networks_in_a_file_take_no_time(key):
    tensor = View("0", 1, (1,), (1,))
    root = {key(number): {"blocks.0.0.conv_dw.weight": tensor} for number in range(20_000)}
    data = zip_pth(root, {"0": bytes(4)})
    started = time.process_time()

    with pytest.raises(CheckpointError, match="20000 networks"):
        read_pth(data, where="w.pth")

    assert time.process_time() - started < 10


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


def test_a_tensor_that_repeats_its_numbers_is_read_and_none_is_that_repeats_them_for_ever(
    tmp_path, parameters, state
):
    tensors = {key: array.tobytes() for key, array in state.items()}
    root = {
        key: View(key, view.count, view.shape, view.stride, storage=view.storage)
        for key, view in views(state).items()
    }
    path = tmp_path / "w.pth"
    path.write_bytes(
        zip_pth(
            root | {"classifier.bias": View("one", 1, (3,), (0,))},
            {key: raw for key, raw in tensors.items() if key != "classifier.bias"}
            | {"one": np.float32(5).tobytes()},
        )
    )
    assert_same(read_checkpoint(path), parameters | {f"{DENSE}/bias": np.full(3, 5, np.float32)})

    heads = {
        "classifier.weight": View("one", 1, (2**40, 1280), (0, 0)),
        "classifier.bias": View("one", 1, (2**40,), (0,)),
    }
    path.write_bytes(zip_pth(root | heads, tensors | {"one": bytes(4)}))
    with pytest.raises(CheckpointError, match="of a storage of 1"):
        read_checkpoint(path)


def rebuilt(view, function):
    """The description of the tensor `view` by another of torch's functions."""
    text = instructions(view)
    start = name("torch._utils", "_rebuild_tensor_v2")
    parts = text.removeprefix(start).removesuffix(pickle.REDUCE)
    match function:
        case "_rebuild_tensor":
            kept = parts.removesuffix(
                instructions(False)
                + name("collections", "OrderedDict")
                + pickle.EMPTY_TUPLE
                + pickle.REDUCE
                + pickle.TUPLE
            )
            return Raw(name("torch._utils", function) + kept + pickle.TUPLE + pickle.REDUCE)
        case "_rebuild_from_type_v2":
            with_attributes = (Raw(start), Raw(name("torch", "Tensor")), Raw(parts), {"tag": "mine"})
            return Raw(name("torch._tensor", function) + instructions(with_attributes) + pickle.REDUCE)


@pytest.mark.parametrize("function", ["_rebuild_tensor", "_rebuild_from_type_v2"])
def test_tensors_of_old_torch_and_with_attributes_are_read(tmp_path, parameters, state, function):
    root = {key: rebuilt(view, function) for key, view in views(state).items()}
    tensors = {str(number): array.tobytes() for number, array in enumerate(state.values())}
    (tmp_path / "w.pth").write_bytes(zip_pth(root, tensors))

    assert_same(read_checkpoint(tmp_path / "w.pth"), parameters)


@pytest.mark.parametrize(
    "beside",
    [pickle.LONG4 + struct.pack("<i", 300) + b"\1" * 300, pickle.SHORT_BINSTRING + b"\4\xff\x00ab"],
    ids=["a number of 2,400 bits", "bytes of Python 2"],
)
def test_odd_values_beside_the_weights_are_passed_over(tmp_path, parameters, state, beside):
    root = {"state_dict": views(state), "seed": Raw(beside)}
    tensors = {str(number): array.tobytes() for number, array in enumerate(state.values())}
    (tmp_path / "w.pth").write_bytes(zip_pth(root, tensors))

    assert_same(read_checkpoint(tmp_path / "w.pth"), parameters)


@pytest.mark.parametrize(
    "number",
    [pickle.LONG4 + struct.pack("<i", 2**30), pickle.LONG4 + struct.pack("<i", -1)],
    ids=["of a gigabyte", "of less than nothing"],
)
def test_a_number_that_claims_more_than_there_is_is_damage(number):
    with pytest.raises(CheckpointError, match="damaged"):
        read_pth(zip_pth({"seed": Raw(number)}, {}), where="w.pth")


@pytest.mark.parametrize("start", [b"(dp0\n.", b"}q\x00."])
def test_a_pickle_of_an_older_protocol_within_the_archive_is_told_as_such(start):
    with pytest.raises(CheckpointError, match=r"protocol 0 or 1[\s\S]*without pickle_protocol"):
        read_pth(zip_of(start), where="w.pth")


def zip_of(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return stream.getvalue()
