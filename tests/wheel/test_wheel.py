"""What is shipped, as a stranger uses it: built in isolation, installed alone, run from an empty folder.

Needs a package index. The fresh environment gets what the wheel itself asks for, at the versions of locks/all.txt.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import scenes

pytest.importorskip("twine", reason="make test-wheel")

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = "imagenet,report"
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^ {4}efficientnet-lite (.+)$", flags=re.MULTILINE)
NEEDS_MORE = "pip install 'efficientnet-lite["  # what a command says that lacks an extra
QUIET = ("--quiet", "--disable-pip-version-check")


def call(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder, without this checkout on Python's path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | {"COLUMNS": "80"} | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that must succeed."""
    done = call(*command, cwd=cwd, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def dist(tmp_path_factory) -> Path:
    """sdist and, made of that, wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def wheel(dist) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def locked(tmp_path_factory) -> Path:
    """The versions of the lock as constraints: without hashes, which pip would then demand of the wheel too."""
    lines = (ROOT / "locks/all.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.removesuffix(" \\") for line in lines if re.match(r"[A-Za-z0-9._-]+==", line)]
    path = tmp_path_factory.mktemp("locked") / "constraints.txt"
    path.write_text("\n".join(pins) + "\n", encoding="utf-8")
    assert len(pins) > 50
    return path


class Installed:
    """A fresh environment with the wheel, and an empty folder to call it from."""

    def __init__(self, folder: Path):
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.here = folder / "empty"
        self.cache = folder / "cache"
        self.here.mkdir()
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)

    def pip(self, *arguments: object) -> None:
        run(self.bin / "python", "-m", "pip", *arguments, *QUIET, cwd=self.here)

    def python(self, program: str) -> str:
        """What a program prints, as somebody runs it who has no checkout."""
        command = (self.bin / "python", "-c", program)
        return run(*command, cwd=self.here, EFFICIENTNET_LITE_CACHE=str(self.cache)).stdout.strip()

    def ask(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = self.bin / "efficientnet-lite"
        return call(command, *arguments, cwd=self.here, EFFICIENTNET_LITE_CACHE=str(self.cache))

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        done = self.ask(*arguments)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def bare(wheel, locked, tmp_path_factory) -> Installed:
    installed = Installed(tmp_path_factory.mktemp("bare"))
    installed.pip("install", "--constraint", locked, wheel)
    return installed


@pytest.fixture(scope="session")
def installed(wheel, locked, tmp_path_factory) -> Installed:
    installed = Installed(tmp_path_factory.mktemp("installed"))
    installed.pip("install", "--constraint", locked, f"{wheel}[{EXTRAS}]")
    scenes.photograph(installed.here / "photos")
    return installed


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_index_would_take_both_files(dist):
    done = run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)

    assert done.stdout.count("PASSED") == 2


def test_the_source_distribution_makes_the_wheel_of_the_checkout(wheel, tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT, *QUIET, cwd=tmp_path)

    assert members(tmp_path / wheel.name) == members(wheel)


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    package = ROOT / "src/efficientnet_lite"
    there = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = {name for name in members(wheel) if ".dist-info/" not in name}

    assert shipped == there
    assert {"efficientnet_lite/py.typed", "efficientnet_lite/run/report/page.html.j2"} <= shipped


def test_the_wheel_carries_licence_and_notice(wheel):
    names = {name.rpartition("/")[2] for name in members(wheel) if "/licenses/" in name}

    assert names == {"LICENSE", "NOTICE"}


def test_what_the_wheel_asks_for_is_enough(bare):
    bare.pip("check")

    assert "lite4" in bare("models").stdout
    for command in ("train", "check", "predict", "export", "verify"):
        assert "Usage: efficientnet-lite" in bare(command, "--help").stdout


def test_without_an_extra_the_message_says_which_one(bare):
    done = bare.ask("export", "lite0", "--out", "lite0.tflite")

    assert done.returncode == 4
    assert "efficientnet-lite[imagenet]" in done.stderr
    assert list(bare.here.iterdir()) == []


def test_the_package_is_that_of_the_environment(installed):
    place = installed.python("import efficientnet_lite; print(efficientnet_lite.__file__)")

    assert Path(place).is_relative_to(installed.bin.parent)
    assert installed.python("import efficientnet_lite as el; print(el.__version__)") == "0.1.0"


def test_the_main_job_from_an_empty_folder(installed):
    installed("train", "photos", "--model", scenes.MODEL, "--out", "runs/shapes")

    run_folder = installed.here / "runs/shapes"
    assert (run_folder / "exports/shapes_int8.tflite").is_file()
    assert (run_folder / "report.html").is_file()
    photo = next((installed.here / "photos/ball").iterdir())
    (answer,) = json.loads(installed("predict", "runs/shapes", photo, "--json").stdout)
    assert answer["predictions"][0]["label"] == "ball"
    assert json.loads(installed("verify", "runs/shapes", "--json").stdout)["verdict"] != "failed"
    assert "labels" in installed("info", "runs/shapes/exports/shapes_int8.tflite").stdout


def test_imagenet_from_an_empty_folder(installed):
    installed("export", "lite0", "--out", "lite0.tflite")

    photo = next((installed.here / "photos/ball").iterdir())
    for model in ("lite0", "lite0.tflite"):
        (answer,) = json.loads(installed("predict", model, photo, "--top-k", "5", "--json").stdout)
        assert len(answer["predictions"]) == 5


def test_the_bare_install_is_sound_by_its_own_doctor(bare):
    found = json.loads(bare("doctor", "--json", "--quiet").stdout)

    assert [each["name"] for each in found["libraries"] if each["state"] != "good"] == []
    assert {each["name"]: each["state"] for each in found["extras"]}["train"] == "missing"
    assert found["int8"]["known_by"] == "measured"
    assert [each for each in found["remarks"] if "import" in each["what"] or "install" in each["what"]] == []


@pytest.fixture(scope="module")
def reader(installed) -> Installed:
    """Where somebody stands who follows README.md: photos in folders, some beside them."""
    for name in ("clothing", "photos"):
        scenes.photograph(installed.here / name, count=30)
    for name in ("photo", "a", "b"):
        scenes.draw("ball", 99).save(installed.here / f"{name}.jpg")
    return installed


def test_every_command_of_the_readme_does_its_work(reader):
    commands = COMMAND.findall(README)
    failed = {}
    for command in commands:
        done = reader.ask(*shlex.split(command))
        judged = command.startswith("export lite0") and done.returncode == 5  # drawn shapes are no photos
        if done.returncode != 0 and not judged and NEEDS_MORE not in done.stderr:
            failed[command] = done.stderr

    assert len(commands) >= 9
    assert failed == {}


def test_the_python_of_the_readme_runs(reader):
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    shutil.rmtree(reader.here / "runs/clothing", ignore_errors=True)
    for made in reader.here.glob("lite0*"):
        made.unlink()

    assert reader.python(program).split()[0] == "ball"


@pytest.mark.parametrize("ways", [["pip install '.["], ["pip wheel ", "pip install 'dist/"]])
def test_the_lines_of_the_readme_install_it(ways, dist, tmp_path):
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (checkout,) = tmp_path.iterdir()
    begins = ("python3 -m venv", "source ", *ways)
    lines = [
        line.strip()
        for line in README.splitlines()
        if line.startswith(tuple(f"    {each}" for each in begins))
    ]

    done = run("bash", "-c", "\n".join(["set -e", *lines, "cd /", "efficientnet-lite models"]), cwd=checkout)

    assert len(lines) == len(begins)
    assert "lite0" in done.stdout
