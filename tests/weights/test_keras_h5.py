"""Keras' weight files: read as arrays by the plan's names, and refused where they reach outside or lie."""

# ruff: noqa: E402  (the heavy libraries are asked for before anything that needs them)

import io
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

h5py = pytest.importorskip("h5py", reason="needs h5py: make test-all", exc_type=ImportError)

from checkpoint_files import random_parameters

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.plan import BN_PARTS, VARIANTS, make_plan
from efficientnet_lite.storage import confined
from efficientnet_lite.weights import keras_h5
from efficientnet_lite.weights.read import read_checkpoint

LITE0 = VARIANTS["lite0"]


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(LITE0, classes=3)


def fill(file, parameters, prefix="layers"):
    """Groups as Keras 3 makes them: one for each layer, its name an attribute of `vars`."""
    for name, array in parameters.items():
        layer, _, part = name.rpartition("/")
        norm = part in BN_PARTS
        keras_name = layer.replace("/", "_") + ("_bn" if norm else "")
        group = file.require_group(f"{prefix}/{keras_name}/vars")
        group.attrs["name"] = keras_name
        group[str(BN_PARTS.index(part) if norm else ("kernel", "bias").index(part))] = array
    return file


def h5(parameters, change=None):
    """The bytes of a weight file; `change` gets the open file."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        fill(file, parameters)
        if change is not None:
            change(file)
    return data.getvalue()


def assert_same(found, wanted):
    assert list(found.parameters) == list(wanted)
    assert all(np.array_equal(found.parameters[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("form", ["h5", "stored", "deflated"])
def test_weights_are_read_whatever_they_are_packed_in(tmp_path, parameters, form):
    path, data = tmp_path / "any.name", h5(parameters)
    path.write_bytes(data)
    if form != "h5":
        method = zipfile.ZIP_STORED if form == "stored" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("config.json", '{"class_name": "never looked at"}')
            archive.writestr("model.weights.h5", data)

    found = read_checkpoint(path, variant=LITE0)

    assert_same(found, parameters)
    assert (found.format, found.classes) == ("Keras weights", 3)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 on NumPy 2
def test_files_that_keras_writes_are_read(tmp_path):
    pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-all", exc_type=ImportError)
    keras = pytest.importorskip("keras", reason="needs Keras: make test-all", exc_type=ImportError)
    from efficientnet_lite.network.keras_arrays import read_parameters
    from efficientnet_lite.network.keras_model import build_model

    model = build_model(make_plan(LITE0, classes=3), side=32)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.ones((2, 32, 32, 3), np.float32), np.ones((2, 3), np.float32), verbose=0)
    outer = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.RandomFlip(), model])
    model.save(tmp_path / "a.keras")
    model.save_weights(tmp_path / "a.weights.h5")
    outer.save_weights(tmp_path / "outer.weights.h5")

    for name in ("a.keras", "a.weights.h5", "outer.weights.h5"):
        assert_same(read_checkpoint(tmp_path / name), read_parameters(model))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 on NumPy 2
@pytest.mark.parametrize("form", ["flat", "sequential", "nested"])
def test_a_head_of_ones_own_is_read_from_every_file_that_keras_writes(tmp_path, form):
    pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-all", exc_type=ImportError)
    keras = pytest.importorskip("keras", reason="needs Keras: make test-all", exc_type=ImportError)
    from efficientnet_lite.network.keras_arrays import read_parameters
    from efficientnet_lite.network.keras_model import build_model

    layers = keras.layers
    base = build_model(make_plan(LITE0, classes=None), side=32)
    images = keras.Input((32, 32, 3))
    head = layers.Dense(5, use_bias=form != "nested", name="predictions")
    if form == "flat":
        model = keras.Model(base.input, layers.Softmax()(head(layers.Dropout(0.2)(base.output))))
    elif form == "nested":
        model = keras.Model(images, head(layers.Dropout(0.2)(base(images))))
    else:
        model = keras.Sequential([images, layers.RandomFlip(), base, layers.Dropout(0.2), head])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.ones((2, 32, 32, 3), np.float32), np.ones((2, 5), np.float32), verbose=0)
    wanted = read_parameters(base) | {
        "head/dense/kernel": np.asarray(head.kernel),
        "head/dense/bias": np.zeros(5, np.float32) if head.bias is None else np.asarray(head.bias),
    }

    for name in ("w.keras", "w.weights.h5", "w.h5"):
        (model.save_weights if "weights" in name else model.save)(tmp_path / name)
        found = read_checkpoint(tmp_path / name)
        assert found.classes == 5
        assert found.notes == ("its dense layer predictions is the head, of 5 classes",)
        assert found.parameters.keys() == wanted.keys()
        assert all(np.array_equal(found.parameters[key], wanted[key]) for key in wanted)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 on NumPy 2
def test_a_head_whose_activation_is_no_classifiers_is_refused_where_the_file_says_it(tmp_path):
    pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-all", exc_type=ImportError)
    keras = pytest.importorskip("keras", reason="needs Keras: make test-all", exc_type=ImportError)
    from efficientnet_lite.network.keras_model import build_model

    base = build_model(make_plan(LITE0, classes=None), side=32)
    model = keras.Sequential([base, keras.layers.Dense(5, activation="sigmoid")])

    for name in ("w.keras", "w.h5"):
        model.save(tmp_path / name)
        with pytest.raises(CheckpointError, match="has the activation sigmoid, expected softmax or none"):
            read_checkpoint(tmp_path / name)


def test_what_training_needs_besides_is_passed_over(tmp_path, parameters):
    def change(file):
        file["optimizer/vars/0"] = np.zeros(3)
        file["layers/drop_connect/seed_generator/vars/0"] = np.zeros(2, np.uint32)

    path = tmp_path / "w.h5"
    path.write_bytes(h5(parameters, change))

    assert_same(read_checkpoint(path), parameters)


def soft_link(file):
    file["layers/stem_conv/vars/1"] = h5py.SoftLink("/layers/stem_conv/vars/0")


def external_link(file):
    file["layers/other"] = h5py.ExternalLink("/etc/passwd", "/")


def external_numbers(file):
    del file["layers/stem_conv/vars/0"]
    file["layers/stem_conv/vars"].create_dataset("0", (3, 3, 3, 32), "f4", external="/etc/passwd")


def virtual(file):
    del file["layers/stem_conv/vars/0"]
    layout = h5py.VirtualLayout((3, 3, 3, 32), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 3, 3, 32))
    file["layers/stem_conv/vars"].create_virtual_dataset("0", layout)


def compressed(file):
    del file["layers/stem_conv/vars/0"]
    file["layers/stem_conv/vars"].create_dataset("0", (10**6, 10**6), "f4", compression="gzip")


def enormous(file):
    del file["layers/stem_conv/vars/0"]
    file["layers/stem_conv/vars"].create_dataset("0", (10**6, 10**6), "f4")


def text(file):
    file["layers/stem_conv/vars/7"] = "a text"


def stray(file):
    file["layers/stray"] = np.zeros(3)


def circle(file):
    file["layers/stem_conv/again"] = file["layers"]


def twice(file):
    file["again"] = file["layers/stem_conv"]


def unknown_layer(file):
    file["layers/dense/vars/0"] = np.zeros((2, 2), np.float32)
    file["layers/dense/vars"].attrs["name"] = "dense"


def third_variable(file):
    file["layers/stem_conv/vars/2"] = np.zeros(3, np.float32)


def nameless(file):
    del file["layers/stem_conv/vars"].attrs["name"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (soft_link, "is a link"),
        (external_link, "is a link"),
        (external_numbers, "in another file"),
        (virtual, "in another file"),
        (compressed, "is compressed"),
        (enormous, "claims more than the whole file has"),
        (text, "of type object"),
        (stray, "nothing that Keras 3 writes"),
        (circle, "twice|more objects"),
        (twice, "twice"),
        (unknown_layer, "left over: dense"),
        (third_variable, "left over: stem_conv/2"),
        (nameless, "1 missing: stem/conv/kernel; 1 left over"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_keras_never_writes_is_refused(tmp_path, parameters, change, message):
    path = tmp_path / "w.h5"
    path.write_bytes(h5(parameters, change))

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_damaged_files_are_refused(tmp_path, parameters):
    whole, path = h5(parameters), tmp_path / "w.h5"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"no HDF5")
    with pytest.raises(CheckpointError, match="no HDF5"):
        read_checkpoint(path)
    for size in (8, 100, 2000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system's limits")
@pytest.mark.parametrize(
    ("place", "before", "after"), [(0xF69, 1, 5), (0xFF0, 15, 241), (0x34F4, 16, 2)], ids=hex
)
def test_a_byte_that_kills_detains_or_bloats_the_library_is_one_error(shared, tmp_path, place, before, after):
    data = bytearray((shared / "data/hostile-models/seed.weights.h5").read_bytes())
    assert data[place] == before
    data[place] = after
    path = tmp_path / "w.h5"
    path.write_bytes(data)
    started = time.monotonic()

    done = subprocess.run([sys.executable, "-c", READ_AND_MEASURE, path], capture_output=True, text=True)

    message, kilobytes = done.stdout.splitlines()
    assert "HDF5 cannot be read" in message
    assert int(kilobytes) < 400 * 2**10
    assert time.monotonic() - started < 20


READ_AND_MEASURE = """
import resource, sys
from pathlib import Path
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.storage import confined
from efficientnet_lite.errors import CheckpointError
confined.SECONDS = 1
try:
    read_checkpoint(Path(sys.argv[1]))
except CheckpointError as error:
    print(error.what)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def small():
    """A sound file of a few layers, most of whose bytes are structure."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        fill(file, {f"blocks_{n}/{part}": np.ones((2, 2), np.float32) for n in range(3) for part in SMALL})
    return data.getvalue()


SMALL = ("project/kernel", "project/gamma", "project/beta")


@settings(max_examples=40)
@given(changes=st.lists(st.tuples(st.integers(8, len(small()) - 1), st.integers(0, 255)), max_size=4))
def test_changed_bytes_give_arrays_or_one_error(changes):
    data = bytearray(small())
    for place, value in changes:
        data[place] = value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confined, "SECONDS", 1)
        try:
            found = keras_h5.read_keras(bytes(data), where="w.h5")[0]
        except CheckpointError:
            return

    assert changes or set(found) == {f"blocks_{n}/{part}" for n in range(3) for part in SMALL}
    assert all(stored.load().shape == stored.shape for stored in found.values())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff" * 20,
        keras_h5.LENGTH.pack(2) + b"{}",
        keras_h5.LENGTH.pack(2) + b"[]",
        keras_h5.LENGTH.pack(10) + b"[[[[[[[[[[",
        keras_h5.LENGTH.pack(49) + b'{"legacy": 1, "arrays": [["a", "b", "float32", 1]]}'[:49],
        *(
            keras_h5.LENGTH.pack(len(text)) + text
            for text in (
                b'{"legacy": false, "arrays": [["a", "b", "float32", [9]]]}',
                b'{"legacy": false, "arrays": [["a", "b", "float32", [-1]]]}',
                b'{"legacy": false, "arrays": [["a", "b", "object", [0]]]}',
                b'{"legacy": false, "arrays": [["a", "b", "float32", ["x"]]]}',
                b'{"legacy": false, "arrays": [["a"]]}',
                b'{"legacy": false, "arrays": 7}',
                b'{"refused": "x"}',
                b'{"legacy": false, "arrays": [["a", "b", "float32", [1' + b"0" * 5000 + b"]]]}",
            )
        ),
    ],
)
def test_what_a_child_gone_mad_answers_is_one_error(monkeypatch, answer):
    monkeypatch.setattr(confined, "answer", lambda *arguments, **options: answer)

    with pytest.raises(CheckpointError, match="no sensible answer"):
        keras_h5.read_keras(keras_h5.H5_MAGIC, where="w.h5")


def test_a_zip_archive_that_unfolds_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_h5, "MAX_CHECKPOINT_BYTES", 10**6)
    path = tmp_path / "w.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", keras_h5.H5_MAGIC + bytes(2 * 10**6))

    with pytest.raises(CheckpointError, match="more than 1,000,000 bytes"):
        read_checkpoint(path)


def test_a_missing_h5py_is_told_with_the_command_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    path = tmp_path / "w.h5"
    path.write_bytes(keras_h5.H5_MAGIC)

    with pytest.raises(CheckpointError, match=r"h5py[\s\S]*pip install 'efficientnet-lite\[train\]'"):
        read_checkpoint(path)
