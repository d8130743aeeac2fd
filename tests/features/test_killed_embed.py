"""An embed that is killed at any moment and called again: byte by byte the folder of one that was not, and no litter.

Real kills. Some come before a change of the disk, one after another: while photos are listed, between the journal and
the name of a part, during completion; others at random moments. Five are part of `make test`, fifty that of whole
processes and the changes of the disk `make test-kill`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import scenes
from bad_server import serving
from embed_scenes import digests, model_of, network, photograph, write

from efficientnet_lite.features.sources import remote

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")
HERE = Path(__file__).parent

# Forks a child for each kill, so that imports are paid for once. No thread runs before a fork.
PROGRAM = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from embed_scenes import *
place, act, seed, kills = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
layout = sys.argv[6]
data = network()
given = place / "given.json"  # addresses
photos = json.loads(given.read_text()) if given.exists() else photograph(place / "photos", count=23)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "sqlite3.connect"}
left, inside = None, False


def die(event, arguments):
    global left
    is_write = event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if inside and event in CHANGES and is_write:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(die)


def child(out, number=None, overwrite=False):
    "A process that writes `out`, and dies before change `number` of the disk."
    global left, inside
    one = os.fork()
    if not one:
        if number is not None:
            left, inside = number, True
        write(model_of(data), photos, out, part_rows=3, layout=layout, overwrite=overwrite)
        os._exit(0)
    return one


def finish(out):
    assert os.waitpid(child(out), 0)[1] == 0
    assert digests(out) == wanted, sorted(digests(out).items() ^ wanted.items())
    assert sorted(os.listdir(out.parent)) == ["out"], os.listdir(out.parent)


out = place / "whole" / "out"
began = time.monotonic()
os.waitpid(child(out), 0)
takes = time.monotonic() - began
wanted = digests(out)
assert len(wanted) == (9 if layout == "parts" else 25), wanted
killed = 0
if act == "moments":
    moments = random.Random(seed)
    out = place / "killed" / "out"
    while killed < kills:
        one = child(out)
        time.sleep(moments.uniform(0, takes))
        os.kill(one, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(one, 0)[1])
        if moments.random() < 0.3:  # else the next one goes on with what this one left
            finish(out)
            shutil.rmtree(out)
    finish(out)
else:  # before each change
    for number in range(kills):
        out = place / str(number) / "out"
        if act == "anew":
            os.waitpid(child(out), 0)
            (out / "notes.txt").write_text("mine")
        if act == "damaged":
            shutil.copytree(place / "whole" / "out", out)
            damaged = out / sorted(wanted)[-1]
            damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        if act == "again":
            shutil.copytree(place / "begun", out)
        status = os.waitpid(child(out, number, act == "anew"), 0)[1]
        if act == "anew":
            assert (out / "notes.txt").read_text() == "mine"
            (out / "notes.txt").unlink()
        finish(out)
        shutil.rmtree(out.parent)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
print(killed)
"""


def run(place, act, *, seed=0, kills, layout="parts"):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(HERE), str(place), act, str(seed), str(kills), layout],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (seed, done.stderr[-3000:])
    return int(done.stdout)


def test_killed_at_five_moments_it_ends_with_the_same_bytes(tmp_path):
    assert run(tmp_path, "moments", seed=random.randrange(2**32), kills=5) == 5


@pytest.mark.kill
@pytest.mark.parametrize("layout", ["parts", "clip-retrieval"])
@pytest.mark.parametrize("act", ["every", "anew", "damaged"])
def test_killed_before_every_change_of_the_disk_it_ends_with_the_same_bytes(tmp_path, act, layout):
    assert run(tmp_path, act, kills=1000, layout=layout) > (10 if act == "damaged" else 30)


@pytest.mark.kill
def test_killed_while_photos_are_asked_for_again_it_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    photos = photograph(tmp_path / "photos", count=23)
    with serving(photos) as server:
        paths = [path.relative_to(photos) for path in sorted(photos.rglob("*.png"))]
        given = [f"{server.address}/plain/{path.as_posix()}" for path in paths]
        (tmp_path / "given.json").write_text(json.dumps(given))
        server.refused = dict.fromkeys(["02.png", "10.png", "11.png", "20.png"], 503)
        write(model_of(network()), given, tmp_path / "begun", part_rows=3)
        server.refused = {}

        assert run(tmp_path, "again", kills=1000) > 30


@pytest.mark.kill
def test_the_command_killed_at_fifty_moments_ends_with_the_same_bytes(tmp_path):
    """Whole processes from their first import on; four times out of five one goes on with what another left."""
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    photograph(tmp_path / "photos", count=300)
    scenes.write_random_weights(tmp_path / "w.safetensors")
    wanted = tmp_path / "whole"
    begun = time.monotonic()
    assert command(tmp_path, "whole").wait() == 0
    takes, killed, finished = time.monotonic() - begun, 0, 0
    before = {path.name for path in tmp_path.iterdir()} | {"out"}

    while killed < 50:
        process = command(tmp_path, "out")
        time.sleep(moments.uniform(0, takes))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if moments.random() < 0.2:
            finished += 1
            assert command(tmp_path, "out").wait() == 0
            assert digests(tmp_path / "out") == digests(wanted), seed
            assert {path.name for path in tmp_path.iterdir()} == before, seed
            subprocess.run(["rm", "-r", tmp_path / "out"], check=True)
    assert command(tmp_path, "out").wait() == 0
    assert digests(tmp_path / "out") == digests(wanted), seed
    assert {path.name for path in tmp_path.iterdir()} == before, seed
    assert finished > 0


@pytest.mark.kill
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_exit_with_130_and_say_that_the_same_command_goes_on(tmp_path, how):
    photograph(tmp_path / "photos", count=300)
    scenes.write_random_weights(tmp_path / "w.safetensors")
    process = command(tmp_path, "out", stderr=subprocess.PIPE, quiet=())
    while not (tmp_path / "out/_parts.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate()

    assert process.returncode == 130
    assert b"parts are written; the same command goes on from there" in said
    assert b"Traceback" not in said
    assert not [name for name in digests(tmp_path) if name.endswith((".part", ".lock"))]


def command(place, out, *, stderr=None, quiet=("--quiet",)):
    arguments = (
        "embed",
        scenes.MODEL,
        "photos",
        "--weights",
        "w.safetensors",
        "--out",
        out,
        "--part-rows",
        "20",
        *quiet,
    )
    return subprocess.Popen(
        [sys.executable, "-m", "efficientnet_lite", *arguments],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=stderr or subprocess.DEVNULL,
    )
