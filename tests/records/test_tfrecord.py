"""ImageNet's records without TensorFlow: what is in them, and hostile files."""

import struct

import pytest

from efficientnet_lite.errors import OutputFailed, UnusableInput
from efficientnet_lite.records.example import NO_CLASS, encode
from efficientnet_lite.records.recordfiles import record_files
from efficientnet_lite.records.tfrecord import framed, offsets, read_example, read_examples, writing
from records import example, masked, part, record

PHOTOS = (b"first photo", b"second photo" * 300, b"third")


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "validation-00000-of-00128"
    path.write_bytes(b"".join(record(example(photo, 1 + place)) for place, photo in enumerate(PHOTOS)))
    return path


def test_photos_and_labels_come_in_order_and_classes_count_from_0(shard):
    found = list(read_examples(shard))

    assert [each.data for each in found] == list(PHOTOS)
    assert [each.class_index for each in found] == [0, 1, 2]
    assert found[1].where == f"{shard}, record 1"


@pytest.mark.parametrize(("label", "index"), [(1000, 999), (1, 0), (0, NO_CLASS)])
@pytest.mark.parametrize("packed", [True, False])
def test_a_label_is_read_however_it_is_packed(tmp_path, label, index, packed):
    (tmp_path / "one").write_bytes(record(example(b"photo", label, packed=packed)))

    assert [each.class_index for each in read_examples(tmp_path / "one")] == [index]


def test_shards_are_those_of_one_split_in_order(tmp_path):
    for name in ("validation-00001-of-00002", "validation-00000-of-00002", "train-00000-of-01024", "notes"):
        (tmp_path / name).touch()

    assert [path.name for path in record_files(tmp_path, "validation", "tfrecord")] == [
        "validation-00000-of-00002",
        "validation-00001-of-00002",
    ]
    assert [path.name for path in record_files(tmp_path, "train", "tfrecord")] == ["train-00000-of-01024"]


def test_a_file_that_breaks_off_anywhere_inside_a_record_is_refused(shard):
    data = shard.read_bytes()
    first = len(record(example(PHOTOS[0], 1)))
    for end in [*range(1, first), first + 1, len(data) - 1]:
        shard.write_bytes(data[:end])
        with pytest.raises(UnusableInput, match="no TFRecord file"):
            list(read_examples(shard))


def test_a_flipped_bit_anywhere_is_refused(shard):
    data = record(example(b"photo", 7))
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 4
        shard.write_bytes(damaged)
        with pytest.raises(UnusableInput, match="no TFRecord file"):
            list(read_examples(shard))


def huge():
    length = struct.pack("<Q", 2**60)
    return length + struct.pack("<I", masked(length)) + b"little"


@pytest.mark.parametrize(
    "data",
    [
        huge(),
        record(b""),
        record(b"\xff" * 40),
        record(part(1, b"")),
        record(part(1, part(1, part(1, b"k") + part(2, b"")) * 1001)),
        record(part(1, part(1, part(1, b"image/encoded") + part(2, part(1, part(1, b"a") * 2))))),
    ],
    ids=["huge", "empty", "noise", "without features", "too many features", "two photos"],
)
def test_a_record_that_is_no_photo_is_refused(tmp_path, data):
    (tmp_path / "one").write_bytes(data)

    with pytest.raises(UnusableInput, match="no TFRecord file"):
        list(read_examples(tmp_path / "one"))


def test_a_missing_file_is_unusable_input(tmp_path):
    with pytest.raises(UnusableInput, match="cannot be read"):
        list(read_examples(tmp_path / "none"))


def written(place):
    return framed(encode(PHOTOS[place], place, height=3, width=4, label="tench", name=f"{place}.jpg"))


def test_records_are_read_in_any_order(shard):
    starts = offsets(shard).tolist()
    found = [read_example(shard, starts[n], starts[n + 1], n) for n in (2, 0, 1)]
    in_order = list(read_examples(shard))

    assert found == [in_order[2], in_order[0], in_order[1]]


def test_more_records_than_are_looked_at_at_once_are_found(tmp_path):
    one = record(b"data")
    (tmp_path / "many").write_bytes(one * 9000)

    assert offsets(tmp_path / "many").tolist() == list(range(0, len(one) * 9001, len(one)))


def test_a_record_of_ours_is_that_of_the_reference(tmp_path):
    (tmp_path / "ours").write_bytes(b"".join(map(written, range(3))))

    found = list(read_examples(tmp_path / "ours"))

    assert [(each.data, each.class_index) for each in found] == list(zip(PHOTOS, range(3), strict=True))
    assert written(0)[8:12] == struct.pack("<I", masked(written(0)[:8]))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    with writing(tmp_path / "whole") as write:
        for place, photo in enumerate(PHOTOS):
            write(encode(photo, place, height=3, width=4, label="tench", name=f"{place}.jpg"))
    with pytest.raises(TypeError), writing(tmp_path / "half") as write:
        write(None)
    with pytest.raises(OutputFailed, match="could not be written"), writing(tmp_path / "none/x"):
        pass

    assert (tmp_path / "whole").read_bytes() == b"".join(map(written, range(3)))
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_tensorflow_reads_our_record(tmp_path):
    tf = pytest.importorskip("tensorflow", reason="the extra [train]: make test-all")
    (tmp_path / "ours").write_bytes(written(1))
    (data,) = tf.data.TFRecordDataset(str(tmp_path / "ours")).as_numpy_iterator()

    features = tf.train.Example.FromString(data).features.feature

    assert features["image/encoded"].bytes_list.value[:] == [PHOTOS[1]]
    assert features["image/class/label"].int64_list.value[:] == [2]
    assert features["image/height"].int64_list.value[:] == [3]
    assert features["image/filename"].bytes_list.value[:] == [b"1.jpg"]


@pytest.mark.parametrize("place", range(12))
def test_a_flipped_bit_of_a_length_names_the_record(shard, place):
    data = bytearray(shard.read_bytes())
    second = offsets(shard).tolist()[1]
    data[second + place] ^= 16
    shard.write_bytes(data)

    with pytest.raises(UnusableInput, match="record 1\n") as caught:
        offsets(shard)
    assert "checksum" in caught.value.what


def test_a_flipped_bit_of_the_data_is_found_when_the_record_is_read(shard):
    starts = offsets(shard).tolist()
    data = bytearray(shard.read_bytes())
    data[starts[1] + 500] ^= 1
    shard.write_bytes(data)

    assert offsets(shard).tolist() == starts
    with pytest.raises(UnusableInput, match="checksum") as caught:
        read_example(shard, starts[1], starts[2], 1)
    assert caught.value.where == f"{shard}, record 1"


def test_a_shard_that_breaks_off_names_the_record(shard):
    starts = offsets(shard).tolist()
    data = shard.read_bytes()
    for end in (starts[2] - 1, starts[1] + 12, starts[1] + 3):
        shard.write_bytes(data[:end])
        with pytest.raises(UnusableInput, match="breaks off") as caught:
            offsets(shard)
        assert caught.value.where == f"{shard}, record 1"


def test_a_shard_that_shrank_since_it_was_looked_at_is_refused(shard):
    starts = offsets(shard).tolist()
    shard.write_bytes(shard.read_bytes()[: starts[1]])

    with pytest.raises(UnusableInput, match="breaks off"):
        read_example(shard, starts[1], starts[2], 1)
