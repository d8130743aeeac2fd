"""What a run says of how its int8 file was made: card, model card, page, the file itself, config and `info`."""

import csv
import tomllib

from efficientnet_lite.commands.info import info
from efficientnet_lite.quantize.method import METHOD
from efficientnet_lite.run.report.facts import read_facts
from efficientnet_lite.run.summary import summary_of


def test_the_card_names_the_training_photos_that_calibrated_in_both_views(trained):
    made = trained.card["int8"]
    with (trained.run / "split.csv").open(newline="") as file:
        split = {row["path"]: row["split"] for row in csv.DictReader(file)}

    assert (made["effort"], made["method"]) == ("standard", METHOD)
    assert len(made["calibration"]["files"]) == made["calibration"]["photos"] == 8
    assert {split[name] for name in made["calibration"]["files"]} == {"train"}
    assert made["calibration"]["views"] == {"crop": 4, "squash": 4}
    assert [each["stage"] for each in made["stages"]][:1] == ["nearest codes"]


def test_the_file_says_the_same_of_itself(trained):
    made, said = (
        trained.card["int8"],
        info(trained.run / "exports" / "shapes_int8.tflite").identity.quantization,
    )

    assert (said.effort, said.method, said.photos) == ("standard", METHOD, 8)
    assert said.calibration_sha256 == made["calibration"]["sha256"]
    assert info(trained.run / "exports" / "shapes_float32.tflite").identity.quantization is None


def test_people_read_it_with_its_warning(trained):
    warning = "8 photos set the ranges of int8: with so few it lost "
    facts = read_facts(trained.card)

    assert facts.int8.sentence.startswith(
        f"effort standard, method {METHOD}; ranges set by 8 photos, digest "
    )
    for name in ("README.md", "report.html"):
        shown = (trained.run / name).read_text(encoding="utf-8")
        assert facts.int8.sentence in shown
        assert warning in shown
    assert [each.text[: len(warning)] for each in trained.summary.caveats if each.kind == "calibration"] == [
        warning
    ]


def test_a_card_of_an_older_version_says_nothing_of_it(trained):
    card = {name: value for name, value in trained.card.items() if name != "int8"}

    assert read_facts(card).int8 is None
    assert not [each for each in summary_of(card, trained.run).caveats if each.kind == "calibration"]


def test_the_config_makes_the_same_file_again(trained):
    config = tomllib.loads((trained.run / "config.toml").read_text(encoding="utf-8"))

    assert (config["calibration"], config["calibration_seed"], config["effort"]) == (8, 0, "standard")
