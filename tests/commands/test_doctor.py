"""`doctor` as its user runs it: with libraries that are really broken, in a home that nobody is to read of."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from installed import install, install_ours
from rich.cells import cell_len

import efficientnet_lite as el
from efficientnet_lite.extras import GIVES
from efficientnet_lite.machine.checkup import int8_speed
from efficientnet_lite.machine.kernel_speed import KernelSpeed, kernel_speed
from efficientnet_lite.machine.processor import Processor

SOURCE = str(Path(el.__file__).parents[1])
PLAIN = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "COLUMNS")}
BROKEN = "raise ImportError('libfoo.so.1: cannot open shared object file')"


def run(folder, *arguments, path=(), **environment):
    """Run `doctor` with `path` before all else that is installed."""
    places = os.pathsep.join([*map(str, path), SOURCE])
    return subprocess.run(
        [sys.executable, "-m", "efficientnet_lite", "doctor", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": places, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def record(tmp_path):
    """A folder with our own record, which asks for three libraries that are there and an extra that is not."""
    folder = tmp_path / "site"
    install_ours(folder, *("numpy", "rich", "cyclopts", "rowan>=2; extra == 'train'"), extras=tuple(GIVES))
    return folder


def test_a_sound_installation_is_said_to_be_one_and_what_an_extra_gives(tmp_path, record):
    done = run(
        tmp_path, "--quick", path=[record], EFFICIENTNET_LITE_CACHE=str(tmp_path / "cache"), LC_ALL="C.UTF-8"
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert GIVES["train"] in done.stdout
    assert "pip install 'efficientnet-lite[NAME]'" in done.stdout
    assert not (tmp_path / "cache").exists(), "to look makes nothing"


def test_a_broken_library_is_named_with_its_words_and_the_rest_is_shown(tmp_path, record):
    install(tmp_path / "broken", "numpy", "2.0", BROKEN)

    done = run(tmp_path, "--json", path=[tmp_path / "broken", record])

    found = json.loads(done.stdout)
    assert done.returncode == 5
    assert "Importing libraries: " in done.stderr
    states = {each["name"]: (each["state"], each["why"]) for each in found["libraries"]}
    assert states["numpy"] == ("broken", "ImportError: libfoo.so.1: cannot open shared object file")
    assert states["rich"] == ("good", "")
    assert found["int8"]["measured"] is None
    assert found["cores"]["usable"] >= 1


@pytest.mark.parametrize("name", ["cyclopts", "rich"])
def test_what_draws_the_screen_may_be_broken_itself(tmp_path, record, name):
    install(tmp_path / "broken", name, "99.0", BROKEN)

    done = run(tmp_path, "--quick", path=[tmp_path / "broken", record])

    found = json.loads(done.stdout)
    assert done.returncode == (5 if name == "cyclopts" else 0), (
        "quick imports nothing, but the parser is missed"
    )
    assert {each["name"] for each in found["libraries"]} == {"numpy", "rich", "cyclopts"}


def test_neither_the_user_nor_the_machine_is_named(tmp_path, record):
    home = tmp_path / "alice"
    install(home / "lib", "numpy", "2.0", "import os\nraise ImportError(__file__)")
    environment = {
        "HOME": str(home),
        "USER": "alice",
        "LOGNAME": "alice",
        "OMP_NUM_THREADS": "3",
        "KERAS_BACKEND": "/home/alice/x",
        "SECRET_TOKEN": "hunter2",
    }

    for form in ((), ("--json", "--quick")):
        done = run(tmp_path, *form, path=[home / "lib", record], **environment)
        assert ("~/lib/numpy/__init__.py" in done.stdout) == (form == ()), done.stderr
        assert "OMP_NUM_THREADS" in done.stdout
        for private in ("alice", "hunter2", socket.gethostname(), str(tmp_path)):
            assert private not in done.stdout.replace(f"{tmp_path}/site", ""), private


def test_a_place_that_cannot_be_written_to_is_told(tmp_path, record):
    (tmp_path / "file").touch()

    done = run(tmp_path, "--quick", path=[record], EFFICIENTNET_LITE_CACHE=str(tmp_path / "file/cache"))

    assert done.returncode == 0
    assert "NOT WRITABLE" in done.stdout
    assert "EFFICIENTNET_LITE_CACHE" in done.stdout


def test_variables_that_change_what_libraries_do_are_told(tmp_path, record):
    variables = {"OPENBLAS_CORETYPE": "Haswell", "KERAS_BACKEND": "torch", "TF_USE_LEGACY_KERAS": "1"}

    done = run(tmp_path, "--quick", "--json", path=[record], **variables)

    said = " ".join(each["what"] for each in json.loads(done.stdout)["remarks"])
    assert all(name in said for name in variables)


def test_int8_and_float32_are_measured_on_this_machine():
    found = kernel_speed()

    assert found.size == 224
    assert 0.1 < found.int8_ms < 10_000
    assert 0.1 < found.gain < 100


@pytest.mark.parametrize(
    ("instructions", "measured", "is_faster", "known_by"),
    [
        (("AVX2", "AVX-512 VNNI"), None, True, "predicted"),
        (("AVX2",), None, False, "predicted"),
        (None, None, None, None),
        (("AVX2",), KernelSpeed("lite0", 224, 8.0, 4.0), True, "measured"),
        (("AVX2", "AVX-VNNI"), KernelSpeed("lite0", 224, 8.0, 7.9), False, "measured"),
    ],
)
def test_what_was_measured_counts_before_what_is_predicted(instructions, measured, is_faster, known_by):
    found = int8_speed(Processor("x", instructions, ()), measured)

    assert (found.is_faster, found.known_by) == (is_faster, known_by)


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_one_screen_holds_it_however_many_extras_there_are(tmp_path):
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]
    extras = project["optional-dependencies"]
    asked = [
        f"{each.partition(';')[0]}; extra == '{extra}'" for extra, group in extras.items() for each in group
    ]
    install_ours(tmp_path / "site", *project["dependencies"], *asked, extras=tuple(extras))
    oldest = {re.split(r"[\[<>=;]", each)[0]: re.search(r"[=>]=([0-9a-z.]+)", each)[1] for each in asked}
    for name, version in oldest.items():
        install(tmp_path / "site", name, version, None)

    lines = on_a_terminal([sys.executable, "-m", "efficientnet_lite", "doctor", "--quick"], tmp_path / "site")

    assert all(extra in "\n".join(lines) for extra in extras)
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) <= 40, "\n".join(lines)


def on_a_terminal(command, first):
    """The lines that a command shows in 80 cells, with `first` before all else that is installed."""
    import fcntl
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    path = os.pathsep.join([str(first), SOURCE])
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env={**PLAIN, "PYTHONPATH": path}
    ):
        os.close(theirs)
        shown = bytearray()
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # it has closed its end
            pass
    os.close(ours)
    return shown.decode().replace("\r", "").splitlines()
