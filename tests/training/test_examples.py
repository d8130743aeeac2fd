"""A part of a data set by what lies in its folder, shared among hosts; what is refused, with file and reason."""

from pathlib import Path

import numpy as np
import pytest
from records import example, record
from trees import touch

from efficientnet_lite.errors import UnusableDataset, UnusableInput, UsageError
from efficientnet_lite.training import arrayrecord
from efficientnet_lite.training.arrayrecords import open_arrayrecords
from efficientnet_lite.training.examples import open_examples
from efficientnet_lite.training.recordfiles import part_files
from efficientnet_lite.training.shards import Shards, open_shards

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
    source = open_examples(folder, "train", classes=5)

    assert everything(source) == [photo(s, n) for s in range(FILES) for n in range(s + 3)]
    assert [source[n].class_index for n in range(4)] == [0, 1, 2, 1]
    assert source[4].where.endswith(", record 1")
    assert "train-00001-of-00005" in source[4].where
    for index in (-1, len(source)):
        with pytest.raises(IndexError):
            source[index]


def test_held_out_files_are_the_first_and_training_takes_the_rest(folder):
    assert len(open_examples(folder, "holdout", classes=5, holdout=2)) == 3 + 4
    assert open_examples(folder, "train", classes=5, holdout=2)[0].data == photo(2, 0)
    assert open_examples(folder, "validation", classes=6)[1].data == b"b"


def test_hosts_share_the_files_among_them(folder):
    parts = [open_examples(folder, "train", classes=5, host=(this, 2)) for this in range(2)]

    assert everything(parts[0]) == [photo(s, n) for s in (0, 2, 4) for n in range(s + 3)]
    assert everything(parts[1]) == [photo(s, n) for s in (1, 3) for n in range(s + 3)]
    assert parts[0].digest != parts[1].digest
    held = open_examples(folder, "train", classes=5, holdout=1, host=(0, 2))
    assert everything(held) == [photo(s, n) for s in (1, 3) for n in range(s + 3)]


def test_fewer_files_than_hosts_are_refused(folder):
    with pytest.raises(UnusableInput, match="5 files cannot be shared among 6 hosts") as caught:
        open_examples(folder, "train", classes=5, host=(0, 6))
    assert caught.value.where == folder
    with pytest.raises(UnusableInput, match="4 files cannot be shared among 5"):
        open_examples(folder, "train", classes=5, holdout=1, host=(4, 5))
    with pytest.raises(UnusableInput, match=r"1 files .* 2 hosts.*validation"):
        open_examples(folder, "validation", classes=6, host=(1, 2))


@pytest.mark.parametrize("host", [(2, 2), (-1, 2), (0, 0)])
def test_a_host_that_is_not_there_is_a_mistake_of_the_caller(tmp_path, host):
    with pytest.raises(ValueError, match="no such host"):
        part_files(tmp_path, "train", lambda folder, split: [], host=host)


def test_a_label_out_of_range_names_file_and_record(folder):
    source = open_examples(folder, "validation", classes=5)

    with pytest.raises(UnusableInput, match="its label is 6, expected 1 to 5") as caught:
        source[1]
    assert "validation-00000-of-00001" in caught.value.where
    assert caught.value.where.endswith(", record 1")


def test_a_missing_file_is_named(folder):
    path = next(folder.glob("train-00002*"))
    path.unlink()

    with pytest.raises(UnusableInput) as caught:
        open_examples(folder, "train", classes=5)
    assert caught.value.what.endswith(f"missing is {path.name}")


def test_a_cut_file_is_named_when_the_set_is_opened(folder):
    path = next(folder.glob("train-00003*"))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UnusableInput, match="breaks off") as caught:
        open_examples(folder, "train", classes=5)
    assert str(path) in str(caught.value.where)


def test_a_flipped_bit_is_named_when_its_record_is_read(folder):
    path = next(folder.glob("train-00002*"))
    data = bytearray(path.read_bytes())
    data[data.index(photo(2, 4)) + 3] ^= 1
    path.write_bytes(data)
    source = open_examples(folder, "train", classes=5)

    with pytest.raises(UnusableInput, match=r"checksum|hash mismatch") as caught:
        source[3 + 4 + 4]
    assert caught.value.where == f"{path}, record 4"


@pytest.mark.parametrize("opener", [open_shards, open_arrayrecords])
def test_files_without_records_are_refused(tmp_path, opener):
    if opener is open_arrayrecords:
        pytest.importorskip("array_record", reason="the extra [train]: make test-all")
    write(tmp_path / "train-00000-of-00001", [], as_arrays=opener is open_arrayrecords)

    with pytest.raises(UnusableInput, match="no records"):
        opener(tmp_path, "train", classes=5)


def test_files_of_both_formats_are_refused(tmp_path):
    for name in ("train-00000-of-00001", "train-00000-of-00001.array_record"):
        (tmp_path / name).touch()

    with pytest.raises(UnusableInput, match="TFRecord and ArrayRecord files, both for train"):
        open_examples(tmp_path, "train", classes=5)


# ------------------------------------------------------------------------ photos


@pytest.fixture
def photos(tmp_path):
    touch(tmp_path, "train/b/1.jpg", "train/a/1.jpg", "train/c/1.jpg", "train/c/2.jpg", "val/c/9.jpg")
    return tmp_path


def test_classes_of_photos_are_those_of_the_training_folder(photos):
    training = open_examples(photos, "train", classes=3)
    validation = open_examples(photos, "validation", classes=3)

    assert [training[n].class_index for n in range(4)] == [0, 1, 2, 2]
    assert [(each.data, each.class_index) for each in [validation[0]]] == [(b"photo val/c/9.jpg", 2)]
    assert len(validation) == 1


def test_a_validation_folder_with_a_class_of_its_own_is_refused(photos):
    touch(photos, "val/d/1.jpg")

    with pytest.raises(UnusableDataset, match="'d' is none of the 3 classes"):
        open_examples(photos, "validation", classes=3)


def test_photos_in_another_number_of_classes_are_refused(photos):
    with pytest.raises(UnusableDataset, match="3 class folders, expected 4") as caught:
        open_examples(photos, "train", classes=4)
    assert caught.value.where == photos / "train"


@pytest.mark.parametrize(
    ("part", "values"), [("holdout", {"holdout": 1}), ("train", {"holdout": 1}), ("train", {"host": (0, 2)})]
)
def test_photos_are_neither_held_out_by_files_nor_shared_among_hosts(photos, part, values):
    with pytest.raises(UsageError, match="only record files"):
        open_examples(photos, part, classes=3, **values)


def test_a_folder_of_something_else_says_what_makes_record_files(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")

    with pytest.raises(UnusableDataset, match="neither record files of train") as caught:
        open_examples(tmp_path, "train", classes=2)
    assert "efficientnet-lite shards" in caught.value.fix
    with pytest.raises(UnusableInput, match="cannot be read"):
        open_examples(tmp_path / "none", "train", classes=2)


def test_two_folders_for_one_split_are_refused(photos):
    touch(photos, "valid/a/1.jpg")

    with pytest.raises(UnusableDataset, match="exactly one folder each"):
        open_examples(photos, "validation", classes=3)


def test_a_million_records_cost_a_few_bytes_each():
    """Only arrays of numbers are held: for TFRecords where each begins, for ArrayRecords one a file."""
    offsets = [np.arange(0, 100 * 1251, 100, dtype=np.int64) for _ in range(800)]
    source = Shards([Path(f"train-{n:05d}-of-00800") for n in range(800)], offsets, 1000)

    assert len(source) == 1_000_000
    held = sum(value.nbytes for value in vars(source).values() if isinstance(value, np.ndarray))
    assert held < 8.1 * len(source)
