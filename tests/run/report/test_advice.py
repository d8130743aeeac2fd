"""What to do next: each fault of a run has its advice with a command that exists, and "ship it" stands alone."""

import copy
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.cli.app import COMMANDS, parser
from efficientnet_lite.run.report.advice import advice, photos_to_prove
from efficientnet_lite.run.report.facts import Gate, read_facts
from efficientnet_lite.run.summary import summary_of

ENOUGH = 200  # photos of each class


@pytest.fixture
def card(trained):
    """A run in which nothing is wrong: many photos, all right, verified."""
    good = json.loads((trained.run / "card.json").read_text(encoding="utf-8"))
    for each in (score for precision in ("float32", "int8") for score in good["metrics"][precision]):
        each |= {"count": 3 * ENOUGH, "top1": 1.0, "top1_interval": [0.99, 1.0]}
        each["confusion"] = (ENOUGH * np.eye(3, dtype=int)).tolist()
    for each in good["verification"]["comparisons"]:
        each |= {"count": 3 * ENOUGH, "agreement": 1.0, "agreement_interval": [0.99, 1.0]}
        each |= {"drop": 0.0, "drop_interval": [-0.006, 0.006]}
    good["verification"] |= {"verdict": "verified", "max_drop": 0.01, "min_agreement": 0.97}
    good["int8"]["warnings"] = []
    return good


def given(card, trained=(ENOUGH,) * 3, name="my run"):
    return advice(read_facts(card), summary_of(card, Path("runs") / name), trained)


def spoiled(card, precision="int8", **scores):
    for each in card["metrics"][precision]:
        each |= copy.deepcopy(scores)
    return card


def test_ship_it_is_said_where_nothing_is_wrong_and_alone(card):
    (only,) = given(card)

    assert only.title == "Ship it"
    assert "int8.tflite" in only.text
    assert only.command == "efficientnet-lite predict 'my run' photo.jpg"


@pytest.mark.parametrize(
    ("spoil", "title", "words"),
    [
        (lambda card: card["data"].update(leaks=7), "Take copies out of the photos for judging", "7 of them"),
        (lambda card: card["data"].update(skipped=1234), "Look at what was skipped", "1,234 files"),
        (
            lambda card: card["data"].update(lost=[{"path": "a", "split": "validation", "reason": "gone"}]),
            "Train once more, and leave the photos in place",
            "1 validation photo went",
        ),
        (
            lambda card: card["verification"].update(verdict="not refuted"),
            "Prove the int8 file",
            "no more than 1 of 100",
        ),
        (
            lambda card: spoiled(card, confusion=[[180, 20, 0], [25, 175, 0], [0, 0, 200]]),
            'Tell $x$ & "写真" onload= from <script>alert(1)</script>',
            "45 of their 400 photos",
        ),
        (
            lambda card: spoiled(card, top1=0.9, top1_interval=[0.88, 0.92]),
            "Let more of the network learn",
            "90 % come out right",
        ),
        (
            lambda card: [
                each.update(drop=0.015, drop_interval=[-0.001, 0.03])
                for each in card["verification"]["comparisons"]
            ],
            "Let int8 lose less",
            "1.5 of 100 photos more wrong than the float32 file. More photos to calibrate with often mend that.",
        ),
        (
            lambda card: [
                each.update(drop=0.04, drop_interval=[0.03, 0.05])
                for each in card["verification"]["comparisons"]
            ],
            "Let int8 lose less",
            "until then ship the float32 file",
        ),
    ],
)
def test_each_fault_has_its_advice_and_shipping_comes_last(card, spoil, title, words):
    spoil(card)

    first, *_, last = given(card)

    assert first.title.startswith(title)
    assert words in first.text
    assert last.title == "Or ship it as it is"


def test_few_photos_for_judging_come_first_and_say_nothing_of_shipping(card):
    for precision in ("float32", "int8"):
        spoiled(card, precision, count=12, top1=0.5, top1_interval=[0.2, 0.8])
    card["data"]["leaks"] = 3

    first, *others = given(card)

    assert first.title == "Gather more photos first"
    assert "Only 12 photos judge this model" in first.text
    assert [each.title for each in others] == ["Take copies out of the photos for judging"]


def test_classes_with_few_photos_are_named_with_their_numbers_the_poorest_first(card):
    labels = card["labels"]

    (few, _) = given(card, (300, 19, 7))
    (drowned, _) = given(card, (1000, 1000, 200))
    (all_few, _) = given(card, (5, 6, 7))

    assert few.title == "Add photos where there are few"
    assert f"{labels[2]} (7), {labels[1]} (19); half of the classes have 19 or more" in few.text
    assert f"{labels[2]} (200); half" in drowned.text
    assert "All classes have few photos" in all_few.text


def test_a_run_that_was_fine_tuned_is_not_told_to_be(card):
    spoiled(card, top1=0.9, top1_interval=[0.88, 0.92])
    card["fine_tuning"] = {
        "epochs_run": 3,
        "chosen_epoch": 2,
        "blocks": 5,
        "before": {"crop": 0.8},
        "after": {"crop": 0.9},
    }

    assert [each.title for each in given(card)] == ["Ship it"]


def test_every_command_is_one_of_ours_and_takes_the_run_by_its_name(card, trained, tmp_path, monkeypatch):
    shutil.copytree(trained.run, tmp_path / "a'b; rm -rf x")
    monkeypatch.chdir(tmp_path)
    card["data"] |= {"leaks": 1, "skipped": 1}
    card["verification"]["verdict"] = "not refuted"
    for each in card["verification"]["comparisons"]:
        each |= {"drop": 0.015, "drop_interval": [-0.001, 0.03]}
    spoiled(card, top1=0.9, top1_interval=[0.88, 0.92], confusion=[[180, 20, 0], [25, 175, 0], [0, 0, 200]])
    names = {each.name for each in COMMANDS}

    found = [shlex.split(each.command) for each in given(card, (300, 10, 300), name="a'b; rm -rf x")]

    assert len(found) == 8
    assert {words[0] for words in found} == {"efficientnet-lite"}
    assert {words[1] for words in found} == {"check", "train", "verify", "predict"} <= names
    for words in found:
        parser().parse_args(
            words[1:], print_error=False, exit_on_error=False
        )  # raises where an option is unknown
        if words[1] == "train":
            assert words[2:6] == ["--config", "a'b; rm -rf x/config.toml", "--out", "a'b; rm -rf x-2"]


@pytest.mark.parametrize(
    ("drop", "high", "count"),
    [(0.0, 0.02, 1600), (0.005, 0.02, 3600), (0.0, 0.01, None), (0.011, 0.02, None), (-0.01, 0.02, 1600)],
)
def test_how_many_photos_prove_a_file_follows_from_the_width_of_the_interval(drop, high, count):
    gate = Gate("crop", 400, 0.98, (0.97, 0.99), drop, type("I", (), {"low": -high, "high": high}))

    found = photos_to_prove(gate, 0.01)

    assert (found is None) == (count is None)
    if count:
        assert count <= found < count * 1.3  # rounded up to one digit
