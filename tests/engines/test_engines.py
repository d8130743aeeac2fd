"""Other engines than LiteRT open our files, and where their answers differ, it is for the reason that the page gives.

In an environment of its own, see requirements.txt. Float engines add up in another order: 7e-5 of a logit was measured.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks/ is run from the root

pytest.importorskip("openvino", reason="other engines run in an environment of their own: make test-engines")
pytest.importorskip("ncnn", reason="the same: test-peers has OpenVINO alone")

from benchmarks.engine_child import OUTPUTS
from benchmarks.engines import NO_VNNI, Asked, Model, ask, write_files
from benchmarks.inputs import photos_below
from benchmarks.stock import crops

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.tflite.int8 import write_int8

pytestmark = pytest.mark.engines

NAME, CALIBRATION, JUDGED = "lite0@96", 24, 8
SCRIPT = Path(__file__).with_name("saturated_pairs.py")
VNNI = any(each in Path("/proc/cpuinfo").read_text() for each in ("avx512_vnni", "avx_vnni"))


@pytest.fixture(scope="module")
def photos(shared):
    """Those that calibrate, and those that judge."""
    found = photos_below(shared / "data/imagenet-300")
    return found[:CALIBRATION], found[CALIBRATION : CALIBRATION + JUDGED]


@pytest.fixture(scope="module")
def integers(photos):
    """Plan, integer network, and the images that judge."""
    try:
        origin = open_origin(NAME)
    except WeightsMissing as error:
        pytest.skip(error.what)
    network = quantize(origin.plan, origin.layers(), crops(photos[0], origin.contract), workers=1).network
    return origin.plan, network, crops(photos[1], origin.contract)


@pytest.fixture(scope="module")
def place(photos, tmp_path_factory):
    """A folder with the files of lite0@96 and photos, as the benchmark has it."""
    folder = tmp_path_factory.mktemp("engines")
    calibrating = folder / "photos"
    calibrating.mkdir()
    for number, photo in enumerate(photos[0]):
        (calibrating / f"{number}.jpg").write_bytes(photo.read_bytes())
    try:
        write_files(Model(NAME, NAME, calibrating, photos[1]), folder / "files")
    except WeightsMissing as error:
        pytest.skip(error.what)
    return folder / "files"


def per_layer(integers, tmp_path, environment):
    plan, network, images = integers
    given = tmp_path / "network.pickle"
    given.write_bytes(pickle.dumps((plan, network, images[0])))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(given)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("engine", ["openvino-accurate", "onnxruntime", "mnn", "ncnn-float32"])
def test_a_float_file_answers_as_in_litert(place, engine):
    found = ask(Asked("float32", engine, engine), place)

    assert found["same"] == 1
    assert found["logits"] < 1e-3
    assert found["probabilities"] < 1e-3


def test_ncnn_rounds_weights_to_halves_by_itself(place):
    found = ask(Asked("float32", "ncnn", "ncnn"), place)

    assert 1e-3 < found["logits"] < 0.5
    assert found["same"] == 1


@pytest.mark.skipif(not VNNI, reason="this processor has no VNNI")
def test_with_vnni_openvino_rounds_each_layer_of_an_int8_file_within_a_code(integers, tmp_path):
    layers = per_layer(integers, tmp_path, {})

    assert max(layer["exact"]["codes"] for layer in layers.values()) == 1
    assert max(layer["exact"]["share"] for layer in layers.values()) < 0.01


def test_without_vnni_openvino_cuts_sums_of_two_products_to_16_bits_and_that_is_all(integers, tmp_path):
    layers = per_layer(integers, tmp_path, NO_VNNI)

    assert max(layer["exact"]["codes"] for layer in layers.values()) > 20
    assert max(layer["saturated"]["codes"] for layer in layers.values()) == 1
    assert max(layer["saturated"]["share"] for layer in layers.values()) < 0.01


@pytest.mark.skipif(not VNNI, reason="this processor has no VNNI")
def test_an_int8_file_is_near_in_openvino_with_vnni_and_far_without(place):
    near = ask(Asked("int8", "OpenVINO", "openvino-accurate"), place)
    far = ask(Asked("int8", "OpenVINO", "openvino-accurate", NO_VNNI), place)

    assert near["logits"] <= 12  # measured: 6 to 9
    assert far["logits"] > 20  # 84


def test_mnn_loses_scales_and_gives_zeros_for_an_int8_file(place):
    found = ask(Asked("int8", "MNN", "mnn"), place)

    assert found["same"] == 0
    assert found["probabilities"] > 200


def test_an_engine_that_dies_hangs_or_refuses_is_a_row_that_says_so(place, integers, tmp_path):
    plan, network, images = integers
    np.save(tmp_path / "images.npy", np.stack(images))
    for name in ("float32.tflite", "float32.onnx"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    (tmp_path / "int8.tflite").write_bytes(write_int8(plan, network, outputs=OUTPUTS, io="int8"))
    (tmp_path / "float32.onnx").write_bytes(b"nonsense")

    assert ask(Asked("int8", "MNN", "mnn"), tmp_path) == {"failed": "it died of signal 11"}
    assert ask(Asked("float32", "late", "openvino"), tmp_path, seconds=0.2) == {
        "failed": "no answer in 0.2 s"
    }
    assert "refuses: " in ask(Asked("float32", "torn", "onnxruntime"), tmp_path)["failed"]
