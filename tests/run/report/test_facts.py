"""What a card says is read into values that fit together, or refused."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from efficientnet_lite.run.report.confused import Confused
from efficientnet_lite.run.report.facts import Training, choices, read_facts


@pytest.fixture
def card(trained):
    return json.loads((trained.run / "card.json").read_text(encoding="utf-8"))


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
    assert facts.first_choice == ("int8", "mediapipe")
    for precision, evaluations in (("float32", trained.proof.float32), ("int8", trained.proof.int8)):
        for each in evaluations:
            own = facts.confusions[precision, each.view]
            assert np.array_equal(own.cells, Confused.of(facts.labels, each.confusion).cells)
    assert [a.strength for a in facts.attempts if a.chosen] == [trained.head.chosen.strength]
    assert facts == replace(read_facts(trained.card), confusions=facts.confusions)


def test_phones_see_photos_squashed_where_nobody_looked_as_mediapipe_does(card):
    for precision in ("float32", "int8"):
        card["metrics"][precision] = [
            each for each in card["metrics"][precision] if each["as"] != "mediapipe"
        ]
    assert read_facts(card).first_choice == ("int8", "squash")

    for precision in ("float32", "int8"):
        card["metrics"][precision] = card["metrics"][precision][:1]
    assert read_facts(card).first_choice == ("int8", "crop")


BY_RECIPE = {"recipe": "imagenet", "images": 24, "best": {"step": 12, "top1": 0.5}, "best_epoch": 2}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "the head"),
        ({"fine_tuning": {}}, "the head and the epoch of the fine-tuning that was kept"),
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
        (("metrics", "int8", 1, "as"), "crop"),
        (("metrics", "float32", 0, "as"), "<b>"),
        (("exports", 1, "precision"), "float32"),
        (("metrics", "int8", 2, "confusion"), [[1]]),
        (("metrics", "int8", 2, "confused"), [[0, 0, 1, 1]]),
        (("metrics", "int8", 2, "confused"), [[0, 3, 1]]),
        (("metrics", "int8", 2, "confused"), [[-1, 0, 1]]),
        (("metrics", "int8", 2, "confused"), [[0, 0, 0]]),
        (("metrics", "int8", 2, "confused"), [[0, 0, 2**60]]),
        (("metrics", "int8", 2, "confused"), [[0, 1, 1], [0, 1, 2]]),
        (("metrics", "int8", 2, "confused"), "none"),
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


def test_how_the_integers_of_a_file_learned_is_said_and_damage_is_refused(card):
    assert read_facts(card).int8.tuned is None
    learned = {
        "chosen_epoch": 3,
        "before": {"snr_db": 19.94, "agreement": 0.981},
        "after": {"snr_db": 21.06, "agreement": 0.987},
    }
    card["int8"]["quantization_aware"] = learned
    said = read_facts(card).int8.sentence
    assert said.endswith("logit SNR 19.9 to 21.1 dB, same class 98.1 to 98.7 %, on validation photos")

    card["int8"]["quantization_aware"] = learned | {"chosen_epoch": 0}
    assert read_facts(card).int8.sentence.endswith("brought nothing and was left out")

    card["int8"]["quantization_aware"] = learned | {"after": {"snr_db": "much", "agreement": 1}}
    with pytest.raises(ValueError, match="snr_db"):
        read_facts(card)
