"""The recipe as a value, what may be set in it, and the rates that follow from it."""

import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.errors import UsageError
from efficientnet_lite.training.recipe import Recipe, sources
from efficientnet_lite.training.schedule import average_decay, learning_rate

PAGE = Path(__file__).resolve().parents[2] / "docs/training.md"
TRACES = ("lite0_train_trace_small", "lite0_train_trace")

# Every flag of the reference's main.py, in its order. Source: tensorflow/tpu, commit 01b6706.
FLAGS = set(
    """
use_tpu tpu_job_name tpu gcp_project tpu_zone data_dir holdout_shards eval_name archive_ckpt model_dir model_name
mode augment_name randaug_num_layers randaug_magnitude train_steps input_image_size train_batch_size
eval_batch_size batch_norm_batch_size num_train_images num_eval_images steps_per_eval eval_timeout skip_host_call
iterations_per_loop num_parallel_calls bigtable_project bigtable_instance bigtable_table bigtable_train_prefix
bigtable_eval_prefix bigtable_column_family bigtable_column_qualifier data_format num_label_classes
batch_norm_momentum batch_norm_epsilon transpose_input use_bfloat16 export_dir export_to_tpu base_learning_rate
lr_decay_epoch moving_average_decay weight_decay label_smoothing dropout_rate survival_prob mixup_alpha
log_step_count_steps use_cache depth_coefficient width_coefficient use_async_checkpointing optimizer lr_schedule
lr_decay_factor lr_warmup_epochs lars_weight_decay lars_epsilon num_replicas
""".split()  # noqa: SIM905  (65 lines otherwise)
)


def test_the_defaults_are_the_references():
    recipe = Recipe()

    assert (recipe.total_steps, recipe.warmup_steps, recipe.peak_rate) == (218_949, 3127, 0.128)
    assert recipe.steps_per_epoch == 1_281_167 / 2048
    assert replace(recipe, batch=4096).peak_rate == 0.256


def test_held_out_shards_change_the_images_and_with_them_the_schedule():
    recipe = Recipe(holdout_shards=20)

    assert recipe.images == 1_256_145
    assert recipe.warmup_steps == int(5 * 1_256_145 / 2048)


def test_settings_are_read_by_the_kind_of_their_field():
    recipe = Recipe.from_settings(
        {"batch": "4096", "base-rate": " 8e-3", "dropout": "none", "staircase": "False", "schedule": "cosine"}
    )

    assert recipe == Recipe(batch=4096, base_rate=0.008, staircase=False, schedule="cosine")
    assert Recipe.from_settings({"dropout": "0", "steps": "10"}) == Recipe(dropout=0.0, steps=10)
    assert Recipe.from_settings({"steps": "None"}) == Recipe()


@pytest.mark.parametrize(
    ("name", "text", "what", "fix"),
    [
        ("bacth", "8", "no field 'bacth'", "did you mean batch?"),
        ("train_batch_size", "8", "no field 'train_batch_size'", "did you mean batch?"),
        ("lr_warmup_epoch", "8", "no field 'lr_warmup_epoch'", "did you mean warmup_epochs?"),
        ("xyz", "8", "no field 'xyz'", "it has train_images, eval_images"),
        ("batch", "2k", "batch is '2k'", "give a whole number"),
        ("batch", "8.0", "batch is '8.0'", "give a whole number"),
        ("batch", "none", "batch is 'none'", "give a whole number"),
        ("batch", "0", "batch is 0", "give 1 to the number of images"),
        ("batch", "9999999", "batch is 9999999", "give 1 to the number of images"),
        ("holdout_shards", "1024", "holdout_shards is 1024", "0 (none) to 1023"),
        ("momentum", "nan", "momentum is nan", "give a number"),
        ("momentum", "1", "momentum is 1.0", "give a number from 0, below 1"),
        ("momentum", "quick", "momentum is 'quick'", "give a number"),
        ("steps", "0", "steps is 0", "or none for those of `epochs`"),
        ("steps", "many", "steps is 'many'", "give a whole number, or none"),
        ("survival", "0", "survival is 0.0", "1 drops nothing"),
        ("staircase", "yes", "staircase is 'yes'", "give true or false"),
        ("schedule", "linear", "schedule is 'linear'", "exponential, cosine, constant, poly"),
        ("seed", "-1", "seed is -1", "0 to 4294967295"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_what_to_give(name, text, what, fix):
    with pytest.raises(UsageError) as refusal:
        Recipe.from_settings({name: text})

    assert what in refusal.value.what
    assert fix in refusal.value.fix


@pytest.mark.parametrize("name", [entry.name for entry in fields(Recipe)])
@pytest.mark.parametrize(
    "value", [math.inf, -1.5, "", [], 10**400], ids=["infinite", "negative", "text", "list", "huge"]
)
def test_no_field_takes_just_anything(name, value):
    with pytest.raises(UsageError, match=name):
        Recipe(**{name: value})


@pytest.mark.parametrize("batch", [256, 1024, 2048, 4096])
def test_imagenets_rates_are_the_references_at_every_batch_size(shared, batch):
    with np.load(shared / "reference/optimizer_unit.npz") as unit:
        steps = unit[f"schedule_{batch}_steps"].tolist()
        wanted = {name: unit[f"schedule_{batch}_{name}"].astype(float) for name in ("exponential", "cosine")}
        total = unit[f"schedule_{batch}_total_steps"]

    for schedule, rates in wanted.items():
        recipe = Recipe(batch=batch, schedule=schedule)
        found = [learning_rate(recipe, step) for step in steps]

        # Near its end the cosine is a difference of two numbers near 1: the last bit of a float32 stays.
        last_bit = 2**-24 * recipe.peak_rate if schedule == "cosine" else 0
        np.testing.assert_allclose(found, rates, rtol=1e-6, atol=last_bit)
        assert recipe.total_steps == total


@pytest.mark.trace
@pytest.mark.parametrize("name", TRACES)
def test_the_rates_of_a_training_are_those_that_the_reference_recorded(shared, name):
    with np.load(shared / f"reference/{name}.npz") as trace:
        config, wanted = json.loads(str(trace["config"])), trace["learning_rate"].astype(float)
    recipe = Recipe(
        train_images=config["num_train_images"],
        batch=config["batch_size"],
        base_rate=config["base_learning_rate"],
        warmup_epochs=config["warmup_epochs"],
    )

    found = [learning_rate(recipe, step) for step in range(len(wanted))]

    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert found[0] == 0


def test_the_stairs_are_counted_from_the_first_step_and_not_from_the_end_of_the_warm_up():
    recipe = Recipe(batch=4096)

    assert learning_rate(recipe, 1562) == pytest.approx(0.25584, rel=1e-4)
    assert learning_rate(recipe, 1563) == learning_rate(recipe, 1564) == pytest.approx(0.256 * 0.97**2)
    assert learning_rate(recipe, 2253) == pytest.approx(0.256 * 0.97**3)


def test_without_stairs_the_rate_falls_in_every_step():
    recipe = Recipe(batch=4096, staircase=False)

    assert learning_rate(recipe, 2000) > learning_rate(recipe, 2001)
    assert learning_rate(recipe, 2000) == pytest.approx(
        0.256 * 0.97 ** (2000 / (2.4 * recipe.steps_per_epoch))
    )


def test_a_constant_rate_is_the_peak_behind_its_warm_up():
    recipe = Recipe(schedule="constant")

    assert [learning_rate(recipe, step) for step in (0, 3127, 200_000)] == pytest.approx([0, 0.128, 0.128])
    assert learning_rate(replace(recipe, warmup_epochs=0.0), 0) == pytest.approx(0.128)


def test_the_polynomial_goes_from_the_peak_to_its_end_by_its_power():
    recipe = Recipe(schedule="poly", poly_end=0.0)
    half = recipe.warmup_steps + (recipe.total_steps - recipe.warmup_steps + 1) // 2

    assert learning_rate(recipe, recipe.warmup_steps) == pytest.approx(0.128, rel=1e-4)
    assert learning_rate(recipe, half) == pytest.approx(0.128 * 0.25, rel=1e-3)
    assert learning_rate(recipe, 10**9) == 0
    assert learning_rate(replace(recipe, poly_end=0.1), 10**9) == pytest.approx(0.1)


def test_there_is_no_rate_before_the_first_step():
    with pytest.raises(ValueError, match="-1"):
        learning_rate(Recipe(), -1)


def test_the_average_forgets_its_start_by_a_ramp():
    recipe = Recipe()

    assert average_decay(recipe.ema_decay, 1) == pytest.approx(2 / 11)
    before, reached = (average_decay(recipe.ema_decay, step) for step in (80_000, 89_990))
    assert before < reached == pytest.approx(0.9999)
    assert average_decay(recipe.ema_decay, 10**6) == pytest.approx(0.9999)


def test_the_page_maps_every_flag_of_the_reference_and_every_field():
    table = PAGE.read_text(encoding="utf-8").partition("## From the reference's flags")[2]
    rows = re.findall(r"^\| `--(\w+)` \| (.+?) \| (.+?) \|", table, re.MULTILINE)
    mapped = {flag: re.fullmatch(r"`(\w+)`", target) for flag, target, _ in rows}

    assert mapped.keys() == FLAGS
    assert {f"--{flag}": found[1] for flag, found in mapped.items() if found} == {
        flag: name for name, flag in sources().items() if flag.startswith("--")
    }


def test_the_page_has_every_default():
    text = PAGE.read_text(encoding="utf-8")

    for entry in fields(Recipe):
        shown = "none" if entry.default is None else str(entry.default).lower()
        assert re.search(rf"^\| .*`{entry.name}` \| {re.escape(shown)} \|", text, re.MULTILINE), entry.name
