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
from efficientnet_lite.training import pretrain, states
from efficientnet_lite.training.listed import Listed
from efficientnet_lite.training.pretrain import Journal, Pretraining, Stopped, first_state
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.state import from_arrays, to_arrays

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


class Disk:
    """A keeper that writes as the story does, and dies where it is told to."""

    def __init__(self, folder, *, dies_at=None, asks_at=None):
        self.folder, self.dies_at, self.asks_at = folder, dies_at, asks_at
        self.rows, self.warnings, self.archived = [], [], []

    def save(self, state, journal):
        states.save(self.folder, state.step, to_arrays(state), journal.to_json())

    def archive(self, state, score):
        self.archived.append((state.step, score.top1))

    def row(self, journal, seconds):
        self.rows = [dict(row) for row in journal.rows]

    def step(self, done):
        if self.asks_at == done:
            signal.raise_signal(signal.SIGTERM)
        if self.dies_at is not None and done >= self.dies_at:
            raise Killed

    def warn(self, line):
        self.warnings.append(line)


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """Steps are pure functions of plan and recipe, and take most of a short training to compile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("make_step", "make_evaluation"):
            of_recipe = functools.cache(functools.partial(getattr(pretrain, name), PLAN))
            patch.setattr(pretrain, name, lambda plan, recipe, made=of_recipe: made(recipe))
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = scenes.photograph(tmp_path_factory.mktemp("data") / "photos", count=12)
    dataset = open_dataset(folder)
    return Listed(dataset.rows, dataset.labels)


@pytest.fixture(scope="module")
def training(source):
    return Pretraining(PLAN, RECIPE, source, source, workers=2)


def go_on(training, folder, **what):
    """One process of a training: from the newest state, or from the start."""
    disk = Disk(folder, **what)
    found = states.newest(folder, warn=disk.warn)
    if found is None:
        state, journal = first_state(PLAN, training.recipe, None), Journal()
    else:
        state, journal = from_arrays(found.arrays), Journal.of_json(found.journal)
    state = training.run(state, journal, disk, lambda: 0.0)
    return to_arrays(state), journal


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
    other = Pretraining(PLAN, replace(RECIPE, seed=6), source, source, workers=2)

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
    newest = max(tmp_path.glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1] + b"!")

    assert bits(go_on(training, tmp_path)) == bits(whole)


def test_a_signal_saves_at_the_step_that_it_came_in(training, whole, tmp_path):
    with pytest.raises(Stopped):
        go_on(training, tmp_path, asks_at=8)

    assert states.newest(tmp_path, warn=print).step == 9
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert bits(go_on(training, tmp_path)) == bits(whole)


def test_a_loss_that_is_no_number_ends_it_and_is_not_saved(training, tmp_path):
    state = first_state(PLAN, RECIPE, None)
    state.parameters["head/dense/kernel"][:] = np.nan

    with pytest.raises(UsageError, match=r"no number any more at step 1, in epoch 1"):
        training.run(state, Journal(), Disk(tmp_path), lambda: 0.0)

    assert states.newest(tmp_path, warn=print) is None
