"""What a card says is read into values that fit together, or refused."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from efficientnet_lite.run.report.facts import Pair, Training, choices, read_facts


@pytest.fixture
def card(trained):
    return json.loads((trained.run / "card.json").read_text(encoding="utf-8"))


def matrix(facts, rows, labels="abc"):
    return replace(facts, labels=tuple(labels), confusion=np.array(rows, np.int64))


def test_the_facts_are_those_of_the_run(card, trained):
    facts = read_facts(card)

    assert (facts.variant, facts.size, facts.split, facts.view) == ("lite0", 32, "validation", "crop")
    assert facts.views == ("crop", "squash", "mediapipe")
    assert facts.photos["train"] + facts.photos["validation"] == 36
    assert [file.precision for file in facts.files] == ["float32", "int8"]
    for file, evaluations in zip(facts.files, (trained.proof.float32, trained.proof.int8), strict=True):
        assert [score.top1 for score in file.scores] == [each.top1 for each in evaluations]
        assert [score.interval for score in file.scores] == [each.interval for each in evaluations]
    assert [gate.agreement for gate in facts.gates] == [each.agreement for each in trained.proof.comparisons]
    assert np.array_equal(facts.confusion, trained.proof.float32[0].confusion)
    assert [a.strength for a in facts.attempts if a.chosen] == [trained.head.chosen.strength]
    assert facts == replace(read_facts(trained.card), confusion=facts.confusion)


def test_the_weakest_class_comes_first_and_one_without_photos_last(card):
    facts = matrix(read_facts(card), [[1, 3, 0], [0, 0, 0], [1, 0, 5]])

    assert [(row.label, row.count, row.class_index) for row in facts.classes] == [
        ("a", 4, 0),
        ("c", 6, 2),
        ("b", 0, 1),
    ]
    assert [row.recall for row in facts.classes] == [0.25, 5 / 6, None]
    assert [row.precision for row in facts.classes] == [0.5, 1.0, 0.0]


def test_the_commonest_confusion_comes_first_and_right_answers_are_none(card):
    facts = matrix(read_facts(card), [[9, 2, 0], [1, 1, 2], [0, 0, 7]])

    assert facts.pairs(2) == (Pair("b", "c", 2, 0.5), Pair("a", "b", 2, 2 / 11))
    assert len(facts.pairs(9)) == 3


BY_RECIPE = {"recipe": "imagenet", "images": 24, "best": {"step": 12, "top1": 0.5}, "best_epoch": 2}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "the head's regularisation"),
        ({"fine_tuning": {}}, "the head's regularisation and the epoch of the fine-tuning that was kept"),
        ({"training": BY_RECIPE}, "the step of the training that was kept"),
    ],
)
def test_what_the_validation_photos_chose_depends_on_the_kind_of_training(parts, said):
    assert choices(parts) == said


def test_a_training_by_a_recipe_tells_its_best_step_and_an_older_card_no_epoch(card):
    older = {key: value for key, value in BY_RECIPE.items() if key != "best_epoch"}

    assert read_facts(card | {"training": BY_RECIPE}).training == Training("imagenet", 24, 12, 2)
    assert read_facts(card | {"training": older}).training == Training("imagenet", 24, 12, None)
    with pytest.raises(ValueError, match="step"):
        read_facts(card | {"training": BY_RECIPE | {"best": {}}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("variant",), 3),
        (("variant",), None),
        (("contract", "view"), ["crop"]),
        (("exports",), []),
        (("exports", 0, "latency_ms"), 1e999),
        (("exports", 0, "latency_ms"), 10**400),
        (("exports", 0, "latency_ms"), "1"),
        (("exports", 0, "bytes"), -1),
        (("exports", 1, "precision"), "int4"),
        (("metrics", "int8"), []),
        (("metrics", "float32", 0, "top1"), 1.5),
        (("metrics", "float32", 0, "top1"), True),
        (("metrics", "float32", 0, "top1_interval"), [0.9, 0.1]),
        (("metrics", "float32", 0, "top1_interval"), [0.9]),
        (("metrics", "float32", 0, "confusion"), [[1, 2], [3, 4]]),
        (("metrics", "float32", 0, "confusion"), [[1, 2, 3], [4, 5, 6], [7, 8, "9"]]),
        (("metrics", "float32", 0, "confusion"), [[1, 2, 3], [4, 5, 6], [7, 8, 2**70]]),
        (("metrics", "float32", 0, "confusion"), [[1, 2, 3], [4, 5, 6], [7, 8, -9]]),
        (("head", "path", 0, "strength"), 0),
        (("head", "path"), 3),
        (("data", "photos", "train"), None),
        (("data", "notes"), [3]),
        (("weights",), "mine"),
    ],
)
def test_a_card_that_does_not_add_up_is_refused(card, path, value):
    spoiled = copy.deepcopy(card)
    place = spoiled
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    with pytest.raises(ValueError, match="it"):
        read_facts(spoiled)
