"""Tables that harm nobody, whatever their texts, and give them back."""

import csv
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from efficientnet_lite.storage import tables

anything = st.text(st.characters(), max_size=40)  # controls and lone surrogates included


@given(anything)
@example("'=1+1")
@example("''")
@example("\\x41")
@example("\\N{DIGIT ONE}\\777\\u12")
@example("=\udcff\n\U0010ffff")
def test_a_text_survives_a_table_and_its_cell_is_one_harmless_line(text):
    cell = tables.csv_cell(text)

    assert tables.csv_text(cell) == text
    assert cell.isprintable()
    assert cell.encode().decode() == cell
    assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r")


@given(anything)
def test_escapes_are_undone(text):
    assert tables.unescaped(tables.escaped(text)) == text


@pytest.mark.parametrize(
    "text", [r"photos\dress\1.jpg", r"C:\Users\x", "\\", r"\N{BULLET}", r"\UFFFFFFFF", r"\xZZ"]
)
def test_a_backslash_that_was_not_written_as_an_escape_stays(text):
    assert tables.unescaped(text) == text


@given(
    st.one_of(
        st.integers(), st.floats(), st.floats(width=32).map(np.float32), st.integers(-9, 9).map(np.int8)
    )
)
def test_numbers_stay_numbers_in_a_table(number):
    assert tables.csv_cell(number) == str(number)


def test_a_fraction_counts_as_a_number_and_a_text_of_a_number_does_not():
    assert tables.csv_cell(Fraction(-1, 2)) == "-1/2"
    assert tables.csv_cell("-1") == "'-1"


@given(st.lists(st.tuples(anything, anything), max_size=5))
def test_every_row_of_a_table_is_a_line_that_any_reader_takes_apart(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "skipped.csv"

    tables.publish_csv(path, ("path", "reason"), rows)

    lines = path.read_bytes().decode().splitlines(keepends=True)
    read = list(csv.reader(lines, strict=True))
    assert len(lines) == len(rows) + 1
    assert read[0] == ["path", "reason"]
    assert [tuple(map(tables.csv_text, row)) for row in read[1:]] == rows


starts = st.sampled_from(
    ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", "\r=", '"=', "'=", " =", "\xa0=", "|", ""]
)
pieces = st.sampled_from(
    [";", ",", "\t", '"', '""', "'", " ", "\n", "x", "\\", ";;", '";"', "=HYPERLINK(1)", "@SUM", "-1"]
)
hostile = st.builds(lambda start, parts: start + "".join(parts), starts, st.lists(pieces, max_size=8))


@given(st.lists(st.lists(hostile | anything, min_size=2, max_size=3), min_size=1, max_size=3))
@example([["name", "x;=cmd|' /C calc'!A0"]])
@example([["x;", "=1"], ['x;"', "=1"]])
@example([["a", 'x;""=1'], [" =1", "＝1"]])
def test_no_spreadsheet_finds_a_formula_wherever_it_separates(rows):
    lines = "".join(map(tables.csv_line, rows)).splitlines(keepends=True)

    for separator in (",", ";", "\t"):
        for skip, quoting in ((False, csv.QUOTE_MINIMAL), (True, csv.QUOTE_MINIMAL), (False, csv.QUOTE_NONE)):
            if separator == "," and quoting == csv.QUOTE_NONE:
                continue  # such a reader takes no table apart whose cells have commas
            for row in csv.reader(lines, delimiter=separator, skipinitialspace=skip, quoting=quoting):
                assert [cell for cell in row if cell.lstrip()[:1] in tables.ANY_STARTS] == []
    assert [[tables.csv_text(cell) for cell in row] for row in csv.reader(lines)] == rows


@given(hostile | anything)
def test_a_cell_of_an_earlier_version_reads_as_it_was_meant(text):
    def earlier(text):
        text = tables.escaped(text)
        return f"'{text}" if text.lstrip("'")[:1] in ("=", "+", "-", "@") else text

    assert tables.csv_text(earlier(text)) == text
