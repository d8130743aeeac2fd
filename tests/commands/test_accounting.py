"""Every photo is accounted for: found = used + skipped, one number on screen, in JSON and files, of every command.

Random trees are built beside a book of what they hold; the commands must find what stands in the book.
"""

import csv
import io
import json
import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenes

from efficientnet_lite.cli.app import run

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="needs links and pipes of a POSIX system"),
    pytest.mark.usefixtures("own_cache"),
]

RUBBISH_FOLDERS = (
    "@eaDir",
    "#recycle",
    "lost+found",
    ".Trash-1000",
    "$RECYCLE.BIN",
    "__pycache__",
    ".AppleDouble",
)
SIDECARS = (
    "IMG_1.xmp",
    "IMG_1.aae",
    "Icon\r",
    "photos.url",
    ".DS_Store",
    "Thumbs.db",
    "labels.json",
    "x.cache",
)


@dataclass
class Book:
    """What a tree holds."""

    used: int = 0
    skipped: list[str] = field(default_factory=list)
    passed_over: int = 0


def build(root: Path, seed: int) -> Book:
    """A data set of three classes with everything that people, systems and links put into one."""
    random, book, outside = np.random.default_rng(seed), Book(), root.parent / "disk"
    scenes.photograph(root, count=8)
    book.used += 8 * len(scenes.LABELS)
    number = 100

    def picture(path: Path) -> Path:
        nonlocal number
        number += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        scenes.draw(scenes.LABELS[number % 3], number).save(path, "JPEG", quality=95)
        return path

    def skip(path: Path) -> None:
        book.skipped.append(path.relative_to(root).as_posix())

    for label in scenes.LABELS:
        folder = root / label
        if random.random() < 0.7:  # broken files
            (folder / "cut.jpg").write_bytes((folder / f"{label}-01.jpg").read_bytes()[:300])
            (folder / "empty.png").touch()
            skip(folder / "cut.jpg")
            skip(folder / "empty.png")
        if random.random() < 0.7:  # links to files
            far = picture(outside / label / "far.jpg")
            (folder / "link 1.jpg").symlink_to(far)
            (folder / "link 2.jpg").symlink_to(os.path.relpath(far, folder))
            os.link(far, folder / "hard 1.jpg")
            os.link(far, folder / "hard 2.jpg")
            (folder / "nowhere.jpg").symlink_to(outside / "gone.jpg")
            (folder / "itself.jpg").symlink_to("itself.jpg")
            book.used += 3
            for name in ("link 2.jpg", "nowhere.jpg", "itself.jpg"):
                skip(folder / name)
        if random.random() < 0.7:  # links to folders
            store = outside / label / "store"
            picture(store / "deep" / "1.jpg")
            picture(store / "2.jpg")
            (store / "deep" / "up").symlink_to("..")
            (folder / "more").symlink_to(store)
            (folder / "same again").symlink_to(store / "deep" / "..")
            (folder / "round").symlink_to(root)
            book.used += 2
            for name in ("more/deep/up", "same again", "round"):
                skip(folder / name)
        if random.random() < 0.7:  # what is no photo by its name, and what only looks so
            name = str(random.choice(RUBBISH_FOLDERS))
            picture(folder / name / "thumbnail.jpg")
            for sidecar in random.choice(SIDECARS, 3, replace=False):
                (folder / str(sidecar)).write_bytes(b"<text/>")
            picture(folder / "photo.json")
            picture(folder / ".hidden.jpg")
            book.passed_over += 4
            book.used += 2
        if random.random() < 0.5:
            os.mkfifo(folder / "pipe.jpg")
            skip(folder / "pipe.jpg")
    (root / "@eaDir").mkdir()
    book.passed_over += 1
    return book


@pytest.fixture
def call(capfd, monkeypatch):
    def go(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        capfd.readouterr()
        try:
            code = run([str(argument) for argument in arguments])
        except SystemExit as ending:
            code = ending.code
        return (code, *capfd.readouterr())

    return go


def numbers(document: dict[str, Any]) -> tuple[int, int, int, int]:
    return (
        document["found"],
        document["used"],
        document["skipped"],
        sum(document["passed_over"].values()),
    )


def skipped(folder: Path) -> list[str]:
    with (folder / "skipped.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row["reason"] for row in rows)
    return [row["path"] for row in rows]


def settings(weights: str) -> tuple[str, ...]:
    bars = ("--max-drop", "1", "--min-agreement", "0")  # of no interest here
    return ("--model", scenes.MODEL, "--weights", weights, "--calibration", "4", "--views", "crop", *bars)


def everywhere(call, data: Path, weights: str, place: Path) -> dict[str, tuple[Any, list[str]]]:
    """Command -> its four numbers, and the names that it skipped, for the commands that take data sets."""
    code, out, _ = call("check", data, "--json")
    assert code == 0
    checked = json.loads(out)
    found = {"check": (numbers(checked), [name for name, _ in checked["skipped_photos"]])}
    code, out, err = call("train", data, "--out", place / "run", *settings(weights), "--json")
    assert code == 0, err
    card = json.loads((place / "run/card.json").read_text())
    assert numbers(json.loads(out)) == numbers(card["data"])
    assert sum(card["data"]["photos"].values()) == card["data"]["used"]
    found["train"] = (numbers(card["data"]), skipped(place / "run"))
    code, out, err = call("shards", data, "--out", place / "records", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert numbers(document) == numbers(json.loads((place / "records/shards.json").read_text()))
    written = sum(part["photos"] for part in document["parts"].values()) + document["test_photos_left_out"]
    assert written == document["used"]
    found["shards"] = (numbers(document), skipped(place / "records"))
    code, out, err = call("evaluate", place / "run", data, "--split", "all", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["count"] == document["used"]
    found["evaluate"] = (numbers(document), found["check"][1])
    return found


def for_folders(call, data: Path, place: Path) -> dict[str, tuple[Any, list[str]]]:
    """The same for the commands that take folders of photos without labels."""
    code, out, err = call("predict", place / "run", data, "--json")
    assert code == 0, err
    documents = json.loads(out)
    lost = [each["path"] for each in documents if "error" in each]
    over = sum(json.loads(call("check", data, "--json")[1])["passed_over"].values())
    found = {"predict": ((len(documents), len(documents) - len(lost), len(lost), over), sorted(lost))}
    code, out, err = call(
        *("embed", place / "run", data, "--out", place / "vectors", "--format", "npy", "--json")
    )
    assert code == 0, err
    assert np.load(place / "vectors/features.npy").shape[0] == json.loads(out)["used"]
    found["embed"] = (numbers(json.loads(out)), skipped(place / "vectors"))
    return {
        command: (counts, [os.path.relpath(name, data) for name in names])
        for command, (counts, names) in found.items()
    }


@pytest.mark.parametrize("seed", range(2))
def test_all_commands_find_use_and_skip_the_same_photos_of_a_folder(call, weights, tmp_path, seed):
    data = tmp_path / "photos"
    book = build(data, seed)
    wanted = (book.used + len(book.skipped), book.used, len(book.skipped), book.passed_over)
    found = everywhere(call, data, weights, tmp_path) | for_folders(call, data, tmp_path)
    assert {command: counts for command, (counts, _) in found.items()} == dict.fromkeys(found, wanted)
    assert all(names == sorted(book.skipped) for _, names in found.values())
    says = f"photos found: {wanted[0]}, used: {wanted[1]}, skipped: {wanted[2]}"
    assert says in call("check", data)[1]
    again = ("train", data, "--out", tmp_path / "again", *settings(weights))
    assert says in call(*again)[1]
    assert says in call("evaluate", tmp_path / "run", data, "--split", "all")[2]
    assert says in call("predict", tmp_path / "run", data)[2]
    fails = [name for name in book.skipped if not name.endswith(("link 2.jpg", "same again"))]
    shutil.rmtree(tmp_path / "again")
    code, _, err = call(*again, "--on-bad", "fail")
    assert code == (3 if fails else 0), err


def test_all_commands_account_for_the_rows_of_a_manifest(call, weights, tmp_path):
    data = tmp_path / "data"
    scenes.photograph(data / "photos", count=8)
    names = sorted(path.relative_to(data).as_posix() for path in (data / "photos").rglob("*.*g"))
    rows = [(name, name.split("/")[1]) for name in names]
    gone = [(f"photos/box/gone-{number}.jpg", "box") for number in range(40)]
    (data / "photos/ball/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (data / "link.jpg").symlink_to("photos/box/box-01.jpg")
    (data / "second.jpg").symlink_to("photos/box/box-01.jpg")
    others = [("photos/ball/broken.jpg", "ball"), ("link.jpg", "box"), ("second.jpg", "box")]
    repeated = rows[:2]
    lines = [",".join(row) for row in [*rows, *gone, *others, *repeated]]
    manifest = data / "photos.csv"
    manifest.write_text("path,label\n" + "\n".join(lines) + "\n")
    found = everywhere(call, manifest, weights, tmp_path)
    counts = (len(lines), len(rows) + 3, 40 + 2, 0)
    assert {command: own for command, (own, _) in found.items()} == dict.fromkeys(found, counts)
    for _, lost in found.values():
        assert Counter(lost) == Counter([*(name for name, _ in gone), "photos/ball/broken.jpg", "second.jpg"])
    code, _, err = call("train", manifest, "--out", tmp_path / "x", *settings(weights), "--on-bad", "fail")
    assert code == 3
    assert "no such file" in err


def test_a_second_link_is_no_reason_to_fail_and_every_other_is(call, weights, tmp_path):
    data = scenes.photograph(tmp_path / "photos", count=4)
    scenes.draw("box", 99).save(tmp_path / "far.png")
    for number in range(2):
        (data / f"box/link {number}.png").symlink_to("../../far.png")
    train = ("train", data, *settings(weights), "--on-bad", "fail", "--out")
    assert call(*train, tmp_path / "first")[0] == 0
    assert skipped(tmp_path / "first") == ["box/link 1.png"]
    assert call(*train, tmp_path / "second", "--no-links")[0] == 3  # whoever wants all photos loses two
    (data / "in no class.png").write_bytes((tmp_path / "far.png").read_bytes())
    code, _, err = call(*train, tmp_path / "third")
    assert (code, "in no class folder" in err) == (3, True)


def test_six_photos_are_said_to_be_too_few_to_judge_once(call, weights, tmp_path):
    data = scenes.photograph(tmp_path / "photos", labels=("ball", "box"), count=3)
    shutil.copy(data / "ball/ball-00.png", data / "box/again.png")
    code, out, err = call("train", data, "--out", tmp_path / "run", *settings(weights))
    assert code == 0, err
    card = json.loads((tmp_path / "run/card.json").read_text())
    says = f"too few to judge: {card['metrics']['judged']} photos decide"
    assert (out.count(says), card["metrics"]["too_few_to_judge"], card["data"]["two_labels"]) == (1, True, 2)
    assert says in (tmp_path / "run/README.md").read_text()
    assert "2 photos stand under two labels: 'ball/ball-00.png', 'box/again.png'" in out
    assert call("evaluate", tmp_path / "run", data)[1].count("too few to judge: 7 photos decide") == 1
    assert json.loads(call("evaluate", tmp_path / "run", data, "--json")[1])["too_few_to_judge"] is True


def test_photos_of_a_test_part_count_as_used_in_every_command(call, weights, tmp_path):
    for part, first, count in (("Training", 0, 6), ("Testing", 20, 3), ("dev", 40, 3)):
        scenes.photograph(tmp_path / "photos" / part, count=count, first=first)
    (tmp_path / "photos/Testing/box/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    found = everywhere(call, tmp_path / "photos", weights, tmp_path)
    assert {own for own, _ in found.values()} == {(37, 36, 1, 0)}
    document = json.loads(call("evaluate", tmp_path / "run", tmp_path / "photos", "--json")[1])
    assert (document["split"], document["found"], document["used"]) == ("test", 10, 9)
