"""A process that is killed while it builds or replaces a folder: nothing of the user's is lost, no litter stays.

Real kills. The first test kills before every single change of the disk that a replacement makes, one after another.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import scenes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")

# Replaces a folder once for every change of the disk, and dies before that change. Then the next process comes.
PROGRAM = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import foreign
from test_foreign import KINDS, make
from efficientnet_lite.storage import folders
from efficientnet_lite.storage.listing import is_own

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}
WRITES = os.O_WRONLY | os.O_RDWR
left, inside = None, False


def die(event, arguments):
    global left
    if not inside or event not in CHANGES or (event == "open" and not (arguments[2] & WRITES)):
        return
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(die)
os.fsync = lambda handle: None  # a kill is no loss of power
here, name, act = Path(sys.argv[1]), sys.argv[3], sys.argv[4]
kind = KINDS[name][0]


def work(out):
    if act == "remove":
        folders.remove(out, kind)
    else:
        make(out, name, "second", overwrite=act == "replace")


for number in range(1000):
    out = here / str(number) / "out"
    out.parent.mkdir()
    mine = {}
    if act != "build":
        make(out, name, "first")
    if act == "replace":
        foreign.mixed(out)
        foreign.write(out / KINDS[name][2][0], "mine: edited")
        listed = {kind.marker, *KINDS[name][2][1:]}
        mine = {each: value for each, value in foreign.held(out).items() if each not in listed}
    child = os.fork()
    if not child:
        left, inside = number, True
        work(out)
        os._exit(0)
    killed = os.waitpid(child, 0)[1]
    held = list(foreign.held(out.parent).values())
    assert all(value in held for value in mine.values()), (number, "lost by the kill")
    if act == "replace":
        places = [place for place in (out, out.with_name(".out.previous")) if place.exists()]
        assert any(is_own(place, kind) for place in places), (number, "no whole folder is there")
    if act == "remove" and not out.exists():
        make(out, name, "third")
    else:
        make(out, name, "third", overwrite=True)
    after = foreign.held(out)
    for each, value in mine.items():
        assert value in (after.get(each), after.get(f"{each}.kept")), (number, each)
    assert after[KINDS[name][2][1]][1] == b"third"
    assert sorted(os.listdir(out.parent)) == ["out"], (number, os.listdir(out.parent))
    if not killed:
        break
print(number)
"""


@pytest.mark.parametrize(
    ("name", "act"), [("run", "replace"), ("features", "build"), ("Hub module", "remove")]
)
def test_a_kill_at_any_change_loses_nothing_and_the_next_one_leaves_no_litter(tmp_path, name, act):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(Path(__file__).parent), name, act],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > (10 if act == "remove" else 20)  # so many changes were killed before


# Writes into a stage until the disk takes nothing more, of which a limit of no byte for every file is a likeness.
FULL = """
import resource, sys
from pathlib import Path
from efficientnet_lite.features.npy_folder import VECTORS
from efficientnet_lite.errors import OutputFailed
from efficientnet_lite.storage import files, folders
try:
    with folders.replacing(Path(sys.argv[1]), VECTORS) as folder:
        files.publish(folder / "features.npy", bytes(4096))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        files.publish(folder / "index.csv", b"path")
except OutputFailed as error:
    print(error.what)
"""


def test_a_stage_is_swept_though_nothing_more_can_be_written(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("it could not be written")
    assert scenes.names(tmp_path) == []


@pytest.fixture(scope="module")
def many(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    scenes.photograph(folder / "photos", count=40)
    scenes.write_random_weights(folder / "w.safetensors")
    return folder


COMMANDS = {
    "embed": lambda many: [
        *("embed", scenes.MODEL, many / "photos", "--weights", many / "w.safetensors", "--out", "out"),
        *("--format", "npy"),
    ],
    "shards": lambda many: ["shards", many / "photos", "--out", "out", "--train-shards", "4"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_killed_command_leaves_is_swept_by_the_next_and_nothing_else(many, tmp_path, command):
    arguments = [sys.executable, "-m", "efficientnet_lite", *map(str, COMMANDS[command](many)), "--quiet"]
    theirs = tmp_path / ".out.12345678.part"
    scenes.photograph(theirs, labels=("ball",), count=1)
    before = scenes.contents(theirs)
    process = subprocess.Popen(arguments, cwd=tmp_path)
    end = time.monotonic() + 90
    while not list(tmp_path.glob(".out.????????.part/content/.*.part")):  # a file of it is being written
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(tmp_path.glob(".out.????????.part"))) == 2
    assert not (tmp_path / "out").exists()

    subprocess.run(arguments, cwd=tmp_path, check=True)

    assert scenes.names(tmp_path) == [theirs.name, "out"]
    assert scenes.contents(theirs) == before
