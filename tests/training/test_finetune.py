"""`train --fine-tune`: what learns and what does not, by which chance, and that the best network is what leaves."""

import csv
import json
import math
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra [train]: make test-all", exc_type=ImportError)
pytest.importorskip("keras", reason="the extra [train]: make test-all", exc_type=ImportError)

import safetensors.numpy
import scenes
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from efficientnet_lite.cli.app import run
from efficientnet_lite.commands.train import train
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import DENSE, INPUT, VARIANTS, make_plan
from efficientnet_lite.notices import listening
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import FIT_VIEWS, Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.run.folder import open_run
from efficientnet_lite.training import loop, saved_states
from efficientnet_lite.training.augment import Augmentation
from efficientnet_lite.training.bookkeeping import Bookkeeping
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.curves import draw_curves
from efficientnet_lite.training.fine_tuning import OPTIONS, FineTuning, upper_part
from efficientnet_lite.training.kept_features import Drawn, keep, make_lower
from efficientnet_lite.training.learner import Journal
from efficientnet_lite.training.random_views import draw
from efficientnet_lite.training.upper_blocks import ChoosingPhotos, TaughtPhotos, UpperBlocks
from efficientnet_lite.weights.read import load_weights

SIZE, CLASSES = 32, 3
QUICK = FineTuning(blocks=1, epochs=2, batch=8, draws=1, learning_rate=1e-4)


@pytest.fixture(scope="module")
def plan():
    return make_plan(VARIANTS["lite0"], size=SIZE, classes=CLASSES)


@pytest.fixture(scope="module")
def start(plan, tmp_path_factory):
    """Random weights with a head for three classes."""
    path = scenes.write_random_weights(tmp_path_factory.mktemp("weights") / "w.safetensors")
    parameters = {
        name: value
        for name, value in load_weights(VARIANTS["lite0"], path).parameters.items()
        if not name.startswith(DENSE)
    }
    random = np.random.default_rng(1)
    kernel = random.normal(0, 0.01, (1280, CLASSES)).astype(np.float32)
    return parameters | {f"{DENSE}/kernel": kernel, f"{DENSE}/bias": np.zeros(CLASSES, np.float32)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("data") / "photos", count=8)


@pytest.fixture(scope="module")
def paths(photos):
    return sorted(photos.rglob("*.*"))


@pytest.fixture(scope="module")
def truth(paths):
    return np.array([scenes.LABELS.index(path.parent.name) for path in paths])


def kept_of(plan, start, paths, blocks, views=("crop", "squash"), draws=1):
    lower = make_lower(upper_part(plan, blocks), fold(plan, start), Contract(SIZE), workers=2)
    return keep(lower, paths, views, draws=draws, augment="light", seed=3)


def learner_of(plan, start, kept, truth, recipe, seed=0):
    taught = TaughtPhotos(kept, truth, np.ones(len(truth), np.float32))
    choosing = ChoosingPhotos(kept, ("crop", "squash"), truth)
    return UpperBlocks(upper_part(plan, recipe.blocks), start, recipe, taught, choosing, seed=seed)


def learn(learner):
    """A whole training that keeps nothing on the disk; its journal."""
    journal = Journal()
    loop.train(learner, journal, Bookkeeping(Path(), {}, say=print, warn=print, writes=False))
    return journal


def trained_parts(plan, start, paths, truth, recipe, seed=0):
    """The epochs of a short training and the parameters at its end."""
    learner = learner_of(plan, start, kept_of(plan, start, paths, recipe.blocks), truth, recipe, seed)
    return learn(learner).rows, learner.averages()


def test_lower_and_learning_part_together_are_the_network(plan, start, paths, truth):
    kept = kept_of(plan, start, paths, 3)
    learner = learner_of(plan, start, kept, truth, replace(QUICK, blocks=3))
    image = prepare(paths[0].read_bytes(), ["squash"], Contract(SIZE)).images[0]
    normalized = ((image.astype(np.float32) - 127) / 128)[None]

    found = learner.logits(kept, 1)[0]

    wanted = numpy_run.run(plan.steps, fold(plan, start), normalized)[DENSE][0]
    assert np.abs(found - wanted).max() < 5e-3 * np.abs(wanted).max()  # float16 lies between them


def test_only_the_asked_blocks_learn_and_frozen_statistics_stay(plan, start, paths, truth):
    _, learned = trained_parts(plan, start, paths, truth, QUICK)

    blocks = {name.split("/")[0] for name in learned}
    assert blocks == {"blocks_15", "head"}
    moved = {name for name, value in learned.items() if not np.array_equal(value, start[name])}
    assert moved == {name for name in learned if "/moving_" not in name}


def test_batch_norm_that_trains_moves_its_statistics(plan, start, paths, truth):
    _, learned = trained_parts(plan, start, paths, truth, replace(QUICK, batch_norm="train"))

    statistics = [name for name in learned if "/moving_" in name]
    assert all(not np.array_equal(learned[name], start[name]) for name in statistics)


def test_a_seed_gives_the_same_network_again_and_another_seed_another(plan, start, paths, truth):
    recipe = replace(QUICK, mixup=0.2)
    epochs, first = trained_parts(plan, start, paths, truth, recipe)
    again, second = trained_parts(plan, start, paths, truth, recipe)
    _, other = trained_parts(plan, start, paths, truth, recipe, seed=1)

    assert [epoch["loss"] for epoch in epochs[1:]] == [epoch["loss"] for epoch in again[1:]]
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first[f"{DENSE}/kernel"], other[f"{DENSE}/kernel"])


def test_a_loss_that_is_no_number_stops_with_step_and_cause(plan, start, paths, truth):
    kept = kept_of(plan, start, paths, 1)
    kept.values[5] = np.nan

    with pytest.raises(UsageError, match=r"no number any more at step \d, in epoch 1") as caught:
        learn(learner_of(plan, start, kept, truth, QUICK))

    assert "`learning_rate=1e-05`" in caught.value.fix


def test_views_drawn_anew_follow_from_seed_epoch_and_place_alone(plan, start, paths):
    lower = make_lower(upper_part(plan, None), fold(plan, start), Contract(SIZE), workers=2)
    assert lower.part.source == INPUT
    drawn = Drawn(lower, paths, "rand", seed=5)

    whole = np.concatenate(list(drawn.batches([0, 1, 2, 3, 4], 2, 2)))
    alone = next(drawn.batches([3], 2, 1))[0]
    later = next(drawn.batches([3], 3, 1))[0]

    assert whole.shape == (5, SIZE, SIZE, 3)
    assert np.array_equal(whole[3], alone)
    assert not np.array_equal(alone, later)


def test_without_augmentation_a_drawn_view_is_one_that_consumers_have(plan, start, paths):
    lower = make_lower(upper_part(plan, None), fold(plan, start), Contract(SIZE), workers=2)
    drawn = Drawn(lower, paths, "none", seed=0)
    known = prepare(paths[0].read_bytes(), FIT_VIEWS, Contract(SIZE)).images

    found = [next(drawn.batches([0], epoch, 1))[0] for epoch in range(24)]

    seen = [next(at for at, image in enumerate(known) if np.array_equal(image, one)) for one in found]
    assert set(seen) == {0, 1, 2, 3}


def test_rand_distorts_a_view_by_randaugment_and_light_tints_it(paths):
    photo = photo_door.decode(paths[0].read_bytes(), where=paths[0], min_side=2 * SIZE)

    def drawn(augment, seed):
        return draw(photo, Contract(SIZE), augment, generator(seed, 0, 0, "view"))

    layers = [[drawn("rand", seed), drawn("rand", seed)] for seed in range(30)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("efficientnet_lite.training.random_views.RANDAUGMENT", Augmentation("none"))
        plain = [drawn("rand", seed) for seed in range(30)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("efficientnet_lite.training.random_views.TINT", 0.0)
        still = [drawn("light", seed) for seed in range(30)]

    assert all(np.array_equal(first, again) for first, again in layers)
    changed = sum(not np.array_equal(first, one) for (first, _), one in zip(layers, plain, strict=True))
    assert changed > 20  # an operation may leave an image as it is
    tints = [drawn("light", seed).mean() / still[seed].mean() for seed in range(30)]
    assert 0.84 < min(tints) < 0.95
    assert 1.05 < max(tints) < 1.16


def test_a_seed_that_has_no_generator_is_refused_before_any_work(photos, cache, tmp_path):
    with pytest.raises(UsageError, match=r"seed=4294967296"):
        run_of(photos, tmp_path / "run", QUICK, seed=2**32)


def test_a_kept_view_changes_from_epoch_to_epoch(plan, start, paths):
    kept = kept_of(plan, start, paths, 1, views=FIT_VIEWS, draws=4)
    places = list(range(len(paths)))

    first, second = (np.concatenate(list(kept.batches(places, epoch, 7))) for epoch in (1, 2))
    again = np.concatenate(list(kept.batches(places, 1, 5)))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder))
        yield folder


def asked(recipe):
    """A fine-tuning as the options of `train`; none of a head alone."""
    if recipe is None:
        return {}
    given = {OPTIONS.get(name, name): value for name, value in asdict(recipe).items()}
    return given | {"fine_tune": True, "fine_tune_blocks": "all" if recipe.blocks is None else recipe.blocks}


def run_of(photos, out, recipe, said=None, **options):
    """A run on drawn photos with random weights, whose head alone has room to improve."""
    weights = scenes.write_random_weights(photos.parent / "random.safetensors")
    with listening(print, print if said is None else said.append):
        return train(
            photos,
            out,
            model=scenes.MODEL,
            weights=str(weights),
            calibration=8,
            max_drop=1,
            min_agreement=0,
            workers=2,
            **asked(recipe),
            **options,
        )


def test_a_fine_tuned_run_is_a_run_like_any_other(photos, cache, tmp_path):
    said: list[str] = []
    trained = run_of(photos, tmp_path / "run", QUICK, said, tensorboard=tmp_path / "events")

    assert verify(trained.run).passed
    card = json.loads((trained.run / "card.json").read_text())
    tuning = card["fine_tuning"]
    with (trained.run / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    chosen = rows[tuning["chosen_epoch"]]
    for view in ("crop", "squash"):
        exported = card["exports"][0]["as"][view]["top1"]
        assert math.isclose(float(chosen[f"top1_{view}"]), exported, abs_tol=0.17)  # one photo of six
    assert rows[0].keys() == {"epoch", "loss", "validation_loss", "top1_crop", "top1_squash", "learning_rate"}
    shown = EventAccumulator(str(tmp_path / "events"))
    shown.Reload()
    for tag, column in (("loss/validation", "validation_loss"), ("top1/crop", "top1_crop")):
        values = [float(row[column]) for row in rows]
        assert [event.value for event in shown.Scalars(tag)] == pytest.approx(values, rel=1e-6)  # float32
    assert [event.step for event in shown.Scalars("loss/training")] == [1, 2]
    assert {"log.csv", "curves.png", "report.html"} <= set(card["files"])
    assert (trained.run / "curves.png").read_bytes() == draw_curves(rows, best=tuning["chosen_epoch"])
    assert "<h2>Fine-tuning</h2>" in (trained.run / "report.html").read_text()
    config = tomllib.loads((trained.run / "config.toml").read_text())
    assert (config["fine_tune_blocks"], config["epochs"], config["seed"]) == (1, 2, 0)
    assert said[0].startswith("the head alone: validation loss")
    assert said[1].startswith("epoch 1 of 2: loss")
    assert open_run(trained.run).export("int8").is_file()


def test_a_run_from_its_config_alone_is_the_same_run(photos, cache, tmp_path, monkeypatch):
    # what has learned is kept: the best of before is the one with a step
    monkeypatch.setattr(UpperBlocks, "rank", lambda self, scores: "step" not in scores)
    odd = replace(
        QUICK, blocks=2, augment="rand", mixup=0.2, dropout=0.3, draws=2, optimizer="sgd", warmup=0.5
    )
    first = run_of(photos, tmp_path / "first", replace(odd, time_budget_s=3600))

    assert run(["train", "--config", str(first.run / "config.toml"), "--out", str(tmp_path / "second")]) == 0

    for name in ("weights.safetensors", "config.toml", "log.csv", "exports/golden.npz"):
        assert (tmp_path / "second" / name).read_bytes() == (first.run / name).read_bytes(), name
    tuning = json.loads((tmp_path / "second" / "card.json").read_text())["fine_tuning"]
    assert tuning == first.card["fine_tuning"] | {"time_budget_s": None}
    assert tuning["chosen_epoch"] == 2


def test_where_no_epoch_is_better_the_head_alone_stays(photos, cache, tmp_path):
    said: list[str] = []
    ruined = replace(QUICK, learning_rate=0.9, ema=0, rate_decay=1.0, warmup=0)
    trained = run_of(photos, tmp_path / "ruined", ruined, said)
    alone = run_of(photos, tmp_path / "alone", None)

    if trained.card["fine_tuning"]["chosen_epoch"] == 0:
        names = ("ruined_float32.tflite", "alone_float32.tflite")
        first, second = ((tmp_path / name.split("_")[0] / "exports" / name).read_bytes() for name in names)
        assert first == second
        assert said[-1].startswith("no epoch was better than the head alone")
    scores = [evaluation.top1 for evaluation in trained.proof.float32]
    assert np.mean(scores) >= np.mean([evaluation.top1 for evaluation in alone.proof.float32])


def test_a_run_that_is_interrupted_leaves_its_states_alone_and_says_how_to_go_on(photos, cache, tmp_path):
    said: list[str] = []

    def interrupt(line):
        said.append(line)
        if line.startswith("epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(print, interrupt):
        train(
            photos,
            tmp_path / "run",
            model=scenes.MODEL,
            weights=str(scenes.write_random_weights(tmp_path / "w.safetensors")),
            **asked(QUICK),
        )

    assert scenes.names(tmp_path) == ["run.training", "w.safetensors"]
    assert said[-1].startswith(
        "interrupted: the same command with `resume=True` goes on behind the last epoch"
    )


def test_a_time_budget_plans_the_epochs(photos, cache, tmp_path):
    said: list[str] = []
    trained = run_of(photos, tmp_path / "run", replace(QUICK, epochs=50, time_budget_s=0.01), said)

    assert "1 epochs are planned" in said[0]
    assert trained.card["fine_tuning"]["epochs_run"] == 1


def tuned_run(photos, weights, out, **more):
    recipe = replace(QUICK, epochs=4, mixup=0.2)
    return train(photos, out, model=scenes.MODEL, weights=weights, calibration=8, min_agreement=0.0,
                 max_drop=1.0, **asked(recipe), **more)  # fmt: skip


def killed_run(photos, weights, out, behind):
    """A run that dies when the state behind that epoch is saved."""
    save = Bookkeeping.save

    def save_and_die(self, learner, journal):
        save(self, learner, journal)
        if journal.rows[-1]["epoch"] == behind:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bookkeeping, "save", save_and_die)
        with pytest.raises(Killed):
            tuned_run(photos, weights, out)


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """The weights of a fine-tuning, and the run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    weights = scenes.write_random_weights(folder / "w.safetensors")
    tuned_run(photos, weights, folder / "run")
    return weights, folder / "run"


def assert_same(run, whole):
    for name in ("weights.safetensors", "log.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    assert not run.with_name("run.training").exists()


@pytest.mark.parametrize("killed_behind", [0, 1, 3])
def test_a_fine_tuning_that_was_killed_goes_on_to_the_bit(photos, whole, tmp_path, killed_behind):
    weights, run = whole
    killed_run(photos, weights, tmp_path / "run", killed_behind)
    with pytest.raises(UsageError, match="a training that did not end lies here"):
        tuned_run(photos, weights, tmp_path / "run")
    with pytest.raises(UsageError, match=r"seed was 0|photos is another|head is another"):
        tuned_run(photos, weights, tmp_path / "run", resume=True, seed=1)
    said = []
    with listening(print, said.append):
        tuned_run(photos, weights, tmp_path / "run", resume=True)

    assert f"goes on behind epoch {killed_behind} of 4" in said
    assert_same(tmp_path / "run", run)


def as_version_0_1_left_it(place):
    """Its states counted epochs, and held the parameters of the best one themselves."""
    (best,) = (place / "best").glob("*.safetensors")
    kept = {f"best/{name}": array for name, array in safetensors.numpy.load_file(best).items()}
    found = saved_states.newest(place / "states", warn=print)
    journal = found.journal["training"]
    per_epoch = found.step // journal["rows"][-1]["epoch"]
    epochs = [
        {
            "number": row["epoch"],
            "loss": row["loss"],
            "validation_loss": row["validation_loss"],
            "top1": {view: row[f"top1_{view}"] for view in ("crop", "squash")},
            "learning_rate": row["learning_rate"],
            "seconds": 0.5,
        }
        for row in journal["rows"]
    ]
    described = {
        "begun": found.journal["begun"],
        "planned": 4,
        "best": journal["best"]["step"] // per_epoch,
        "epochs": epochs,
    }
    for path in [*(place / "states").iterdir(), *(place / "best").iterdir()]:
        path.unlink()
    saved_states.save(place / "states", len(epochs) - 1, found.arrays | kept, described)


@pytest.mark.parametrize("killed_behind", [1, 3])
def test_a_state_of_version_0_1_goes_on_to_the_bit(photos, whole, tmp_path, killed_behind):
    weights, run = whole
    killed_run(photos, weights, tmp_path / "run", killed_behind)
    as_version_0_1_left_it(tmp_path / "run.training")
    said = []

    with listening(print, said.append):
        tuned_run(photos, weights, tmp_path / "run", resume=True)

    assert f"goes on behind epoch {killed_behind} of 4" in said
    assert_same(tmp_path / "run", run)


def test_a_state_that_is_damaged_is_passed_over_with_a_warning_that_quiet_does_not_hide(
    photos, whole, tmp_path
):
    weights, _ = whole
    killed_run(photos, weights, tmp_path / "run", 2)
    newest = max((tmp_path / "run.training" / "states").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")

    said, warned = [], []
    with listening(warned.append, said.append):
        tuned_run(photos, weights, tmp_path / "run", resume=True)

    (line,) = warned
    assert newest.stem in line
    assert "the state before it is taken" in line
    assert "goes on behind epoch 1 of 4" in said


class Killed(BaseException):
    """Stands for a kill: nothing of ours runs after it."""
