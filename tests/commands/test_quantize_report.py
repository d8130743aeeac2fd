"""`quantize_report`: what int8 costs a run's file and a single one, and what is refused."""

import json
import re
import shutil

import pytest

import efficientnet_lite as el
from efficientnet_lite.cli.app import run as command_line
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError
from efficientnet_lite.network.plan import VARIANTS, Conv, Dense, make_plan

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=3)


@pytest.fixture(scope="module")
def int8(trained):
    return trained.run / "exports" / "shapes_int8.tflite"


@pytest.fixture(scope="module")
def found(trained, photos, tmp_path_factory):
    """The report of the run on 36 photos, with its page."""
    page = tmp_path_factory.mktemp("page") / "int8.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("efficientnet_lite.run.clinic.examination.WORST", 2)
        return el.quantize_report(trained.run, data=photos, html=page, calibration=[8], workers=2)


def test_every_weight_and_every_tensor_has_its_share(found):
    parts = [(each.part.kind, each.part.name) for each in found.shares.parts]

    steps = PLAN.steps[:-1]  # the probabilities have a scale of their own that nobody chooses
    expected = {("activation", step.name) for step in steps}
    expected |= {("weights", step.name) for step in steps if isinstance(step, Conv | Dense)}
    assert sorted(parts) == sorted(expected)
    assert all(each.share >= 0 for each in found.shares.parts)
    assert 0.2 < found.shares.weights + found.shares.activations < 5


def test_the_worst_are_tried_and_the_calibration_is_judged_on_other_photos(found):
    worst = {each.part for each in found.shares.worst()[:2]}
    assert {each.part for each in found.gains} == worst
    assert [point.photos for point in found.curve.points] == [8]
    assert (found.curve.judged, found.curve.points[0].distance.count) == (12, 12)
    assert any("the run learned from 29 of these 36 photos" in note for note in found.notes)


def test_json_repeats_what_the_report_holds_and_the_page_needs_nothing_else(found):
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))

    assert said["agreement"] == found.whole.agreement
    assert len(said["changed"]) == round((1 - said["agreement"]) * said["photos"])
    assert sum(row["photos"] for row in said["classes"]) == said["photos"] == 36
    assert sum(row["changed"] for row in said["classes"]) == len(said["changed"])
    text = found.page.read_text()
    assert "<script" not in text
    assert re.findall(r"https?:|src=(?!.data:)", text) == []
    assert all(f"<title>{step.name}:" in text for step in PLAN.steps[:-1])
    assert found.headline in repr(found)
    assert "<table>" in found._repr_html_()


def test_a_single_file_finds_the_run_that_it_lies_in_and_says_it_in_tables(
    found, int8, photos, capsys, monkeypatch
):
    monkeypatch.setattr("efficientnet_lite.run.clinic.examination.WORST", 1)
    line = ["quantize-report", str(int8), "--data", str(photos), "--calibration", "8", "--quiet"]
    assert command_line(line) == 0

    text = capsys.readouterr().out
    assert text.startswith(found.headline)
    assert "all together" in text
    assert "limit: alone they make" in text
    for step in sorted(found.shares.steps(), key=lambda step: -step.both)[:8]:
        assert re.search(rf"{step.name} .*{100 * step.both:.1f} %", text), step


def test_a_file_without_its_float_weights_or_with_others_is_refused(int8, photos, tmp_path):
    alone = shutil.copy(int8, tmp_path / "alone.tflite")
    with pytest.raises(ArtifactError, match="the float weights that it was made of are not at hand"):
        el.quantize_report(alone, data=photos)
    with pytest.raises(ArtifactError, match="was not made of the weights of lite0@32, but of others"):
        el.quantize_report(alone, data=photos, parent="lite0@32")


def test_files_that_are_not_int8_or_not_ours_are_refused(trained, photos):
    float32 = trained.run / "exports" / "shapes_float32.tflite"
    with pytest.raises(ArtifactError, match="the file is float32"):
        el.quantize_report(float32, data=photos, parent=trained.run)
    with pytest.raises(UnusableInput, match="no such file"):
        el.quantize_report(trained.run / "none.tflite", data=photos)


def test_photos_are_needed_and_have_to_be_there(int8, trained, tmp_path):
    with pytest.raises(UsageError, match="none are given"):
        el.quantize_report(int8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnusableInput):
        el.quantize_report(trained.run, data=tmp_path / "empty", html=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_page_of_somebody_else_is_never_replaced(trained, photos, tmp_path):
    page = tmp_path / "notes.html"
    page.write_text("<p>mine")
    for overwrite in (False, True):
        with pytest.raises(UsageError):
            el.quantize_report(trained.run, data=photos, html=page, overwrite=overwrite)
    assert page.read_text() == "<p>mine"


def test_a_run_has_its_own_weights(trained, capsys):
    assert command_line(["quantize-report", str(trained.run), "--parent", "lite0"]) == 2
    assert "--parent is for a single file" in " ".join(capsys.readouterr().err.split())
