"""Which folders are classes and which are parts, in the trees that people have."""

from pathlib import Path

import pytest
from trees import touch

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.splitwords import split_of, splits_among
from efficientnet_lite.vocabulary import ClassFolders

TRAIN = (
    "train Train TRAIN training Training training_set Training-Set train_set trainset traindata train_data"
)
TRAIN += " data-train Train_Images TrainImages train-images seg_train train2017 trn images_train training1"
VALIDATION = "val VAL valid Validation validation_set val_set valset dev devset dev_set development eval Eval"
VALIDATION += " evaluation eval-set val2017 seg_val Val_Images vali"
TEST = "test Test testing Testing test_set Test-Set testset test_data seg_test test1 Test_Images tests tst"
NONE = "cats retrain trainee contest testament devil evaluator valley seg_pred train_val holdout steam_train 2017"


@pytest.mark.parametrize(
    ("names", "split"),
    [(TRAIN, "train"), (VALIDATION, "validation"), (TEST, "test"), (NONE, None)],
)
def test_the_words_for_the_parts(names: str, split: str | None) -> None:
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


@pytest.mark.parametrize("name", ["Train Images", "training set", "TEST SET", "dev set", " Test "])
def test_the_words_for_the_parts_with_spaces(name: str) -> None:
    assert split_of(name) is not None


def test_a_name_that_says_more_is_a_part_where_another_says_the_same_of_another_part() -> None:
    both = splits_among(["asl_alphabet_train", "asl_alphabet_test", "notes"])
    assert both == {"asl_alphabet_train": "train", "asl_alphabet_test": "test"}
    assert splits_among(["steam_train", "steam_boat", "crash_test"]) == {}


PAIRS = [
    ("Training", "Testing", None),
    ("training_set", "test_set", None),
    ("seg_train", "seg_test", None),
    ("Train Images", "Test Images", None),
    ("train", "eval", "validation"),
    ("Train", "dev", "validation"),
    ("training-set", "validation-set", "validation"),
    ("flowers_train", "flowers_val", "validation"),
]


@pytest.mark.parametrize(("training", "other", "other_split"), PAIRS)
@pytest.mark.parametrize("nested", [False, True])
def test_parts_are_no_classes(
    tmp_path: Path, training: str, other: str, other_split: str | None, nested: bool
) -> None:
    for part in (training, other):
        inner = f"{part}/{part}" if nested else part
        touch(tmp_path, *(f"{inner}/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(2)))
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("cat", "dog")
    assert dataset.kind == "split folders"
    assert {row.split for row in dataset.rows} == {"train", other_split or "test"}
    assert len(dataset.rows) == 8


def test_the_sets_of_kaggle_come_out_right(tmp_path: Path) -> None:
    intel = tmp_path / "intel"
    for part in ("seg_train", "seg_test"):
        touch(intel, *(f"{part}/{part}/{label}/{n}.jpg" for label in ("sea", "street") for n in range(2)))
    touch(intel, "seg_pred/seg_pred/1.jpg")
    dataset = open_dataset(intel)
    assert dataset.labels == ("sea", "street")
    assert [each.name for each in dataset.skipped] == ["seg_pred/seg_pred/1.jpg"]
    touch(
        tmp_path / "asl",
        *(f"asl_alphabet_train/asl_alphabet_train/{c}/{n}.jpg" for c in "AB" for n in range(2)),
    )
    touch(tmp_path / "asl", "asl_alphabet_test/asl_alphabet_test/A_test.jpg")
    dataset = open_dataset(tmp_path / "asl")
    assert dataset.labels == ("A", "B")
    assert [each.name for each in dataset.skipped] == ["asl_alphabet_test/asl_alphabet_test/A_test.jpg"]
    pets = tmp_path / "pets"
    touch(pets, *(f"train/images/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(2)))
    touch(pets, *(f"val/images/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(2)))
    assert open_dataset(pets).labels == ("cat", "dog")


def test_a_manifest_understands_the_same_words(tmp_path: Path) -> None:
    rows = []
    for number, word in enumerate(("Training", "train set", "dev", "Eval", "TEST_SET", "testing")):
        for label in "ab":
            touch(tmp_path, f"{label}{number}.jpg")
            rows.append(f"{label}{number}.jpg,{label},{word}")
    (tmp_path / "m.csv").write_text("path,label,split\n" + "\n".join(rows))
    splits = {row.name: row.split for row in open_dataset(tmp_path / "m.csv").rows}
    wanted = ("train", "train", "validation", "validation", "test", "test")
    assert [splits[f"a{number}.jpg"] for number in range(6)] == list(wanted)


def refusal(root: Path, class_folders: ClassFolders | None = None) -> UnusableDataset:
    with pytest.raises(UnusableDataset) as caught:
        open_dataset(root, class_folders=class_folders)
    return caught.value


@pytest.mark.parametrize(
    ("names", "says", "fix"),
    [
        (
            "train/1 train/2 test/1 test/2",
            "look like the parts of a data set, and there are no class",
            "make a folder",
        ),
        ("Training/1 Training/2", "'Training' look like the parts", "make a folder for each class"),
        (
            "val/a/1 val/b/1 test/a/1 test/b/1",
            "none is for training",
            "name the folder of training photos 'train'",
        ),
        (
            "train/train/a/1 train/test/a/1",
            "below 'train' lie 'test', 'train'",
            "give the folder 'train' instead",
        ),
        (
            "train/images/1 train/images/2 test/images/1",
            "no class folders in them",
            "make a folder for each class",
        ),
    ],
)
def test_parts_that_would_be_taken_for_classes_are_refused(
    tmp_path: Path, names: str, says: str, fix: str
) -> None:
    touch(tmp_path, *(f"{name}.jpg" for name in names.split()))
    error = refusal(tmp_path)
    assert says in error.what
    assert fix in error.fix


@pytest.mark.parametrize(
    ("names", "task"),
    [
        ("images/1.jpg images/2.jpg masks/1.png masks/2.png", "segmentation"),
        ("Images/1.jpg Images/2.jpg Masks/1.png Masks/2.png others/1.jpg others/2.jpg", "segmentation"),
        ("train/images/1.jpg train/masks/1.png val/images/1.jpg val/masks/1.png", "segmentation"),
        ("train_images/1.jpg train_masks/1.png test_images/1.jpg test_masks/1.png", "segmentation"),
        ("covid/images/1.jpg covid/masks/1.png normal/images/1.jpg normal/masks/1.png", "segmentation"),
        ("images/1.jpg images/2.jpg labels/1.txt labels/2.txt", "object detection"),
        ("images/train/1.jpg images/val/2.jpg labels/train/1.txt labels/val/2.txt", "object detection"),
        ("train/images/1.jpg train/labels/1.txt valid/images/1.jpg valid/labels/1.txt", "object detection"),
        ("Annotations/1.xml JPEGImages/1.jpg", "object detection"),
    ],
)
@pytest.mark.parametrize("choice", [None, "outer"])
def test_data_for_another_task_is_refused_with_its_name(
    tmp_path: Path, names: str, task: str, choice: ClassFolders | None
) -> None:
    touch(tmp_path, *names.split())
    error = refusal(tmp_path, choice)
    assert f"look like data for {task}" in error.what
    assert "manifest" in error.fix


def test_classes_with_the_same_folders_are_refused_with_both_readings(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{a}/{b}/{n}.jpg" for a in ("red", "blue") for b in ("cat", "dog") for n in range(2)))
    error = refusal(tmp_path)
    assert "the classes are 'blue', 'red'" in error.what
    assert "or the classes are 'cat', 'dog'" in error.what
    assert "class_folders='outer'" in error.fix
    assert "class_folders='inner'" in error.fix
    assert open_dataset(tmp_path, class_folders="outer").labels == ("blue", "red")
    inner = open_dataset(tmp_path, class_folders="inner")
    assert inner.labels == ("cat", "dog")
    assert len(inner.rows) == 8
    assert inner.skipped == ()
    touch(tmp_path, "red/bird/1.jpg")  # no longer the same
    assert open_dataset(tmp_path).labels == ("blue", "red")


@pytest.mark.parametrize("names", ["fold_1 fold_2", "part1 part2 part10", "Session 1|Session 2", "2021 2022"])
def test_numbered_folders_that_share_two_folders_are_refused_though_one_holds_more(
    tmp_path: Path, names: str
) -> None:
    outer = names.split("|") if "|" in names else names.split()
    touch(tmp_path, *(f"{a}/{b}/{n}.jpg" for a in outer for b in ("cat", "dog") for n in range(2)))
    touch(tmp_path, f"{outer[-1]}/bird/1.jpg", f"{outer[0]}/bird/2.jpg", f"{outer[0]}/fish/1.jpg")
    error = refusal(tmp_path)
    assert "can be read in two ways" in error.what
    assert "'cat', 'dog'" in error.what
    assert open_dataset(tmp_path, class_folders="outer").labels == tuple(sorted(outer))


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ("train/cat/1 train/cat/2 train/dog/1 train/dog/2 unlabelled/1 unlabelled/2", "train"),
        ("Training/cat/1 Training/dog/1 extra/images/1 extra/images/2", "Training"),
        (
            "train/train/cat/1 train/train/dog/1 train/cat/1 train/cat/2 train/dog/1 train/dog/2",
            "train/train",
        ),
        ("test/cat/1 test/dog/1 cat/1 cat/2 dog/1 dog/2", "test"),
        ("train/cat/1 train/dog/1 train/stray query/1 query/2", "train"),
    ],
)
def test_a_part_with_classes_is_no_class_beside_what_is_no_part(
    tmp_path: Path, names: str, part: str
) -> None:
    touch(tmp_path, *(f"{name}.jpg" for name in names.split()))
    error = refusal(tmp_path)
    assert error.what.startswith(f"{part!r} is named like a part of a data set and holds 'cat', 'dog'")
    assert error.fix.startswith(f"give the folder {part!r} alone")
    assert part.rsplit("/", 1)[-1] in open_dataset(tmp_path, class_folders="outer").labels


def test_the_folder_to_give_is_named_however_deep_it_lies(tmp_path: Path) -> None:
    touch(tmp_path, *(f"x/y/z/{part}/{label}/1.jpg" for part in ("train", "val") for label in "ab"))
    assert refusal(tmp_path).fix == "give the folder 'x/y/z' in it instead"


def test_the_same_holds_below_parts(tmp_path: Path) -> None:
    names = [f"{p}/{a}/{b}/1.jpg" for p in ("train", "val") for a in ("x", "y") for b in ("cat", "dog")]
    touch(tmp_path, *names)
    assert "the classes are 'x', 'y'" in refusal(tmp_path).what
    inner = open_dataset(tmp_path, class_folders="inner")
    assert inner.labels == ("cat", "dog")
    assert {row.split for row in inner.rows} == {"train", "validation"}


def test_classes_that_are_each_divided_into_parts_can_be_read(tmp_path: Path) -> None:
    touch(
        tmp_path, *(f"{a}/{p}/{n}.jpg" for a in ("cat", "dog") for p in ("Train", "Test") for n in range(2))
    )
    assert "as the parts of each" in refusal(tmp_path).what
    outer = open_dataset(tmp_path, class_folders="outer")
    assert outer.labels == ("cat", "dog")
    assert {(row.name.split("/")[1], row.split) for row in outer.rows} == {
        ("Train", "train"),
        ("Test", "test"),
    }
    assert "look like the parts of a data set" in refusal(tmp_path, "inner").what


def test_a_test_part_without_a_validation_part_stays_test_and_the_run_says_from_where_it_chose(
    tmp_path: Path,
) -> None:
    from trees import photograph

    from efficientnet_lite.commands.check import check

    for part, first in (("Training", 0), ("Testing", 50)):
        for number in range(4):
            for label, shift in (("a", 0), ("b", 1000)):
                photograph(tmp_path / part / label / f"{number}.jpg", first + number + shift)
    report = check(tmp_path)
    assert [(row.train + row.validation, row.test) for row in report.classes] == [(4, 4), (4, 4)]
    assert "it was chosen from the training part; the test part stays apart" in report.notes[0]
