"""The card of a run with many classes: it opens again, and says the same of every class."""

import json

import numpy as np
import pytest

from efficientnet_lite.proof.evaluate import evaluation
from efficientnet_lite.run.card import MOST_IN_MATRIX, measured
from efficientnet_lite.run.folder import MAX_CARD_BYTES
from efficientnet_lite.run.report.confused import Confused

VIEWS, FILES = 3, 2


def found(classes: int, photos: int):
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, photos)
    scores = random.random((photos, classes), np.float32)
    scores[np.arange(photos), truth] += 0.5  # about every other one is right, where there are few
    return evaluation(scores, truth, "mediapipe")


@pytest.mark.parametrize("classes", [MOST_IN_MATRIX, MOST_IN_MATRIX + 1])
def test_a_card_tells_the_same_with_and_without_the_zeros(classes):
    labels = tuple(f"class {number}" for number in range(classes))
    seen = found(classes, 500)

    document = json.loads(json.dumps(measured(seen, labels)))

    assert ("confusion" in document, "confused" in document) == (
        classes <= MOST_IN_MATRIX,
        classes > MOST_IN_MATRIX,
    )
    read, wanted = Confused.read(document, labels), Confused.of(labels, seen.confusion)
    np.testing.assert_array_equal(read.cells, wanted.cells)


@pytest.mark.parametrize(("classes", "photos"), [(MOST_IN_MATRIX, 2_000), (2_000, 20_000)])
def test_what_a_card_says_of_many_classes_finds_room_in_it(classes, photos):
    labels = [f"a class with a long name of its own, number {number}" for number in range(classes)]
    text = json.dumps([[[measured(found(classes, photos), labels)]]], indent=2)  # as deep as in a card

    assert VIEWS * FILES * len(text) < 0.9 * MAX_CARD_BYTES
