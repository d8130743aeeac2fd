"""Folders and manifests to rows: every layout, every refusal, and names as people and attackers write them."""

import csv
import errno
import os
import runpy
import sys
import unicodedata
from pathlib import Path

import pytest
from trees import touch

from efficientnet_lite.errors import UnusableDataset, UnusableInput
from efficientnet_lite.photos.dataset import Dataset, list_photos, open_dataset
from efficientnet_lite.photos.walk import BROKEN, LEFT_OUT, LOOP
from efficientnet_lite.storage.tables import publish_csv

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs links and pipes of a POSIX system")


def refusal(path: Path) -> UnusableDataset:
    with pytest.raises(UnusableDataset) as caught:
        open_dataset(path)
    return caught.value


def reasons(dataset: Dataset) -> dict[str, str]:
    return {name: reason for name, reason, _ in dataset.skipped}


def places(dataset: Dataset) -> dict[str, tuple[str, str | None]]:
    return {row.name: (row.label, row.split) for row in dataset.rows}


# Folders of classes


def test_a_folder_per_class_gives_sorted_rows_and_labels(tmp_path: Path) -> None:
    touch(tmp_path, "hat/2.jpg", "hat/1.jpg", "Dress/deep/er/a.png", "Dress/b")
    dataset = open_dataset(tmp_path)
    assert dataset.kind == "folder per class"
    assert [row.name for row in dataset.rows] == ["Dress/b", "Dress/deep/er/a.png", "hat/1.jpg", "hat/2.jpg"]
    assert dataset.labels == ("Dress", "hat")
    assert {row.split for row in dataset.rows} == {None}
    assert all(row.path.read_bytes().endswith(row.name.encode()) for row in dataset.rows)
    assert dataset.skipped == ()
    assert dataset.passed_over == {}


def test_leftovers_and_hidden_and_empty_folders_are_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    touch(
        tmp_path, "__MACOSX/a/._1.jpg", "__MACOSX/a/x.jpg", ".git/x.jpg", "a/.thumbnails/x.jpg", ".DS_Store"
    )
    touch(tmp_path, "a/Thumbs.db", "a/desktop.ini", "a/._1.jpg", "texts/readme.txt", "texts/list.csv")
    (tmp_path / "empty").mkdir()
    dataset = open_dataset(tmp_path)
    assert len(dataset.rows) == 4
    assert dataset.skipped == ()
    assert dataset.passed_over == {
        ".csv": 1,
        ".txt": 1,
        "Thumbs.db": 1,
        "__MACOSX/": 1,
        "desktop.ini": 1,
        "hidden files": 2,
        "hidden folders": 2,
    }
    assert dataset.notes == ("no photos in 'empty', 'texts', so no class",)


def test_photos_beside_the_class_folders_are_skipped_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "cover.jpg")
    assert reasons(open_dataset(tmp_path)) == {"cover.jpg": "in no class folder"}


def test_photos_without_any_class_folder_are_refused_with_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    error = refusal(tmp_path)
    assert error.what == "no photos in class folders, 2 elsewhere in it"
    assert "one folder for each class" in error.fix


def test_one_class_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "hat/1.jpg", "hat/2.jpg")
    assert refusal(tmp_path).what == "only the class 'hat' was found, a classifier needs two or more"


def test_classes_that_lie_one_folder_deeper_are_pointed_at(tmp_path: Path) -> None:
    touch(tmp_path, "archive/hat/1.jpg", "archive/hat/2.jpg", "archive/shoe/1.jpg", "archive/shoe/2.jpg")
    assert refusal(tmp_path).fix == "give the folder 'archive' in it instead"


def test_all_classes_with_fewer_than_two_photos_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg")
    assert (
        refusal(tmp_path).what == "2 of 3 classes have fewer than two photos to learn from: 'b' (1), 'c' (1)"
    )


@posix_only
@pytest.mark.parametrize(
    "name", ["new\nline", "tab\there", "\x1b[31mred", os.fsdecode(b"\xff\xfe"), "trailing "]
)
def test_a_class_name_that_cannot_stand_on_a_line_is_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", f"{name}/1.jpg", f"{name}/2.jpg")
    error = refusal(tmp_path)
    assert error.what.startswith("1 class names cannot be used: ")
    assert str(error).isascii()
    assert str(error).count("\n") == 2


def test_names_that_are_equal_after_normalization_are_refused(tmp_path: Path) -> None:
    for name in (unicodedata.normalize(form, "café") for form in ("NFC", "NFD")):
        touch(tmp_path, f"{name}/1.jpg", f"{name}/2.jpg")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system does not tell the two spellings apart")
    assert "they look the same but are spelled differently" in refusal(tmp_path).what


def test_names_that_differ_by_case_are_kept_and_noted(tmp_path: Path) -> None:
    touch(tmp_path, "Cardigan/1.jpg", "Cardigan/2.jpg", "cardigan/1.jpg", "cardigan/2.jpg")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system does not tell cases apart")
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("Cardigan", "cardigan")
    assert dataset.notes == ("the classes 'Cardigan' and 'cardigan' differ by case only",)


# Split folders


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_split_folders_are_recognized(tmp_path: Path, validation: str) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", f"{validation}/a/2.jpg", f"{validation}/b/x/2.jpg")
    touch(tmp_path, "test/a/3.jpg", "test/b/3.jpg")
    dataset = open_dataset(tmp_path)
    assert dataset.kind == "split folders"
    assert dataset.labels == ("a", "b")
    assert places(dataset) == {
        "train/a/1.jpg": ("a", "train"),
        "train/b/1.jpg": ("b", "train"),
        f"{validation}/a/2.jpg": ("a", "validation"),
        f"{validation}/b/x/2.jpg": ("b", "validation"),
        "test/a/3.jpg": ("a", "test"),
        "test/b/3.jpg": ("b", "test"),
    }


def test_what_lies_outside_of_split_and_class_folders_is_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "val/b/2.jpg")
    touch(tmp_path, "extra/a/1.jpg", "train/x.jpg", "test/unlabeled.jpg")
    (tmp_path / "val/c").mkdir()
    dataset = open_dataset(tmp_path)
    assert len(dataset.rows) == 4
    assert reasons(dataset) == {
        "extra/a/1.jpg": "outside of the split folders",
        "test/unlabeled.jpg": "outside of the split folders",
        "train/x.jpg": "in no class folder",
    }
    assert dataset.notes == ("no photos in 'val/c', so no class",)


def test_labels_that_differ_between_splits_are_refused_with_both_sides(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "val/c/2.jpg")
    assert (
        refusal(tmp_path).what
        == "the labels differ between the splits: train lacks 'c'; validation lacks 'b'"
    )


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "valid/b/2.jpg")
    assert refusal(tmp_path).what == "the folders 'val' and 'valid' are both the validation part"


def test_train_alone_is_the_whole_data_set(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "train/b/2.jpg", "test/1.jpg")
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("a", "b")
    assert {row.split for row in dataset.rows} == {None}
    assert reasons(dataset) == {"test/1.jpg": "outside of the split folders"}
    assert dataset.notes == ("'train' is the only part with classes: it is taken as the whole data set",)


def test_a_class_of_trains_stays_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/steam/1.jpg", "train/2.jpg", "car/1.jpg", "car/2.jpg")
    assert open_dataset(tmp_path).labels == ("car", "train")
    touch(tmp_path, "test/1.jpg", "test/2.jpg")
    assert open_dataset(tmp_path).labels == ("car", "test", "train")


def test_a_train_and_a_test_part_leave_the_validation_to_be_made(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "train/b/2.jpg")
    touch(tmp_path, "test/a/1.jpg", "test/b/1.jpg")
    assert {row.split for row in open_dataset(tmp_path).rows} == {"train", "test"}
    (tmp_path / "train/b/2.jpg").unlink()
    assert "'b' (1)" in refusal(tmp_path).what


# Links, pipes, odd names


@posix_only
def test_links_are_followed_wherever_they_lead(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    touch(root, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    touch(tmp_path, "outside.jpg", "photos-beside/x.jpg")
    links = {
        "in": "../a/1.jpg",
        "out": "../../outside.jpg",
        "beside": "../../photos-beside/x.jpg",
        "none": "x",
    }
    for name, target in (links | {"self": "self", "up": "..", "device": "/dev/null"}).items():
        (root / "b" / name).symlink_to(target)
    os.mkfifo(root / "b/pipe.jpg")
    dataset = open_dataset(root)
    inside = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]
    assert [row.name for row in dataset.rows] == sorted([*inside, "b/beside", "b/in", "b/out"])
    assert reasons(dataset) == {
        "b/device": "a link to no regular file",
        "b/none": BROKEN,
        "b/pipe.jpg": "no regular file",
        "b/self": BROKEN,
        "b/up": LOOP,
    }
    without = open_dataset(root, links=False)
    assert [row.name for row in without.rows] == inside
    assert reasons(without) == {
        **{f"b/{name}": LEFT_OUT for name in ("beside", "device", "in", "none", "out", "self", "up")},
        "b/pipe.jpg": "no regular file",
    }


@posix_only
def test_a_folder_that_is_itself_a_link_is_opened(tmp_path: Path) -> None:
    touch(tmp_path / "real", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    (tmp_path / "real/b/3.jpg").symlink_to("1.jpg")
    (tmp_path / "link").symlink_to("real")
    assert len(open_dataset(tmp_path / "link").rows) == 5


def test_a_folder_without_permission_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/closed/x.jpg")
    scandir = os.scandir

    def refusing(folder: Path) -> object:  # since root, who may run this, is refused nothing
        if str(folder).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    dataset = open_dataset(tmp_path)
    assert len(dataset.rows) == 4
    assert reasons(dataset) == {"b/closed/": "the folder cannot be read: Permission denied"}
    with pytest.raises(UnusableDataset, match="the folder cannot be read"):
        open_dataset(tmp_path / "b/closed")


@posix_only
def test_odd_names_come_back_as_they_are_on_disk(tmp_path: Path, shared: Path) -> None:
    maker = runpy.run_path(str(shared / "data/make_hostile_images.py"))
    left_out = {f"odd-names/{name}" for name, _ in maker["write_odd_names"](tmp_path)}
    with (shared / "data/hostile-images/expected.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("odd-names/")]
    names = {row["file"].encode().decode("unicode_escape"): row["verdict"] for row in rows}
    # a lone surrogate in the list stands for a byte, as Python gives it
    names["odd-names/link_outside.jpg"] = "ok"  # overruled: links are followed wherever they lead
    photos = {name for name, verdict in names.items() if verdict == "ok"} - left_out
    assert len(photos) >= 14
    listing = list_photos([tmp_path / "odd-names"])
    assert {path.relative_to(tmp_path).as_posix() for path, _ in listing.photos} == photos
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path, _ in listing.photos)
    skipped = {Path(name).name for name, _, _ in listing.skipped}
    assert skipped == {"link_dangling.jpg", "link_to_itself.jpg", "link_folder", "pipe.jpg"}
    assert listing.passed_over == {"__MACOSX/": 1, "hidden files": 2, "Thumbs.db": 1, "desktop.ini": 1}
    # as a class of a data set, beside another
    touch(tmp_path, "plain/1.jpg", "plain/2.jpg")
    dataset = open_dataset(tmp_path)
    named = {row.name for row in dataset.rows if row.label == "odd-names"}
    assert named == photos


# Manifests


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_paths_of_a_manifest_are_relative_to_its_folder_or_absolute(tmp_path: Path) -> None:
    touch(tmp_path, "set/a 1.jpg", "set/sub/b1.jpg", "elsewhere/a2.jpg", "elsewhere/b2.jpg")
    absolute = (tmp_path / "elsewhere/b2.jpg").as_posix()
    file = write(
        tmp_path / "set/list.csv",
        f"path,label\na 1.jpg,a\n./sub//b1.jpg,b\n../elsewhere/a2.jpg,a\n{absolute},b\n",
    )
    dataset = open_dataset(file)
    outside = (tmp_path / "elsewhere").as_posix()
    assert (dataset.kind, dataset.root) == ("manifest", tmp_path / "set")
    assert places(dataset) == {
        "a 1.jpg": ("a", None),
        "sub/b1.jpg": ("b", None),
        f"{outside}/a2.jpg": ("a", None),
        f"{outside}/b2.jpg": ("b", None),
    }
    assert all(row.path.is_file() for row in dataset.rows)


def test_a_manifest_from_windows_is_understood(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    file = write(tmp_path / "m.csv", "path;label\r\na\\1.jpg;a\r\na\\2.jpg;a\r\nb\\1.jpg;b\r\nb\\2.jpg;b\r\n")
    assert set(places(open_dataset(file))) == {"a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"}


@posix_only
def test_rows_whose_file_is_missing_or_no_file_are_skipped_with_their_line(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg", "folder/x.jpg")
    os.mkfifo(tmp_path / "pipe")
    long = "n" * 5000
    lines = ["1.jpg,a", "2.jpg,a", "3.jpg,b", "4.jpg,b", "gone.jpg,a", "folder,a", "pipe,b", f"{long},b"]
    dataset = open_dataset(write(tmp_path / "m.csv", "path,label\n" + "\n".join(lines)))
    assert len(dataset.rows) == 4
    assert reasons(dataset) == {
        "gone.jpg": "no such file (line 6)",
        "folder": "no regular file (line 7)",
        "pipe": "no regular file (line 8)",
        long: "no such file (line 9)",
    }


def test_a_path_that_no_file_name_can_hold_is_missing(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    rows = [f'{{"path": "{n}.jpg", "label": "{"ab"[n % 2]}"}}' for n in range(1, 5)]
    file = write(tmp_path / "m.jsonl", "\n".join([*rows, '{"path": "\\ud800.jpg", "label": "a"}']))
    assert list(reasons(open_dataset(file)).values()) == ["no such file (line 5)"]


def test_a_manifest_of_missing_files_says_what_its_paths_are_relative_to(tmp_path: Path) -> None:
    error = refusal(write(tmp_path / "m.csv", "path,label\nx/1.jpg,a\nx/2.jpg,b\n"))
    assert error.what == "none of the 2 photos exist, the first is 'x/1.jpg'"
    assert str(tmp_path) in error.fix


def test_a_row_that_stands_twice_is_two_photos(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    file = write(tmp_path / "m.csv", "path,label\n1.jpg,a\n./1.jpg,a\n2.jpg,a\n3.jpg,b\n4.jpg,b\n")
    dataset = open_dataset(file)
    assert [row.name for row in dataset.rows] == ["1.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert dataset.notes == ("1 rows repeat earlier ones, and count as photos of their own",)


@pytest.mark.parametrize("second", ["1.jpg,b,train", "sub/../1.jpg,a,test"])
def test_a_photo_with_two_labels_or_splits_is_refused_with_both_lines(tmp_path: Path, second: str) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "sub/x.jpg")
    error = refusal(write(tmp_path / "m.csv", f"path,label,split\n1.jpg,a,train\n2.jpg,b,train\n{second}\n"))
    assert error.what.startswith("lines 2 and 4 name the same photo '1.jpg' and differ")


def test_a_broken_line_is_said_before_a_contradiction_above_it(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    error = refusal(write(tmp_path / "m.csv", "path,label\n1.jpg,a\n1.jpg,b\n2.jpg\n"))
    assert error.what.startswith("line 4: 1 cells under a header of 2")


def test_our_own_split_csv_is_read_back_whatever_the_names(tmp_path: Path) -> None:
    names = (
        ["=1+1.jpg", "-rf.jpg", "a\\n.jpg", 'comma, "quote".jpg']
        if os.name == "posix"
        else ["a.jpg", "b,.jpg"]
    )
    names += ["c.jpg", "d.jpg"]
    touch(tmp_path, *names)
    rows = [(name, "@home" if n % 2 else "away", "train", "0" * 64, "") for n, name in enumerate(names)]
    publish_csv(tmp_path / "split.csv", ("path", "label", "split", "sha256", "group"), rows)
    found = places(open_dataset(tmp_path / "split.csv"))
    assert found == {name: (label, split) for name, label, split, _, _ in rows}


@pytest.mark.parametrize("kind", ["missing", "binary", "larger"])
def test_what_is_no_data_set_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    if kind != "missing":
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    if kind == "larger":
        monkeypatch.setattr("efficientnet_lite.photos.manifest_files.MAX_MANIFEST_BYTES", 10)
    expected = {
        "missing": "it cannot be opened",
        "binary": "a single photo",
        "larger": "11 bytes are more than",
    }
    assert expected[kind] in refusal(path).what


# imagefolder


def test_metadata_in_the_folder_gives_the_labels(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "x/3.jpg", "x/4.jpg", "unnamed.jpg")
    write(tmp_path / "metadata.csv", "file_name,label\n1.jpg,a\n2.jpg,a\nx/3.jpg,b\nx/4.jpg,b\n")
    dataset = open_dataset(tmp_path)
    assert dataset.kind == "imagefolder"
    assert set(places(dataset).items()) >= {("1.jpg", ("a", None)), ("x/4.jpg", ("b", None))}
    assert reasons(dataset) == {"unnamed.jpg": "not named in the metadata"}


def test_metadata_in_split_folders_gives_labels_and_splits(tmp_path: Path) -> None:
    for split, n in (("train", 1), ("validation", 2)):
        touch(tmp_path, f"{split}/{n}a.jpg", f"{split}/{n}b.jpg")
        lines = [f'{{"file_name": "{n}{label}.jpg", "label": "{label}"}}' for label in "ab"]
        write(tmp_path / split / "metadata.jsonl", "\n".join(lines))
    dataset = open_dataset(tmp_path)
    assert dataset.kind == "imagefolder"
    assert places(dataset) == {
        "train/1a.jpg": ("a", "train"),
        "train/1b.jpg": ("b", "train"),
        "validation/2a.jpg": ("a", "validation"),
        "validation/2b.jpg": ("b", "validation"),
    }


def test_split_folders_named_by_metadata_above_them_are_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "train/2.jpg", "test/3.jpg", "test/4.jpg", "train/5.jpg", "train/6.jpg")
    rows = [
        "train/1.jpg,a",
        "train/2.jpg,b",
        "test/3.jpg,a",
        "test/4.jpg,b",
        "train/5.jpg,a",
        "train/6.jpg,b",
    ]
    write(tmp_path / "metadata.csv", "file_name,label\n" + "\n".join(rows))
    dataset = open_dataset(tmp_path)
    assert places(dataset)["test/3.jpg"] == ("a", "test")
    assert places(dataset)["train/6.jpg"] == ("b", "train")


@posix_only
def test_metadata_of_a_stranger_cannot_lead_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "photos"
    touch(root, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    touch(tmp_path, "secret.jpg")
    (root / "link.jpg").symlink_to("../secret.jpg")
    absolute = (tmp_path / "secret.jpg").as_posix()
    rows = ["1.jpg,a", "2.jpg,a", "3.jpg,b", "4.jpg,b", "../secret.jpg,a", f"{absolute},a", "link.jpg,b"]
    write(root / "metadata.csv", "file_name,label\n" + "\n".join(rows))
    dataset = open_dataset(root)
    assert len(dataset.rows) == 5  # the link among them: whoever made the folder made it
    assert reasons(dataset) == {
        "../secret.jpg": "it leads outside of the folder (line 6)",
        absolute: "it leads outside of the folder (line 7)",
    }
    monkeypatch.chdir(root)  # where the folder is ".", `..` is outside all the same
    assert reasons(open_dataset(Path())) == reasons(dataset)


def test_captions_leave_the_folders_as_classes(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    write(tmp_path / "metadata.csv", "file_name,text\na/1.jpg,a hat\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.kind, dataset.labels) == ("folder per class", ("a", "b"))
    assert "metadata.csv holds no labels: the folders are taken as classes" in dataset.notes


# Lists of photos for predict and embed


def test_files_folders_and_patterns_are_listed_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(
        tmp_path, "p/b.jpg", "p/a.jpg", "p/deep/c.jpg", "p/.hidden.jpg", "p/notes.txt", "q/d.png", "q/e.jpg"
    )
    monkeypatch.chdir(tmp_path)
    listing = list_photos([Path("q/d.png"), Path("p"), Path("p/a.jpg"), Path("q/*"), Path("p/notes.txt")])
    assert [name for _, name in listing.photos] == [
        "q/d.png",
        "p/a.jpg",
        "p/b.jpg",
        "p/deep/c.jpg",
        "q/e.jpg",
        "p/notes.txt",
    ]
    assert [name for _, name in list_photos([Path("p/**/*.jpg")]).photos] == [
        "p/a.jpg",
        "p/b.jpg",
        "p/deep/c.jpg",
    ]
    assert [name for _, name in list_photos([tmp_path / "q/*.png"]).photos] == [
        (tmp_path / "q/d.png").as_posix()
    ]
    assert list_photos([Path()]).photos[0][1] == "p/a.jpg"


def test_a_file_whose_name_is_a_pattern_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "[1].jpg", "1.jpg")
    assert [path.name for path, _ in list_photos([tmp_path / "[1].jpg"]).photos] == ["[1].jpg"]


@pytest.mark.parametrize("name", ["gone.jpg", "*.gif", "a\0b", "[", "**x"])
def test_a_path_that_matches_nothing_is_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "1.jpg")
    with pytest.raises(UnusableInput, match="no such file or folder, and no pattern that matches one"):
        list_photos([tmp_path / name])


@posix_only
def test_links_and_pipes_that_are_named_themselves_are_taken_as_they_are(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nothing")
    listing = list_photos([tmp_path / "pipe", tmp_path / "dangling"])
    assert [path.name for path, _ in listing.photos] == ["pipe", "dangling"]


def test_a_walk_of_a_deep_folder_ends_without_recursion(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    depth = min(sys.getrecursionlimit(), 300)
    for _ in range(depth):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "x.jpg").write_bytes(b"x")
    assert len(list_photos([tmp_path]).photos) == 1
