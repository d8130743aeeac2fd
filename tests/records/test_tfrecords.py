"""TFRecord files and photo files as examples: parts, labels, digests, and what is wrong with them."""

import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from trees import examples_of, touch

from efficientnet_lite.errors import UnreadablePhoto, UnusableDataset, UnusableInput
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.rows import Placed, Rows
from efficientnet_lite.records import tfrecords
from efficientnet_lite.records.record_set import open_records
from efficientnet_lite.training.examples import PhotoFiles
from records import example, record

TOTAL = 4


def photo(shard, number):
    return b"photo %d %d" % (shard, number) * (shard + 2)


@pytest.fixture
def folder(tmp_path):
    """Four files for training of 3, 4, 5 and 6 records, and one for validation of 2."""
    for shard in range(TOTAL):
        records = (record(example(photo(shard, n), 1 + (shard + n) % 5)) for n in range(shard + 3))
        (tmp_path / f"train-{shard:05d}-of-{TOTAL:05d}").write_bytes(b"".join(records))
    (tmp_path / "validation-00000-of-00001").write_bytes(record(example(b"a", 1)) + record(example(b"b", 5)))
    return tmp_path


def test_every_record_of_every_file_comes_once_and_classes_count_from_0(folder):
    source = open_records(folder, "train", classes=5)

    found = [source[index] for index in range(len(source))]

    expected = [(photo(s, n), (s + n) % 5) for s in range(TOTAL) for n in range(s + 3)]
    assert [(each.data, each.class_index) for each in found] == expected
    assert found[4].where == f"{folder / 'train-00001-of-00004'}, record 1"
    with pytest.raises(IndexError):
        source[len(source)]


def test_held_out_files_are_the_first_and_training_takes_the_rest(folder):
    assert len(open_records(folder, "holdout", classes=5, holdout=2)) == 3 + 4
    assert open_records(folder, "train", classes=5, holdout=2)[0].data == photo(2, 0)
    assert [each.data for each in open_records(folder, "validation", classes=5)] == [b"a", b"b"]


@pytest.mark.parametrize(("part", "holdout"), [("holdout", 0), ("train", 4), ("train", -1)])
def test_a_part_that_leaves_nothing_is_refused(folder, part, holdout):
    with pytest.raises(UnusableInput, match="held out"):
        open_records(folder, part, classes=5, holdout=holdout)


def test_a_missing_file_is_named(folder):
    (folder / "train-00002-of-00004").unlink()

    with pytest.raises(UnusableInput, match="missing is train-00002-of-00004"):
        open_records(folder, "train", classes=5)


def test_files_of_two_sets_are_refused(folder):
    (folder / "train-00000-of-00008").write_bytes(b"")

    with pytest.raises(UnusableInput, match="several sets"):
        open_records(folder, "train", classes=5)


@pytest.mark.parametrize("empty", [True, False])
def test_a_folder_without_records_is_refused(tmp_path, empty):
    if empty:
        (tmp_path / "train-00000-of-00001").touch()

    with pytest.raises(UnusableInput, match="no records" if empty else "no files"):
        open_records(tmp_path, "train", classes=5)
    with pytest.raises(UnusableInput, match="cannot be read"):
        open_records(tmp_path / "none", "train", classes=5)


@pytest.mark.parametrize(("label", "said"), [(6, "6"), (0, "none or 0"), (2**63 - 1, str(2**63 - 1))])
def test_a_label_out_of_range_names_file_and_record(folder, label, said):
    path = folder / "validation-00000-of-00001"
    path.write_bytes(record(example(b"a", 1)) + record(example(b"b", label)))
    source = open_records(folder, "validation", classes=5)

    with pytest.raises(UnusableInput, match=f"its label is {said}, expected 1 to 5") as caught:
        source[1]
    assert caught.value.where == f"{path}, record 1"


def test_a_truncated_file_is_found_when_the_set_is_opened(folder):
    path = folder / "train-00003-of-00004"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UnusableInput, match="breaks off") as caught:
        open_records(folder, "train", classes=5)
    assert caught.value.where == f"{path}, record 5"


def test_the_digest_tells_a_list_that_changed(folder):
    before = open_records(folder, "train", classes=5).digest
    assert open_records(folder, "train", classes=5).digest == before
    assert open_records(folder, "train", classes=5, holdout=1).digest != before

    path = folder / "train-00001-of-00004"
    path.write_bytes(path.read_bytes() + record(example(b"one more", 1)))

    assert open_records(folder, "train", classes=5).digest != before


# ---------------------------------------------------------------------- the index


def count_readings(monkeypatch):
    read = []
    whole = tfrecords.tfrecord.offsets
    monkeypatch.setattr(tfrecords.tfrecord, "offsets", lambda path: read.append(path) or whole(path))
    return read


def test_offsets_are_kept_and_read_anew_when_a_file_changes(folder, monkeypatch):
    index = folder / "index.npz"
    first = open_records(folder, "train", classes=5, index=index)
    read = count_readings(monkeypatch)

    again = open_records(folder, "train", classes=5, index=index)

    assert read == []
    assert again.digest == first.digest
    assert [each.data for each in again] == [each.data for each in first]

    path = folder / "train-00000-of-00004"
    path.write_bytes(path.read_bytes() + record(example(b"one more", 1)))
    assert len(open_records(folder, "train", classes=5, index=index)) == len(first) + 1
    assert len(read) == TOTAL


@pytest.mark.parametrize("damage", [b"", b"PK\3\4 no archive", None])
def test_a_damaged_index_is_made_again(folder, damage):
    index = folder / "index.npz"
    whole = open_records(folder, "train", classes=5, index=index)
    index.write_bytes(index.read_bytes()[:-40] if damage is None else damage)

    assert open_records(folder, "train", classes=5, index=index).digest == whole.digest


# ------------------------------------------------------------------ photo files

NAMES = ["b/2.jpg", "b/deep/1.jpg", "a/x y.jpg", "a/\u00fc.jpg", "a/.hidden.jpg", "a/notes.txt", "c/1.png"]


def test_the_photos_of_a_folder_come_class_by_class(tmp_path):
    touch(tmp_path, *NAMES)

    source = examples_of(tmp_path)

    found = [(source[index].where, source[index].class_index) for index in range(len(source))]
    assert found == [
        (str(tmp_path / name), label)
        for name, label in [
            ("a/x y.jpg", 0),
            ("a/\u00fc.jpg", 0),
            ("b/2.jpg", 1),
            ("b/deep/1.jpg", 1),
            ("c/1.png", 2),
        ]
    ]
    assert source[0] == (b"photo a/x y.jpg", 0, str(tmp_path / "a/x y.jpg"))


def test_the_photos_of_a_data_set_come_as_its_rows_stand(tmp_path):
    touch(tmp_path, *[f"{label}/{n}.jpg" for label in "ab" for n in range(3)])
    dataset = open_dataset(tmp_path)

    source = PhotoFiles(dataset.rows, dataset.labels)

    assert [source[n].where for n in range(6)] == [str(row.path) for row in dataset.rows]
    assert [source[n].class_index for n in range(6)] == [0, 0, 0, 1, 1, 1]
    assert source.digest == examples_of(tmp_path).digest
    odd = PhotoFiles(dataset.rows, dataset.labels, np.array([5, 1]))
    assert [odd[n] for n in range(2)] == [source[5], source[1]]
    assert odd.digest != source.digest


def test_photo_files_come_whole_out_of_another_process(tmp_path):
    touch(tmp_path, *NAMES)
    source = examples_of(tmp_path)

    again = pickle.loads(pickle.dumps(source))

    assert [again[index] for index in range(len(again))] == [source[index] for index in range(len(source))]
    assert again.digest == source.digest


@pytest.mark.skipif(os.name != "posix", reason="names that are no UTF-8")
def test_a_name_that_is_no_utf_8_is_kept(tmp_path):
    name = os.fsdecode(b"a/\xff.jpg")
    touch(tmp_path, name)

    assert examples_of(tmp_path)[0].where == str(tmp_path / name)


def test_a_photo_that_went_away_is_unreadable_and_an_empty_list_no_data_set(tmp_path):
    touch(tmp_path, "a/1.jpg")
    source = examples_of(tmp_path)
    (tmp_path / "a/1.jpg").unlink()

    with pytest.raises(UnreadablePhoto, match="cannot be read"):
        source[0]
    with pytest.raises(UnusableDataset, match="no photos"):
        PhotoFiles(Rows(tmp_path, []), ["a"])


def test_a_hundred_thousand_names_cost_no_memory_of_the_process():
    tracemalloc.start()
    try:
        placed = (Placed(f"a/{number}.jpg", str(number % 7), None) for number in range(100_000))
        source = PhotoFiles(Rows(Path("/photos"), placed), tuple("0123456"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(source) == 100_000
    with pytest.raises(UnreadablePhoto) as caught:
        source[99_999]
    assert str(caught.value.where) == "/photos/a/99999.jpg"
    assert held < 100_000  # a byte each; their names and classes lie in files
