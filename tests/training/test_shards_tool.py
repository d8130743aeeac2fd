"""`shards`: what a folder of photos becomes, that others read it, and what is refused or survives."""

import hashlib
import io
import json
import os
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from trees import photograph

from efficientnet_lite.cli import app
from efficientnet_lite.commands.check import check
from efficientnet_lite.commands.shards import shards as write_shards
from efficientnet_lite.errors import UnusableDataset, UnusableInput, UsageError
from efficientnet_lite.photos.decode import decode
from efficientnet_lite.records import tfrecord
from efficientnet_lite.records.record_set import open_records
from efficientnet_lite.records.recordfiles import record_files
from efficientnet_lite.training import shards

LABELS = ("cat", "dog", "ürlaub")


def expected_photos(root):
    """Photo file's bytes -> class index, of every photo below a split folder or class folder."""
    return {path.read_bytes(): LABELS.index(path.parent.name) for path in root.rglob("*.jpg")}


@pytest.fixture(scope="module")
def split_root(tmp_path_factory):
    """24 photos for training, 6 for validation."""
    root = tmp_path_factory.mktemp("split")
    for number in range(30):
        part = "train" if number < 24 else "validation"
        photograph(root / part / LABELS[number % 3] / f"{number:02d}.jpg", number)
    return root


@pytest.fixture
def plain_root(tmp_path):
    """30 photos without a split."""
    for number in range(30):
        photograph(tmp_path / "plain" / LABELS[number % 3] / f"{number:02d}.jpg", number)
    return tmp_path / "plain"


def read(folder, split):
    return [each for path in record_files(folder, split, "tfrecord") for each in tfrecord.read_examples(path)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ------------------------------------------------------------------------ what is written


@pytest.mark.parametrize("format", ["tfrecord", "arrayrecord"])
def test_every_photo_comes_once_to_the_byte_in_the_files_of_its_split(split_root, tmp_path, format):
    if format == "arrayrecord":
        pytest.importorskip("array_record", reason="the extra [train]: make test-all")
    write_shards(split_root, tmp_path / "out", format=format, train_shards=5, validation_shards=2)

    for split, files in (("train", 5), ("validation", 2)):
        source = open_records(tmp_path / "out", split, classes=3)
        found = [source[number] for number in range(len(source))]
        assert len(list((tmp_path / "out").glob(f"{split}-0000?-of-0000{files}*"))) == files
        assert len(found) == len(expected_photos(split_root / split))
        assert {each.data: each.class_index for each in found} == expected_photos(split_root / split)
    assert (tmp_path / "out/labels.txt").read_text("utf-8") == "cat\ndog\nürlaub\n"


def test_classes_are_mixed_over_the_files_by_the_seed_and_no_byte_depends_on_workers(split_root, tmp_path):
    for name, seed, workers in (("a", 0, 1), ("b", 0, 5), ("c", 1, 2)):
        write_shards(split_root, tmp_path / name, train_shards=2, seed=seed, workers=workers)
    first, second, third = ([each.data for each in read(tmp_path / name, "train")] for name in "abc")

    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert first == second != third
    assert sorted(first) == sorted(third)
    shard = next(iter(record_files(tmp_path / "a", "train", "tfrecord")))
    assert {each.class_index for each in tfrecord.read_examples(shard)} == {0, 1, 2}
    assert [each.class_index for each in read(tmp_path / "a", "train")] != sorted(
        each.class_index for each in read(tmp_path / "a", "train")
    )


def test_a_split_that_is_not_given_is_the_one_that_check_tells(plain_root, tmp_path):
    written = write_shards(plain_root, tmp_path / "out", val=0.3, seed=4)

    report = check(plain_root, val=0.3, seed=4)
    for split in ("train", "validation"):
        found = Counter(each.class_index for each in read(tmp_path / "out", split))
        assert [found[n] for n in range(3)] == [getattr(row, split) for row in report.classes]
        assert written.parts[split].photos == sum(found.values())
    assert written.fraction == 0.3


def test_the_manifest_counts_what_is_there_and_its_digest_is_that_of_sha256sum(split_root, tmp_path):
    write_shards(split_root, tmp_path / "out", train_shards=3)
    said = json.loads((tmp_path / "out/shards.json").read_text())

    paths = sorted((tmp_path / "out").glob("*-of-*"))
    lines = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)
    assert said["digest"] == hashlib.sha256(lines.encode()).hexdigest()
    assert said["parts"]["train"]["photos"] == 24
    assert said["parts"]["train"]["files"] == 3
    assert said["parts"]["validation"]["bytes"] == paths[-1].stat().st_size
    assert (said["classes"], said["validation_fraction"]) == (3, None)


def test_a_file_holds_as_many_photos_as_one_of_imagenet_where_nothing_is_asked(
    split_root, tmp_path, monkeypatch
):
    monkeypatch.setattr(shards, "PHOTOS_A_FILE", 7)
    written = write_shards(split_root, tmp_path / "out")

    assert {split: part.files for split, part in written.parts.items()} == {"train": 4, "validation": 1}


@pytest.mark.parametrize("kind", ["png", "cmyk", "transparent", "gif"])
def test_what_is_no_plain_jpeg_becomes_an_rgb_jpeg(split_root, tmp_path, kind):
    pixels = np.array(Image.open(next((split_root / "train/cat").iterdir())))
    image, stream = Image.fromarray(pixels), io.BytesIO()
    if kind == "cmyk":
        image.convert("CMYK").save(stream, "JPEG", quality=95)
    elif kind == "transparent":
        image.putalpha(Image.new("L", image.size, 255))
        image.save(stream, "PNG")
    else:
        image.save(stream, kind)
    root = tmp_path / "photos"
    for label in "ab":
        for number in range(2):
            photograph(root / "train" / label / f"{number}.jpg", number)
        photograph(root / "validation" / label / "9.jpg", 9)
    (root / "train/b/odd.JPEG").write_bytes(stream.getvalue())

    written = write_shards(root, tmp_path / "out")

    again = [each for each in read(tmp_path / "out", "train") if each.data not in expected_bytes(root)]
    assert len(again) == written.parts["train"].encoded_again == 1
    found = Image.open(io.BytesIO(again[0].data))
    assert (found.format, found.mode, found.size) == ("JPEG", "RGB", image.size)
    assert again[0].class_index == 1
    assert np.abs(np.asarray(found).astype(int) - decode(stream.getvalue()).pixels).mean() < 8


def expected_bytes(root):
    return {path.read_bytes() for path in root.rglob("*.jpg")}


def test_a_jpeg_that_exif_turns_and_a_gray_one_are_kept_and_the_turned_are_counted(split_root, tmp_path):
    root = tmp_path / "photos"
    for label in "ab":
        for number in range(2):
            photograph(root / "train" / label / f"{number}.jpg", number)
        photograph(root / "validation" / label / "9.jpg", 9)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / "train/a/0.jpg").save(root / "train/a/turned.jpg", exif=exif)
    Image.open(root / "train/a/0.jpg").convert("L").save(root / "train/a/gray.jpg")

    written = write_shards(root, tmp_path / "out")

    kept = {each.data for each in read(tmp_path / "out", "train")}
    assert {path.read_bytes() for path in (root / "train").rglob("*.jpg")} == kept
    assert (written.parts["train"].turned, written.parts["train"].encoded_again) == (1, 0)


@pytest.mark.parametrize("given", [True, False])
def test_photos_that_cannot_be_read_are_left_out_and_listed(tmp_path, given):
    root = tmp_path / "photos"
    for number in range(12):
        part = ("validation" if number > 7 else "train") if given else "."
        photograph(root / part / "ab"[number % 2] / f"{number}.jpg", number)
    bad = root / ("train" if given else ".") / "a"
    (bad / "cut.jpg").write_bytes((bad / "2.jpg").read_bytes()[:900])
    (bad / "text.jpg").write_bytes(b"no photo")

    written = write_shards(root, tmp_path / "out", train_shards=3, val=0.4)

    assert sum(part.photos for part in written.parts.values()) == 12
    listed = (tmp_path / "out/skipped.csv").read_text().splitlines()
    assert len(listed) == 3
    assert "a/cut.jpg" in listed[1]
    assert "a/text.jpg" in listed[2]
    assert all("," in line for line in listed)


def test_a_test_part_is_left_out_and_counted(split_root, tmp_path):
    root = tmp_path / "photos"
    for number, part in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 2):
        photograph(root / part / "ab"[number % 2] / f"{number}.jpg", number)

    written = write_shards(root, tmp_path / "out")

    assert {split: part.photos for split, part in written.parts.items()} == {"train": 4, "validation": 2}
    assert written.test == 2


# ------------------------------------------------------------------------ who reads it


def test_tensorflow_reads_every_key(split_root, tmp_path):
    tf = pytest.importorskip("tensorflow", reason="the extra [train]: make test-all")
    write_shards(split_root, tmp_path / "out", train_shards=4)
    keys = {
        **{f"image/{key}": tf.io.FixedLenFeature([], tf.int64) for key in ("height", "width", "channels")},
        **{
            f"image/{key}": tf.io.FixedLenFeature([], tf.string)
            for key in ("colorspace", "format", "filename")
        },
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/class/synset": tf.io.FixedLenFeature([], tf.string),
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
    }

    names = sorted(str(path) for path in (tmp_path / "out").glob("train-*"))
    found = [tf.io.parse_single_example(data, keys) for data in tf.data.TFRecordDataset(names)]

    photos = {path.read_bytes(): path for path in (split_root / "train").rglob("*.jpg")}
    assert len(found) == len(photos) == 24
    for each in found:
        path = photos.pop(each["image/encoded"].numpy())
        label = path.parent.name
        assert each["image/class/label"].numpy() == LABELS.index(label) + 1
        assert each["image/class/synset"].numpy().decode() == label
        assert each["image/filename"].numpy().decode() == path.name
        assert (each["image/colorspace"].numpy(), each["image/format"].numpy()) == (b"RGB", b"JPEG")
        pixels = tf.io.decode_jpeg(each["image/encoded"], channels=3)
        assert (
            pixels.shape == (each["image/height"], each["image/width"], each["image/channels"]) == (80, 90, 3)
        )


def test_a_flipped_bit_in_a_written_file_is_named(split_root, tmp_path):
    write_shards(split_root, tmp_path / "out", train_shards=2)
    path = tmp_path / "out/train-00001-of-00002"
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    source = open_records(tmp_path / "out", "train", classes=3)

    with pytest.raises(UnusableInput, match="checksum") as caught:
        source[len(source) - 1]
    assert caught.value.where == f"{path}, record 11"


# ------------------------------------------------------------------------ what is refused


def test_a_target_is_replaced_only_where_it_is_ours_and_that_is_asked(split_root, tmp_path):
    out = tmp_path / "out"
    write_shards(split_root, out, seed=1)
    with pytest.raises(UsageError, match="the target exists"):
        write_shards(split_root, out)
    before = contents(out)

    write_shards(split_root, out, overwrite=True)

    assert contents(out) != before
    (out / "shards.json").unlink()
    with pytest.raises(UsageError, match="never replaced"):
        write_shards(split_root, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_end_in_the_middle_leaves_what_was_there(split_root, tmp_path, monkeypatch, error):
    out = tmp_path / "out"
    write_shards(split_root, out)
    before, calls = contents(out), []

    def failing(path):
        calls.append(path)
        if len(calls) == 2:
            raise error
        return "0" * 64

    monkeypatch.setattr(shards.files, "sha256_file", failing)
    with pytest.raises((KeyboardInterrupt, UnusableInput)):
        write_shards(split_root, out, train_shards=3, overwrite=True)

    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("place", ["photos/out", "photos", "."])
def test_a_target_in_or_above_the_photos_is_refused(tmp_path, place):
    for number in range(6):
        photograph(tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg", number)
    (tmp_path / "shards.json").touch()
    (tmp_path / "photos/shards.json").touch()

    with pytest.raises(UsageError, match="inside, above or on"):
        write_shards(tmp_path / "photos", tmp_path / place, overwrite=True)


def test_more_files_than_photos_are_refused(split_root, tmp_path):
    for values in ({"train_shards": 25}, {"validation_shards": 0}, {"validation_shards": 7}):
        with pytest.raises(UsageError, match="one at least in each") as caught:
            write_shards(split_root, tmp_path / "out", **values)
        assert caught.value.where == f"`{next(iter(values))}=`"
    assert not list(tmp_path.iterdir())


def test_photos_that_all_fail_leave_no_folder(tmp_path):
    for number in range(6):
        path = tmp_path / "photos" / ("train" if number < 4 else "val") / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no photo %d" % number)

    with pytest.raises(UnusableDataset, match="no photo of the train part can be used"):
        write_shards(tmp_path / "photos", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


# ------------------------------------------------------------------------ the command


def test_the_command_says_what_was_written(split_root, tmp_path, capsys):
    code = app.run(
        ["shards", str(split_root), "--out", str(tmp_path / "out"), "--train-shards", "2", "--json"]
    )
    said = json.loads(capsys.readouterr().out)

    assert code == 0
    assert said["folder"] == os.path.realpath(tmp_path / "out")
    kept = json.loads((tmp_path / "out/shards.json").read_text())
    assert set(kept.pop("written")) == set(contents(tmp_path / "out")) - {"shards.json"}
    assert said | {"folder": None} == kept | {"folder": None}
    assert app.run(["shards", str(split_root), "--out", str(tmp_path / "out")]) == 2
    assert app.run(["shards", str(split_root), "--out", str(tmp_path / "x"), "--val", "1"]) == 2
    assert app.run(["shards", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 3
