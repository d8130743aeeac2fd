"""`check` and the split of real pictures: duplicates, leaks, unreadable files, odd sizes."""

import csv
import json
import math
import threading
from collections import Counter
from pathlib import Path

import pytest
from trees import photograph

from efficientnet_lite.commands.check import check
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.findings import LeakedPhoto
from efficientnet_lite.photos.groups import Leak
from efficientnet_lite.photos.partition import plan_split, publish_split
from efficientnet_lite.photos.survey import survey


def two_classes(root: Path, *, of: int) -> None:
    for n in range(of):
        photograph(root / f"a/{n:02}.jpg", n)
        photograph(root / f"b/{n:02}.jpg", 1000 + n)


def test_a_survey_looks_at_every_photo_and_keeps_the_reasons_of_the_others(tmp_path: Path) -> None:
    two_classes(tmp_path, of=6)
    (tmp_path / "a/00.jpg").write_bytes(b"no photo")
    (tmp_path / "b/05.jpg").write_bytes((tmp_path / "b/05.jpg").read_bytes()[:400])
    photograph(tmp_path / "a/01.jpg", 1, size=(120, 50))
    rows = open_dataset(tmp_path).rows
    calls: list[tuple[int, int, str]] = []
    found = survey(
        rows,
        workers=2,
        on_progress=lambda done, total: calls.append((done, total, threading.current_thread().name)),
    )
    assert [position for position, _ in found.refused] == [0, 11]
    assert all(reason and "\n" not in reason for _, reason in found.refused)
    assert sorted(found.looks) == list(range(1, 11))
    assert (found.looks[1].height, found.looks[1].width) == (50, 120)
    assert calls == [(n, 12, threading.current_thread().name) for n in range(1, 13)]


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    two_classes(tmp_path, of=5)
    rows = open_dataset(tmp_path).rows
    assert survey(rows, workers=1) == survey(rows, workers=4)


def test_a_failure_of_the_caller_ends_a_survey_at_once(tmp_path: Path) -> None:
    two_classes(tmp_path, of=4)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        survey(open_dataset(tmp_path).rows, workers=2, on_progress=stop)
    assert threading.active_count() == before


def test_copies_move_as_one_and_are_written_as_a_group(tmp_path: Path) -> None:
    two_classes(tmp_path / "photos", of=20)
    for n in range(4):
        (tmp_path / f"photos/a/copy {n}.jpg").write_bytes((tmp_path / f"photos/a/{n:02}.jpg").read_bytes())
        photograph(tmp_path / f"photos/a/small {n}.jpg", n, size=(70, 60), quality=60)
    dataset = open_dataset(tmp_path / "photos")
    looks = survey(dataset.rows, workers=2).looks
    for seed in range(5):
        assignment = plan_split(dataset, looks, seed=seed)
        of = {row.name: split for row, split in zip(dataset.rows, assignment.splits, strict=True)}
        for n in range(4):
            assert of[f"a/{n:02}.jpg"] == of[f"a/copy {n}.jpg"] == of[f"a/small {n}.jpg"]
        assert assignment.leaks == ()
        assert len(assignment.exact) == len(assignment.near) == 4
        assert {len(group) for group in assignment.near} == {3}
        assert not assignment.given

    file = tmp_path / "photos/split.csv"
    publish_split(file, dataset, looks, assignment)
    with file.open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert list(rows[0]) == ["path", "label", "split", "sha256", "group"]
    assert [row["path"] for row in rows] == [row.name for row in dataset.rows]
    groups = Counter(row["group"] for row in rows)
    assert groups.pop("") == 36
    assert list(groups.values()) == [3, 3, 3, 3]
    # beside the photos the table is a manifest that gives the same split again
    again = open_dataset(file)
    assert [row.split for row in again.rows] == list(assignment.splits)
    assert plan_split(again, looks).given


def test_a_split_that_is_given_stays_and_its_leaks_are_named(tmp_path: Path) -> None:
    for split, start in (("train", 0), ("val", 10), ("test", 20)):
        for n in range(start, start + 3):
            photograph(tmp_path / split / f"a/{n}.jpg", n)
            photograph(tmp_path / split / f"b/{n}.jpg", 1000 + n)
    data = (tmp_path / "train/a/0.jpg").read_bytes()
    (tmp_path / "val/a/same.jpg").write_bytes(data)
    photograph(tmp_path / "test/b/smaller.jpg", 10, size=(60, 70))  # of val/a/10.jpg, in another class
    report = check(tmp_path)
    assert report.split_given
    assert report.classes[0].train == 3
    assert report.leaks == (
        LeakedPhoto("test/b/smaller.jpg", "test", "val/a/10.jpg", "validation", exact=False),
        LeakedPhoto("val/a/same.jpg", "validation", "train/a/0.jpg", "train", exact=True),
    )
    assert report.exact_duplicates == (("train/a/0.jpg", "val/a/same.jpg"),)
    assert report.near_duplicates == (("test/b/smaller.jpg", "val/a/10.jpg"),)
    assert report.two_labels == (("test/b/smaller.jpg", "val/a/10.jpg"),)


def test_a_leak_names_the_equal_file_in_training_before_others(tmp_path: Path) -> None:
    for n in range(3):
        photograph(tmp_path / f"train/a/{n}.jpg", n)
        photograph(tmp_path / f"train/b/{n}.jpg", 1000 + n)
        photograph(tmp_path / f"val/b/{n}.jpg", 2000 + n)
        photograph(tmp_path / f"test/b/{n}.jpg", 3000 + n)
    photograph(tmp_path / "train/a/0 smaller.jpg", 0, size=(70, 60))
    data = (tmp_path / "train/a/0.jpg").read_bytes()
    for name in ("val/a/0.jpg", "test/a/0.jpg"):
        photograph(tmp_path / name, 0)
        (tmp_path / name).write_bytes(data)
    assert check(tmp_path).leaks == (
        LeakedPhoto("test/a/0.jpg", "test", "train/a/0.jpg", "train", exact=True),
        LeakedPhoto("val/a/0.jpg", "validation", "train/a/0.jpg", "train", exact=True),
    )


def test_only_the_train_part_is_split_where_a_test_part_is_given(tmp_path: Path) -> None:
    two_classes(tmp_path / "train", of=6)
    for n in range(2):
        photograph(tmp_path / f"test/a/{n}.jpg", 500 + n)
        photograph(tmp_path / f"test/b/{n}.jpg", 600 + n)
    (tmp_path / "test/a/leak.jpg").write_bytes((tmp_path / "train/a/00.jpg").read_bytes())
    dataset = open_dataset(tmp_path)
    assignment = plan_split(dataset, survey(dataset.rows, workers=2).looks)
    assert Counter(assignment.splits)["test"] == 5
    assert {"train", "validation"} < set(assignment.splits)
    names = [row.name for row in dataset.rows]
    assert assignment.leaks == (
        Leak(names.index("test/a/leak.jpg"), names.index("train/a/00.jpg"), exact=True),
    )


def test_a_report_says_everything_and_goes_into_json(tmp_path: Path) -> None:
    two_classes(tmp_path, of=6)
    photograph(tmp_path / "a/long.jpg", 50, size=(400, 80))
    photograph(tmp_path / "a/tiny.jpg", 51, size=(63, 80))
    photograph(tmp_path / "a/small enough.jpg", 52, size=(64, 256))
    (tmp_path / "b/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "beside.jpg").write_bytes(b"")
    report = check(tmp_path, val=0.3, seed=7)
    assert report.photos == 15
    assert [(row.label, row.train + row.validation) for row in report.classes] == [("a", 9), ("b", 6)]
    assert all(row.validation >= 1 and row.train >= 1 for row in report.classes)
    assert report.imbalance == 1.5
    assert [name for name, _ in report.refused] == ["b/broken.jpg"]
    assert report.accounting.rows() == [
        ("b/broken.jpg", report.refused[0][1]),
        ("beside.jpg", "in no class folder"),
    ]
    assert [(odd.name, odd.height, odd.width, odd.reason) for odd in report.odd_sizes] == [
        ("a/long.jpg", 80, 400, "its long side is 5.0 times the short one"),
        ("a/tiny.jpg", 80, 63, "its short side has 63 pixels, fewer than 64"),
    ]
    assert report.problem is None
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["root"] == str(tmp_path)
    assert document["classes"][1]["label"] == "b"
    assert (document["found"], document["used"], document["skipped"]) == (17, 15, 2)
    assert (document["fraction"], document["seed"]) == (0.3, 7)


def test_a_class_left_too_small_by_unreadable_photos_is_the_problem(tmp_path: Path) -> None:
    two_classes(tmp_path, of=2)
    (tmp_path / "b/01.jpg").write_bytes(b"")
    report = check(tmp_path)
    assert report.problem is not None
    assert "1 of 2 classes have fewer than two photos to learn from: 'b' (1)" in report.problem


def test_a_class_without_any_readable_photo_has_no_imbalance(tmp_path: Path) -> None:
    two_classes(tmp_path, of=2)
    for n in range(2):
        (tmp_path / f"b/{n:02}.jpg").write_bytes(b"")
    report = check(tmp_path)
    assert report.imbalance is None
    assert report.problem is not None
    assert "'b' (0)" in report.problem


def test_what_cannot_be_opened_is_not_reported_but_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableDataset):
        check(tmp_path)


def test_a_class_of_copies_is_divided_and_noted(tmp_path: Path) -> None:
    two_classes(tmp_path, of=3)
    data = (tmp_path / "b/00.jpg").read_bytes()
    for n in range(3):
        (tmp_path / f"b/{n:02}.jpg").write_bytes(data)
    report = check(tmp_path)
    assert [(row.train, row.validation) for row in report.classes] == [(2, 1), (2, 1)]
    assert [leak.exact for leak in report.leaks] == [True]
    assert report.notes[0].startswith("1 photos are copies of photos on another side")


def test_the_clothing_photos_have_no_false_duplicates(shared: Path) -> None:
    report = check(shared / "data/clothing/validation")
    assert report.photos == 341
    assert report.exact_duplicates == report.near_duplicates == report.refused == report.odd_sizes == ()
    assert report.imbalance == pytest.approx(81 / 12)
    for row in report.classes:
        photos = row.train + row.validation
        assert math.ceil(0.1 * photos) <= row.validation <= math.ceil(0.3 * photos)
