"""The base install runs without TensorFlow, Keras, JAX, PyTorch and Ray, even where they are installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoint_files import random_parameters, write_saved_model

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.weights.read import load_weights

SOURCE = Path(__file__).resolve().parents[2] / "src"

HEAVY = ("tensorflow", "tf_keras", "keras", "jax", "jaxlib", "torch", "ray")

# Prepended to a program: importing one of HEAVY is an error, and so is having got one in another way.
REFUSE = f"""
import atexit, os, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ImportError("refused: " + name)

@atexit.register
def report():
    loaded = sorted(set({HEAVY}) & set(sys.modules))
    if loaded:
        print("loaded all the same:", *loaded, file=sys.stderr)
        sys.stderr.flush()
        os._exit(86)

sys.meta_path.insert(0, Refusing())
"""

# Rooms and modules for optional libraries, imported inside functions by those who use them.
GRAPHS = ("onnx_graph", "coreml_graph", "saved_model_graph", "hub_graph", "reference_graph")
OPTIONAL = (
    "training",
    "network.keras_model",
    "network.keras_arrays",
    *(f"artifacts.{name}" for name in GRAPHS),
)
# Their modules that commands import before anything heavy, to check what was asked for.
LIGHT_ALL_THE_SAME = ("training.recipe", "training.schedule", "training.train_state")

EVERY_MODULE = f"""
import importlib, pkgutil, efficientnet_lite
found = pkgutil.walk_packages(efficientnet_lite.__path__, "efficientnet_lite.")
names = [module.name for module in found if not module.name.endswith("__main__")]
inner = {{name: name.partition(".")[2] for name in names}}
names = [name for name in names if not any(f"{{inner[name]}}.".startswith(f"{{each}}.") for each in {OPTIONAL})]
for name in names:
    importlib.import_module(name)
print(*names)
"""

# Every command that makes or runs a file, one after another on drawn photos.
WHOLE_WAY = """
import numpy as np
from pathlib import Path
from PIL import Image
from efficientnet_lite.cli.app import main

random = np.random.default_rng(0)
for label, level in (("dark", 40), ("light", 200)):
    Path("photos", label).mkdir(parents=True)
    for number in range(8):
        pixels = random.integers(level - 40, level + 40, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{label}/{number}.png")
commands = (
    ["train", "photos", "--model", "lite0@64", "--out", "run", "--calibration", "8", "--quiet"],
    ["shards", "photos", "--out", "records", "--train-shards", "2", "--quiet"],
    ["predict", "run", "photos/dark/0.png"],
    ["evaluate", "run", "photos"],
    ["export", "run", "--out", "out.tflite", "--output", "logits"],
    ["verify", "run"],
    ["embed", "lite0@64", "photos", "--out", "vectors"],
)
for command in commands:
    try:
        main(command)
    except SystemExit as ending:
        assert not ending.code, command
print("the whole way")
"""

COMMAND = "import sys; from efficientnet_lite.cli.app import main; sys.argv[1:] = {arguments!r}; main()"

# One row for each command line that must work, in an empty folder; see `run` for what it must not do.
COMMANDS = (
    ("--help",),
    ("--version",),
    ("models", "--json"),
    ("info", "lite4@300"),
    ("train", "--help"),
)


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter that refuses HEAVY, with `folder` as its working directory."""
    return subprocess.run(
        [sys.executable, "-c", REFUSE + program],
        cwd=folder,
        env={**os.environ, "EFFICIENTNET_LITE_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_module_can_be_imported(tmp_path):
    done = run(EVERY_MODULE, tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    files = [
        path
        for path in (SOURCE / "efficientnet_lite").rglob("*.py")
        if path.name != "__main__.py"
        and not ".".join(
            [*path.relative_to(SOURCE / "efficientnet_lite").with_suffix("").parts, ""]
        ).startswith(tuple(f"{each}." for each in OPTIONAL))
    ]
    assert len(done.stdout.split()) == len(files) - 1  # the package itself is imported by the program


def test_a_saved_model_is_read_as_a_checkpoint(tmp_path):
    write_saved_model(tmp_path / "model", random_parameters(VARIANTS["lite0"], classes=3))

    done = run(COMMAND.format(arguments=["info", "model"]), tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "SavedModel" in done.stdout


@pytest.mark.parametrize("module", LIGHT_ALL_THE_SAME)
def test_a_module_that_checks_what_was_asked_for_is_light(tmp_path, module):
    done = run(f"import efficientnet_lite.{module}; print('light')", tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "light\n", "")


def test_the_embedder_is_there_without_scikit_learn(tmp_path):
    done = run("import efficientnet_lite as el; el.Embedder; print('sklearn' in sys.modules)", tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_importing_the_package_loads_nothing_else_and_writes_nothing(tmp_path):
    done = run("import efficientnet_lite; print('numpy' in sys.modules, 'PIL' in sys.modules)", tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "False False\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_runs(tmp_path, arguments):
    done = run(COMMAND.format(arguments=list(arguments)), tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_whole_way_from_photos_to_a_verified_file_is_light(tmp_path):
    try:
        load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")

    done = run(WHOLE_WAY, tmp_path, EFFICIENTNET_LITE_CACHE=str(tmp_path / "cache"))

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the whole way\n")
    assert (tmp_path / "run/exports/run_int8.tflite").is_file()


@pytest.mark.parametrize("name", HEAVY)
def test_the_refusal_is_real_where_the_package_is_installed(tmp_path, name):
    (tmp_path / f"{name}.py").touch()

    free = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=tmp_path, timeout=60)
    refused = run(f"import {name}", tmp_path)
    nested = run(f"import {name}.part", tmp_path)

    assert free.returncode == 0
    assert f"refused: {name}" in refused.stderr
    assert refused.returncode == nested.returncode == 1


def test_a_heavy_package_that_got_in_all_the_same_is_reported(tmp_path):
    done = run("sys.modules['torch'] = sys", tmp_path)

    assert done.returncode == 86
    assert done.stderr == "loaded all the same: torch\n"
