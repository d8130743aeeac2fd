"""A run that shows itself: a few lines where Python prints an object, and a small table in a notebook."""

import json
from html.parser import HTMLParser

import pytest

from efficientnet_lite.commands.info import info
from efficientnet_lite.run.shown import OpenedRun

HOSTILE = "<script>alert('x')</script>&\x1b[31m"

TAGS = {"div", "b", "table", "thead", "tbody", "tr", "th", "td", "small", "br", "pre"}


class Page(HTMLParser):
    """The tags of a fragment, which have to be closed, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, attributes))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_what_train_gives_shows_its_summary(trained):
    text, page = repr(trained), Page(trained._repr_html_())

    assert text.startswith("shapes: 3 classes, 36 photos, ")
    assert "top-1, phone" in text
    assert f"efficientnet-lite predict {trained.run} photo.jpg" in text
    assert all(len(line) < 200 for line in text.splitlines())
    assert [tag for tag, _ in page.seen].count("tr") == 3
    assert page.texts[0] == text.splitlines()[0]
    for file in trained.summary.files:
        assert file.precision in text
        assert file.precision in page.texts


def test_a_run_below_the_current_folder_is_named_from_there(trained, monkeypatch):
    monkeypatch.chdir(trained.run.parent.parent)

    near = trained.run.relative_to(trained.run.parent.parent)
    assert f"efficientnet-lite predict {near} photo.jpg" in repr(trained)
    assert str(trained.run) not in repr(trained) + trained._repr_html_()


def test_an_opened_run_shows_itself_too(trained):
    opened = info(trained.run)

    assert isinstance(opened, OpenedRun)
    assert opened.labels == ("ball", "box", "stripes")
    assert repr(opened).startswith("shapes: 3 classes, 36 photos\n")
    assert Page(opened._repr_html_()).texts[0] == "shapes: 3 classes, 36 photos"


def test_names_of_a_stranger_are_text(run):
    strange = run.rename(run.with_name("<img src=x onerror=alert(1)>"))
    card = json.loads((strange / "card.json").read_text())
    card["labels"] = [card["labels"][0] + "<b>", *card["labels"][1:]]
    for views in (card["metrics"]["float32"], card["metrics"]["int8"]):
        for each in views:
            each["classes"][0]["label"] += "<b>"
    (strange / "card.json").write_text(json.dumps(card))

    page = Page(info(strange)._repr_html_())

    assert {tag for tag, _ in page.seen} <= TAGS
    assert all(attributes == [] for _, attributes in page.seen)
    assert page.texts[0].startswith("<img src=x onerror=alert(1)>: 3 classes")


@pytest.mark.parametrize("part", ["exports", "metrics", "verification"])
def test_a_damaged_card_shows_why_and_raises_nothing(run, part):
    opened = info(run)
    broken = OpenedRun(opened.folder, {**opened.card, part: {HOSTILE: 1}}, opened.labels, opened.exports)

    assert repr(broken).startswith("<OpenedRun: ")
    assert "\x1b" not in repr(broken)
    assert Page(broken._repr_html_()).seen == [("pre", [])]
