"""CSV and JSONL manifests: what is understood, and what is refused with its line."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos import manifest
from efficientnet_lite.photos.manifest import ManifestRow, NoLabels, read_manifest

WHERE = Path("photos.csv")


def entries(data: bytes) -> list[ManifestRow]:
    return list(read_manifest(io.BytesIO(data), where=WHERE).entries)


def refusal(data: bytes) -> str:
    with pytest.raises(UnusableDataset) as caught:
        entries(data)
    assert caught.value.where == WHERE
    return caught.value.what


@pytest.mark.parametrize("path", manifest.PATH_COLUMNS)
@pytest.mark.parametrize("label", manifest.LABEL_COLUMNS)
def test_the_usual_names_of_columns_are_known_in_any_case_and_order(path: str, label: str) -> None:
    data = f"Extra,{label.upper()}, {path.title()}\n1,hat,a.jpg\n".encode()
    assert entries(data) == [ManifestRow(2, "a.jpg", "hat", None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_as_spreadsheets_save_it_is_read(delimiter: str) -> None:
    lines = [["path", "label", "subset"], ["a b.jpg", "T-Shirt", "Train"], ["c.jpg", "hat", "val"]]
    data = b"\xef\xbb\xbf" + "\r\n".join(delimiter.join(cells) for cells in lines).encode() + b"\r\n\r\n"
    assert entries(data) == [
        ManifestRow(2, "a b.jpg", "T-Shirt", "train"),
        ManifestRow(3, "c.jpg", "hat", "validation"),
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        ).filter(lambda row: bool(row[0].strip() and row[1].strip())),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_comes_back_from_csv_and_from_jsonl(rows: list[tuple[str, str]]) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_ALL)
    writer.writerows([("path", "label"), *rows])
    lines = [json.dumps({"file_name": path, "label": label}, ensure_ascii=False) for path, label in rows]
    for data in (table.getvalue().encode(), "\n".join(lines).encode()):
        assert [(entry.path, entry.label) for entry in entries(data)] == rows


def test_jsonl_of_the_imagefolder_convention_is_read_with_numbers_as_labels() -> None:
    data = (
        b'{"file_name": "0001.png", "label": 3, "text": "a cat"}\n\n{"file_name": "2.png", "label": "dog"}\n'
    )
    assert entries(data) == [ManifestRow(1, "0001.png", "3", None), ManifestRow(3, "2.png", "dog", None)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the manifest is empty"),
        (b"\n \n", "the manifest is empty"),
        (b"path,label\n", "a header and no rows"),
        (b"a.jpg,hat\nb.jpg,hat\n", "line 1: the header names no column of paths, it has 'a.jpg', 'hat'"),
        (b"path,text\na.jpg,hat\n", "no column of labels, it has 'path', 'text'"),
        (b"path,label\na.jpg,hat\nb.jpg\n", "line 3: 1 cells under a header of 2"),
        (b"path,label\na,b.jpg,hat\n", "line 2: 3 cells under a header of 2"),
        (b'path,label\n"a.jpg,hat\n', "line 2: unexpected end of data"),
        (b'path,label\n"a"b.jpg,hat\n', "line 2: "),
        (b"path,label\na.jpg,hat\r b\n", "line 2: "),
        (b"path,label\n,hat\n", "line 2: the path is empty"),
        (b"path,label\na.jpg,hat\nb.jpg, \n", "line 3: the label is empty"),
        (b'{"path": "a", "label": ""}\n', "line 1: the label is empty"),
        (b"path,label\na\0b.jpg,hat\n", "line 2: the path holds a NUL"),
        (b"path,label\na.jpg,hat\nb.jpg,h\0at\n", "line 3: the label holds a NUL"),
        (b'{"path": "a", "label": "h\\u0000at"}\n', "line 1: the label holds a NUL"),
        (b"path,label\na.jpg,caf\xe9\n", "line 2: byte 10 is not UTF-8"),
        ("path,label\n".encode("utf-16"), "line 1: it is UTF-16, as Windows saves text"),
        (
            b"path,label,split\na,b,holdout\n",
            "line 2: unknown split 'holdout', expected train, validation or test",
        ),
        (b"path,label,split\na,b,train\nc,d,\n", "line 3: no split, unlike line 2"),
        (b"path,label,split\na,b,\nc,d,test\n", "line 3: a split, unlike line 2"),
        (b'[{"path": "a"}]', "line 1: a JSON array"),
        (b'{"path": "a", "label": "b"}\n{"path": ', "line 2: no JSON"),
        (b'{"path": "a", "label": "b"}\n[1]\n', "line 2: not an object"),
        (b'{"path": 7, "label": "b"}\n', "line 1: no text under any of path"),
        (b'{"path": "a", "label": "b"}\n{"path": "a"}\n', "line 2: no text under any of label"),
        (b'{"path": "a", "label": true}\n', "line 1: no text under any of label"),
        (b'{"path": "a", "label": 0.5}\n', "line 1: no text under any of label"),
        (b'{"path": "a", "label": "b", "split": 1}\n', "line 1: the split is no text"),
        (b'{"path": "a", "label": ' + b"9" * 5000 + b"}\n", "line 1: no JSON"),
        (b'{"path": ' + b"[" * 100_000, "line 1: no JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(data: bytes, expected: str) -> None:
    assert expected in refusal(data)


@pytest.mark.parametrize("data", [b"file_name,text\na.jpg,a cat\n", b'{"file_name": "a.jpg", "text": "x"}\n'])
def test_captions_are_told_from_broken_manifests(data: bytes) -> None:
    with pytest.raises(NoLabels):
        entries(data)


def test_a_line_without_end_is_refused_before_it_is_parsed() -> None:
    data = b"path,label\n" + b"a" * (manifest.MAX_LINE_BYTES + 1)
    assert refusal(data) == "line 2: more than 1,048,576 bytes"


@pytest.mark.parametrize(
    "head", [[b"path,label\n", b"a.jpg,hat\n"], [b'{"path": "a.jpg", "label": "hat"}\n']]
)
def test_no_line_is_read_before_its_row_is_asked_for(head: list[bytes]) -> None:
    lines = iter([*head, b"", b"\n", b"1,2,3\n"])

    assert next(read_manifest(lines, where=WHERE).entries).path == "a.jpg"
    assert len(list(lines)) == 3


def test_a_quoted_cell_over_many_lines_is_bounded() -> None:
    data = b'path,label\n"' + b"abcdefg\n" * 100_000
    assert "field larger than field limit" in refusal(data)


def test_the_number_of_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_ROWS", 3)
    assert len(entries(b"path,label\n" + b"a,b\n" * 3)) == 3
    assert refusal(b"path,label\n" + b"a,b\n" * 4) == "line 5: more than 3 rows"


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"path,label\n", b'{"path": "a", "label": "b"}\n']))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(data: bytes, start: bytes) -> None:
    try:
        found = entries(start + data)
    except UnusableDataset:
        return
    assert found
    assert all(entry.path.strip() and "\0" not in entry.path for entry in found)


@pytest.mark.parametrize("column", manifest.PERHAPS_SPLIT)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_column_that_may_name_parts_is_a_split_where_it_does(column: str, kind: str) -> None:
    def rows(*cells: str) -> list[ManifestRow]:
        records = [{"path": f"{n}.jpg", column.title(): cell, "label": "a"} for n, cell in enumerate(cells)]
        if kind == "jsonl":
            return entries("\n".join(map(json.dumps, records)).encode())
        return entries(
            "\n".join(map(",".join, [records[0], *(list(each.values()) for each in records)])).encode()
        )

    assert [entry.split for entry in rows("Train", "valid", "test")] == ["train", "validation", "test"]
    assert [entry.split for entry in rows("3", "train", "1")] == [None, None, None]
    with pytest.raises(UnusableDataset, match="unknown split 'holdout'"):
        rows("train", "holdout")
