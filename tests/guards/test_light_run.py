"""The base install runs without TensorFlow, Keras, JAX, PyTorch and Ray, even where they are installed."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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

EVERY_MODULE = """
import importlib, pkgutil, efficientnet_lite
found = pkgutil.walk_packages(efficientnet_lite.__path__, "efficientnet_lite.")
names = [module.name for module in found if not module.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(*names)
"""

COMMAND = "import sys; from efficientnet_lite.cli.app import main; sys.argv[1:] = {arguments!r}; main()"

# One row for each command line that must work, in an empty folder; see `run` for what it must not do.
COMMANDS = (
    ("--help",),
    ("--version",),
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
    files = [path for path in (SOURCE / "efficientnet_lite").rglob("*.py") if path.name != "__main__.py"]
    assert len(done.stdout.split()) == len(files) - 1  # the package itself is imported by the program


def test_importing_the_package_loads_nothing_else_and_writes_nothing(tmp_path):
    done = run("import efficientnet_lite; print('numpy' in sys.modules, 'PIL' in sys.modules)", tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "False False\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_spec("efficientnet_lite.cli.app") is None, reason="there is no command line yet")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_runs(tmp_path, arguments):
    done = run(COMMAND.format(arguments=list(arguments)), tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout


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
