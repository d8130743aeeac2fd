"""Training by the recipe: what a training is does not depend on whether, and where, it was interrupted."""

import functools
import signal
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the extra [train]: make test-all", exc_type=ImportError)
pytest.importorskip("grain", reason="the extra [train]: make test-all", exc_type=ImportError)

import scenes

from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.training import loop, pretraining, saved_states
from efficientnet_lite.training.bookkeeping import Bookkeeping
from efficientnet_lite.training.examples import PhotoFiles
from efficientnet_lite.training.learner import Journal
from efficientnet_lite.training.loop import Stopped
from efficientnet_lite.training.pretraining import Pretraining, first_state
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.train_state import from_arrays

RECIPE = Recipe(
    train_images=36,
    batch=8,
    eval_batch=8,
    steps=11,
    eval_every=4,
    save_every=3,
    warmup_epochs=0.5,
    base_rate=0.05,
    augment="randaugment",
    mixup=0.2,
    seed=5,
)
PLAN = make_plan(VARIANTS["lite0"], size=32, classes=3)
STEPS = RECIPE.total_steps


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of ours runs after it."""


def books_in(folder, *, dies_at=None, asks_at=None):
    """Books that die where they are told to."""

    def on_step(done):
        if asks_at == done:
            signal.raise_signal(signal.SIGTERM)
        if dies_at is not None and done >= dies_at:
            raise Killed

    return Bookkeeping(folder, {}, say=print, warn=print, on_step=on_step)


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """Steps are pure functions of plan and recipe, and take most of a short training to compile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("make_step", "make_evaluation"):
            of_recipe = functools.cache(functools.partial(getattr(pretraining, name), PLAN))
            patch.setattr(pretraining, name, lambda plan, recipe, made=of_recipe: made(recipe))
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = scenes.photograph(tmp_path_factory.mktemp("data") / "photos", count=12)
    dataset = open_dataset(folder)
    return PhotoFiles(dataset.rows, dataset.labels)


@pytest.fixture(scope="module")
def training(source):
    return functools.partial(Pretraining, PLAN, RECIPE, source, source, workers=2)


def go_on(training, folder, **what):
    """One process of a training: from the newest state, or from the start."""
    books = books_in(folder, **what)
    found = books.newest()
    if found is None:
        state, journal = first_state(PLAN, training.args[1], None), Journal()
    else:
        state, journal = from_arrays(found.arrays), Journal.of_json(found.journal["training"])
    learner = training(state=state)
    loop.train(learner, journal, books, lambda: 0.0)
    return learner.to_arrays(), journal


def bits(outcome):
    arrays, journal = outcome
    return {name: array.tobytes() for name, array in arrays.items()}, journal.to_json()


@pytest.fixture(scope="module")
def whole(training, tmp_path_factory):
    return go_on(training, tmp_path_factory.mktemp("whole"))


def test_a_training_learns_and_says_so_epoch_by_epoch(whole):
    arrays, journal = whole

    assert arrays["step"] == STEPS
    assert [(row["epoch"], row["step"]) for row in journal.rows] == [(1, 4), (2, 8), (3, 11)]
    assert all(0 <= row["top1"] <= row["top5"] <= 1 for row in journal.rows)
    assert journal.best["top1"] == max(row["top1"] for row in journal.rows)
    kernel = "stem/conv/kernel"
    assert not np.array_equal(arrays[f"parameters/{kernel}"], arrays[f"averages/{kernel}"])


def test_the_same_training_twice_is_the_same_to_the_bit(training, whole, tmp_path):
    assert bits(go_on(training, tmp_path)) == bits(whole)


def test_another_seed_is_another_training(source, whole, tmp_path):
    other = functools.partial(Pretraining, PLAN, replace(RECIPE, seed=6), source, source, workers=2)

    assert bits(go_on(other, tmp_path)) != bits(whole)


@pytest.mark.parametrize("killed_at", [(1,), (5, 9), (4, 8, 10), (2, 6, 7, 11)])
def test_a_training_that_was_killed_ends_as_one_that_was_not(training, whole, tmp_path, killed_at):
    for step in killed_at:
        with pytest.raises(Killed):
            go_on(training, tmp_path, dies_at=step)

    assert bits(go_on(training, tmp_path)) == bits(whole)


def test_a_damaged_newest_state_costs_steps_and_nothing_else(training, whole, tmp_path):
    with pytest.raises(Killed):
        go_on(training, tmp_path, dies_at=8)
    newest = max((tmp_path / "states").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1] + b"!")

    assert bits(go_on(training, tmp_path)) == bits(whole)


def test_a_signal_saves_at_the_step_that_it_came_in(training, whole, tmp_path):
    with pytest.raises(Stopped):
        go_on(training, tmp_path, asks_at=8)

    assert saved_states.newest(tmp_path / "states", warn=print).step == 9
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert bits(go_on(training, tmp_path)) == bits(whole)


def test_a_loss_that_is_no_number_ends_it_and_is_not_saved(training, tmp_path):
    state = first_state(PLAN, RECIPE, None)
    state.parameters["head/dense/kernel"][:] = np.nan

    with pytest.raises(UsageError, match=r"no number any more at step 1, in epoch 1"):
        loop.train(training(state=state), Journal(), books_in(tmp_path))

    assert saved_states.newest(tmp_path / "states", warn=print) is None
