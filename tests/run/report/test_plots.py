"""What the drawings show, and that their SVG can stand in a page: same bytes, no links, no markup of others."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from efficientnet_lite.run.report import plots
from efficientnet_lite.run.report.facts import TriedStrength, read_facts
from efficientnet_lite.run.report.plots import Bar, Dot

ATTEMPTS = (
    TriedStrength(0.1, 0.6, 0.8, False),
    TriedStrength(0.03, 0.5, 0.85, True),
    TriedStrength(0.01, 0.55, 0.84, False),
)
HOSTILE = ("</text></svg><script>alert(1)</script>", "$\\frac$ 写真 \U0001f600", '"><img src=x> #010101')


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="the extra `report` is not installed: make test-all")


def texts(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter("text")]


def drawings(facts):
    return {
        "accuracy": plots.draw_accuracy(plots.accuracy_dots(facts)),
        "path": plots.draw_path(ATTEMPTS),
        "confusion": plots.draw_confusion(HOSTILE, np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])),
        "counts": plots.draw_counts(plots.count_bars(HOSTILE, {"train": [5, 3, 2], "validation": [1, 1, 1]})),
    }


def test_there_is_a_dot_for_each_file_and_consumer_with_the_cards_numbers(trained):
    dots = plots.accuracy_dots(read_facts(trained.card))

    proof = trained.proof
    assert dots == tuple(
        Dot(each.view, precision, each.top1, each.interval)
        for pair in zip(proof.float32, proof.int8, strict=True)
        for precision, each in zip(("float32", "int8"), pair, strict=True)
    )


def test_bars_have_the_counts_of_each_split_the_largest_class_first():
    found = plots.count_bars("abc", {"train": [2, 9, 4], "validation": [1, 1, 4], "test": [0, 0, 0]})

    assert found == (
        Bar("b", {"train": 9, "validation": 1}),
        Bar("c", {"train": 4, "validation": 4}),
        Bar("a", {"train": 2, "validation": 1}),
    )


def test_of_many_classes_only_the_largest_and_the_smallest_have_a_bar():
    labels = [f"{number:03}" for number in range(1000)]

    found = plots.count_bars(labels, {"train": list(range(1000)), "validation": [0] * 1000})

    assert len(found) == plots.MAX_BARS
    assert [bar.label for bar in (found[0], found[19], found[20], found[39])] == ["999", "980", "019", "000"]


def test_the_same_numbers_give_the_same_bytes_and_no_links(trained, matplotlib):
    facts = read_facts(trained.card)
    first, second = drawings(facts), drawings(facts)

    assert first == second
    for svg in first.values():
        root = ET.fromstring(svg)
        used = {value for element in root.iter() for key, value in element.attrib.items() if key == "href"}
        assert all(value.startswith("#") for value in used)
        assert "http" not in svg
        assert not {"script", "style", "metadata", "image", "img"} & {element.tag for element in root.iter()}
        assert not any(
            sentinel in "".join(element.attrib.values())
            for element in root.iter()
            for sentinel in plots.COLORS
        )


def test_no_two_drawings_share_an_id_so_that_they_can_stand_in_one_page(trained, matplotlib):
    ids = [
        element.attrib["id"]
        for svg in drawings(read_facts(trained.card)).values()
        for element in ET.fromstring(svg).iter()
        if "id" in element.attrib
    ]

    assert len(ids) == len(set(ids))


def test_class_names_are_text_and_neither_markup_nor_formulas(matplotlib):
    shown = texts(plots.draw_confusion(HOSTILE, np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])))

    assert HOSTILE[1] in shown
    assert HOSTILE[2] in shown
    assert any(text.startswith("</text></svg><script>") and text.endswith("…") for text in shown)
    assert [text for text in shown if text.isdigit()] == ["3", "1", "2"]


def test_the_chosen_strength_is_marked_in_both_panels(matplotlib):
    def lines(attempts):
        return plots.draw_path(attempts).count("stroke-dasharray")

    assert lines(ATTEMPTS) == 2
    assert lines(ATTEMPTS[:1]) == 0


def test_the_users_own_matplotlib_is_left_as_it_was_and_does_not_show(matplotlib):
    before = plots.draw_path(ATTEMPTS)
    with matplotlib.rc_context({"lines.linewidth": 7, "font.size": 30, "svg.hashsalt": "mine"}):
        own = dict(matplotlib.rcParams)

        assert plots.draw_path(ATTEMPTS) == before
        assert dict(matplotlib.rcParams) == own


@pytest.mark.parametrize(("classes", "split"), [(1, "train"), (40, "test")])
def test_one_class_and_forty_can_be_drawn(matplotlib, classes, split):
    labels = [f"class {number}" for number in range(classes)]

    assert "</svg>" in plots.draw_confusion(labels, np.eye(classes, dtype=np.int64))
    assert "</svg>" in plots.draw_counts(plots.count_bars(labels, {split: [1] * classes}))
