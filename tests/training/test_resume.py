"""`train --recipe imagenet` in real processes: killed by SIGKILL or told to end, and started again with --resume."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("keras", reason="the extra [train]: make test-all", exc_type=ImportError)
pytest.importorskip("grain", reason="the extra [train]: make test-all", exc_type=ImportError)

import scenes

from efficientnet_lite.commands.train import train
from efficientnet_lite.errors import EXIT_INTERRUPTED, EXIT_USAGE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

FIELDS = ("batch=8", "steps=14", "eval_every=4", "save_every=2", "base_rate=0.05", "augment=autoaugment")
COMMAND = [sys.executable, "-m", "efficientnet_lite", "train"]
DEADLINE = 300  # seconds; TensorFlow alone takes ten to load


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("data") / "photos", count=10)


def begin(photos, out, *more):
    options = ["--out", out, "--model", scenes.MODEL, "--recipe", "imagenet", "--calibration", "8"]
    options += ["--min-agreement", "0", "--max-drop", "1"]
    for field in FIELDS:
        options += ["--set", field]
    return subprocess.Popen(
        [*COMMAND, photos, *map(str, [*options, *more])], stderr=subprocess.PIPE, text=True
    )


def end(process):
    _, said = process.communicate(timeout=DEADLINE)
    return process.returncode, said


def wait_for_step(out, process, step):
    """Until a state of that step, or of a later one, is there; False where the process ended before."""
    place = out.with_name(out.name + ".training") / "states"
    limit = time.monotonic() + DEADLINE
    while time.monotonic() < limit:
        if any(int(path.stem.removeprefix("step-")) >= step for path in place.glob("step-*.json")):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    raise AssertionError(f"no state of step {step} within {DEADLINE} s")


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    code, said = end(begin(photos, out))
    assert code == 0, said
    return out


def test_a_call_in_python_makes_the_same_run(photos, whole, tmp_path):
    fields = dict(field.split("=") for field in FIELDS) | {"batch": 8, "base_rate": 0.05}  # as numbers, too

    made = train(
        photos,
        tmp_path / "run",
        model=scenes.MODEL,
        recipe="imagenet",
        set=fields,
        calibration=8,
        min_agreement=0,
        max_drop=1,
    )

    assert made.head is None
    there, here = scenes.contents(whole), scenes.contents(made.run)
    same = {"weights.safetensors", "log.csv", "split.csv", "config.toml"} | {
        n for n in there if n.endswith("tflite")
    }
    assert {name: here[name] for name in same} == {name: there[name] for name in same}


def test_a_run_by_the_recipe_speaks_of_the_step_that_was_kept_and_of_no_regularisation(whole):
    card = json.loads((whole / "card.json").read_text())
    rows = list(csv.DictReader((whole / "log.csv").read_text().splitlines()))

    best = next(row for row in rows if int(row["step"]) >= card["training"]["best"]["step"])
    assert card["training"]["best_epoch"] == int(best["epoch"])
    for page in ("README.md", "report.html"):
        text = (whole / page).read_text()
        assert "which also chose the step" in text or "they also chose the step" in text, page
        assert "regularisation" not in text, page


def published(run):
    return {name: (run / name).read_bytes() for name in ("weights.safetensors", "log.csv", "labels.txt")}


def test_a_training_that_was_killed_at_random_steps_ends_as_one_that_was_not(photos, whole, tmp_path):
    chance = random.Random()
    for step in sorted(chance.sample(range(2, 13), 3)):
        process = begin(photos, tmp_path / "run", "--resume")
        assert wait_for_step(tmp_path / "run", process, step), process.stderr.read()
        time.sleep(chance.uniform(0, 0.2))  # somewhere in the steps behind it, or while a state is written
        process.send_signal(signal.SIGKILL)
        end(process)
        assert not (tmp_path / "run").exists()

    code, said = end(begin(photos, tmp_path / "run", "--resume"))

    assert code == 0, said
    assert "goes on from step" in said
    assert published(tmp_path / "run") == published(whole)
    assert [path.name for path in tmp_path.iterdir()] == [
        "run"
    ]  # the states are gone, and nothing is left over


def test_being_told_to_end_saves_and_says_how_to_go_on(photos, whole, tmp_path):
    process = begin(photos, tmp_path / "run")
    wait_for_step(tmp_path / "run", process, 2)
    process.send_signal(signal.SIGINT)
    code, said = end(process)

    assert code == EXIT_INTERRUPTED
    assert "saved: the same command with --resume goes on from step" in said
    assert "Traceback" not in said

    code, said = end(begin(photos, tmp_path / "run"))
    assert code == EXIT_USAGE
    assert "give --resume to go on with it, or --overwrite" in said

    code, said = end(begin(photos, tmp_path / "run", "--resume", "--set", "momentum=0.8"))
    assert code == EXIT_USAGE
    assert "momentum was 0.9, now it is 0.8" in said

    more = photos / "ball" / "another.png"
    scenes.draw("ball", 99).save(more)
    code, said = end(begin(photos, tmp_path / "run", "--resume"))
    more.unlink()
    assert code == EXIT_USAGE
    assert "photos is another one" in said

    code, said = end(begin(photos, tmp_path / "run", "--resume"))
    assert code == 0, said
    assert published(tmp_path / "run") == published(whole)


def test_the_log_has_a_row_for_each_epoch_and_no_time(whole):
    with (whole / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert [row["step"] for row in rows] == ["3", "6", "9", "12", "14"]
    assert list(rows[0]) == [
        *("epoch", "step", "loss", "cross_entropy", "learning_rate", "validation_loss", "top1", "top5")
    ]
