"""The cause that a message names: what was given instead of a data set, and what in it is to blame."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from trees import photograph, touch

from efficientnet_lite import metrics
from efficientnet_lite.commands.check import check
from efficientnet_lite.errors import UnreadablePhoto, UnusableDataset
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.dataset import open_dataset


def refusal(path: Path) -> UnusableDataset:
    with pytest.raises(UnusableDataset) as caught:
        open_dataset(path)
    return caught.value


def archive(folder: Path, kind: str) -> Path:
    touch(folder / "photos", "a/1.jpg", "b/1.jpg")
    path = folder / f"photos.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.write(folder / "photos/a/1.jpg", "a/1.jpg")
    else:
        mode = {"tar": "w", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[kind]
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=mode) as file:
            file.add(folder / "photos", "photos")
        path.write_bytes(stream.getvalue())
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz", "bz2", "xz"])
def test_an_archive_is_to_be_unpacked(tmp_path: Path, kind: str) -> None:
    error = refusal(archive(tmp_path, kind))
    assert "archive" in error.what
    assert error.fix.startswith("unpack it and give the folder")


def test_a_folder_that_holds_an_archive_only_says_so(tmp_path: Path) -> None:
    path = archive(tmp_path, "zip")
    (tmp_path / "downloads").mkdir()
    path.rename(tmp_path / "downloads/photos.zip")
    error = refusal(tmp_path / "downloads")
    assert error.what == "there are no photos in it, but .zip files"
    assert error.fix.startswith("unpack them")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PAR1....", "a Parquet table"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\xff\xd8\xff\xe0", "a single photo"),
        ("path,label\r\na,b\r\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_else_is_given_for_a_manifest_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "data").write_bytes(data)
    assert says in refusal(tmp_path / "data").what


def test_names_without_extension_are_told_what_lies_there(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.jpg", "images/2.PNG", "images/3.jpg", "images/4.jpg")
    manifest = tmp_path / "train.csv"
    manifest.write_text("path,label\nimages/1,a\nimages/2,b\n")
    error = refusal(manifest)
    assert "no such file, but '1.jpg' lies there: names need their extension" in error.what
    assert error.fix == "write the names with their extensions"
    rows = ["images/1,a", "images/3.jpg,a", "images/4.jpg,a", "images/2.PNG,b", "images/1.jpg,b"]
    manifest.write_text("path,label\n" + "\n".join(rows))
    (lost,) = open_dataset(manifest).skipped
    assert lost.reason == "no such file, but '1.jpg' lies there: names need their extension (line 2)"


def test_an_odd_label_of_a_manifest_is_told_with_its_line(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    for text, says in (
        (" ", "line 3: the label is empty"),
        ("\u200b", "line 3: '\\u200b' cannot be a class name"),
    ):
        (tmp_path / "m.csv").write_text(f"path,label\n1.jpg,a\n2.jpg,{text}\n", encoding="utf-8")
        assert refusal(tmp_path / "m.csv").what.startswith(says)


def test_a_mark_at_the_front_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    lines = [f'{{"path": "{n}.jpg", "label": "{"ab"[n % 2]}"}}' for n in range(1, 5)]
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    table = ["path,label", *(f"{n}.jpg,{'ab'[n % 2]}" for n in range(1, 5))]
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(table).encode())
    assert open_dataset(tmp_path / "m.jsonl").rows == open_dataset(tmp_path / "m.csv").rows


def test_a_class_that_is_lost_names_why(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")
    for number in range(3):
        (tmp_path / f"b/link {number}.jpg").symlink_to("gone")
    error = refusal(tmp_path)
    assert "'b' (1), once 3 that cannot be used are left out: a link to nothing or to itself" in error.what


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "a pointer of Git LFS",
        ),
        (b"/annex/objects/SHA256E-s32--00.jpg\n", "a pointer of git-annex"),
        (b"\n <!DOCTYPE HTML><title>404</title>", "a web page"),
        (b"<html><body>404 not found</body></html>", "a web page"),
    ],
)
def test_what_stands_in_for_a_photo_is_named(data: bytes, says: str) -> None:
    with pytest.raises(UnreadablePhoto) as caught:
        photo_door.decode(data)
    assert caught.value.what == f"{says}, not the photo itself"


def test_the_same_photos_under_two_labels_are_told_as_such(tmp_path: Path) -> None:
    for number in range(4):
        photograph(tmp_path / f"a/{number}.jpg", number)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    problem = check(tmp_path).problem
    assert problem is not None
    assert problem.startswith(
        "each of the 4 photos stands under two labels or more, as 'a/0.jpg' and 'b/0.jpg'"
    )
    photograph(tmp_path / "b/4.jpg", 4)
    report = check(tmp_path)
    assert report.problem is None
    assert "8 photos stand under two labels: 'a/0.jpg', 'b/0.jpg', ..." in report.notes[0] + report.notes[1]


@pytest.mark.parametrize(("each", "few"), [(3, True), (20, True), (90, False)])
def test_data_too_small_to_judge_is_said_once(tmp_path: Path, each: int, few: bool) -> None:
    for number in range(each):
        photograph(tmp_path / f"a/{number}.jpg", number, size=(32, 32))
        photograph(tmp_path / f"b/{number}.jpg", 1000 + number, size=(32, 32))
    report = check(tmp_path)
    assert report.judged == sum(row.validation for row in report.classes)
    assert report.to_json()["too_few_to_judge"] is (report.judged < metrics.ENOUGH_TO_JUDGE) is few
    assert [note.startswith("too few to judge") for note in report.notes].count(True) == few


@pytest.mark.parametrize(
    ("written", "there", "reason", "fix"),
    [
        ("1.JPG", "1.jpg", "no such file, but '1.jpg' lies there", "as the files have them"),
        ("1.jpeg", "1.jpg", "no such file, but '1.jpg' lies there", "as the files have them"),
        ("IMG 1.jpg", "img 1.PNG", "no such file, but 'img 1.PNG' lies there", "as the files have them"),
        ("https://x.org/1.jpg", "1.jpg", "an address, and nothing is downloaded", "download the photos"),
        ("gs://b/1.jpg", "1.jpg", "an address, and nothing is downloaded", "download the photos"),
    ],
)
def test_a_name_that_is_nearly_right_is_told_what_lies_there(
    tmp_path: Path, written: str, there: str, reason: str, fix: str
) -> None:
    touch(tmp_path, there, "1.xmp")
    (tmp_path / "m.csv").write_text(f"path,label\n{written},a\n")
    error = refusal(tmp_path / "m.csv")
    assert reason in error.what
    assert fix in error.fix


@pytest.mark.parametrize("written", ["1.jpg", "1"])
def test_photos_in_a_folder_beside_the_manifest_are_found_for_the_message(
    tmp_path: Path, written: str
) -> None:
    touch(tmp_path, "images/1.jpg", "@eaDir/1.jpg")
    (tmp_path / "m.csv").write_text(f"path,label\n{written},a\n")
    assert refusal(tmp_path / "m.csv").fix.endswith("the first lies there as 'images/1.jpg'")


@pytest.mark.parametrize("names", ["images/1.jpg images/2.jpg", "1.jpg 2.jpg", "train/1.jpg test/2.jpg"])
@pytest.mark.parametrize("table", ["labels.csv", "train.TSV", "photos.jsonl"])
def test_a_folder_without_classes_points_at_the_table_in_it(tmp_path: Path, names: str, table: str) -> None:
    touch(tmp_path, *names.split(), table)
    assert refusal(tmp_path).fix.endswith(f"give the file {table!r} in it")
    touch(tmp_path, "a/b/1.jpg", "a/c/1.jpg", "d/1.jpg", "e/1.jpg")
    assert "give the file" not in refusal(tmp_path).fix


def test_a_folder_of_films_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.mp4", "b/2.MOV")
    error = refusal(tmp_path)
    assert "1 .mov, 1 .mp4" in error.what
    assert error.fix.startswith("save pictures of the films")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x1c\0\0\0TFL3\xff\xfe", "a TFLite model"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b'{\n "a.jpg": "a"\n}\n', "a JSON document of several lines"),
        (b"path,label\ra.jpg,a\r", "a carriage return alone"),
    ],
)
def test_what_other_tools_write_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "data").write_bytes(data)
    assert says in refusal(tmp_path / "data").what


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"%PDF-1.4", "a PDF document"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a film"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42", "a film"),
        (bytes(128) + b"DICM", "a DICOM picture"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "AppleDouble"),
        (b'{"error": "not found"}', "a JSON text"),
    ],
)
def test_what_lies_under_the_name_of_a_photo_is_named(data: bytes, says: str) -> None:
    with pytest.raises(UnreadablePhoto, match="no JPEG, PNG") as caught:
        photo_door.decode(data + bytes(60))
    assert caught.value.what.startswith(says) or says in caught.value.what.split(", no JPEG")[0]
