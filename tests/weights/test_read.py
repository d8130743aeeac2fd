"""From a path to parameters: every form and dialect gives the same arrays, and every misfit is told."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from checkpoint_files import bundle, pth_bytes, random_parameters, to_dialect, write_bundle

from efficientnet_lite.errors import CheckpointError, UnusableInput, WeightsMissing
from efficientnet_lite.network.naming import foreign_names
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.weights import published as weights
from efficientnet_lite.weights.fit import fit
from efficientnet_lite.weights.pth import MAGIC_NUMBER
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, encode_safetensors
from efficientnet_lite.weights.stored_tensors import FLOAT32, FLOAT64, INT64, Stored

LITE0 = VARIANTS["lite0"]
DIALECTS = ("plan", "lukemelas", "timm", "tf1")
OURS = {"format": FORMAT, "schema": SCHEMA}


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(LITE0, classes=10)


def dialect_tensors(parameters, dialect, classes=10, variant=LITE0):
    return to_dialect(parameters, make_plan(variant, classes=classes), dialect)


def scoped(tensors, *, shadows=1.0, raw=True):
    """TF1 names with their scope, each variable with a shadow `shadows` times its values."""
    names = {f"efficientnet-lite0/{name}": array for name, array in tensors.items()}
    averaged = {
        f"{name}/ExponentialMovingAverage": array * np.float32(shadows) for name, array in names.items()
    }
    slots = {f"{name}/RMSProp": array for name, array in list(names.items())[:2]}
    return (names if raw else {}) | averaged | slots | {"global_step": np.array(5, np.int64)}


def tf1_folder(folder, tensors, shards=1):
    return write_bundle(folder, *bundle(tensors, shards=shards))


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.float32
        assert found[name].flags.c_contiguous
        assert found[name].flags.owndata
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("form", ["legacy", "zip"])
@pytest.mark.parametrize("dialect", ["lukemelas", "timm"])
def test_a_pth_of_either_dialect_gives_the_parameters(tmp_path, parameters, form, dialect):
    path = tmp_path / "any.name"
    tensors = dialect_tensors(parameters, dialect) | {"bn.num_batches_tracked": np.array(3, np.int64)}
    path.write_bytes(pth_bytes(tensors, form=form))

    found = read_checkpoint(path, variant=LITE0)

    assert_same(found.parameters, parameters)
    assert (found.variant, found.classes, found.labels, found.format) == (LITE0, 10, None, "torch .pth")


@pytest.mark.parametrize("dialect", ["plan", "timm"])
def test_safetensors_of_either_dialect_give_the_parameters(tmp_path, parameters, dialect):
    path = tmp_path / "any.name"
    path.write_bytes(encode_safetensors(dialect_tensors(parameters, dialect), {"format": "pt"}))

    found = read_checkpoint(path)

    assert_same(found.parameters, parameters)
    assert (found.format, found.source, found.license) == ("safetensors", "safetensors", "unknown")


def test_a_tf1_checkpoint_is_read_by_its_folder_its_prefix_any_of_its_files_or_an_archive(
    tmp_path, parameters
):
    tensors = scoped(dialect_tensors(parameters, "tf1"))
    folder = tf1_folder(tmp_path / "net", tensors, shards=2)
    archive = tmp_path / "net.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder, "net")

    by_folder = read_checkpoint(folder)
    others = [
        read_checkpoint(path)
        for path in (
            folder / "model.ckpt",
            folder / "model.ckpt.index",
            folder / "model.ckpt.data-00001-of-00002",
            folder / "checkpoint",
            archive,
        )
    ]

    assert_same(by_folder.parameters, parameters)
    assert by_folder.format == "TF1 checkpoint"
    for other in others:
        assert_same(other.parameters, parameters)
    assert {other.sha256 for other in others[:-1]} == {by_folder.sha256}
    assert others[-1].sha256 != by_folder.sha256


def test_averages_are_read_where_they_are_and_raw_weights_on_request(tmp_path, parameters):
    folder = tf1_folder(tmp_path / "net", scoped(dialect_tensors(parameters, "tf1"), shadows=2.0))

    averaged, raw = read_checkpoint(folder), read_checkpoint(folder, ema=False)

    assert_same(averaged.parameters, {name: array * np.float32(2) for name, array in parameters.items()})
    assert_same(raw.parameters, parameters)


def test_a_checkpoint_of_averages_alone_has_no_raw_weights(tmp_path, parameters):
    folder = tf1_folder(tmp_path / "net", scoped(dialect_tensors(parameters, "tf1"), raw=False))

    assert_same(read_checkpoint(folder).parameters, parameters)
    with pytest.raises(CheckpointError, match="247 variables are there as moving averages only"):
        read_checkpoint(folder, ema=False)


def test_the_state_file_chooses_among_checkpoints_and_its_folder_is_not_followed(tmp_path, parameters):
    tensors = scoped(dialect_tensors(parameters, "tf1"))
    folder = tf1_folder(tmp_path / "net", tensors)
    write_bundle(folder, b"an older one", [], prefix="model.ckpt-1")

    (folder / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/../model.ckpt"\n')
    assert_same(read_checkpoint(folder).parameters, parameters)

    (folder / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match=r"2 checkpoints: model\.ckpt, model\.ckpt-1"):
        read_checkpoint(folder)


def test_missing_data_files_are_named(tmp_path, parameters):
    folder = tf1_folder(
        tmp_path / "net", {"w": np.zeros(2, np.float32), "v": np.zeros(2, np.float32)}, shards=2
    )
    (folder / "model.ckpt.data-00001-of-00002").unlink()

    with pytest.raises(
        CheckpointError, match=r"1 of 2 data files are missing: model\.ckpt\.data-00001-of-00002"
    ):
        read_checkpoint(folder)


def test_a_run_folder_gives_its_weights_and_labels(tmp_path):
    parameters = random_parameters(LITE0, classes=2)
    metadata = OURS | {"labels": '["hat", "Käse"]', "license": "CC0-1.0", "source": "a run"}
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "weights.safetensors").write_bytes(encode_safetensors(parameters, metadata))

    found = read_checkpoint(tmp_path)

    assert_same(found.parameters, parameters)
    assert found.labels == ("hat", "Käse")
    assert (found.source, found.license) == ("a run", "CC0-1.0")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("[", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"a": "b"}', "no list of names"),
        ("[1, 2]", "no list of names"),
        ('["a"]', "1 labels, expected 2"),
        ('["a", "b\\nc"]', "cannot be used: it has a control character"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, message):
    path = tmp_path / "w.safetensors"
    path.write_bytes(encode_safetensors(SMALLEST, OURS | {"labels": labels}))

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


SMALLEST = random_parameters(LITE0, classes=2)


def test_a_file_of_a_later_schema_asks_for_an_update(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(encode_safetensors({}, OURS | {"schema": "2"}))

    with pytest.raises(CheckpointError, match=r"schema 2, expected 1[\s\S]*update"):
        read_checkpoint(path)


def zip_of(name, data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\x1c\0\0\0TFL3" + bytes(100), "exported model"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras|its HDF5 cannot be read"),  # without h5py, with it
        *[(pickle.dumps({"a": 1}, protocol), "not executed") for protocol in range(6)],
        *[(pickle.dumps(np.ones(3), protocol), "not executed") for protocol in range(6)],
        *[(pickle.dumps(MAGIC_NUMBER, protocol) + b".", "protocol 0 or 1") for protocol in (0, 1)],
        (lzma.compress(b"a"), "packed by xz"),
        (bz2.compress(b"a"), "packed by bzip2"),
        (gzip.compress(bytes(9999), mtime=0), "the archive holds no TF1 checkpoint"),
        (zip_of("a/w.pth", b"a"), r"zip archive with a/w\.pth in it[\s\S]*unpack it"),
        (zip_of("w.npy", b"a"), r"no checkpoint of torch: it has 0 records data\.pkl"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\n<!DOCTYPE html>", "web page"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "this is a photo .JPEG., not a model"),
    ],
)
def test_what_is_no_checkpoint_is_called_by_its_name(tmp_path, data, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_a_path_without_a_file_is_unusable_input(tmp_path):
    with pytest.raises(UnusableInput, match="no such file"):
        read_checkpoint(tmp_path / "missing.pth")
    with pytest.raises(CheckpointError, match="the folder holds no model"):
        read_checkpoint(tmp_path)


def test_a_folder_of_model_files_is_told_to_be_given_by_one_of_them(tmp_path):
    (tmp_path / "model.tflite").touch()

    with pytest.raises(CheckpointError, match="holds no model") as caught:
        read_checkpoint(tmp_path)

    assert caught.value.fix == f"give a file of it, for example {tmp_path / 'model.tflite'}"


def test_a_core_ml_package_is_said_to_be_apples(tmp_path):
    (tmp_path / "m.mlpackage").mkdir()

    with pytest.raises(CheckpointError, match="Apple's systems alone open a Core ML package"):
        read_checkpoint(tmp_path / "m.mlpackage")


def test_a_path_that_the_system_refuses_is_unusable_input(tmp_path):
    with pytest.raises(UnusableInput, match="cannot be reached"):
        read_checkpoint(tmp_path / ("n" * 5000))
    with pytest.raises(UnusableInput):
        read_checkpoint(tmp_path / "nul\0byte")


def test_an_archive_of_two_checkpoints_or_none_is_refused(tmp_path):
    path = tmp_path / "x.tar"
    for names, message in ((["a/m.index", "b/m.index"], "2 folders"), (["a/notes"], "no TF1 checkpoint")):
        with tarfile.open(path, "w") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(path)


# From here on without files: the tensors as a reader gives them.


def stored(tensors):
    return {
        name: Stored(
            INT64 if array.dtype == np.int64 else FLOAT64 if array.dtype == np.float64 else FLOAT32,
            array.shape,
            lambda array=array: array,
        )
        for name, array in tensors.items()
    }


def fitted(tensors, variant=None, ema=True):
    return fit(stored(tensors), where="x", variant=variant, ema=ema)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_every_variant_is_recognized_in_every_dialect_by_its_shapes(variant, dialect):
    table = foreign_names(make_plan(variant, classes=3), dialect)
    empty = {
        foreign.name: np.lib.stride_tricks.as_strided(ONE, foreign.shape, [0] * len(foreign.shape))
        for foreign in table.values()
    }

    found = fitted(empty)

    assert len({foreign.name for foreign in table.values()}) == len(table)
    assert (found.variant, found.classes) == (variant, 3)


ONE = np.ones(1, np.float32)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_weights_without_a_classifier_have_no_classes(parameters, dialect):
    without = {name: array for name, array in parameters.items() if "dense" not in name}

    found = fitted(dialect_tensors(without, dialect, classes=None))

    assert found.classes is None
    assert_same(found.parameters, without)


def test_another_variant_than_asked_for_is_named(parameters):
    with pytest.raises(CheckpointError, match="the checkpoint is of lite0, expected lite1"):
        fitted(dialect_tensors(parameters, "timm"), VARIANTS["lite1"])


def test_everything_that_does_not_fit_is_in_one_message(parameters):
    tensors = dialect_tensors(parameters, "timm")
    tensors["bn1.weight"] = np.zeros((32, 1), np.float32)
    tensors["bn1.bias"] = np.zeros(32, np.int64)
    for number in range(5):
        tensors[f"adapter.{number}"] = ONE
    for part in ("weight", "bias", "running_mean", "running_var"):
        del tensors[f"blocks.3.1.bn2.{part}"]

    with pytest.raises(CheckpointError) as misfit:
        fitted(tensors)

    what = misfit.value.what
    assert (
        "4 missing: blocks.3.1.bn2.weight, blocks.3.1.bn2.bias, blocks.3.1.bn2.running_mean and 1 more"
        in what
    )
    assert "5 left over: adapter.0, adapter.1, adapter.2 and 2 more" in what
    assert "1 of another shape: bn1.weight has (32, 1), expected (32,)" in what
    assert "1 of a type that is no float: bn1.bias (int64)" in what


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "blocks.3.1.conv_dw.weight",
            np.nan,
            r"blocks_6/depthwise/kernel \(blocks.3.1.conv_dw.weight .* NaN",
        ),
        ("classifier.bias", np.inf, "head/dense/bias .* NaN or infinite"),
        ("bn1.running_var", -1.0, "stem/conv/moving_variance .* negative variance"),
    ],
)
def test_a_value_that_no_network_can_use_is_refused_with_its_tensor(parameters, name, value, message):
    tensors = dialect_tensors(parameters, "timm")
    tensors[name] = tensors[name].copy()
    tensors[name].flat[-1] = value

    with pytest.raises(CheckpointError, match=message):
        fitted(tensors)


def test_a_variance_of_zero_is_a_dead_channel_and_fine(parameters):
    tensors = dialect_tensors(parameters, "timm")
    tensors["bn1.running_var"] = np.zeros(32, np.float32)

    assert fitted(tensors).parameters["stem/conv/moving_variance"].max() == 0


def test_a_double_beyond_float32_is_refused(parameters):
    tensors = dialect_tensors(parameters, "timm") | {"classifier.bias": np.full(10, 1e300)}

    with pytest.raises(CheckpointError, match="infinite"):
        fitted(tensors)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("_blocks.1._se_reduce.weight", "squeeze-and-excite"),
        ("blocks.1.0.se.conv_reduce.weight", "squeeze-and-excite"),
        ("efficientnet-b0/blocks_1/se/conv2d/kernel", "squeeze-and-excite"),
    ],
)
def test_a_full_efficientnet_is_refused_as_such(extra, message):
    with pytest.raises(CheckpointError, match=message):
        fitted({extra: ONE})


def test_tensors_of_another_network_are_refused_with_a_few_names():
    with pytest.raises(
        CheckpointError, match=r"none of its 2 tensors has a known name \(conv1.weight, fc.bias\)"
    ):
        fitted({"conv1.weight": ONE, "fc.bias": ONE})
    with pytest.raises(CheckpointError, match="the shapes are of none of lite0"):
        fitted({f"blocks.{n}.0.conv_dw.weight": ONE for n in range(9)})


def test_less_than_half_of_a_variant_is_no_variant(parameters):
    tensors = dialect_tensors(parameters, "timm")

    with pytest.raises(CheckpointError, match="the shapes are of none of lite0"):
        fitted(dict(list(tensors.items())[:115]))
    with pytest.raises(CheckpointError, match="115 missing"):
        fitted(dict(list(tensors.items())[:130]))


@pytest.mark.parametrize(
    "changes",
    [
        {"classifier.bias": None},
        {"classifier.weight": None},
        {"classifier.bias": None, "classifier.weight": np.zeros((10,), np.float32)},
        {"classifier.bias": np.zeros(0, np.float32), "classifier.weight": np.zeros((0, 1280), np.float32)},
        {"classifier.bias": np.zeros((10, 1), np.float32)},
    ],
    ids=["no bias", "no kernel", "kernel of one dimension", "no class", "bias of two dimensions"],
)
def test_a_classifier_that_is_not_whole_is_refused(parameters, changes):
    tensors = dialect_tensors(parameters, "timm") | changes

    with pytest.raises(CheckpointError, match="do not fit lite0"):
        fitted({name: array for name, array in tensors.items() if array is not None})


# Read from the files and models themselves; the first blocks are the odd ones, without expansion.
@pytest.mark.parametrize(
    ("dialect", "names"),
    [
        (
            "lukemelas",
            "_conv_stem.weight _bn0.running_var _blocks.0._depthwise_conv.weight _blocks.0._bn1.weight "
            "_blocks.0._project_conv.weight _blocks.0._bn2.bias _blocks.3._expand_conv.weight "
            "_blocks.3._bn0.running_mean _blocks.3._depthwise_conv.weight _blocks.3._bn1.weight "
            "_blocks.3._project_conv.weight _blocks.3._bn2.weight _conv_head.weight _bn1.weight "
            "_fc.weight _fc.bias",
        ),
        (
            "timm",
            "conv_stem.weight bn1.running_var blocks.0.0.conv_dw.weight blocks.0.0.bn1.weight "
            "blocks.0.0.conv_pw.weight blocks.0.0.bn2.bias blocks.2.0.conv_pw.weight "
            "blocks.2.0.bn1.running_mean blocks.2.0.conv_dw.weight blocks.2.0.bn2.weight "
            "blocks.2.0.conv_pwl.weight blocks.2.0.bn3.weight conv_head.weight bn2.weight "
            "classifier.weight classifier.bias",
        ),
        (
            "tf1",
            "stem/conv2d/kernel stem/tpu_batch_normalization/moving_variance "
            "blocks_0/depthwise_conv2d/depthwise_kernel blocks_0/tpu_batch_normalization/gamma "
            "blocks_0/conv2d/kernel blocks_0/tpu_batch_normalization_1/beta blocks_3/conv2d/kernel "
            "blocks_3/tpu_batch_normalization/moving_mean blocks_3/depthwise_conv2d/depthwise_kernel "
            "blocks_3/tpu_batch_normalization_1/gamma blocks_3/conv2d_1/kernel "
            "blocks_3/tpu_batch_normalization_2/gamma head/conv2d/kernel head/tpu_batch_normalization/gamma "
            "head/dense/kernel head/dense/bias",
        ),
    ],
)
def test_the_names_of_each_dialect_are_these(dialect, names):
    table = foreign_names(make_plan(LITE0), dialect)

    assert [table[name].name for name in SAMPLED] == names.split()


SAMPLED = [
    "stem/conv/kernel",
    "stem/conv/moving_variance",
    "blocks_0/depthwise/kernel",
    "blocks_0/depthwise/gamma",
    "blocks_0/project/kernel",
    "blocks_0/project/beta",
    "blocks_3/expand/kernel",
    "blocks_3/expand/moving_mean",
    "blocks_3/depthwise/kernel",
    "blocks_3/depthwise/gamma",
    "blocks_3/project/kernel",
    "blocks_3/project/gamma",
    "head/conv/kernel",
    "head/conv/gamma",
    "head/dense/kernel",
    "head/dense/bias",
]


def test_counters_and_optimizer_slots_of_tf1_are_passed_over(parameters):
    tensors = scoped(dialect_tensors(parameters, "tf1"))
    kernel = "efficientnet-lite0/stem/conv2d/kernel"
    tensors |= {f"{kernel}/{slot}": ONE for slot in ("RMSProp_1", "Momentum", "Adam", "Adam_1")}
    tensors |= {"beta1_power": ONE, "efficientnet-lite0/beta2_power": ONE}

    assert_same(fitted(tensors).parameters, parameters)
    with pytest.raises(CheckpointError, match="1 left over: stem/conv2d/kernel/Unknown"):
        fitted(tensors | {f"{kernel}/Unknown": ONE})


# The reference's checkpoint was made from the official weights: its averages are equal to them bit by bit,
# its raw variables are the same rounded to 8 bits of mantissa, so every one of the 247 differs.
def test_the_reference_checkpoint_holds_the_official_weights_as_averages(shared):
    folder = shared / "reference" / "efficientnet-lite0"
    try:
        official = read_checkpoint(weights.locate(LITE0)[0])
    except WeightsMissing as error:
        pytest.skip(f"the official weights are not installed: {error.fix}")

    averaged, raw = read_checkpoint(folder, variant=LITE0), read_checkpoint(folder, ema=False)

    assert (averaged.classes, len(averaged.parameters)) == (1000, 247)
    assert_same(averaged.parameters, official.parameters)
    for name, array in official.parameters.items():
        np.testing.assert_allclose(raw.parameters[name], array, rtol=1.96e-3)
        assert not np.array_equal(raw.parameters[name], array)


def test_the_card_of_a_run_is_not_needed_to_read_its_weights_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(encode_safetensors(SMALLEST, OURS | {"labels": json.dumps(["a", "b"])}))

    assert read_checkpoint(path).labels == ("a", "b")
