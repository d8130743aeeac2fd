"""The curves of a page: same bytes, its own colors, no links, no markup of others; and bars that it counts."""

import xml.etree.ElementTree as ET

import pytest

from efficientnet_lite.run.report import page, plots
from efficientnet_lite.run.report.page import Bar
from efficientnet_lite.training.epochs import panels_of

HOSTILE = "top1_</text></svg><script>alert(1)</script> $x$ 写真"
ROWS = [
    {
        "epoch": epoch,
        "loss": 1 / (1 + epoch),
        "validation_loss": 2 / (1 + epoch),
        HOSTILE: 0.8 + 0.02 * epoch,
        "top1_mediapipe": 0.81 + 0.02 * epoch,
        "learning_rate": 1e-3 * (5 - epoch),
    }
    for epoch in range(5)
]


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="the extra `report` is not installed: make test-all")


def texts(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter("text")]


def drawn(width=plots.WIDE, name="wide"):
    return plots.draw_epochs(panels_of(ROWS), 3, width, name)


def test_bars_have_the_counts_of_each_split_the_largest_class_first():
    found = page.count_bars("abc", {"train": [2, 9, 4], "validation": [1, 1, 4], "test": [0, 0, 0]})

    assert found == (
        Bar("b", {"train": 9, "validation": 1}),
        Bar("c", {"train": 4, "validation": 4}),
        Bar("a", {"train": 2, "validation": 1}),
    )


def test_of_many_classes_only_the_largest_and_the_smallest_have_a_bar():
    labels = [f"{number:03}" for number in range(1000)]

    found = page.count_bars(labels, {"train": list(range(1000)), "validation": [0] * 1000})

    assert len(found) == page.MAX_BARS
    assert [bar.label for bar in (found[0], found[19], found[20], found[39])] == ["999", "980", "019", "000"]


def test_the_same_numbers_give_the_same_bytes_and_no_links(matplotlib):
    first = drawn()

    assert drawn() == first
    root = ET.fromstring(first)
    used = {value for element in root.iter() for key, value in element.attrib.items() if key == "href"}
    assert all(value.startswith("#wide-") for value in used)
    assert "http" not in first
    assert not {"script", "style", "metadata", "image", "img"} & {element.tag for element in root.iter()}
    attributes = ["".join(element.attrib.values()) for element in root.iter()]
    assert not any(sentinel in each for each in attributes for sentinel in plots.COLORS)
    for color in ("ink", "soft", "blue", "orange"):
        assert any(f"var(--{color})" in each for each in attributes)


def test_both_widths_stand_in_one_page_and_share_no_id(matplotlib):
    wide, narrow = drawn(), drawn(plots.NARROW, "narrow")
    ids = [
        each.attrib["id"]
        for svg in (wide, narrow)
        for each in ET.fromstring(svg).iter()
        if "id" in each.attrib
    ]

    assert len(ids) == len(set(ids))
    assert float(ET.fromstring(narrow).attrib["width"].removesuffix("pt")) == pytest.approx(3.5 * 72)


def test_each_line_ends_in_its_own_last_value_and_names_are_text(matplotlib):
    shown = texts(drawn())

    assert {"training 0.200", "validation 0.400", "on phones 89.0", "0.001"} <= set(shown)
    assert "</text></svg><script>alert(1)</script> $x$ 写真 88.0" in shown
    assert "epoch (dashed: the best, 3)" in shown


def test_the_users_own_matplotlib_is_left_as_it_was_and_does_not_show(matplotlib):
    before = drawn()
    with matplotlib.rc_context({"lines.linewidth": 7, "font.size": 30, "svg.hashsalt": "mine"}):
        own = dict(matplotlib.rcParams)

        assert drawn() == before
        assert dict(matplotlib.rcParams) == own
