"""report.html: in every run, the same when made later, complete in each position of its switch, and safe to open."""

import base64
import html
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.cli.app import run as call
from efficientnet_lite.commands.report import report
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError, printable
from efficientnet_lite.figures import megabytes, milliseconds, percent
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.proof.mistakes import Mistake, most_confident
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.card import MOST_DOUBTFUL
from efficientnet_lite.run.report import page, pictures
from efficientnet_lite.run.report.advice import file_to_ship
from efficientnet_lite.run.report.confused import Confused
from efficientnet_lite.run.report.facts import read_facts
from efficientnet_lite.run.report.pictures import (
    OTHERS,
    THUMBNAIL_PX,
    Gallery,
    WrongPhoto,
    gallery_of,
    with_doubted,
)
from efficientnet_lite.run.report.snippets import snippets
from efficientnet_lite.run.summary import summary_of
from efficientnet_lite.storage import files

LABELS = ("<script>alert(1)</script>", '$x$ & "写真" onload=', "stripes")


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


def within(text, start, end):
    """What stands between two texts."""
    return text.partition(start)[2].partition(end)[0]


def rendered(facts, card, name="shown", **parts):
    counts = {"train": [2] * len(facts.labels), "validation": [1] * len(facts.labels)}
    counts["test"] = [0] * len(facts.labels)
    given = {"counts": counts, "gallery": None} | parts
    return page.render(facts, summary_of(card, Path("runs") / name), **given).decode()


def test_a_run_has_its_report_and_the_card_lists_it(trained):
    assert run_folder.REPORT in trained.card["files"]
    shown = read(trained.run / run_folder.REPORT).text

    assert shown.startswith("a<i>run: EfficientNet-Lite0 at 32 pixels")
    for export in trained.card["exports"]:
        assert export["path"].rpartition("/")[2] in shown
        assert megabytes(export["bytes"]) in shown
        assert milliseconds(export["latency_ms"]) in shown
    for scores in (trained.proof.float32, trained.proof.int8):
        for each in scores:
            assert percent(each.top1, each.interval) in shown
    count = trained.card["data"]["photos"]["validation"]
    assert f"On the {count} validation photos." in shown
    assert "they chose the head" in shown
    assert trained.card["weights"]["license"] in shown


def test_no_figure_is_parted_from_its_unit(trained):
    text = (trained.run / run_folder.REPORT).read_text(encoding="utf-8")

    assert re.search("[0-9]\N{NO-BREAK SPACE}%", text)
    assert re.search("[0-9]\N{NO-BREAK SPACE}MB", text)
    assert not re.search(r">[^<]*[0-9] (%|MB|ms)[^<]*</(p|caption)", text)


def test_three_tiles_say_what_the_summary_of_the_run_says(trained):
    summary = summary_of(trained.card, trained.run)
    int8 = summary.files[1]
    facts = read_facts(trained.card)

    tiles = within(read(trained.run / run_folder.REPORT).text, "Right answers on a phone", "What to do next")

    assert facts.phone_view == summary.view == "mediapipe"
    assert tiles.strip().startswith(percent(int8.top1))
    assert f"the int8 file on {summary.judged} validation photos" in tiles
    assert "as MediaPipe hands them to the model" in tiles
    assert "not proven" not in tiles  # its bars allow everything
    assert f"proven Same class as float32 for {percent(int8.agreement)} of the photos" in tiles
    assert f"{summary.proof[1:]}." in tiles
    assert int8.path.rpartition("/")[2] in tiles
    assert megabytes(int8.bytes) in tiles


def test_a_tile_says_what_int8_costs_and_that_few_photos_prove_nothing(trained):
    card = json.loads(json.dumps(trained.card))
    card["verification"] |= {"verdict": "not refuted", "max_drop": 0.01}
    for drop, said in (
        (0.031, "3.1 points"),
        (0.0096, "1.0 point"),
        (0, "no loss seen"),
        (-0.02, "no loss seen"),
    ):
        for each in card["verification"]["comparisons"]:
            each |= {"drop": drop, "drop_interval": [-0.03, 0.04]}

        tile = within(Read(rendered(read_facts(card), card)).text, "What int8 costs", "Ship this file")

        assert tile.strip().startswith(f"{said} not proven")
        assert "Int8 is not proven to within 1 point of float32: the photos are too few to be sure" in tile


def test_a_run_of_the_version_before_shows_squashed_photos_as_phones_and_says_so(trained):
    card = json.loads(json.dumps(trained.card))
    for precision in ("float32", "int8"):
        card["metrics"][precision] = [e for e in card["metrics"][precision] if e["as"] != "mediapipe"]

    tiles = within(Read(rendered(read_facts(card), card)).text, "Right answers on a phone", "What to do next")

    score = next(each for each in trained.proof.int8 if each.view == "squash")
    assert tiles.strip().startswith(percent(score.top1))
    assert "not as MediaPipe sees them" in tiles


def test_a_file_that_surely_loses_too_much_is_not_the_one_to_ship(trained):
    card = json.loads(json.dumps(trained.card))
    for each in card["verification"]["comparisons"]:
        each |= {"drop": 0.06, "drop_interval": [0.02, 0.1]}

    facts = read_facts(card)

    assert file_to_ship(read_facts(trained.card)).precision == "int8"
    assert file_to_ship(facts).precision == "float32"
    ship = within(Read(rendered(facts, card)).text, "Ship this file", "What to do next")
    assert "float32.tflite" in ship
    assert "int8.tflite" not in ship


def test_it_asks_for_nothing_and_runs_nothing(trained):
    tags = read(trained.run / run_folder.REPORT).tags

    addresses = [
        value for _, attributes in tags for key, value in attributes.items() if key in ("href", "src")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:image/jpeg;base64,")) for address in addresses)
    assert {"script", "link", "iframe", "object", "img"}.isdisjoint(tag for tag, _ in tags)
    assert all("style" in a for tag, a in tags if tag == "b")  # of an interval; none of a name
    assert not [key for _, attributes in tags for key in attributes if key.startswith("on")]
    policy = next(a["content"] for t, a in tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "http" not in (trained.run / run_folder.REPORT).read_text(encoding="utf-8").replace(
        "http-equiv", ""
    )


def test_names_that_are_markup_are_shown_as_they_are(trained):
    shown = read(trained.run / run_folder.REPORT).text

    for label in LABELS:
        assert label in shown
    assert "<b>" in shown  # of a photo's name


def test_the_switch_has_a_position_for_each_file_and_view_and_int8_on_phones_is_first(trained):
    text = (trained.run / run_folder.REPORT).read_text(encoding="utf-8")
    found = Read(text)

    radios = [a for tag, a in found.tags if tag == "input"]
    assert [(a["type"], a["name"], "checked" in a) for a in radios] == [
        ("radio", "file", True),
        ("radio", "file", False),
        ("radio", "view", True),
        ("radio", "view", False),
        ("radio", "view", False),
    ]
    assert "File int8 float32 Photos as on phones cropped squashed" in found.text
    panels = [a["class"].split() for tag, a in found.tags if "choice" in a.get("class", "").split()]
    assert panels == [
        ["choice", "c00", "first"],
        *(["choice", name] for name in ("c01", "c02", "c10", "c11", "c12")),
    ]
    for file in range(2):
        for view in range(3):
            rule = f".detail:has(#file{file}:checked):has(#view{view}:checked) .c{file}{view} {{ display: block; }}"
            assert rule in text
    scores = {(p, e.view): e for p in ("float32", "int8") for e in getattr(trained.proof, p)}
    order = [(p, view) for p in ("int8", "float32") for view in ("mediapipe", "crop", "squash")]
    said = [part.partition(" right.")[0] for part in found.text.split(" file on photos ")[1:]]
    assert [each.rpartition(": ")[2] for each in said] == [
        f"{percent(scores[choice].top1)} of {scores[choice].count}" for choice in order
    ]


def test_each_position_shows_the_mistakes_of_its_own_file_and_view(trained):
    text = (trained.run / run_folder.REPORT).read_text(encoding="utf-8")
    labels = sorted(LABELS)

    panels = text.split('<div class="choice')[1:]

    assert len(panels) == 6
    for panel, choice in zip(
        panels,
        [(p, view) for p in ("int8", "float32") for view in ("mediapipe", "crop", "squash")],
        strict=True,
    ):
        mistakes = trained.proof.mistakes[choice][: 24 if choice == ("int8", "mediapipe") else OTHERS]
        assert mistakes  # a third of the labels are wrong
        shown = [" ".join(Read(f"<p>said{part}").text.split()) for part in panel.split("<p>said")[1:]]
        for each, mistake in zip(shown, mistakes, strict=True):
            named, true = labels[mistake.predicted], labels[mistake.true]
            assert each.startswith(f"said {named} , {percent(mistake.probability)} sure; is {true}")


def test_a_photo_has_one_picture_however_many_files_get_it_wrong(trained):
    found = read(trained.run / run_folder.REPORT)

    pictures = [a["href"] for tag, a in found.tags if tag == "image"]
    uses = [a["href"] for tag, a in found.tags if tag == "use"]
    assert len(pictures) == len(set(pictures)) == len(set(uses))
    assert len(uses) > len(pictures)
    assert set(uses) == {f"#photo{at}" for at in range(len(pictures))}
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
        assert max(image.size) <= THUMBNAIL_PX
        assert image.size == (80, 60)  # not enlarged


def test_pictures_of_a_page_have_a_bound_and_what_does_not_fit_is_said(trained, photos, monkeypatch):
    facts = read_facts(trained.card)
    names = sorted(photos.parent.glob("*.png"))
    shown = Surveyed(
        [each.name for each in names], names, [0] * len(names), list(map(files.sha256_file, names))
    )
    wrong = [Mistake(at, 0, 1, 0.9) for at in range(20)]
    one = len(gallery_of(facts, {facts.first_choice: wrong[:1]}, shown).jpegs[0])
    monkeypatch.setattr(pictures, "MAX_BYTES", 5 * one)

    gallery = gallery_of(facts, {facts.first_choice: wrong}, shown)

    assert 0 < sum(map(len, gallery.jpegs)) <= 5 * one
    assert len(gallery.mistakes[facts.first_choice]) == 20
    assert "no room for more pictures" in Read(rendered(facts, trained.card, gallery=gallery)).text


def test_made_later_it_is_the_same_to_the_byte(trained, run):
    first = (trained.run / run_folder.REPORT).read_bytes()

    made = report(run, overwrite=True)

    assert made.path == run / run_folder.REPORT
    assert made.bytes == len(first)
    assert made.mistakes == len(trained.proof.mistakes["int8", "mediapipe"])
    assert made.written
    assert made.notes == ()
    assert (run / run_folder.REPORT).read_bytes() == first


def test_moved_photos_are_found_where_they_are_said_to_be(trained, run, photos, tmp_path):
    moved = shutil.copytree(photos.parent, tmp_path / "moved")
    (run / "config.toml").write_text(f"photos = {json.dumps(str(tmp_path / 'gone'))}\n")

    without = report(run, out=tmp_path / "without.html")
    found = report(run, photos=moved / photos.name, out=tmp_path / "with.html")

    assert without.mistakes is None
    assert "`photos=`" in without.notes[0]
    assert "were not there when this page was made" in read(without.path).text
    assert {"image", "use"}.isdisjoint(tag for tag, _ in read(without.path).tags)
    assert found.path.read_bytes() == (trained.run / run_folder.REPORT).read_bytes()


def test_other_photos_than_those_of_the_run_are_refused(run, photos, tmp_path):
    moved = shutil.copytree(photos.parent, tmp_path / "moved")
    for path in moved.glob("*.png"):
        Image.new("RGB", (9, 9)).save(path)

    with pytest.raises(UnusableInput, match="not the photos that proved the run"):
        report(run, photos=moved / photos.name, overwrite=True)


def test_an_existing_file_and_one_that_is_no_page_are_left_alone(run):
    before = (run / run_folder.REPORT).read_bytes()

    (run.parent / "page.html").write_text("mine")
    for options in ({"out": run.parent / "page.html"}, {"out": run / run_folder.REPORT}, {"photos": run}):
        with pytest.raises(UsageError, match="exists"):
            report(run, **options)
    for name in ("card.json", "exports"):
        with pytest.raises(UsageError, match="HTML"):
            report(run, out=run / name, overwrite=True)
    assert (run / run_folder.REPORT).read_bytes() == before


def test_a_page_that_is_there_stays_and_is_said_and_overwrite_makes_it_anew(run, monkeypatch, capsys):
    page_of = run / run_folder.REPORT
    card = (run / "card.json").read_bytes()

    there = report(run)
    code = call(["report", str(run)])

    assert (there.path, there.bytes, there.written) == (page_of, page_of.stat().st_size, False)
    assert "`overwrite=True` makes it anew" in there.notes[0]
    assert (run / "card.json").read_bytes() == card
    said = capsys.readouterr()
    assert code == 0
    assert said.out == f"{page_of}\n"
    assert "was there already" in said.err
    assert "--overwrite makes it anew" in said.err

    page_of.unlink()
    assert report(run).written
    assert page_of.is_file()


def test_a_page_that_somebody_else_put_there_is_not_said_to_be_ours(run):
    (run / run_folder.REPORT).write_text("mine")

    with pytest.raises(UsageError, match="no file that we wrote"):
        report(run)


def test_a_card_without_its_numbers_is_a_damaged_run(run):
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    del card["head"]
    (run / "card.json").write_text(json.dumps(card))

    with pytest.raises(ArtifactError, match="cannot be shown"):
        report(run, overwrite=True)


def test_a_page_that_came_later_does_not_outlive_its_run(fit, photos, run):
    (run / run_folder.REPORT).unlink()
    report(run)
    old = (run / run_folder.REPORT).read_bytes()

    again = fit(photos, run, overwrite=True, views=("crop",))

    assert (again.run / run_folder.REPORT).read_bytes() != old
    assert not list(again.run.glob("*.kept"))


def test_many_classes_have_no_picture_but_the_worst_pairs(trained):
    facts = read_facts(trained.card)
    labels = tuple(f"class {number}" for number in range(300))
    matrix = 3 * np.eye(300, dtype=np.int64)
    matrix[7, 9] = 5

    def shown(count):
        few = labels[:count]
        confusions = {choice: Confused.of(few, matrix[:count, :count]) for choice in facts.confusions}
        return Read(rendered(replace(facts, labels=few, confusions=confusions), trained.card))

    def matrices(found):
        return [a["class"] for tag, a in found.tags if a.get("class", "").startswith("matrix")]

    assert matrices(shown(20)) == ["matrix"] * 6
    assert matrices(shown(40)) == ["matrix for-wide dense"] * 6  # as narrow as a phone it cannot be read
    assert matrices(shown(41)) == []
    many = shown(300)
    assert "class 7 class 9 5 62 %" in many.text
    assert "a picture of 300 classes would be too small to read" in many.text
    assert "The 20 classes with the most photos and the 20 with the fewest, of 300" in many.text
    assert "The other 280 classes" in many.text
    assert many.text.count("Of the other 280 classes the table stands under int8, as on phones.") == 5


def test_photos_named_right_and_a_test_part_are_said_in_words(trained):
    facts = read_facts(trained.card)
    right = Confused.of(facts.labels, np.diag([4, 4, 4]))
    facts = replace(facts, split="test", confusions=dict.fromkeys(facts.confusions, right))

    shown = Read(rendered(facts, trained.card, gallery=Gallery({}, ()))).text

    assert "took part neither in the training nor in any choice" in shown
    assert shown.count("every photo was named right.") == 12


def test_two_snippets_open_the_file_to_ship_by_its_name_and_say_its_size(trained):
    text = (trained.run / run_folder.REPORT).read_text(encoding="utf-8")
    name = trained.card["exports"][1]["path"].rpartition("/")[2]
    assert (trained.run / "exports" / name).is_file()

    kotlin, swift = (html.unescape(part.partition("</code>")[0]) for part in text.split('"><code>')[-2:])

    assert f'ImageClassifier.createFromFile(\n    context, "{name}")' in kotlin
    assert f'forResource: "{name.removesuffix(".tflite")}"' in swift
    for code in (kotlin, swift):
        assert "32 x 32 pixels" in code
        assert max(map(len, code.splitlines())) < 76  # half of a big screen
    assert 'context, "a\\"\\$b.tflite")' in snippets('exports/a"$b.tflite', 224)[0].code


def test_the_command_prints_what_scripts_rely_on(run, tmp_path, capsys):
    code = call(["report", str(run), "--out", str(tmp_path / "r.html"), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert set(document) == {"path", "bytes", "mistakes", "notes", "written"}
    assert document["path"] == str(tmp_path / "r.html")
    assert document["bytes"] == (tmp_path / "r.html").stat().st_size
    assert call(["report", str(run), "--out", str(tmp_path / "r.html")]) == 2
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


def test_a_text_neither_turns_the_writing_direction_nor_becomes_markup(trained):
    hostile = "<b>\u202e\x1b[31m\u2066&\u200f"
    card = {**trained.card, "labels": [hostile, *trained.card["labels"][1:]]}
    card["weights"] = {**card["weights"], "license": hostile, "notice": hostile}
    facts = read_facts(card)
    gallery = Gallery({facts.first_choice: [WrongPhoto(hostile, hostile, hostile, 0.5, None, gone=True)]}, ())

    text = rendered(facts, card, hostile, gallery=gallery)

    assert [c for c in text if not c.isprintable() and c not in "\n\N{NO-BREAK SPACE}"] == []
    assert text.count("&lt;b&gt;\\u202e\\x1b[31m\\u2066&amp;\\u200f") >= 7
    assert "b" not in {tag for tag, a in Read(text).tags if not a}


def test_labels_to_look_at_stand_with_what_speaks_against_them_and_two_pictures_each(trained):
    doubtful = read_facts(trained.card).doubtful
    assert 0 < len(doubtful.first) <= MOST_DOUBTFUL
    assert doubtful.found >= 3 * 2  # a third of the labels are wrong
    found = read(trained.run / run_folder.REPORT)

    section = within(found.text, "Labels to look at", "Details")
    assert f"{doubtful.found} photos of {doubtful.judged} are more like those of another class" in section
    for row in doubtful.first:
        about = f"is {printable(row.label)} , perhaps {printable(row.suspected)}"
        assert f"{about} {printable(row.evidence)} {printable(row.name)}" in section
    text = (trained.run / run_folder.REPORT).read_text(encoding="utf-8")
    shown = within(text, 'class="mistakes doubted"', "</ul>")
    assert shown.count("<use ") == 2 * len(doubtful.first)
    assert "no picture" not in shown


def test_pictures_of_doubtful_labels_have_a_bound_of_their_own(trained, photos, monkeypatch):
    facts = read_facts(trained.card)
    empty = Gallery({facts.first_choice: ()}, ())

    def find(name):
        path = photos.parent / name
        return path, files.sha256_file(path)

    whole = with_doubted(empty, facts, find)
    monkeypatch.setattr(pictures, "MAX_DOUBTED_BYTES", len(whole.jpegs[0]))
    assert len(with_doubted(empty, facts, find).jpegs) == 1
    assert len(with_doubted(empty, facts, lambda name: None).jpegs) == 0
    assert "no picture" in Read(rendered(facts, trained.card, gallery=with_doubted(empty, facts, find))).text


def test_a_card_without_doubtful_labels_has_no_such_section(trained):
    card = json.loads(json.dumps(trained.card))
    del card["data"]["doubtful_labels"]
    assert "Labels to look at" not in rendered(read_facts(card), card)
    card["data"]["doubtful_labels"] = {"judged": 36, "found": 0, "first": []}
    text = Read(rendered(read_facts(card), card)).text
    assert "Labels to look at" not in text
    assert "none looks wrong beside the other photos" in text


@pytest.mark.parametrize(
    "change", [{"doubt": 2}, {"nearest": -1}, {"name": 3}, {"label": None}, {"probability_label": "x"}]
)
def test_a_card_with_doubtful_labels_that_are_none_is_refused(trained, change):
    card = json.loads(json.dumps(trained.card))
    card["data"]["doubtful_labels"]["first"][0] |= change
    with pytest.raises(ValueError, match=r"its|it has"):
        read_facts(card)
