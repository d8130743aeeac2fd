"""Tables at every width: what a cell holds stands on one line, columns stay columns, and what goes is named."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from efficientnet_lite.cli.drawn_table import Grid, facts
from efficientnet_lite.cli.wrapping import atoms

FILES = Grid(
    ["file", "bytes", "top-1 crop", "balanced accuracy", "latency"],
    [
        ["exports/clothing_float32.tflite", "13,470,122", "84.5 % (80.2-87.9)", "84.1 %", "9.2 ms"],
        ["exports/clothing_int8.tflite", "3,955,114", "84.2 % (79.9-87.7)", "83.9 %", "3.2 ms"],
    ],
    right=frozenset(["bytes", "latency"]),
    drop=("latency", "bytes"),
)


def test_a_table_that_fits_shows_all_of_it():
    assert FILES.lines(None) == FILES.lines(100)
    assert "".join(FILES.lines(100)).count("latency") == 1
    assert max(map(cell_len, FILES.lines(None))) <= 100


def test_headers_break_before_a_column_goes_and_what_goes_is_named():
    assert [len(line) for line in FILES.lines(88)][2] <= 88
    assert FILES.lines(88)[0].split() == ["balanced"]
    assert "latency" in FILES.lines(88)[1]

    narrow = FILES.lines(80)
    assert narrow[-1] == "(no room here for latency: --json has all)" or "latency, bytes" in narrow[-1]
    assert not any("9.2 ms" in line for line in narrow)


def test_rows_become_lines_where_no_column_can_go_any_more():
    lines = FILES.lines(60)
    assert lines[3] == "exports/clothing_float32.tflite"
    assert lines[4].split() == ["13,470,122", "84.5", "%", "(80.2-87.9)", "84.1", "%", "9.2", "ms"]

    assert FILES.lines(24)[:4] == ["file", "exports/clothing_float32.tflite", "bytes", "  13,470,122"]
    assert "" in FILES.lines(24)


def test_a_first_cell_is_said_once_for_all_its_rows():
    table = Grid(["photo", "label"], [["a/long/path/to/a.jpg", "giant panda"], ["", "red panda"]])

    assert table.lines(22)[3:] == ["a/long/path/to/a.jpg", "  giant panda", "  red panda"]


def test_prose_in_a_column_breaks_between_words_and_a_number_in_it_does_not():
    proof = "agreement 98.2 % (96.2-99.2), within 2.7 % of float32, top-1 drops by 0.3 points on 341 photos"
    table = Grid(["file", "proof"], [["lite0_int8.tflite", proof]], prose="proof")

    lines = table.lines(60)

    assert max(map(cell_len, lines)) <= 60
    assert "98.2 % (96.2-99.2)," in "\n".join(lines)
    assert " ".join(" ".join(lines[2:]).split()) == f"lite0_int8.tflite {proof}"


def test_wide_characters_are_measured_in_cell_len():
    table = Grid(["class", "n"], [["写真", "1"], ["cafe\u0301", "2"], ["hat", "3"]], right=frozenset(["n"]))

    assert {cell_len(line) for line in table.lines(None)} == {8}


@pytest.mark.parametrize("width", [None, 80])
def test_a_table_without_rows_or_columns_is_its_header_or_nothing(width):
    assert Grid(["a", "b"], []).lines(width) == ["a  b", "\u2500" * 4]
    assert Grid([], []).lines(width) == []


words = st.text("ab1%写.", min_size=1, max_size=8)
cell_texts = st.lists(words, min_size=0, max_size=4).map(" ".join)


@given(st.lists(st.lists(cell_texts, min_size=3, max_size=3), max_size=4), st.integers(1, 70), st.booleans())
@example([["", "11111111 111111写写 11111a写写 1", "1 1 11 111111"]], 41, True)
def test_every_cell_stands_whole_on_a_line_at_every_width(rows, width, prose):
    table = Grid(["first one", "b", "c"], rows, drop=("c",), prose="b" if prose else "")

    lines = table.lines(width)

    shown = "\n".join(lines)
    for row in rows:
        assert row[0] in shown
        assert row[1] in shown or (prose and all(word in shown for word in row[1].split()))
        assert row[2] in shown or "(no room here for c" in " ".join(shown.split())
    whole = {*table.columns, *(cell for row in rows for cell in row)}
    words = {word for text in whole for word in atoms(text)} | {"(no", "room", "here", "for", "has", "all)"}
    for line in lines:
        assert cell_len(line) <= width or line.strip() in whole | words or line in ("c:", "--json")


def test_facts_stand_beside_their_names_or_below_them():
    path = "/a/long path/of a model.tflite"
    pandas = ["polar bear", "red panda"]
    rows = [("path", path, [path]), ("bytes", "1,234", []), ("labels", ", ".join(pandas), pandas)]

    assert facts(rows, None)[0] == f"path    {path}"
    assert facts(rows, 20) == ["path", path, "bytes   1,234", "labels", "  polar bear,", "  red panda"]
