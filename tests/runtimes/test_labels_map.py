"""Names of classes from a file: a list, JSON of three forms, and what is refused with a word on why."""

import json

import pytest

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.runtimes.labels_map import read_labels_map

NAMES = ("tench", "goldfish", "crane")


def read(tmp_path, content, classes=3):
    path = tmp_path / "labels.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labels_map(path, classes)


@pytest.mark.parametrize(
    "content",
    [
        "tench\ngoldfish\ncrane",
        "\ufefftench\r\ngoldfish\r\ncrane\r\n\r\n",
        "  tench \n\tgoldfish\ncrane\n",
        json.dumps(NAMES),
        json.dumps(dict(enumerate(NAMES))),
        json.dumps({index: ["n0144076" + str(index), name] for index, name in enumerate(NAMES)}),
    ],
)
def test_every_form_gives_the_names_in_order(tmp_path, content):
    assert read(tmp_path, content) == NAMES


def test_a_map_may_leave_classes_out_and_a_list_may_not(tmp_path):
    assert read(tmp_path, '{"1": "goldfish"}') == ("0", "goldfish", "2")
    with pytest.raises(UnusableInput, match="names 2 classes, the model has 3"):
        read(tmp_path, "tench\ngoldfish")


@pytest.mark.parametrize("content", ["a\nb\nc\nd", '["a", "b", "c", "d"]', '{"3": "d"}'])
def test_more_names_than_classes_are_of_another_model(tmp_path, content):
    with pytest.raises(UnusableInput, match="names 4 classes, the model has 3") as refused:
        read(tmp_path, content)
    assert "in the order of its outputs" in refused.value.fix


def test_a_background_is_left_out_where_one_side_has_it(tmp_path):
    thousand = [f"name {index}" for index in range(1000)]

    assert read(tmp_path, "\n".join(thousand), 1001)[:2] == ("0", "name 0")
    assert read(tmp_path, "Background\ntench\ngoldfish\ncrane") == NAMES


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "it is empty"),
        ("tench\n\ncrane", "line 2, '', cannot be a name: it is empty"),
        ("tench\ngold\x1b[31mfish\ncrane", "line 2.*control character"),
        ("tench\n" + "x" * 300 + "\ncrane", "line 2.*300 characters"),
        (b"tench\n\xff\xfe\ncrane", "line 2: byte 1 is not UTF-8"),
        ("tench\ngoldfish\ncrane".encode("utf-16"), "UTF-16"),
        ("{'0': 'tench'}", "property name"),
        ('{"0": "tench", "one": "goldfish"}', "'one' is no class index"),
        ('{"-1": "tench"}', "'-1' is no class index"),
        ('{"99999999999999999999": "tench"}', "is no class index"),
        ('{"0": {"a": 1}}', "class 0 is no text"),
        ('["tench", 3, "crane"]', "name 1 is no text"),
        ("[" * 200_000, "too deep"),
    ],
)
def test_what_is_no_list_of_names_says_where(tmp_path, content, says):
    with pytest.raises(UnusableInput, match=says) as refused:
        read(tmp_path, content)
    assert "one name a line" in refused.value.fix
