"""A run folder is whole or not there, whatever ends the process that makes it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.arrivals import building
from efficientnet_lite.storage.targets import Apart, check_folder

CARD = {
    "schema": 1,
    "labels": ["a", "b"],
    "contract": {},
    "metrics": {},
    "verification": {},
    "exports": [],
    "files": ["card.json", "model"],
}


def fill(folder, text):
    (folder / "model").write_text(text)
    (folder / "card.json").write_text(json.dumps(CARD))


def build(target, text="new", **options):
    with building(target, **options) as folder:
        fill(folder, text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_run_appears_whole_and_leaves_nothing_beside_it(tmp_path):
    build(tmp_path / "run")

    assert names(tmp_path) == ["run"]
    assert run_folder.open_run(tmp_path / "run").labels == ("a", "b")


def test_a_failure_leaves_nothing_and_the_old_run_as_it_was(tmp_path):
    build(tmp_path / "run", "old")

    def fail():
        with building(tmp_path / "run", overwrite=True) as folder:
            fill(folder, "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run/model").read_text() == "old"


def test_replacing_keeps_what_the_card_does_not_list(tmp_path):
    build(tmp_path / "run", "old")
    (tmp_path / "run/notes.txt").write_text("mine")
    build(tmp_path / "run", overwrite=True)

    assert (tmp_path / "run/model").read_text() == "new"
    assert (tmp_path / "run/notes.txt").read_text() == "mine"
    assert names(tmp_path) == ["run"]


def test_a_run_or_a_foreign_folder_is_never_replaced_unasked(tmp_path):
    build(tmp_path / "run", "old")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("somebody's")

    with pytest.raises(UsageError, match="exists"):
        build(tmp_path / "run")
    with pytest.raises(UsageError, match="no run of ours"):
        build(tmp_path / "other", overwrite=True)
    assert (tmp_path / "run/model").read_text() == "old"


@pytest.mark.parametrize("inside", ["photos", "photos/run", "."])
def test_a_target_inside_above_or_on_the_photos_is_refused(tmp_path, inside):
    (tmp_path / "photos").mkdir()

    with pytest.raises(UsageError, match="photo folder"):
        check_folder(tmp_path / inside, run_folder.RUN, overwrite=True, apart=[Apart(tmp_path / "photos")])


def test_a_kill_between_the_two_renames_is_mended_by_the_next_run(tmp_path):
    build(tmp_path / "run", "old")
    (tmp_path / "run").rename(tmp_path / ".run.previous")

    with pytest.raises(UsageError, match="exists"):  # the old run is back before anything else happens
        build(tmp_path / "run")
    assert (tmp_path / "run/model").read_text() == "old"
    assert names(tmp_path) == ["run"]


def test_a_kill_after_the_renames_loses_nothing_of_the_user(tmp_path):
    build(tmp_path / "run", "old")
    (tmp_path / "run/notes.txt").write_text("mine")
    (tmp_path / "run").rename(tmp_path / ".run.previous")
    (tmp_path / "run").mkdir()
    fill(tmp_path / "run", "new")
    build(tmp_path / "run", "newer", overwrite=True)

    assert (tmp_path / "run/notes.txt").read_text() == "mine"
    assert names(tmp_path) == ["run"]


PROGRAM = (
    "import sys; from pathlib import Path; from efficientnet_lite.run.arrivals import building\n"
    "with building(Path(sys.argv[1])) as folder:\n"
    "    (folder / 'model').write_text('half'); print('building', flush=True); sys.stdin.read()\n"
)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_two_runs_into_one_target_and_a_kill(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "run")]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    first.stdout.readline()

    with pytest.raises(UsageError, match="another run"):
        build(tmp_path / "run")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (tmp_path / "run").exists()

    build(tmp_path / "run")
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": "1"},
        {"labels": "ab"},
        {"labels": ["a\nb"]},
        {"exports": [{"path": "../../etc/passwd", "precision": "int8", "sha256": ""}]},
        {"exports": [{"path": "/etc/passwd", "precision": "int8", "sha256": ""}]},
        {"exports": [{}]},
        {"exports": None},
    ],
)
def test_a_hostile_card_is_refused(tmp_path, change):
    (tmp_path / "card.json").write_text(json.dumps(CARD | change))

    with pytest.raises(ArtifactError):
        run_folder.open_run(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b'{"schema": NaN}', b"\xff\xfe"])
def test_a_card_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "card.json").write_bytes(content)

    with pytest.raises((ArtifactError, UnusableInput)):
        run_folder.open_run(tmp_path)
