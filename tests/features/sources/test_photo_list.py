"""Photos -> a list: its order, what counts once, what is lost or passed over, and that it is no list in memory."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from trees import touch

from efficientnet_lite.errors import UnreadablePhoto, UnusableInput, WrongType
from efficientnet_lite.features.sources.photo_entry import PhotoPlace
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.photos.found import Verbatim
from efficientnet_lite.photos.patterns import matches
from efficientnet_lite.photos.walk import BROKEN, LEFT_OUT


def rows(photos, **options):
    with list_sources(photos, **options) as listed:
        return [(each.path, each.label) for each in listed.entries()]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_files_and_patterns_come_in_the_order_given_and_each_photo_once(here):
    touch(here, "b/2.jpg", "b/1.jpg", "a/x/3.jpg", "a/4.jpg", "c/6.jpg", "c/5.jpg")

    with list_sources(["b", Path("a/x/3.jpg"), "c/*.jpg", "a", "./b/1.jpg"]) as listed:
        entries = list(listed.entries())

        assert [each.path for each in entries] == [
            *("b/1.jpg", "b/2.jpg", "a/x/3.jpg", "c/5.jpg", "c/6.jpg", "a/4.jpg")
        ]
        assert [each.id for each in entries] == [each.path for each in entries]
        assert len(listed) == 6
        assert [each.path for each in listed.entries(2, 4)] == ["a/x/3.jpg", "c/5.jpg"]
        assert entries[0].place == PhotoPlace("file", "b/1.jpg")
        assert listed.read(entries[0]) == (here / "b/1.jpg").read_bytes()
        assert entries[0].size == len(listed.read(entries[0]))
        assert dict(listed.columns) == {}


def test_a_photo_counts_once_however_its_path_is_spelled(here):
    touch(here, "a/1.jpg", "b/1.jpg", "c/deep/1.jpg")
    (here / "link").symlink_to("c/deep")

    spelled = ["a/../b/1.jpg", "b/1.jpg", f"{here}/b/1.jpg", "./b", "a/.././a/1.jpg", f"{here}/a"]
    assert [path for path, _ in rows(spelled)] == ["a/../b/1.jpg", "a/../a/1.jpg"]
    # `link/..` is c, and not here
    assert [path for path, _ in rows(["c", "link/../deep/1.jpg", "link/1.jpg"])] == [
        "c/deep/1.jpg",
        "link/1.jpg",
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_what_a_table_says_of_a_photo_counts_wherever_else_it_is_named(here, order):
    touch(here, "p/hat/1.jpg", "p/hat/2.jpg", "p/hat/3.jpg")
    (here / "m.csv").write_text(f"path,label,n\np/x/../hat/2.jpg,cap,7\n{here}/p/hat/2.jpg,cap,8\n")
    (here / "p/x").mkdir()
    (here / "n.csv").write_text("path,label\np/hat/3.jpg,boot\n")

    with list_sources(["p", "m.csv", "n.csv", "p/hat/2.jpg"][::order]) as listed:
        found = [(each.path, each.label, each.more[0]) for each in listed.entries()]

    row, other = ("p/hat/2.jpg", "cap", "7"), ("p/hat/2.jpg", "cap", "8")
    boot, first = ("p/hat/3.jpg", "boot", None), ("p/hat/1.jpg", "hat", None)
    assert found == ([first, row, other, boot] if order == 1 else [boot, row, other, first])
    assert len(listed) == 4


def test_the_order_and_the_digest_are_those_of_the_names(here):
    names = [f"{n:x}/{n}é.jpg" for n in range(300)]
    random.Random(1).shuffle(names)
    touch(here, *(f"one/{name}" for name in names))
    touch(here / "other", *(f"one/{name}" for name in reversed(names)))

    with list_sources("one") as listed:
        first, digest = [each.path for each in listed.entries()], listed.digest
    os.chdir("other")
    with list_sources("one") as listed:
        assert [each.path for each in listed.entries()] == first
        assert first == sorted(first)
        assert listed.digest == digest

    Path("one/1/1é.jpg").write_bytes(b"another size")
    with list_sources("one") as listed:
        assert listed.digest != digest


def test_a_folder_gives_the_labels_that_train_reads_in_it(here):
    touch(here, "p/train/dog/1.jpg", "p/train/dog/deep/2.jpg", "p/val/cat/3.jpg", "p/val/cat/4.jpg")
    touch(here, "q/train/1.jpg", "q/car/2.jpg", "q/3.jpg")
    touch(here, "r/train/1.jpg")

    assert [label for _, label in rows("p")] == ["dog", "dog", "cat", "cat"]
    assert rows("q") == [("q/3.jpg", None), ("q/car/2.jpg", "car"), ("q/train/1.jpg", "train")]
    assert [label for _, label in rows(["p/train", "p/val/cat"])] == ["dog", "dog", None, None]


def test_what_a_walk_skips_is_a_row_with_its_reason_and_what_is_no_photo_is_counted(here):
    touch(here, "p/a/1.jpg", "p/notes.txt", "p/.DS_Store", "p/@eaDir/1.jpg")
    (here / "p/a/2.jpg").symlink_to("nowhere.jpg")
    (here / "p/a/3.jpg").symlink_to("1.jpg")
    (here / "p/a/4.jpg").symlink_to("1.jpg")

    with list_sources("p") as listed:
        found = {each.path: each.lost for each in listed.entries()}
        assert listed.passed_over == {".txt": 1, "@eaDir/": 1, "hidden files": 1}
        broken = next(each for each in listed.entries() if each.lost == BROKEN)
        with pytest.raises(UnreadablePhoto, match="a link to nothing"):
            listed.read(broken)

    assert found.pop("p/a/4.jpg").startswith("a second link to the same file; the first is 'a/3.jpg'")
    assert found == {"p/a/1.jpg": None, "p/a/2.jpg": BROKEN, "p/a/3.jpg": None}
    with list_sources(["p", "p/a/3.jpg"], links=False) as listed:
        assert {each.lost for each in listed.entries()} == {None, LEFT_OUT}


def test_names_that_are_no_utf8_are_found_and_read(here):
    (here / "p").mkdir()
    name = os.fsdecode(b"caf\xe9\xff.jpg")
    try:
        (here / "p" / name).write_bytes(b"photo")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")

    with list_sources("p") as listed:
        (entry,) = listed.entries()
        assert entry.path == f"p/{name}"
        assert listed.read(entry) == b"photo"
        assert len(listed.digest) == 64


def test_a_list_of_paths_is_read_as_it_comes_and_names_no_patterns(here):
    touch(here, "1.jpg", "odd*.jpg", "f/2.jpg")
    asked = []

    def paths():
        for name in ("odd*.jpg", "gone.jpg", "f", "1.jpg", "1.jpg"):
            asked.append(name)
            yield Verbatim(Path(name))

    with list_sources(paths()) as listed:
        assert [each.path for each in listed.entries()] == ["odd*.jpg", "gone.jpg", "f/2.jpg", "1.jpg"]
        gone = list(listed.entries())[1]
        assert gone.size is None
        with pytest.raises(UnreadablePhoto, match="No such file"):
            listed.read(gone)
    assert len(asked) == 5


def test_a_run_of_numbers_names_each(here):
    touch(here, "1.jpg", "2.jpg", "3.jpg")

    assert [path for path, _ in rows("{2..3}.jpg")] == ["2.jpg", "3.jpg"]
    with pytest.raises(UnusableInput, match="no such file") as caught:
        rows("{3..4}.jpg")
    assert str(caught.value.where) == "4.jpg"


@pytest.mark.parametrize("photos", [b"bytes", 3, [3], {"a": 1}, None, [["1.jpg"]]])
def test_what_names_no_photos_is_refused(photos):
    with pytest.raises(WrongType, match="photos="):
        rows(photos)


def test_where_there_is_no_photo_the_first_that_was_skipped_is_named(here):
    touch(here, "p/notes.txt")
    (here / "p/1.jpg").symlink_to("nowhere")

    with pytest.raises(
        UnusableInput, match=r"no photos found: 1 skipped, the first, 'p/1.jpg': a link"
    ) as caught:
        rows(["p"])
    assert caught.value.where == "p"
    with pytest.raises(UnusableInput, match="no photos found") as caught:
        rows([])
    assert caught.value.where == "an empty list"


@pytest.mark.parametrize(
    ("names", "said", "pattern"),
    [
        (["1.tar", "x/2.tar", "notes.txt"], "2 files .tar", "p/**/*.tar"),
        (["1.tar.gz"], "1 file .tar.gz", "p/**/*.tar.gz"),
        (["train.parquet", "1.csv", "2.csv"], "2 files .csv", "p/**/*.csv"),
        (["a.tfrec", "b.tfrec"], "2 files .tfrec", "p/**/*.tfrec"),
    ],
)
def test_a_folder_of_shards_says_how_they_are_given(here, names, said, pattern):
    touch(here, *(f"p/{name}" for name in names))

    with pytest.raises(UnusableInput, match=f"no photos found; it holds {said}, and") as caught:
        rows("p/")
    assert caught.value.fix == f"give '{pattern}'"
    assert len(list(matches(Path(pattern)))) == int(said[0])


MEASURE = """
import resource, sys
from efficientnet_lite.features.sources.photo_list import list_sources

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

list_sources(f"{sys.argv[1]}/few").close()
before = peak()
with list_sources(f"{sys.argv[1]}/{sys.argv[2]}") as listed:
    assert len(listed.digest) == 64
    assert sum(1 for _ in listed.entries()) == int(sys.argv[3])
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a peak in KiB is Linux's")
def test_many_names_cost_no_more_memory_than_few(tmp_path):
    touch(tmp_path, "few/1.jpg")
    (tmp_path / "many").mkdir()
    for number in range(20_000):
        os.link(tmp_path / "few/1.jpg", tmp_path / f"many/{number:050d}.jpg")

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path, "many", "20000"], capture_output=True, text=True, check=True
    )

    assert (
        int(done.stdout) < 4096
    )  # KiB; twenty thousand such names would be 3,000 in a list, and 20,000 as entries
