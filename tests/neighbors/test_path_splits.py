"""Which part a photo belongs to, by its path or by what a manifest said."""

import pytest

from efficientnet_lite.neighbors.path_splits import splits_of

NOTHING = [None] * 9


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/data/c/train/a/1.jpg", "/data/c/val2017/a/1.jpg", "/data/c/extra/1.jpg"], "tv-"),
        (["seg_train/seg_train/sea/1.jpg", "seg_test/seg_test/sea/1.jpg"], "ts"),
        (["a/train/1.jpg", "b/test/1.jpg", "b/1.jpg"], "ts-"),  # parts within the classes
        (["shards/train-00000.tar/k.jpg", "shards/val-00000.tar/k.jpg"], "tv"),
        (["train-00000-of-00002/1", "validation-00000-of-00001/1"], "tv"),
        (["https://a.example/set/Training/1.jpg", "https://a.example/set/Test/2.jpg"], "ts"),
        (["train/1.jpg", "car/1.jpg"], "--"),  # a class of photos of trains
        (["/train/test/a/1.jpg", "/train/test/b/1.jpg"], "--"),  # above all of them
        (["1.jpg", "2.jpg"], "--"),
        ([], ""),
    ],
)
def test_words_side_by_side_in_paths_are_parts(paths, expected):
    letters = {"train": "t", "validation": "v", "test": "s", None: "-"}

    assert "".join(letters[split] for split in splits_of(paths, [None] * len(paths))) == expected


def test_what_a_manifest_says_comes_before_paths():
    paths = ["train/1.jpg", "test/2.jpg", "test/3.jpg"]

    assert splits_of(paths, ["dev", "Training", None]) == ["validation", "train", None]
    assert splits_of(paths, ["5", None, "fold"]) == ["train", "test", "test"]  # a column of something else
