"""A run's own int8 file, replaced by one made anew of its weights: proven, whole, and known to all of the run."""

import json
import shutil

import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts.kinds import KINDS
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.cli.app import run as cli
from efficientnet_lite.commands.export import _is_for_its_own, export
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import EXIT_OK, UnusableInput, UsageError, VerificationFailed
from efficientnet_lite.run import requantized
from efficientnet_lite.run.arrivals import Arrivals
from efficientnet_lite.run.folder import open_run
from efficientnet_lite.run.proven import proven_photos


@pytest.fixture
def run(trained, tmp_path):
    """A run of the test's own; its photos lie where they lay."""
    folder = tmp_path / "run"
    shutil.copytree(trained.run, folder)
    return folder


def test_the_runs_own_int8_file_is_replaced_and_all_of_the_run_speaks_of_it(run, photos, capsys):
    (run / "mine.txt").write_text("a note of the user's")
    before, old = open_run(run), open_run(run).export("int8").read_bytes()
    assert cli(["export", str(run), "--precision", "float16"]) == EXIT_OK  # another artifact of the run stays
    others_of_the_run = {
        path: path.read_bytes() for path in sorted((run / "exports").iterdir()) if "float" in path.name
    }

    capsys.readouterr()
    command = ["export", str(run), "--precision", "int8", "--data", str(photos), "--overwrite"]
    assert cli([*command, "--json"]) == EXIT_OK
    document = json.loads(capsys.readouterr().out)

    after = open_run(run)
    new = after.export("int8")
    assert new.name == before.export("int8").name
    assert new.read_bytes() != old
    assert (run / "mine.txt").read_text() == "a note of the user's"
    assert {path: path.read_bytes() for path in others_of_the_run} == others_of_the_run
    assert verify(run).verdict == before.card["verification"]["verdict"]
    assert verify(run).faults == ()
    entry = next(each for each in after.card["exports"] if each["precision"] == "int8")
    assert entry["sha256"] == document["sha256"]
    assert entry["agreement"] == min(each["agreement"] for each in after.card["verification"]["comparisons"])
    proved, calibration = set(proven_photos(before).names), after.card["int8"]["calibration"]
    assert proved
    assert not proved & set(calibration["files"])  # what proves does not calibrate
    assert len(proved) + calibration["photos"] == 36
    assert after.card["metrics"]["float32"] == before.card["metrics"]["float32"]
    assert f"{entry['bytes']:,}" in (run / "README.md").read_text()
    assert "ranges set by 29 photos" in (run / "report.html").read_text()
    assert "the file that it replaces" in " ".join(document["notes"])
    golden = np.load(run / "exports/golden.npz")
    assert golden["int8"].dtype == np.uint8


def test_without_overwrite_it_says_how(run, photos):
    with pytest.raises(UsageError, match="the run has its int8 file already") as refused:
        export(run, precision="int8", data=photos)

    assert "`overwrite=True` to put a better one in its place" in refused.value.fix


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ({"overwrite": True}, True),
        ({"overwrite": True, "effort": "best"}, True),
        ({"overwrite": True, "outputs": ["probabilities"]}, True),
        ({}, False),
        ({"overwrite": True, "outputs": ["logits"]}, False),
        ({"overwrite": True, "io": "int8"}, False),
        ({"overwrite": True, "dense": "per-channel"}, False),
        ({"overwrite": True, "batch": "dynamic"}, False),
    ],
    ids=str,
)
def test_only_what_makes_the_runs_own_file_takes_its_place(trained, options, own):
    asked = ExportOptions(precision="int8", **options)

    assert _is_for_its_own(Arrivals.to(trained.run), KINDS["tflite"], asked) == own


def test_a_file_that_is_worse_replaces_nothing(run, photos, monkeypatch):
    before = scenes.contents(run)
    monkeypatch.setattr(requantized, "_agreement", _in_turn([0.9, 0.95] * 2))

    with pytest.raises(VerificationFailed, match=r"for 90.00 % .* the one that it has for 95.00 %"):
        export(run, precision="int8", data=photos, overwrite=True)

    assert scenes.contents(run) == before


def _in_turn(values):
    left = iter(values)
    return lambda comparisons: next(left)


def test_without_the_photos_that_proved_it_nothing_is_replaced(run, photos):
    split = run / "split.csv"
    split.write_text(split.read_text().replace(",validation,", ",test,"))
    before = scenes.contents(run)

    with pytest.raises(UnusableInput, match="nothing would prove a new int8 file") as refused:
        export(run, precision="int8", data=photos, overwrite=True)

    assert "`out=`" in refused.value.fix
    assert scenes.contents(run) == before


def test_a_run_whose_int8_file_is_gone_gets_one_again(run, photos):
    open_run(run).export("int8").write_bytes(b"no model any more")

    exported = export(run, precision="int8", data=photos, overwrite=True)

    assert "no int8 file that was its own" in exported.notes[0]
    assert verify(run).faults == ()
