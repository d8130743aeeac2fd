"""A part of a data set in record files of either format; what is refused, with file and reason."""

from pathlib import Path

import numpy as np
import pytest
from trees import touch

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.records import arrayrecord
from efficientnet_lite.records.record_set import open_records
from efficientnet_lite.records.tfrecords import TFRecords
from records import example, record

FILES = 5  # for training, of 3, 4, 5, 6 and 7 records


def photo(shard, number):
    return b"photo %d %d" % (shard, number) * (shard + 2)


def write(path, records, *, as_arrays):
    if as_arrays:
        with arrayrecord.writing(path.with_name(f"{path.name}.array_record")) as put:
            for each in records:
                put(each)
    else:
        path.write_bytes(b"".join(map(record, records)))


@pytest.fixture(params=["tfrecord", "arrayrecord"])
def kind(request):
    if request.param == "arrayrecord":
        pytest.importorskip("array_record", reason="the extra [train]: make test-all")
    return request.param


@pytest.fixture
def folder(tmp_path, kind):
    for shard in range(FILES):
        records = [example(photo(shard, n), 1 + (shard + n) % 5) for n in range(shard + 3)]
        write(tmp_path / f"train-{shard:05d}-of-{FILES:05d}", records, as_arrays=kind == "arrayrecord")
    write(
        tmp_path / "validation-00000-of-00001",
        [example(b"a", 1), example(b"b", 6)],
        as_arrays=kind == "arrayrecord",
    )
    return tmp_path


def everything(source):
    return [source[index].data for index in range(len(source))]


def test_records_of_either_format_come_once_in_order_and_classes_count_from_0(folder):
    source = open_records(folder, "train", classes=5)

    assert everything(source) == [photo(s, n) for s in range(FILES) for n in range(s + 3)]
    assert [source[n].class_index for n in range(4)] == [0, 1, 2, 1]
    assert source[4].where.endswith(", record 1")
    assert "train-00001-of-00005" in source[4].where
    for index in (-1, len(source)):
        with pytest.raises(IndexError):
            source[index]


def test_held_out_files_are_the_first_and_training_takes_the_rest(folder):
    assert len(open_records(folder, "holdout", classes=5, holdout=2)) == 3 + 4
    assert open_records(folder, "train", classes=5, holdout=2)[0].data == photo(2, 0)
    assert open_records(folder, "validation", classes=6)[1].data == b"b"


def test_a_label_out_of_range_names_file_and_record(folder):
    source = open_records(folder, "validation", classes=5)

    with pytest.raises(UnusableInput, match="its label is 6, expected 1 to 5") as caught:
        source[1]
    assert "validation-00000-of-00001" in caught.value.where
    assert caught.value.where.endswith(", record 1")


def test_a_missing_file_is_named(folder):
    path = next(folder.glob("train-00002*"))
    path.unlink()

    with pytest.raises(UnusableInput) as caught:
        open_records(folder, "train", classes=5)
    assert caught.value.what.endswith(f"missing is {path.name}")


def test_a_cut_file_is_named_when_the_set_is_opened(folder):
    path = next(folder.glob("train-00003*"))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UnusableInput, match="breaks off") as caught:
        open_records(folder, "train", classes=5)
    assert str(path) in str(caught.value.where)


def test_a_flipped_bit_is_named_when_its_record_is_read(folder):
    path = next(folder.glob("train-00002*"))
    data = bytearray(path.read_bytes())
    data[data.index(photo(2, 4)) + 3] ^= 1
    path.write_bytes(data)
    source = open_records(folder, "train", classes=5)

    with pytest.raises(UnusableInput, match=r"checksum|hash mismatch") as caught:
        source[3 + 4 + 4]
    assert caught.value.where == f"{path}, record 4"


@pytest.mark.parametrize("form", ["tfrecord", "arrayrecord"])
def test_files_without_records_are_refused(tmp_path, form):
    if form == "arrayrecord":
        pytest.importorskip("array_record", reason="the extra [train]: make test-all")
    write(tmp_path / "train-00000-of-00001", [], as_arrays=form == "arrayrecord")

    with pytest.raises(UnusableInput, match="no records"):
        open_records(tmp_path, "train", classes=5)


def test_files_of_both_formats_are_refused(tmp_path):
    for name in ("train-00000-of-00001", "train-00000-of-00001.array_record"):
        (tmp_path / name).touch()

    with pytest.raises(UnusableInput, match="TFRecord and ArrayRecord files, both for train"):
        open_records(tmp_path, "train", classes=5)


def test_a_folder_of_something_else_has_no_record_files(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")

    with pytest.raises(UnusableInput, match="no files train-"):
        open_records(tmp_path, "train", classes=2)
    with pytest.raises(UnusableInput, match="cannot be read"):
        open_records(tmp_path / "none", "train", classes=2)


def test_a_million_records_cost_a_few_bytes_each():
    """Only arrays of numbers are held: for TFRecords where each begins, for ArrayRecords one a file."""
    offsets = [np.arange(0, 100 * 1251, 100, dtype=np.int64) for _ in range(800)]
    source = TFRecords([Path(f"train-{n:05d}-of-00800") for n in range(800)], offsets, 1000)

    assert len(source) == 1_000_000
    held = sum(value.nbytes for value in vars(source).values() if isinstance(value, np.ndarray))
    assert held < 8.1 * len(source)
