"""Photos in TFRecord files: the reference's, ours, and any other examples; damaged ones."""

import gzip
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listed_rows import photo, read, table

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.protobuf import encoded_varint, message
from efficientnet_lite.records.example import encode
from records import record


def example(**features):
    """A tf.train.Example of bytes, numbers and lists of them; two underscores stand for a slash."""
    entries = b""
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        if isinstance(values[0], bytes):
            feature = message(1, b"".join(message(1, each) for each in values))
        elif isinstance(values[0], float):
            feature = message(2, message(1, struct.pack(f"<{len(values)}f", *values)))
        else:
            feature = message(3, message(1, b"".join(encoded_varint(each % 2**64) for each in values)))
        entries += message(1, message(1, name.replace("__", "/").encode()) + message(2, feature))
    return message(1, entries)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reference(number):
    return encode(photo(number), number, height=9, width=8, label=f"n{number:08d}", name=f"{number}.JPEG")


@pytest.mark.parametrize("packed", [False, True])
def test_the_records_of_the_reference_are_listed_from_their_folder(here, packed):
    (here / "records").mkdir()
    for shard in range(2):
        data = b"".join(record(reference(2 * shard + n)) for n in range(2))
        (here / f"records/train-{shard:05d}-of-00002").write_bytes(gzip.compress(data) if packed else data)

    columns, rows = table("records")

    names = [f"records/train-{n // 2:05d}-of-00002/{n}.JPEG" for n in range(4)]
    assert [row["path"] for row in rows] == [row["id"] for row in rows] == names
    assert [row["label"] for row in rows] == [f"n{n:08d}" for n in range(4)]
    assert columns["image/height"] == "int64"
    assert rows[1]["image/class/label"] == 2
    assert rows[1]["image/format"] == "JPEG"
    assert read("records") == [(name, photo(n)) for n, name in enumerate(names)]


def test_any_example_with_one_photo_is_read_whatever_its_features_are_called(here):
    records = [
        example(
            img=photo(1), label=7, score=0.5, boxes=[1.0, 2.0], words=[b"a", b"b"], raw=b"\xff\xfe", n=-3
        ),
        example(img=photo(2), label=b"hat", other=b"text"),
    ]
    (here / "x.tfrecord").write_bytes(b"".join(map(record, records)))

    columns, rows = table("x.tfrecord")

    assert columns == {
        "score": "float64",
        "boxes": "string",
        "words": "string",
        "n": "int64",
        "other": "string",
    }
    assert rows[0] == {
        "id": "x.tfrecord/000000", "path": "x.tfrecord/000000", "label": "7", "score": 0.5, "boxes": "[1.0, 2.0]",
        "words": '["a", "b"]', "n": -3, "other": None,
    }  # fmt: skip
    assert rows[1]["label"] == "hat"
    assert [data for _, data in read("x.tfrecord")] == [photo(1), photo(2)]


def test_a_feature_of_very_many_values_is_no_column(here):
    most, few = 2**16, [1, -2]
    features = {"texts": [b""] * (most + 1), "numbers": [1] * (most + 1), "real": [0.5] * (most + 1)}
    (here / "a.tfrecord").write_bytes(record(example(image__encoded=photo(1), few=few, **features)))
    (here / "b.tfrecord").write_bytes(record(example(image__encoded=photo(1), most=[7] * most)))

    assert table("a.tfrecord")[0] == {"few": "string"}
    assert table("b.tfrecord")[0] == {"most": "string"}


def test_a_record_without_one_photo_or_with_a_wrong_checksum_is_a_row_and_the_others_count(here):
    wrong = bytearray(record(reference(3)))
    wrong[-1] ^= 1
    parts = [
        record(reference(1)),
        record(example(a=photo(1), b=photo(2))),
        record(example(a=b"text")),
        bytes(wrong),
    ]
    (here / "x.tfrecord").write_bytes(b"".join([*parts, record(b"\xff\xff"), record(reference(4))]))

    found = read("x.tfrecord")

    assert found[0][1], found[-1][1] == (photo(1), photo(4))
    assert [reason for _, reason in found[1:-1]] == [
        "no example with one photo: it has 2 photos",
        "no example with one photo: it has no photo",
        "its checksum is wrong",
        "no example with one photo: an entry breaks off",
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_of_a_file_that_breaks_off_the_photos_before_count(here, packed):
    data = b"".join(record(reference(n)) for n in range(3))
    cut = data[:-30]
    (here / "x.tfrecord").write_bytes(gzip.compress(cut) if packed else cut)

    found = read("x.tfrecord")

    assert [each for _, each in found[:2]] == [photo(0), photo(1)]
    assert found[2][0] == "x.tfrecord"
    assert found[2][1] == "the file is damaged here, and what comes behind cannot be found: it breaks off"


def test_a_file_that_is_none_is_named(here):
    (here / "x.tfrecord").write_bytes(b"no records" * 10)

    with pytest.raises(UnusableInput, match=r"1 skipped, the first, 'x.tfrecord': the file is damaged"):
        list_sources("x.tfrecord")


WHOLE = b"".join(record(reference(n)) for n in range(3))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, len(WHOLE)),
)
def test_changed_and_cut_files_are_rows_or_one_error(tmp_path, edits, cut):
    data = bytearray(WHOLE)
    for place, value in edits:
        data[place] = value
    (tmp_path / "x.tfrecord").write_bytes(data[:cut])

    try:
        assert read(str(tmp_path / "x.tfrecord"))
    except UnusableInput:
        return


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120))
def test_an_arbitrary_record_is_a_row(tmp_path, content):
    (tmp_path / "x.tfrecord").write_bytes(record(content) + record(reference(1)))

    assert read(str(tmp_path / "x.tfrecord"))[1][1] == photo(1)
