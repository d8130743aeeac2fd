"""Whatever ends a run in the middle, its target is absent or complete, and the next run tidies up.

Real processes, since a lock of the operating system and a kill cannot be imitated.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import scenes

from efficientnet_lite.errors import EXIT_INPUT, UsageError
from efficientnet_lite.run import folder as run_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

PROGRAM = """
import sys
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.commands.train import train
photos, out, model, weights, overwrite, file_limit = sys.argv[1:]
try:
    if file_limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_limit), int(file_limit)))
    train(photos, out, model=model, weights=weights, overwrite=overwrite == "1", calibration=8, workers=2)
except EfficientNetLiteError as error:
    print(type(error).__name__, error.what, file=sys.stderr)
    sys.exit(error.exit_code)
"""
STAGE = ".run.????????.part"
CONTENT = f"{STAGE}/content"  # what becomes the run
DEADLINE = 90  # seconds; a run takes one to four


@pytest.fixture
def start(photos, weights, tmp_path):
    """Start a run into `tmp_path/run` in a process of its own, that is gone when the test ends."""
    started = []

    def begin(*, overwrite=False, file_limit=""):
        arguments = [photos, tmp_path / "run", scenes.MODEL, weights, "1" if overwrite else "", file_limit]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for(folder, pattern, process):
    """Wait until a file appears; False where the process ended before."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if any(folder.glob(pattern)):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.001)
    raise AssertionError(f"no {pattern} within {DEADLINE} s")


def check_complete(folder):
    run = run_folder.open_run(folder)
    assert set(run.card["files"]) <= set(scenes.contents(folder))
    assert [run_folder.files.sha256_file(each.path) for each in run.exports] == [
        each.sha256 for each in run.exports
    ]


# From the first thing that a run makes to the last.
MOMENTS = [STAGE, f"{CONTENT}/exports/run_float32.tflite", f"{CONTENT}/card.json"]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.rpartition("/")[2])
def test_a_killed_run_leaves_no_target_or_a_whole_one_and_the_next_one_tidies_up(
    trained, start, fit, photos, tmp_path, moment
):
    process = start()
    caught = wait_for(tmp_path, moment, process)
    process.kill()
    process.communicate()

    assert caught
    if (tmp_path / "run").exists():  # the kill came late
        check_complete(tmp_path / "run")
    fit(photos, tmp_path / "run", overwrite=True)
    check_complete(tmp_path / "run")
    assert scenes.names(tmp_path) == ["run"]


def test_runs_killed_at_any_time_while_replacing_never_lose_the_old_one(
    trained, start, fit, photos, tmp_path
):
    fit(photos, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    delays = random.Random(0)
    for _ in range(2):
        process = start(overwrite=True)
        if wait_for(tmp_path, f"{CONTENT}/exports/run_float32.tflite", process):
            time.sleep(delays.uniform(0, 0.12))  # up to and beyond the two renames
        process.kill()
        process.communicate()

        whole = tmp_path / "run" if (tmp_path / "run").exists() else tmp_path / ".run.previous"
        check_complete(whole)

    fit(photos, tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"
    assert scenes.names(tmp_path) == ["run"]


@pytest.mark.parametrize("moment", MOMENTS[:2], ids=["at the start", "at the end"])
def test_ctrl_c_leaves_nothing(trained, start, tmp_path, moment):
    process = start()
    assert wait_for(tmp_path, moment, process)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)

    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
    assert scenes.names(tmp_path) == []


def test_ctrl_c_between_the_two_renames_puts_the_old_run_back(fit, photos, run, monkeypatch):
    before, whole = scenes.contents(run), run_folder.Path.replace

    def interrupted(path, target):
        if path.name == "content" and target.name == run.name:
            raise KeyboardInterrupt
        return whole(path, target)

    monkeypatch.setattr(run_folder.Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(photos, run, overwrite=True)

    assert scenes.contents(run) == before
    assert scenes.names(run.parent) == ["shapes"]


def test_a_kill_between_the_two_renames_is_mended(fit, photos, run):
    before = scenes.contents(run)
    run.rename(run.with_name(".shapes.previous"))
    (run.with_name(".shapes.0a1b2c3d.part") / "exports").mkdir(parents=True)

    with pytest.raises(UsageError, match="the target exists"):  # since it is there again
        fit(photos, run)

    assert scenes.contents(run) == before
    assert scenes.names(run.parent) == ["shapes"]


def test_a_kill_after_the_two_renames_is_mended_and_keeps_what_is_the_users(fit, photos, run, trained):
    old = run.with_name(".shapes.previous")
    run.rename(old)
    fit(photos, run.with_name("other"))
    run.with_name("other").rename(run)
    (old / "notes.txt").write_text("mine")
    (old / "exports" / "other_int8.tflite").write_text("mine, under a name of the new run's")
    new = (run / "exports" / "other_int8.tflite").read_bytes()

    with pytest.raises(UsageError, match="the target exists"):
        fit(photos, run)

    assert (run / "notes.txt").read_text() == "mine"
    assert (run / "exports" / "other_int8.tflite").read_bytes() == new
    assert (run / "exports" / "other_int8.tflite.kept").read_text().startswith("mine")
    assert scenes.names(run.parent) == ["shapes"]


def test_of_two_runs_into_one_target_the_second_is_refused(trained, start, tmp_path):
    first = start()
    assert wait_for(tmp_path, STAGE, first)
    second = start()
    _, errors = second.communicate(timeout=DEADLINE)
    _, first_errors = first.communicate(timeout=DEADLINE)

    assert (first.returncode, first_errors) == (0, "")
    assert second.returncode == 2
    assert errors.startswith("UsageError")
    check_complete(tmp_path / "run")
    assert scenes.names(tmp_path) == ["run"]


def test_a_full_disk_is_an_error_that_leaves_nothing_and_the_old_run_whole(trained, start, run, tmp_path):
    size = {name: len(data) for name, data in scenes.contents(run).items()}
    file_limit = size["exports/shapes_float32.tflite"] + 1  # bytes; all fit but the weights, which come late
    assert size["weights.safetensors"] > file_limit
    run.rename(tmp_path / "run")
    run.parent.rmdir()
    before = scenes.contents(tmp_path / "run")

    process = start(overwrite=True, file_limit=file_limit)
    _, errors = process.communicate(timeout=DEADLINE)

    assert errors.startswith("OutputFailed"), errors
    assert process.returncode == EXIT_INPUT
    assert scenes.contents(tmp_path / "run") == before
    assert scenes.names(tmp_path) == ["run"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any folder")
def test_a_folder_that_may_not_be_written_to_is_an_error(start, tmp_path):
    tmp_path.chmod(0o500)
    try:
        process = start()
        _, errors = process.communicate(timeout=DEADLINE)
    finally:
        tmp_path.chmod(0o700)

    assert errors.startswith("OutputFailed")
    assert process.returncode == EXIT_INPUT
