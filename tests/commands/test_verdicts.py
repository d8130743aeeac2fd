"""Three answers: verified, not refuted, failed; and no figure beyond its bar reads "verified"."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.cli.app import main
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.proof.gate import Bars, compare, doubts, verdict
from efficientnet_lite.run import folder as run_folder

BARS = Bars()
LOOSE = ["--max-drop", "1", "--min-agreement", "0.5"]  # which 11 photos suffice for


def compared(count, lost, won=0):
    """Photos of which the child gets `lost` wrong that its parent has right, and `won` the other way round."""
    truth = np.zeros(count, int)
    parent, child = np.zeros(count, int), np.zeros(count, int)
    child[:lost] = 1
    parent[lost : lost + won] = 1
    one_hot = np.eye(2, dtype=np.float32)
    return compare(one_hot[parent], one_hot[child], truth, "crop")


@pytest.mark.parametrize(
    ("count", "lost", "said"),
    [
        (1, 0, "not refuted"),
        (36, 0, "not refuted"),
        (341, 0, "not refuted"),
        (400, 0, "verified"),
        (2000, 4, "verified"),
        (130, 3, "not refuted"),  # 2.3 points where 1.0 is allowed
        (2000, 25, "not refuted"),
        (2000, 60, "failed"),
        (12, 12, "failed"),
    ],
)
def test_the_answer_follows_from_the_interval(count, lost, said):
    found = compared(count, lost)

    assert verdict([found], BARS) == said
    assert said == "failed" or bool(doubts([found], BARS)) == (said == "not refuted")


@given(
    count=st.integers(1, 3000),
    lost=st.integers(0, 100),
    won=st.integers(0, 100),
    max_drop=st.floats(0, 0.2),
    min_agreement=st.floats(0.5, 1),
)
def test_no_figure_beyond_its_bar_is_ever_verified(count, lost, won, max_drop, min_agreement):
    lost = min(lost, count)
    found = compared(count, lost, min(won, count - lost))
    bars = Bars(max_drop, min_agreement)

    said = verdict([found], bars)

    if found.drop > max_drop or found.agreement < min_agreement:
        assert said != "verified"
    else:
        assert said != "failed"
    assert verdict([found], bars, whole=False) != "verified"
    assert (said == "failed") == bool(found.failures(bars))


def test_without_photos_nothing_is_verified():
    assert verdict([], BARS) == "not refuted"
    assert doubts([], BARS) == ["no photo was replayed"]


def test_the_worse_of_two_views_counts():
    good, bad, few = compared(2000, 0), compared(2000, 200), compared(20, 0)

    assert verdict([good, bad], BARS) == "failed"
    assert verdict([good, few], BARS) == "not refuted"
    assert verdict([few, bad], BARS) == "failed"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 0, "not refuted"),
        (["--strict"], 5, "not refuted"),
        (LOOSE, 0, "verified"),
        ([*LOOSE, "--strict"], 0, "verified"),
    ],
)
def test_verify_gives_the_answer_and_strict_takes_no_doubt(trained, photos, capsys, options, code, said):
    with pytest.raises(SystemExit) as ending:
        main(["verify", str(trained.run), "--data", str(photos), "--json", *options])

    document = json.loads(capsys.readouterr().out)
    assert (ending.value.code or 0) == code
    assert document["verdict"] == said
    assert document["passed"] is True
    assert bool(document["doubts"]) == (said == "not refuted")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["verify", "{run}", "--parent", "{float}"], "--parent is for a single file"),
        (
            ["verify", "{int8}", "--parent", "{float}", "--data", "{photos}", "--trust"],
            "--trust is for a run",
        ),
        (["evaluate", "{run}", "{photos}", "--num-images", "3"], "--num-images is for --images"),
        (
            ["evaluate", "{run}", "--images", "*.png", "--labels", "l.txt", "--split", "all"],
            "--split is for a data set",
        ),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(trained, photos, capsys, command, says):
    run = run_folder.open_run(trained.run)
    places = {"run": trained.run, "photos": photos} | {each.precision: each.path for each in run.exports}
    places["float"] = places.pop("float32")

    with pytest.raises(SystemExit) as ending:
        main([part.format(**places) for part in command])

    assert ending.value.code == 2
    assert says in capsys.readouterr().err


def test_a_file_of_other_classes_is_no_child(trained, photos, tmp_path, fit):
    renamed = tmp_path / "photos"
    for label in ("ball", "box", "stripes"):
        shutil.copytree(photos / label, renamed / f"a {label}")
    other = fit(renamed, tmp_path / "run").run

    with pytest.raises(ArtifactError, match="not those of the file that it is tested against"):
        verify(
            run_folder.open_run(other).export("int8"),
            parent=run_folder.open_run(trained.run).export("float32"),
            data=photos,
        )


def test_the_screen_says_why(trained, photos, capsys):
    with pytest.raises(SystemExit):
        main(["verify", str(trained.run), "--data", str(photos)])

    out = capsys.readouterr().out
    assert "not refuted (nothing is wrong, but the photos are too few to be sure)" in out
    assert "on 36 photos, allowed 1.00\n" in out
    assert not any(line.startswith("verified") for line in out.splitlines())


def test_a_file_that_fails_says_so_whether_strict_or_not(run, photos, capsys):
    card = json.loads((run / "card.json").read_text())
    card["exports"][1]["sha256"] = "0" * 64
    (run / "card.json").write_text(json.dumps(card))

    for options in ([], ["--strict"]):
        with pytest.raises(SystemExit) as ending:
            main(["verify", str(run), "--data", str(photos), "--json", *options])
        assert ending.value.code == 5
        assert json.loads(capsys.readouterr().out)["verdict"] == "failed"


def test_info_of_a_run_tells_the_verdict_and_the_photos_behind_it(run, capsys):
    def told():
        with pytest.raises(SystemExit):
            main(["info", str(run)])
        return capsys.readouterr().out

    whole = told()
    card = json.loads((run / "card.json").read_text())
    card["data"]["lost"] = [{"path": "a.png", "split": "validation", "reason": "gone"}] * 2
    card["verification"]["verdict"] = "[bold]certainly[/bold]"
    (run / "card.json").write_text(json.dumps(card))
    less = told()

    assert "int8 is not proven to within 1 point of float32" in whole
    assert f"of {card['metrics']['photos']} validation photos" in whole
    assert "! 2 validation photos were lost while the run was made" in less
    assert "certainly" not in less
