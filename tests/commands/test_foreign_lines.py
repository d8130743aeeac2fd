"""No line of TensorFlow, absl, ONNX Runtime, LiteRT, Matplotlib or Python's warnings comes between ours.

Each command runs in a process of its own, as a user runs it: with no variable of a library set, and with a home folder
that cannot be written to, of which Matplotlib speaks.
"""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.weights.read import load_weights

FOREIGN = re.compile(
    r"^[IWEF]\d{4} |^\d{4}-\d\d-\d\d[ T]|^(INFO|WARNING|ERROR):|\.cc:\d+|\.py:\d+"
    r"|absl|oneDNN|XNNPACK|onnxruntime|MLIR|cuda|CUDA|TF-TRT|matplotlib|MPLCONFIG|font cache|Grain|libtpu|Warning:"
)
QUIETED = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "MPLCONFIGDIR", "KERAS_BACKEND", "PYTHONWARNINGS")
TRAIN = ("train", "photos", "--model", "lite0@64", "--calibration", "4", "--overwrite")
BASE = (
    ("predict", "run", "photos/dark/0.png"),
    ("export", "run", "--output", "logits", "--out", "out.tflite"),
)
WITH_EXTRAS = (
    ("export", "run", "--format", "onnx", "--out", "out.onnx"),
    ("predict", "out.onnx", "photos/dark/0.png"),
    ("export", "run", "--format", "savedmodel", "--out", "saved"),
    ("export", "run", "--format", "hub-tf1", "--out", "module"),
    ("shards", "photos", "--format", "arrayrecord", "--out", "records"),
    (*TRAIN, "--fine-tune", "--epochs", "1", "--tensorboard", "events", "--out", "tuned"),
    ("report", "run", "--overwrite"),
    ("report", "tuned", "--overwrite"),
)
HAVE_EXTRAS = all(map(importlib.util.find_spec, ("tensorflow", "keras", "onnxruntime", "matplotlib")))


def called(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if name not in QUIETED}
    environment |= {"HOME": "/proc/none", "EFFICIENTNET_LITE_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "efficientnet_lite", *arguments],
        cwd=folder,
        env=environment | {"EFFICIENTNET_LITE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with photos and a run."""
    try:
        load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")
    folder, random = tmp_path_factory.mktemp("scene"), np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 200)):
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(level - 40, level + 40, (48, 64, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"photos/{label}/{number}.png")
    done = called(folder, *TRAIN, "--out", "run")
    assert (done.returncode, foreign(done)) == (0, []), done.stderr
    return folder


def foreign(done):
    return [line for line in (done.stdout + done.stderr).splitlines() if FOREIGN.search(line)]


def all_ours(folder, commands):
    found = {}
    for arguments in commands:
        done = called(folder, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert done.stdout, arguments
        found |= {" ".join(arguments): lines for lines in [foreign(done)] if lines}
    return found


def test_only_our_lines_come_where_litert_runs(scene):
    assert all_ours(scene, BASE) == {}


@pytest.mark.skipif(not HAVE_EXTRAS, reason="libraries of the extras are not installed: make test-all")
def test_only_our_lines_come_where_libraries_of_the_extras_run(scene):
    assert all_ours(scene, WITH_EXTRAS) == {}


@pytest.mark.parametrize(
    "line",
    [
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "I0000 00:00:1796002049.852483   15783 mlir_graph_optimization_pass.cc:437] MLIR V1 optimization pass",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "2026-11-30 01:28:11.122 [W:onnxruntime:Default, device_discovery.cc:211 DiscoverDevicesForPlatform]",
        "Matplotlib created a temporary cache directory at /tmp/x; set the MPLCONFIGDIR environment variable",
        "/lib/keras/src/export.py:12: UserWarning: gradient",
    ],
)
def test_a_line_of_a_library_is_told_from_ours(line):
    assert FOREIGN.search(line)
    assert not FOREIGN.search("warning: 2 photos were lost")
