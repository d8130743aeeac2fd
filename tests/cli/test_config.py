"""`train --config`: a run made again from its config.toml alone, and files that are no such config."""

import json
import tomllib

import pytest
import scenes

from efficientnet_lite.cli.app import run
from efficientnet_lite.commands.train import train
from efficientnet_lite.errors import EXIT_INPUT, EXIT_USAGE, EfficientNetLiteError, UsageError
from efficientnet_lite.training.fine_tuning import FineTuning, asked_for


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Photos, random weights and class names in German."""
    root = tmp_path_factory.mktemp("config")
    scenes.photograph(root / "photos", count=8)
    scenes.write_random_weights(root / "random.safetensors")
    (root / "de.txt").write_text("\n".join(f"{label}-de" for label in scenes.LABELS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(root / "cache"))
        yield root


@pytest.fixture(scope="module")
def first(place):
    """A run that was asked for with options that are not the defaults."""
    arguments = [
        place / "photos",
        *("--out", place / "first", "--model", scenes.MODEL, "--weights", place / "random.safetensors"),
        *("--val", 0.3, "--seed", 4, "--views", "squash", "squash-mirrored", "--class-weights", "balanced"),
        *("--calibration", 8, "--max-drop", 1, "--min-agreement", 0),
        *("--labels-locale", f"de={place / 'de.txt'}"),
    ]
    assert run(["train", *map(str, arguments)]) == 0
    return place / "first"


def made_again(config, out, *options):
    return run(["train", "--config", str(config), "--out", str(out), *map(str, options)])


def test_a_run_from_its_config_alone_is_the_same_run(first, place):
    assert made_again(first / "config.toml", place / "second") == 0

    found, wanted = scenes.contents(place / "second"), scenes.contents(first)
    for name in ("weights.safetensors", "config.toml", "split.csv", "labels.txt", "exports/golden.npz"):
        assert found[name] == wanted[name], name
    for precision in ("float32", "int8"):
        file = "exports/{}_" + precision + ".tflite"
        assert found[file.format("second")] == wanted[file.format("first")]


def test_the_run_lies_in_runs_under_the_photos_name_unless_the_config_says_where(
    first, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "where.toml").write_text((first / "config.toml").read_text() + 'out = "elsewhere"\n')
    command = ["train", "--config", str(first / "config.toml")]

    assert run(command) == 0
    assert (tmp_path / "runs" / "photos" / "card.json").is_file()
    assert run(command) == EXIT_USAGE
    assert "the target exists" in capsys.readouterr().err
    assert run([*command, "--overwrite"]) == 0
    assert run(["train", "--config", "where.toml"]) == 0
    assert (tmp_path / "elsewhere" / "card.json").is_file()


def test_what_the_command_line_says_wins(first, place):
    assert made_again(first / "config.toml", place / "other", "--seed", 5, "--views", "crop") == 0

    config = tomllib.loads((place / "other" / "config.toml").read_text())
    assert (config["seed"], config["views"], config["val"]) == (5, ["crop"], 0.3)


def test_other_weights_than_those_of_the_config_are_refused_unless_asked_for(first, place, capsys):
    changed = place / "changed.toml"
    text = (first / "config.toml").read_text()
    sha256 = tomllib.loads(text)["weights_sha256"]
    changed.write_text(text.replace(sha256, "0" * 64))

    assert made_again(changed, place / "refused") == EXIT_INPUT
    said = capsys.readouterr().err
    assert "weights_sha256" in said
    assert sha256 in said
    assert made_again(changed, place / "asked", "--weights", place / "random.safetensors") == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sead = 4", "the field sead is no option of train\n@  try: did you mean seed?"),
        ('seed = "4"', "the field seed is '4'\n@  try: give a whole number"),
        ("seed = 4.5", "the field seed is '4.5'\n@  try: give a whole number"),
        ("seed = true", "the field seed is 'True'\n@  try: give a whole number"),
        ('val = "much"', "the field val is 'much'\n@  try: give a number"),
        ("no_ema = 1", "the field no_ema is '1'\n@  try: give true or false"),
        ("model = 0", "the field model is '0'\n@  try: give a text in quotes"),
        ('views = "crop"', "the field views is 'crop'\n@  try: give a list, each a text in quotes"),
        ('views = ["crop", "sideways"]', "the field views is ['crop', 'sideways']\n@  try: see train --help"),
        ('on_bad = "cry"', "the field on_bad is 'cry'\n@  try: see train --help"),
        ("[tuning]\nepochs = 3", "the field tuning is no option of train\n@"),
        ('config = "again.toml"', "the field config is no option of train\n@"),
        ("seed = ", "the config is no TOML: "),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_file(place, tmp_path, capsys, line, said):
    config = tmp_path / "config.toml"
    config.write_text(f"photos = {json.dumps(str(place / 'photos'))}\n{line}\n")

    assert made_again(config, tmp_path / "run") == EXIT_INPUT

    found = capsys.readouterr().err
    assert said.replace("@", f"  in:  {config}\n") in found
    assert f"  in:  {config}\n" in found
    assert scenes.names(tmp_path) == ["config.toml"]


def test_a_call_from_a_config_alone_makes_the_same_run_and_what_the_call_says_wins(first, place):
    train(config=first / "config.toml", out=place / "third")
    train(config=str(first / "config.toml"), out=place / "fourth", seed=5, views="crop")

    found, wanted = scenes.contents(place / "third"), scenes.contents(first)
    for name in ("weights.safetensors", "config.toml", "split.csv", "labels.txt", "exports/golden.npz"):
        assert found[name] == wanted[name], name
    fourth = tomllib.loads((place / "fourth" / "config.toml").read_text())
    assert (fourth["seed"], fourth["views"], fourth["val"]) == (5, ["crop"], 0.3)


@pytest.mark.parametrize(
    ("line", "says", "fix"),
    [
        ("sead = 4", "the field sead is no option of train", "take it out"),
        ("links = false", "the field links is no option of train", "take it out"),
        ("seed = true", "the field seed is 'True'", "give a whole number"),
        ("no_ema = 1", "the field no_ema is '1'", "give True or False"),
        ('views = ["crop", "sideways"]', "the field views is", "give 'crop'"),
        ('labels_locale = ["de"]', "the field labels_locale is", "give a dictionary"),
        ("val = 7", "val=7.0", "give a fraction"),
        ("seed = ", "the config is no TOML", "give the config.toml"),
    ],
)
def test_a_field_that_is_wrong_in_a_call_is_named_with_its_file(place, tmp_path, line, says, fix):
    config = tmp_path / "config.toml"
    config.write_text(f"photos = {json.dumps(str(place / 'photos'))}\n{line}\n")

    with pytest.raises(EfficientNetLiteError) as caught:
        train(config=config, out=tmp_path / "run")

    assert caught.value.what.startswith(says)
    assert caught.value.fix.startswith(fix)
    assert caught.value.where == config
    assert scenes.names(tmp_path) == ["config.toml"]


def test_a_call_without_photos_says_what_to_give(tmp_path):
    with pytest.raises(UsageError, match="no `photos=` are given"):
        train(out=tmp_path / "run")


def test_a_time_budget_may_plan_more_epochs_than_are_usual_where_none_are_given():
    def epochs(**given):
        return asked_for(True, **given).epochs

    assert epochs() == FineTuning().epochs == 8
    assert epochs(time_budget="2h") == 30
    assert epochs(time_budget="2h", epochs=3) == 3


def test_event_files_of_a_head_alone_are_refused(place, tmp_path, capsys):
    options = ["--out", str(tmp_path / "run"), "--tensorboard", str(tmp_path / "events")]

    assert run(["train", str(place / "photos"), *options]) == EXIT_USAGE

    assert "--tensorboard is given, but the head alone learns" in capsys.readouterr().err
    assert scenes.names(tmp_path) == []


def test_a_config_that_is_not_there_or_names_no_photos(tmp_path, capsys):
    config = tmp_path / "config.toml"

    assert made_again(config, tmp_path / "run") == EXIT_INPUT
    assert str(config) in capsys.readouterr().err
    config.write_text("seed = 1\n")
    assert made_again(config, tmp_path / "run") == EXIT_USAGE
    assert "no PHOTOS are given" in capsys.readouterr().err
