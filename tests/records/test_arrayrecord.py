"""ArrayRecord files: what is in them, damaged ones, and ones that are something else."""

import random
import re

import pytest

from efficientnet_lite.errors import OutputFailed, UnusableInput
from records import example

pytest.importorskip("array_record", reason="the extra [train]: make test-all")

from efficientnet_lite.records.arrayrecord import count, read_example, writing
from efficientnet_lite.records.recordfiles import record_files

PHOTOS = [random.Random(n).randbytes(700 + n) for n in range(8)]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "train-00000-of-00001.array_record"
    with writing(path) as write:
        for number, photo in enumerate(PHOTOS):
            write(example(photo, 1 + number))
    return path


def test_photos_and_labels_come_from_any_place(shard):
    assert count(shard) == len(PHOTOS)
    for number in (7, 0, 3):
        found = read_example(shard, number)
        assert (found.data, found.class_index) == (PHOTOS[number], number)
        assert found.where == f"{shard}, record {number}"


def test_shards_are_those_of_one_split_in_order(tmp_path):
    for name in ("train-00001-of-00002", "train-00000-of-00002", "validation-00000-of-00001"):
        (tmp_path / f"{name}.array_record").touch()
        (tmp_path / name).touch()

    assert [path.name for path in record_files(tmp_path, "train", "arrayrecord")] == [
        "train-00000-of-00002.array_record",
        "train-00001-of-00002.array_record",
    ]


@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "text"])
def test_a_file_that_is_not_whole_is_named(shard, damage):
    data = shard.read_bytes()
    shard.write_bytes(
        {"cut": data[:-1], "longer": data + b"x", "empty": b"", "text": b"text" * 30000}[damage]
    )

    for read in (lambda: count(shard), lambda: read_example(shard, 0)):
        with pytest.raises(UnusableInput, match="it breaks off, or is another kind") as caught:
            read()
        assert caught.value.where == str(shard)


def test_a_flipped_bit_of_a_photo_is_found_when_its_record_is_read(shard):
    data = bytearray(shard.read_bytes())
    data[data.index(PHOTOS[2]) + 9] ^= 4
    shard.write_bytes(data)

    assert count(shard) == len(PHOTOS)
    assert read_example(shard, 3).data == PHOTOS[3]
    with pytest.raises(UnusableInput, match="hash mismatch") as caught:
        read_example(shard, 2)
    assert caught.value.where == f"{shard}, record 2"


def test_no_flipped_bit_gives_another_photo_or_another_kind_of_error(shard):
    data = shard.read_bytes()
    places = random.Random(0)
    for _ in range(200):
        damaged = bytearray(data)
        damaged[places.randrange(9000) if places.random() < 0.5 else -places.randrange(1, 66000)] ^= 1
        shard.write_bytes(damaged)
        try:
            assert [read_example(shard, n).data for n in range(count(shard))] == PHOTOS
        except UnusableInput as error:
            assert str(shard) in str(error.where)  # noqa: PT017 - both outcomes are right


def test_a_record_that_is_no_example_and_one_that_is_not_there_are_named(tmp_path):
    with writing(tmp_path / "one") as write:
        write(b"\xff" * 40)

    for number in (0, 1):
        with pytest.raises(UnusableInput, match=f"one, record {number}"):
            read_example(tmp_path / "one", number)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(UnusableInput, match="cannot be read"):
        count(tmp_path / "none")
    with pytest.raises(UnusableInput, match="cannot be read"):
        count(tmp_path)
    place = tmp_path / "none/x"
    with pytest.raises(OutputFailed, match=re.escape(str(place))), writing(place) as write:
        write(b"record")


@pytest.mark.parametrize(
    ("options", "records", "reason"),
    [
        ("group_size:1", [bytes(2**28 + 1)], "unfolds to 268,435,457, more than 268,435,456"),
        ("group_size:1,transpose:true", [b"a"], "its chunks are transposed"),
    ],
)
def test_what_would_unfold_enormously_is_refused_before_the_library_sees_it(
    tmp_path, options, records, reason
):
    from array_record.python.array_record_module import ArrayRecordWriter

    path = tmp_path / "train-00000-of-00001.array_record"
    writer = ArrayRecordWriter(str(path), options)
    for record in records:
        writer.write(record)
    writer.close()

    assert path.stat().st_size < 10**6
    for read in (lambda: count(path), lambda: read_example(path, 0)):
        with pytest.raises(UnusableInput, match=reason):
            read()


@pytest.mark.parametrize(
    "options",
    ["group_size:1,uncompressed", "group_size:1", "group_size:7,brotli", "group_size:1000,snappy"],
)
def test_files_of_other_writers_are_read_whatever_their_chunks(tmp_path, options):
    from array_record.python.array_record_module import ArrayRecordWriter

    path = tmp_path / "train-00000-of-00001.array_record"
    random_ = random.Random(options)
    records = [
        example(random_.randbytes(random_.choice((1, 300, 65_400 + n, 200_000))), 1) for n in range(50)
    ]
    writer = ArrayRecordWriter(str(path), options)
    for record in records:
        writer.write(record)
    writer.close()

    assert count(path) == 50
    assert read_example(path, 49).class_index == 0
