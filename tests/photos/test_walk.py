"""Walks of folders: links wherever they lead, loops of every kind, rubbish of systems and editors, sidecar files."""

import os
import time
from pathlib import Path

import pytest
from trees import photograph, touch

from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.dataset import list_photos, open_dataset
from efficientnet_lite.photos.walk import BROKEN, ICLOUD, LOOP, Walk, second_link, walk

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs links of a POSIX system")


def reasons(found: Walk) -> dict[str, str]:
    return {name: reason for name, reason, _ in found.skipped}


# Links


def test_a_class_that_is_a_link_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path / "disk", "cats/1.jpg", "cats/deep/2.jpg")
    touch(tmp_path / "photos", "dogs/1.jpg", "dogs/2.jpg")
    (tmp_path / "photos/cats").symlink_to(tmp_path / "disk/cats")
    dataset = open_dataset(tmp_path / "photos")
    assert [row.name for row in dataset.rows] == ["cats/1.jpg", "cats/deep/2.jpg", "dogs/1.jpg", "dogs/2.jpg"]
    assert dataset.labels == ("cats", "dogs")
    assert dataset.rows[1].path == tmp_path / "photos/cats/deep/2.jpg"  # the name within, not the target's


def test_two_classes_that_are_links_to_one_folder_both_count(tmp_path: Path) -> None:
    touch(tmp_path / "disk", "1.jpg", "2.jpg")
    (tmp_path / "photos").mkdir()
    for label in ("a", "b"):
        (tmp_path / "photos" / label).symlink_to("../disk")
    dataset = open_dataset(tmp_path / "photos")
    assert len(dataset.rows) == 4
    assert dataset.skipped == ()


@pytest.mark.parametrize("part", ["", "train/", "Training_Set/", "seg_train/seg_train/"])
def test_the_second_link_in_a_class_is_skipped_and_in_another_class_is_not(tmp_path: Path, part: str) -> None:
    touch(tmp_path, "disk/x/1.jpg", "disk/2.jpg")
    root = tmp_path / "photos"
    for label in ("a", "b"):
        touch(root, f"{part}{label}/0.jpg")
        for name, target in (("l1", "2.jpg"), ("l2", "2.jpg"), ("m1", "x"), ("m2", "x"), ("n", "x/1.jpg")):
            (root / part / label / name).symlink_to(tmp_path / "disk" / target)
    found = walk(root)
    wanted = {}
    for label in ("a", "b"):
        wanted[f"{part}{label}/l2"] = second_link(f"{part}{label}/l1")
        wanted[f"{part}{label}/m2"] = second_link(f"{part}{label}/m1", "folder")
        wanted[f"{part}{label}/n"] = second_link(f"{part}{label}/m1/1.jpg")
    # depth first, by name: what lies in m1 comes after the files beside it
    if f"{part}a/m1/1.jpg" not in found.photos:
        wanted = {name: reason for name, reason in wanted.items() if not name.endswith("/n")}
        wanted |= {f"{part}{label}/m1/1.jpg": second_link(f"{part}{label}/n") for label in ("a", "b")}
    assert reasons(found) == wanted
    assert not any(stops for _, _, stops in found.skipped)
    assert len(found.photos) == 6


def test_hard_links_and_copies_are_files_like_others(tmp_path: Path) -> None:
    touch(tmp_path, "disk/1.jpg", "photos/a/x.jpg")
    for number in range(3):
        os.link(tmp_path / "disk/1.jpg", tmp_path / f"photos/a/hard {number}.jpg")
    (tmp_path / "disk/other.jpg").hardlink_to(tmp_path / "disk/1.jpg")
    (tmp_path / "photos/a/l1").symlink_to(tmp_path / "disk/1.jpg")
    (tmp_path / "photos/a/l2").symlink_to(tmp_path / "disk/other.jpg")  # another file with the same bytes
    found = walk(tmp_path / "photos")
    assert len(found.photos) == 6
    assert found.skipped == []


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("a/up", ".."),
        ("a/here", "."),
        ("a/root", "ROOT"),
        ("a/top", "/"),
        ("a/deep/up", "../.."),
        ("a/far", "OUTSIDE/back"),  # a chain of links that ends above
        ("a/deep/around", "ROOT/../photos/a"),
    ],
)
def test_a_link_to_a_folder_that_contains_it_is_a_loop(tmp_path: Path, link: str, target: str) -> None:
    root = tmp_path / "photos"
    touch(root, "a/1.jpg", "a/deep/2.jpg", "b/1.jpg")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/back").symlink_to(root)
    target = target.replace("ROOT", str(root)).replace("OUTSIDE", str(tmp_path / "outside"))
    (root / link).symlink_to(target)
    found = walk(root)
    assert reasons(found) == {link: LOOP}
    assert found.photos == ["a/1.jpg", "a/deep/2.jpg", "b/1.jpg"]


def test_a_loop_over_two_disks_ends(tmp_path: Path) -> None:
    touch(tmp_path, "one/1.jpg", "two/2.jpg", "photos/a/0.jpg")
    (tmp_path / "one/to two").symlink_to("../two")
    (tmp_path / "two/to one").symlink_to("../one")
    (tmp_path / "photos/a/far").symlink_to("../../one")
    found = walk(tmp_path / "photos")
    assert found.photos == ["a/0.jpg", "a/far/1.jpg", "a/far/to two/2.jpg"]
    assert reasons(found) == {"a/far/to two/to one": LOOP}


def test_folders_that_link_to_each_other_in_every_way_are_walked_once_a_class(tmp_path: Path) -> None:
    """Twelve folders, each with a link to each other one: there are millions of ways through them."""
    for number in range(12):
        touch(tmp_path, f"disk/{number}/photo.jpg")
        for other in range(12):
            if other != number:
                (tmp_path / f"disk/{number}/to {other:02}").symlink_to(f"../{other}")
    touch(tmp_path, "photos/a/0.jpg", "photos/b/0.jpg")
    for label in ("a", "b"):
        (tmp_path / "photos" / label / "far").symlink_to("../../disk/0")
    begun = time.monotonic()
    found = walk(tmp_path / "photos")
    assert len(found.photos) == 2 * 13
    assert time.monotonic() - begun < 20
    assert found.photos == walk(tmp_path / "photos").photos


def test_a_folder_that_may_not_be_read_is_skipped_with_its_reason(tmp_path: Path, bound) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/closed/x.jpg")
    (tmp_path / "b/closed").chmod(0)
    done = bound(
        "import sys; from pathlib import Path; from efficientnet_lite.photos.dataset import open_dataset\n"
        "found = open_dataset(Path(sys.argv[1])); print(len(found.rows), found.skipped)",
        tmp_path,
    )
    assert done.stdout.startswith(
        "4 (Skipped(name='b/closed/', reason='the folder cannot be read: Permission"
    )


def test_a_path_that_is_longer_than_the_system_takes_is_skipped(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("n" * 200, dir_fd=folder)
        inner = os.open("n" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    touch(tmp_path, "a/1.jpg")
    found = walk(tmp_path)
    assert found.photos == ["a/1.jpg"]
    (lost,) = found.skipped
    assert lost.reason == "the folder cannot be read: File name too long"


def test_broken_links_are_skipped_and_those_of_editors_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a/gone.jpg").symlink_to("nowhere")
    (tmp_path / "a/gone").symlink_to("/nowhere/at/all")
    (tmp_path / "a/.#1.jpg").symlink_to("me@host.1234")
    found = walk(tmp_path)
    assert reasons(found) == {"a/gone": BROKEN, "a/gone.jpg": BROKEN}
    assert found.passed_over == {"hidden files": 1}


def test_a_photo_that_lies_in_a_cloud_only_is_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/.IMG_0001.HEIC.icloud")
    assert reasons(walk(tmp_path)) == {"a/.IMG_0001.HEIC.icloud": ICLOUD}


# Rubbish

FOLDERS = (
    *(
        "@eaDir",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "$Recycle.Bin",
        "System Volume Information",
        "RECYCLER",
    ),
    *(
        "lost+found",
        ".Trash-1000",
        ".Trashes",
        ".AppleDouble",
        "__pycache__",
        "__MACOSX",
        ".git",
        ".thumbnails",
    ),
    *(
        "@Recycle",
        "@Recently-Snapshot",
        ".@__thumb",
        "@tmp",
        "~snapshot",
        ".snapshot",
        "Network Trash Folder",
    ),
    *(
        "Temporary Items",
        ".ipynb_checkpoints",
        ".dvc",
        ".Spotlight-V100",
        ".fseventsd",
        "FOUND.000",
        "PaxHeaders.42",
        "RECYCLED",
        "node_modules",
    ),
    *("@SynoEAStream", "@synologydrive", "OneDriveTemp", "_vti_cnf"),
)
FILES = (
    *(
        "a.xmp",
        "IMG_0001.AAE",
        "Icon\r",
        "shop.url",
        "x.cache",
        "a.jpg.json",
        "notes.txt",
        "Thumbs.db",
        "ehthumbs.db",
    ),
    *(
        "desktop.ini",
        ".DS_Store",
        "._photo.jpg",
        ".picasa.ini",
        ".nomedia",
        "photo.jpg~",
        "~$list.xlsx",
        "#photo.jpg#",
    ),
    *(
        "IMG_0001.MOV",
        "a.mp4",
        "a.pp3",
        "a.NEF.dop",
        "a.lnk",
        "a.webloc",
        "a.jpg.dvc",
        "a.jpg.part",
        "a.crdownload",
    ),
    *(
        "a.jpg:Zone.Identifier",
        "photo.jpg@SynoEAStream",
        "README",
        "LICENSE",
        "checksums.md5",
        "labels.csv",
        "a.zip",
    ),
    *(".gitignore", ".directory", "annotations.xml", "a.thm", "a.gpx", "a.pyc", "train.log", "classes.names"),
    *("Thumbs.db:encryptable", "PXL_1.MP", "Catalog.lrcat-data", "Session.cocatalogdb", "a.jpg.cot"),
)


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_of_systems_are_no_classes_whatever_lies_in_them(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    photograph(tmp_path / name / "a/thumbnail.jpg", 1)
    photograph(tmp_path / "a" / name / "2.jpg", 1)
    dataset = open_dataset(tmp_path)
    assert (len(dataset.rows), dataset.skipped, dataset.notes) == (4, (), ())
    assert sum(dataset.passed_over.values()) == 2


@pytest.mark.parametrize("name", FILES)
def test_a_sidecar_is_passed_over_unless_its_bytes_are_a_photo(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a/1.jpg", f"a/{name}", f"b/{name}", name)
    photograph(tmp_path / "jpeg.jpg", 1)
    (tmp_path / "b" / name).write_bytes((tmp_path / "jpeg.jpg").read_bytes())
    found = walk(tmp_path)
    assert found.photos == ["a/1.jpg", f"b/{name}", "jpeg.jpg"]
    assert found.skipped == []
    assert sum(found.passed_over.values()) == 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_every_format_of_the_list_is_known_by_its_bytes(tmp_path: Path, kind: str) -> None:
    from PIL import Image

    Image.new("RGB", (20, 10), "red").save(tmp_path / "photo.json", kind)
    assert walk(tmp_path).photos == ["photo.json"]


@pytest.mark.parametrize(
    "text", [b"BMW X5, 2019", b"RIFF of a song", b"GIFs to make", b"II*", b"", b"\x00" * 80]
)
def test_texts_that_begin_like_a_photo_are_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "notes.txt").write_bytes(text)
    assert walk(tmp_path).passed_over == {".txt": 1}


def test_a_file_without_a_known_name_is_found_and_left_to_the_photo_door(tmp_path: Path) -> None:
    touch(tmp_path, "a/0001", "a/0002.foo", "a/x.heic", "a/y.nef", "a/z.svg")
    assert len(walk(tmp_path).photos) == 5


def test_the_tables_hold_no_photo_suffix_and_no_name_twice() -> None:
    photos = (
        ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .tif .tiff .webp .avif .heic .heif .nef .dng .cr2 .arw"
    )
    assert not set(photos.split()) & rubbish.NO_PHOTO_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in rubbish.NO_PHOTO_SUFFIXES)
    for name in (
        "cats",
        "1",
        "@home",
        "recycled",
        "trash",
        "#1",
        "$20 bill",
        "icons",
        "recycling",
        "Temporary",
        "snapshot",
        "lost",
    ):
        assert rubbish.folder_kind(name) is None


def test_a_list_of_photos_knows_the_same_rubbish_and_links(tmp_path: Path) -> None:
    touch(tmp_path, "p/1.jpg", "p/@eaDir/1.jpg", "p/1.xmp", "far.jpg")
    (tmp_path / "p/l1.jpg").symlink_to("../far.jpg")
    (tmp_path / "p/l2.jpg").symlink_to("../far.jpg")
    listing = list_photos([tmp_path / "p"])
    assert [path.name for path, _ in listing.photos] == ["1.jpg", "l1.jpg"]
    assert [Path(each.name).name for each in listing.skipped] == ["l2.jpg"]
    assert listing.passed_over == {"@eaDir/": 1, ".xmp": 1}
    without = list_photos([tmp_path / "p", tmp_path / "p/l1.jpg"], links=False)
    assert [path.name for path, _ in without.photos] == ["1.jpg"]
    assert [Path(each.name).name for each in without.skipped] == ["l1.jpg", "l2.jpg"]
