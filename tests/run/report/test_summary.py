"""A run in a few lines: the figures of its card, and every caveat that they need."""

import copy
import json
from pathlib import Path

import pytest

from efficientnet_lite.errors import ArtifactError, printable
from efficientnet_lite.run.summary import PHOTO, summary_of


@pytest.fixture
def card(trained):
    return json.loads((trained.run / "card.json").read_text(encoding="utf-8"))


@pytest.fixture
def changed(card):
    """The card with other values at dotted places."""

    def changed(**places):
        spoiled = copy.deepcopy(card)
        for place, value in places.items():
            *parts, last = place.split("__")
            into = spoiled
            for part in parts:
                into = into[int(part) if part.isdigit() else part]
            into[last] = value
        return spoiled

    return changed


def caveats(card, folder="runs/shown"):
    return {each.kind: each.text for each in summary_of(card, Path(folder)).caveats}


def test_the_figures_are_those_of_the_card(card, trained):
    summary = summary_of(card, trained.run, seconds=3.5)
    scored = {name: {each["as"]: each for each in card["metrics"][name]} for name in ("float32", "int8")}

    assert (summary.name, summary.classes, summary.photos, summary.seconds) == ("a<i>run", 3, 36, 3.5)
    assert [each.precision for each in summary.files] == ["float32", "int8"]
    for file, export in zip(summary.files, card["exports"], strict=True):
        own = scored[file.precision][summary.view]
        assert (file.path, file.bytes, file.latency_ms) == (
            export["path"],
            export["bytes"],
            export["latency_ms"],
        )
        assert (file.top1, list(file.interval)) == (own["top1"], own["top1_interval"])
    compared = {each["as"]: each["agreement"] for each in card["verification"]["comparisons"]}
    assert [each.agreement for each in summary.files] == [None, compared[summary.view]]
    assert (summary.split, summary.judged, summary.whole) == ("validation", 18, 18)
    assert summary.verdict == card["verification"]["verdict"]


def test_few_photos_are_told_before_what_they_cannot_prove(card):
    found = caveats(card)

    assert found["few"].startswith("the validation photos are too few to judge: 18 photos decide")
    assert "unproven" not in found
    assert list(found)[-1] == "chosen"


@pytest.mark.parametrize(
    ("allowed", "agreement", "text"),
    [
        (0.01, 0.97, "40 validation photos cannot prove int8 to within 1 point"),
        (1.0, 0.97, "cannot prove that int8 gives the same class as float32 on 97 % of photos"),
    ],
)
def test_what_the_photos_cannot_prove_is_said_with_their_number(changed, allowed, agreement, text):
    card = changed(verification__max_drop=allowed, verification__min_agreement=agreement)
    assert text in caveats(judged_on(card, 40))["unproven"]


def test_lost_skipped_and_leaked_photos_are_told_with_their_numbers(changed):
    lost = [{"path": "a.png", "split": "validation", "reason": "gone"}] * 2
    found = caveats(changed(data__lost=lost, data__skipped=1234, data__leaks=5))

    assert found["lost"].startswith("2 validation photos were lost")
    assert "the other 18" in found["lost"]
    assert found["skipped"].startswith("1,234 photos could not be used: skipped.csv")
    assert found["leaks"].startswith("5 photos")
    assert not {"lost", "skipped", "leaks"} & caveats(changed()).keys()


def judged_on(card, count):
    for precision in ("float32", "int8"):
        for each in card["metrics"][precision]:
            each["count"] = count
    return card


def test_classes_with_too_few_photos_to_judge_by_are_named_with_their_number(changed):
    card = judged_on(changed(), 40)
    for precision in ("float32", "int8"):
        for each in card["metrics"][precision]:
            each["confusion"] = [[1, 1, 0], [0, 38, 0], [0, 0, 0]]

    first, _, third = card["labels"]
    assert caveats(card)["thin"] == (
        f"too few validation photos to say how well it knows {printable(first)} (2), {printable(third)} (0)"
    )
    assert "thin" not in caveats(judged_on(card, 29))  # all of them are too few


def test_many_classes_with_too_few_photos_are_counted_and_not_named(changed):
    labels = [f"class {number}" for number in range(300)]
    card = judged_on(changed(labels=labels), 300)
    for precision in ("float32", "int8"):
        for each in card["metrics"][precision]:
            del each["confusion"]
            each["confused"] = [[number, number, 1] for number in range(299)] + [[299, 298, 7]]

    assert caveats(card)["thin"] == (
        "too few validation photos to say how well it knows 299 of the classes, each with fewer than 5"
    )


def test_an_int8_file_that_loses_more_than_usual_is_no_good_news_even_where_it_was_allowed(changed):
    card = judged_on(changed(), 400)
    for each in card["verification"]["comparisons"]:
        each |= {"drop": 0.0512, "drop_interval": [0.03, 0.07]}

    assert caveats(card)["loss"].startswith("int8 is right on 5.1 points fewer of these photos than float32")


def test_an_older_card_falls_back_to_squashed_photos_and_says_so(changed):
    card = changed()
    for precision in ("float32", "int8"):
        card["metrics"][precision] = [e for e in card["metrics"][precision] if e["as"] != "mediapipe"]
    comparisons = card["verification"]["comparisons"]
    card["verification"]["comparisons"] = [e for e in comparisons if e["as"] != "mediapipe"]

    assert summary_of(card, Path("runs/old")).view == "squash"
    assert "not as MediaPipe sees them" in caveats(card)["view"]


def test_a_card_without_a_verdict_has_one_by_whether_its_photos_sufficed(changed):
    for enough, verdict in ((True, "verified"), (False, "not refuted")):
        card = changed(verification__enough_photos=enough)
        del card["verification"]["verdict"]

        assert summary_of(card, Path("runs/old")).verdict == verdict


def test_what_the_validation_photos_chose_is_said_for_each_way_to_learn(changed):
    tuned = {"epochs_run": 3, "chosen_epoch": 2, "blocks": 5, "before": {}, "after": {}}
    learned = {"recipe": "imagenet", "images": 5000, "best": {"step": 12}, "best_epoch": 2}

    assert "also chose the head, so" in caveats(changed())["chosen"]
    assert "also chose the head and the epoch, so" in caveats(changed(fine_tuning=tuned))["chosen"]
    assert "also chose the epoch, so" in caveats(changed(training=learned))["chosen"]
    assert summary_of(changed(training=learned), Path("runs/x")).photos == 5000
    assert "they also chose the epoch" in summary_of(changed(training=learned), Path("runs/x")).basis


def test_a_limit_that_limits_nothing_proves_nothing(changed):
    summary = summary_of(changed(verification__max_drop=1.0), Path("runs/x"))

    assert summary.proof == "int8 was allowed to lose any number of points"


def test_a_test_part_chose_nothing(changed):
    assert "chosen" not in caveats(changed(metrics__split="test"))


def test_what_to_do_next_can_be_copied(changed):
    with_page = summary_of(changed(files=["card.json", "report.html"]), Path("runs/my clothes"))
    without = summary_of(changed(files=["card.json"]), Path("-x"))

    assert with_page.next_lines == [
        f"efficientnet-lite predict 'runs/my clothes' {PHOTO}",
        "open 'runs/my clothes/report.html'",
    ]
    assert without.next_lines == [
        f"efficientnet-lite predict ./-x {PHOTO}",
        "efficientnet-lite report ./-x",
    ]


def test_a_damaged_card_is_refused_as_one(changed):
    with pytest.raises(ArtifactError, match="cannot be shown"):
        summary_of(changed(metrics__int8=None), Path("runs/x"))
