"""report.html: in the run where its libraries are there, the same when made later, and safe to open."""

import base64
import io
import json
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.cli.app import run as call
from efficientnet_lite.commands.report import report
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError
from efficientnet_lite.proof.mistakes import Mistake, most_confident
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.report import page
from efficientnet_lite.run.report.facts import read_facts
from efficientnet_lite.run.report.pictures import THUMBNAIL_PX, WrongPhoto

LABELS = ("<script>alert(1)</script>", '$x$ & "写真" onload=', "stripes")


@pytest.fixture
def installed():
    for name in page.NEEDS:
        pytest.importorskip(name, reason="the extra `report` is not installed: make test-all")


class Read(HTMLParser):
    """Tags with their attributes, and the text, of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags[-1:] and self.tags[-1][0] != "style":
            self.words.append(data)


def read(path):
    return Read(path.read_text(encoding="utf-8"))


def test_a_run_has_its_report_and_the_card_lists_it(trained, installed):
    assert run_folder.REPORT in trained.card["files"]
    assert not any(run_folder.REPORT in note for note in trained.notes)
    shown = read(trained.run / run_folder.REPORT).text

    assert shown.startswith("a<i>run: EfficientNet-Lite0 at 32 pixels")
    for export in trained.card["exports"]:
        assert export["path"] in shown
        assert f"{export['bytes']:,}" in shown
        assert f"{export['latency_ms']:.1f} ms" in shown
        for each in export["as"].values():
            assert page.percent(each["top1"]) in shown
    count = trained.card["data"]["photos"]["validation"]
    assert f"is that of the {count} validation photos" in shown
    assert "they also chose the head's regularisation" in shown
    assert trained.card["weights"]["license"] in shown


def test_it_asks_for_nothing_and_runs_nothing(trained, installed):
    tags = read(trained.run / run_folder.REPORT).tags

    addresses = [
        value for _, attributes in tags for key, value in attributes.items() if key in ("href", "src")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:image/jpeg;base64,")) for address in addresses)
    assert {"script", "link", "iframe", "object", "b"}.isdisjoint(tag for tag, _ in tags)
    assert not [key for _, attributes in tags for key in attributes if key.startswith("on")]
    policy = next(a["content"] for t, a in tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "http" not in (trained.run / run_folder.REPORT).read_text(encoding="utf-8").replace(
        "http-equiv", ""
    )


def test_names_that_are_markup_are_shown_as_they_are(trained, installed):
    shown = read(trained.run / run_folder.REPORT).text

    for label in LABELS:
        assert label in shown
    assert "<b>" in shown  # of a photo's name


def test_the_surest_mistakes_are_shown_small(trained, installed):
    found = read(trained.run / run_folder.REPORT)

    mistakes = trained.proof.mistakes
    assert mistakes  # a third of the labels are wrong
    pictures = [a["src"] for tag, a in found.tags if tag == "img"]
    assert len(pictures) == len(mistakes)
    for mistake in mistakes:
        assert f"{sorted(LABELS)[mistake.predicted]} {page.percent(mistake.probability)}" in found.text
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
        assert max(image.size) <= THUMBNAIL_PX
        assert image.size == (80, 60)  # not enlarged


def test_made_later_it_is_the_same_to_the_byte(trained, run, installed):
    first = (trained.run / run_folder.REPORT).read_bytes()

    made = report(run, overwrite=True)

    assert made.path == run / run_folder.REPORT
    assert made.bytes == len(first)
    assert made.mistakes == len(trained.proof.mistakes)
    assert made.notes == ()
    assert (run / run_folder.REPORT).read_bytes() == first


def test_moved_photos_are_found_where_they_are_said_to_be(trained, run, photos, tmp_path, installed):
    moved = shutil.copytree(photos.parent, tmp_path / "moved")
    (run / "config.toml").write_text(f"photos = {json.dumps(str(tmp_path / 'gone'))}\n")

    without = report(run, out=tmp_path / "without.html")
    found = report(run, photos=moved / photos.name, out=tmp_path / "with.html")

    assert without.mistakes is None
    assert "`photos=`" in without.notes[0]
    assert "were not there when this page was made" in read(without.path).text
    assert "img" not in {tag for tag, _ in read(without.path).tags}
    assert found.path.read_bytes() == (trained.run / run_folder.REPORT).read_bytes()


def test_other_photos_than_those_of_the_run_are_refused(run, photos, tmp_path, installed):
    moved = shutil.copytree(photos.parent, tmp_path / "moved")
    for path in moved.glob("*.png"):
        Image.new("RGB", (9, 9)).save(path)

    with pytest.raises(UnusableInput, match="not the photos that proved the run"):
        report(run, photos=moved / photos.name, overwrite=True)


def test_an_existing_file_and_one_that_is_no_page_are_left_alone(run, installed):
    before = (run / run_folder.REPORT).read_bytes()

    with pytest.raises(UsageError, match="exists"):
        report(run)
    for name in ("card.json", "exports"):
        with pytest.raises(UsageError, match="HTML"):
            report(run, out=run / name, overwrite=True)
    assert (run / run_folder.REPORT).read_bytes() == before


def test_a_card_without_its_numbers_is_a_damaged_run(run, installed):
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    del card["head"]
    (run / "card.json").write_text(json.dumps(card))

    with pytest.raises(ArtifactError, match="cannot be shown"):
        report(run, overwrite=True)


def test_without_the_libraries_a_run_is_made_and_says_how_to_get_its_report(
    fit, photos, tmp_path, monkeypatch
):
    for name in page.NEEDS:
        monkeypatch.setitem(sys.modules, name, None)

    bare = fit(photos, tmp_path / "run")

    assert run_folder.REPORT not in bare.card["files"]
    assert not (bare.run / run_folder.REPORT).exists()
    assert [note for note in bare.notes if run_folder.REPORT in note] == [
        f"no report.html: pip install 'efficientnet-lite[report]', then efficientnet-lite report {tmp_path / 'run'}"
    ]
    with pytest.raises(UsageError, match="jinja2 and matplotlib") as caught:
        report(bare.run)
    assert caught.value.fix == "pip install 'efficientnet-lite[report]'"

    monkeypatch.undo()
    if page.is_installed():  # a report that came later is the run's own, too: it does not outlive it
        report(bare.run, out=bare.run / run_folder.REPORT)
        old = (bare.run / run_folder.REPORT).read_bytes()
        again = fit(photos, bare.run, overwrite=True, views=("crop",))
        assert (again.run / run_folder.REPORT).read_bytes() != old
        assert not list(again.run.glob("*.kept"))


def test_many_classes_have_no_picture_but_the_worst_pairs(trained, installed):
    facts = read_facts(trained.card)
    labels = tuple(f"class {number}" for number in range(41))
    confusion = 3 * np.eye(41, dtype=np.int64)
    confusion[7, 9] = 5
    counts = {"train": [2] * 41, "validation": [1] * 41, "test": [0] * 41}

    def shown(count):
        cut = replace(facts, labels=labels[:count], confusion=confusion[:count, :count])
        few = {split: numbers[:count] for split, numbers in counts.items()}
        return Read(page.render(cut, name="many", counts=few, pictures=None).decode())

    assert "true class class 7" not in shown(40).text
    many = shown(41)
    assert [a["id"] for _, a in many.tags if a.get("id", "").startswith("confusion-")] == []
    assert [a["id"] for _, a in shown(40).tags if a.get("id", "").startswith("confusion-")] != []
    assert "class 7 class 9 5 62.5 %" in many.text
    assert "The 20 classes with the most photos and the 20 with the fewest, of 41" in many.text


def test_photos_named_right_and_a_test_part_are_said_in_words(trained, installed):
    facts = replace(read_facts(trained.card), split="test", confusion=np.diag([4, 4, 4]))
    counts = {"train": [2] * 3, "validation": [1] * 3, "test": [4] * 3}

    shown = Read(page.render(facts, name="right", counts=counts, pictures=[]).decode()).text

    assert "took part neither in the fit nor in any choice" in shown
    assert shown.count("None: every photo was named right.") == 2


def test_the_command_prints_what_scripts_rely_on(run, tmp_path, capsys, installed):
    code = call(["report", str(run), "--out", str(tmp_path / "r.html"), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert set(document) == {"path", "bytes", "mistakes", "notes"}
    assert document["path"] == str(tmp_path / "r.html")
    assert document["bytes"] == (tmp_path / "r.html").stat().st_size
    assert call(["report", str(run)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_the_surest_mistakes_come_first_and_right_or_nan_rows_never():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [np.nan, 1.0], [0.3, 0.7], [0.2, 0.8]], np.float32)

    found = most_confident(scores, np.array([0, 0, 1, 0, 0, 0]), (10, 11, 12, 13, 14, 15), limit=3)

    assert found == (
        Mistake(11, 0, 1, float(np.float32(0.8))),
        Mistake(15, 0, 1, float(np.float32(0.8))),
        Mistake(14, 0, 1, float(np.float32(0.7))),
    )
    assert most_confident(np.array([[1.0, 0.0]], np.float32), np.array([0]), (0,)) == ()


def test_a_text_neither_turns_the_writing_direction_nor_becomes_markup(trained, installed):
    hostile = "<b>\u202e\x1b[31m\u2066&\u200f"
    card = {**trained.card, "labels": [hostile, *trained.card["labels"][1:]]}
    card["weights"] = {**card["weights"], "license": hostile, "notice": hostile}
    picture = WrongPhoto(hostile, hostile, hostile, 0.5, None)
    counts = {"train": [1, 2, 3], "validation": [1, 2, 3], "test": [0, 0, 0]}

    text = page.render(read_facts(card), name=hostile, counts=counts, pictures=[picture]).decode()

    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert text.count("&lt;b&gt;\\u202e\\x1b[31m\\u2066&amp;\\u200f") >= 7
    assert "b" not in {tag for tag, _ in Read(text).tags}
