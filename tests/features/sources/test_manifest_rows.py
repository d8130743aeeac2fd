"""Photos that tables name: manifests without labels and with columns of their own, DataFrames, bounds."""

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listed_rows import photo, read, table

from efficientnet_lite.errors import UnusableDataset, UnusableInput
from efficientnet_lite.features.sources import manifest_rows
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.photos import manifest


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        (tmp_path / "data" / "img").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "img" / f"{number}.jpg").write_bytes(photo(number))
    return tmp_path


def test_a_csv_carries_its_columns_as_they_are_written_and_needs_no_labels(here):
    (here / "data/m.csv").write_text(
        'ID,image_path,Caption,zip,split,\n7,img/0.jpg,"a, b",00123,train,x\n8,img/1.jpg,,00124,test,y\n',
        "utf-8",
    )

    columns, rows = table("data/m.csv")

    assert columns == dict.fromkeys(("Caption", "zip", "split", "unnamed"), "string")
    assert rows == [
        {"id": "7", "path": "data/img/0.jpg", "label": None, "Caption": "a, b", "zip": "00123", "split": "train",
         "unnamed": "x"},
        {"id": "8", "path": "data/img/1.jpg", "label": None, "Caption": None, "zip": "00124", "split": "test",
         "unnamed": "y"},
    ]  # fmt: skip
    assert [data for _, data in read("data/m.csv")] == [photo(0), photo(1)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_jsonl_has_types_and_rows_of_different_columns(here, packed):
    rows = [
        {"path": "img/0.jpg", "label": 3, "score": 1, "good": True, "box": [1, 2], "mixed": 1},
        {"file": "img/1.jpg", "class": "hat", "score": 0.5, "good": None, "mixed": "x", "big": 2**63},
    ]
    data = "\n".join(map(json.dumps, rows)).encode()
    name = "data/m.jsonl.gz" if packed else "data/m.jsonl"
    (here / name).write_bytes(gzip.compress(data) if packed else data)

    columns, found = table(name)

    assert columns == {
        "score": "float64",
        "good": "bool",
        "box": "string",
        "mixed": "string",
        "big": "string",
    }
    assert found == [
        {"id": "img/0.jpg", "path": "data/img/0.jpg", "label": "3", "score": 1.0, "good": True, "box": "[1, 2]",
         "mixed": "1", "big": None},
        {"id": "img/1.jpg", "path": "data/img/1.jpg", "label": "hat", "score": 0.5, "good": None, "box": None,
         "mixed": "x", "big": str(2**63)},
    ]  # fmt: skip


def test_rows_that_say_more_of_one_photo_all_count_and_those_that_say_the_same_count_once(here):
    (here / "data/m.csv").write_text("path,caption\nimg/0.jpg,a\nimg/0.jpg,b\nimg/0.jpg,a\n")
    (here / "data/p.csv").write_text("path\nimg/1.jpg\nimg/1.jpg\n")

    with list_sources(["data/m.csv", "data/p.csv"]) as listed:
        assert [(each.path, each.more) for each in listed.entries()] == [
            ("data/img/0.jpg", ("a",)), ("data/img/0.jpg", ("b",)), ("data/img/1.jpg", (None,)),
        ]  # fmt: skip


def test_a_row_without_its_photo_is_a_row_with_the_reason(here):
    (here / "data/m.csv").write_text(
        "path\nimg/0.jpg\nimg/9.jpg\nimg/1\nimg\nftp://x/1.jpg\nfile:///etc/passwd\n"
    )

    found = read("data/m.csv")

    assert found[0] == ("data/img/0.jpg", photo(0))
    assert [reason for _, reason in found[1:]] == [
        "no such file (line 3)",
        "no such file, but '1.jpg' lies there: names need their extension (line 4)",
        "no regular file (line 5)",
        f"{manifest_rows.CLOSED_ADDRESS} (line 6)",
        f"{manifest_rows.CLOSED_ADDRESS} (line 7)",
    ]


def test_a_manifest_may_have_more_rows_than_train_takes_and_a_row_is_bounded(here, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_ROWS", 2)
    (here / "data/m.csv").write_text("path,n\n" + "".join(f"img/0.jpg,{n}\n" for n in range(5)))
    assert len(read("data/m.csv")) == 5

    monkeypatch.setattr(manifest, "MAX_LINE_BYTES", 1000)
    (here / "data/m.csv").write_text(
        "path,n\n" + "".join('img/0.jpg,"' + "x\n" * 400 + '"\n' for _ in range(5))
    )
    assert len(read("data/m.csv")) == 1
    (here / "data/m.csv").write_text('path,n\nimg/0.jpg,"' + "x\n" * 600 + '"\n')
    with pytest.raises(UnusableDataset, match="a row of more than 1,000 characters"):
        read("data/m.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,n\nimg/0.jpg\n", "line 2: 1 cells under a header of 2"),
        ("name,n\nimg/0.jpg,1\n", "the header names no column of paths"),
        ("path,n\n,1\n", "line 2: it has no path"),
        ('{"path": "img/0.jpg"}\n{"path": 3}\n', "line 2: it has no path"),
        ('{"path": "img/0.jpg"}\n[]\n', "line 2: not an object"),
        ("", "the manifest is empty"),
    ],
)
def test_a_line_that_is_no_row_ends_the_listing_with_its_number(here, text, said):
    (here / "data/m.csv").write_text(text)

    with pytest.raises(UnusableDataset, match=said) as caught:
        read("data/m.csv")

    assert "label" not in caught.value.fix


def test_a_packed_manifest_that_breaks_off_is_one_error(here):
    (here / "data/m.csv.gz").write_bytes(gzip.compress(b"path\n" + b"img/0.jpg\n" * 10_000)[:60])

    with pytest.raises(UnusableInput, match="cannot be read"):
        read("data/m.csv.gz")


def test_too_many_columns_are_refused(here):
    lines = (json.dumps({"path": "img/0.jpg", f"c{n}": n}) + "\n" for n in range(1100))
    (here / "data/m.jsonl").write_text("".join(lines))

    with pytest.raises(UnusableInput, match="more than 1,000 columns"):
        read("data/m.jsonl")


class Frame:
    """The least that a DataFrame is."""

    def __init__(self, **columns):
        self.columns, self._columns = list(columns), columns

    def __getitem__(self, name):
        return self._columns[name]


def test_a_dataframe_is_read_as_a_manifest_is(here):
    frame = Frame(
        Path=[Path("data/img/0.jpg"), "data/img/1.jpg"], n=[1, 2], s=[float("nan"), "x"], label=["a", None]
    )

    columns, rows = table(frame)

    assert columns == {"n": "int64", "s": "string"}
    assert rows == [
        {"id": "data/img/0.jpg", "path": "data/img/0.jpg", "label": "a", "n": 1, "s": None},
        {"id": "data/img/1.jpg", "path": "data/img/1.jpg", "label": None, "n": 2, "s": "x"},
    ]
    with pytest.raises(UnusableInput, match="no column of paths"):
        read(Frame(n=[1]))


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"path,n\n", b'{"path": "a"}\n']),
    st.sampled_from(["m.csv", "m.jsonl.gz"]),
)
def test_arbitrary_bytes_are_rows_or_one_error(tmp_path, data, start, name):
    stream = io.BytesIO()
    stream.write(gzip.compress(start + data) if name.endswith("gz") else start + data)
    (tmp_path / name).write_bytes(stream.getvalue())

    try:
        assert read(str(tmp_path / name))
    except UnusableInput:
        return
