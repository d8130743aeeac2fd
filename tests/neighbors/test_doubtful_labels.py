"""Labels broken on purpose among drawn clusters are found, ranked and explained; what cannot be judged is said."""

import numpy as np
import pytest

from efficientnet_lite.classifier.head import cross_validated
from efficientnet_lite.neighbors.doubtful_labels import FOLDS, doubtful_labels, folds_of

SIZE = 32


def clusters(*sizes: int, seed: int = 0, apart: float = 3.0):
    """Vectors of length one around a center for each class, (N, SIZE), and their classes "a", "b", ..."""
    chance = np.random.default_rng(seed)
    centers = chance.normal(size=(len(sizes), SIZE)) * apart / SIZE**0.5
    vectors = np.concatenate(
        [
            center + chance.normal(size=(count, SIZE)) * 0.2
            for center, count in zip(centers, sizes, strict=True)
        ]
    )
    labels = [chr(97 + number) for number, count in enumerate(sizes) for _ in range(count)]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def found_in(vectors, labels, groups=None):
    names = [f"{at}.jpg" for at in range(len(labels))]
    groups = np.arange(len(labels)) if groups is None else groups
    return doubtful_labels(vectors, labels, names, groups, model="lite1")


def test_broken_labels_stand_first_with_the_class_that_they_had():
    vectors, labels = clusters(40, 40, 40)
    broken = {3: "b", 50: "c", 110: "a"}
    spoiled = [broken.get(at, label) for at, label in enumerate(labels)]
    rows = found_in(vectors, spoiled).rows[: len(broken)]
    assert {row.name: (row.label, row.suspected) for row in rows} == {
        f"{at}.jpg": (label, labels[at]) for at, label in broken.items()
    }
    for row in rows:
        said = f"10 of 10 nearest are {row.suspected}; probability of {row.label} 0.0"
        assert row.evidence[:-1] == said
        assert spoiled[int(row.example.removesuffix(".jpg"))] == row.suspected
        assert row.doubt > 0.9
    assert found_in(vectors, labels).rows == ()


def test_little_evidence_is_told_from_both_sides():
    vectors, labels = clusters(30, 30, apart=0.4)
    doubts = [row.doubt for row in found_in(vectors, labels).rows]
    assert doubts == sorted(doubts, reverse=True)
    unsure = next(row for row in found_in(vectors, labels).rows if 2 * row.nearest_suspected <= row.nearest)
    assert (
        f"are {unsure.suspected}, {unsure.nearest_label} {unsure.label}; probability of {unsure.suspected} "
        in (unsure.evidence)
    )


def test_copies_of_a_photo_do_not_vouch_for_its_label():
    vectors, labels = clusters(30, 30)
    vectors = np.concatenate([vectors, np.repeat(vectors[:1], 12, axis=0)])
    labels = ["b", *labels[1:], *["b"] * 12]
    groups = np.array([*range(60), *[0] * 12])
    rows = found_in(vectors, labels, groups).rows
    assert {row.name for row in rows} == {"0.jpg", *(f"{at}.jpg" for at in range(60, 72))}
    assert all(row.nearest_suspected == 10 for row in rows)
    assert len(found_in(vectors, labels).rows) == 0  # without their groups they would


def test_near_duplicates_share_a_fold_and_classes_are_spread():
    truth = np.repeat(np.arange(4), 25)
    groups = np.arange(100)
    groups[:10] = 0
    folds = folds_of(truth, groups)
    assert len({*folds[:10].tolist()}) == 1
    for number in (1, 2, 3):
        assert np.bincount(folds[truth == number], minlength=FOLDS).tolist() == [5] * FOLDS


def test_a_photo_is_judged_by_a_head_that_has_not_learned_from_it():
    chance = np.random.default_rng(0)
    noise = chance.normal(size=(60, 200)).astype(np.float32) * 10  # any head fits it, and learns nothing
    truth = np.arange(60) % 2
    said = cross_validated(noise, truth, np.arange(60) // 2 % FOLDS, classes=2)
    assert np.allclose(said.sum(axis=1), 1, atol=1e-5)
    right = (said.argmax(axis=1) == truth).mean()
    assert 0.2 < right < 0.8  # by a head that had learned from it: 1


@pytest.mark.parametrize("count", [2, 3, FOLDS - 1])
def test_a_class_with_fewer_photos_than_folds_is_judged(count):
    vectors, labels = clusters(20, 20, count)
    found = found_in(vectors, labels)
    assert found.judged == len(labels)
    assert found.notes == ()
    assert len(found_in(vectors, ["c", *labels[1:]]).rows) >= 1


def test_what_cannot_be_compared_is_left_out_and_said():
    vectors, labels = clusters(20, 20, 1)
    found = found_in(vectors, [*labels[:-2], None, "c"])
    assert found.judged == 39
    assert found.notes == (
        "1 of 41 photos have no label, and are left out",
        "the class 'c': one photo alone, or copies of one, cannot be compared; left out",
    )


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a"] * 20, "there is only 'a' to compare"),
        ([None] * 20, "20 of 20 photos have no label"),
        (["a"] * 19 + ["b"], "the class 'b': one photo alone"),
        ([str(at) for at in range(20)], "20 classes '0', '1', '10', '11'"),
    ],
)
def test_where_nothing_can_be_compared_no_label_is_doubted(labels, said):
    found = found_in(clusters(20)[0], labels)
    assert found.rows == ()
    assert found.judged == 0
    assert said in " ".join(found.notes)


def test_two_photos_of_each_class_are_enough_not_to_fail():
    assert found_in(*clusters(2, 2)).judged == 4
