"""`train --fine-tune --quantization-aware`: the integers of the int8 file learn, and no file is worse for it."""

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra [train]: make test-all", exc_type=ImportError)
pytest.importorskip("keras", reason="the extra [train]: make test-all", exc_type=ImportError)

import scenes
import tensorflow as tf

from efficientnet_lite.cli.app import run
from efficientnet_lite.commands.train import train
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import UsageError, VerificationFailed
from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.notices import listening
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.quantize.integer_outputs import integer_outputs
from efficientnet_lite.quantize.learned.simulation import Simulation
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.run import simulated
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.training import loop, quantization_aware
from efficientnet_lite.training.bookkeeping import Bookkeeping
from efficientnet_lite.training.channel_copies import ChannelCopies
from efficientnet_lite.training.code_learner import CodeLearner, UnlabelledPhotos
from efficientnet_lite.training.code_tuning import CodeTuning
from efficientnet_lite.training.learner import Journal
from efficientnet_lite.training.oscillation import Oscillation
from efficientnet_lite.training.quantization_aware import near_codes
from efficientnet_lite.weights.read import load_weights

SIZE, CLASSES = 32, 3
QUICK = CodeTuning(epochs=3, steps=1, batch=8, warmup=1)
STRONG = replace(QUICK, code_rate=0.1, bias_rate=0.1)


class Killed(BaseException):
    """Stands for a kill: nothing of ours runs after it."""


class OfImages:
    """Where a learner reads images: the same in every epoch."""

    def __init__(self, images):
        self.images = images

    def batches(self, order, epoch, size):
        for at in range(0, len(order), size):
            yield self.images[order[at : at + size]].astype(np.float32)


@pytest.fixture(scope="module")
def plan():
    return make_plan(VARIANTS["lite0"], size=SIZE, classes=CLASSES)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("data") / "photos", count=8)


@pytest.fixture(scope="module")
def images(photos):
    paths = sorted(photos.rglob("*.*"))
    return np.stack(
        [prepare(path.read_bytes(), ["squash"], Contract(SIZE), where=path).images[0] for path in paths]
    )


@pytest.fixture(scope="module")
def layers(plan):
    parameters = dict(load_weights(VARIANTS["lite0"], "imagenet").parameters)
    kernel = np.random.default_rng(1).normal(0, 0.05, (1280, CLASSES)).astype(np.float32)
    return fold(
        plan, parameters | {f"{DENSE}/kernel": kernel, f"{DENSE}/bias": np.zeros(CLASSES, np.float32)}
    )


@pytest.fixture(scope="module")
def start(plan, layers, images):
    return quantize(plan, layers, list(images), workers=1)


def learner_of(plan, layers, start, images, recipe, seed=0):
    teacher = FileAnswers(write_float(plan, layers, outputs=("logits",)), workers=1)
    true = teacher(images)

    def judge(network):
        found = integer_outputs(plan, network, "logits", images, workers=1)
        return {"snr_db": snr_db(true, found), "agreement": float((found.argmax(1) == true.argmax(1)).mean())}

    simulation = Simulation(plan, start.network, near_codes(plan, start))
    taught = UnlabelledPhotos(OfImages(images), len(images), teacher)
    power = float(np.square(true - true.mean(axis=1, keepdims=True)).mean())
    return CodeLearner(simulation, recipe, taught, judge, power=power, seed=seed)


def test_the_start_is_the_closed_form_to_the_code(plan, layers, start, images):
    network = learner_of(plan, layers, start, images, QUICK).network()

    for name, layer in start.network.layers.items():
        assert np.array_equal(network.layers[name].kernel, layer.kernel)
        np.testing.assert_allclose(network.layers[name].bias, layer.bias, rtol=2e-7)  # of a float32
        assert np.array_equal(network.layers[name].scales, layer.scales)
    assert network.tensors == start.network.tensors


@pytest.fixture(scope="module")
def whole(plan, layers, start, images):
    """A learner at its end, its journal, and what it was behind its first epoch."""
    learner = learner_of(plan, layers, start, images, STRONG)
    kept = {}

    class Books(Bookkeeping):
        def save(self, learner, journal):
            kept[journal.rows[-1]["epoch"]] = learner.done, learner.to_arrays()

    journal = Journal()
    loop.train(learner, journal, Books(None, {}, say=print, warn=print, writes=False))
    return learner, journal, kept[1]


def test_codes_and_biases_learn_and_every_scale_stays_and_the_file_is_as_simulated(
    plan, start, images, whole
):
    learner, journal, _ = whole
    network = learner.network()

    assert network.tensors == start.network.tensors
    moved = [name for name, layer in network.layers.items()
             if not np.array_equal(layer.kernel, start.network.layers[name].kernel)]  # fmt: skip
    assert len(moved) > 40
    for name, layer in network.layers.items():
        assert np.array_equal(layer.scales, start.network.layers[name].scales)
    assert [row["epoch"] for row in journal.rows] == [0, 1, 2, 3]
    written = integer_outputs(plan, network, "logits", images, workers=1)
    computed = Simulation(plan, network).logits(images).numpy()
    assert np.array_equal(written, computed)


def test_a_tuning_that_goes_on_from_its_arrays_is_the_same_to_the_bit(plan, layers, start, images, whole):
    learner, journal, (done, kept) = whole
    rest = learner_of(plan, layers, start, images, STRONG)

    rest.restore(kept, done, journal.rows[0])
    for batch in rest.batches():
        rest.step(batch)

    found, wanted = rest.to_arrays(), learner.to_arrays()
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    with pytest.raises(ValueError, match="not those of this network"):
        rest.restore({"learning/stem/conv/codes": kept["learning/stem/conv/codes"]}, done, journal.rows[0])


def test_another_seed_shows_the_photos_in_another_order(plan, layers, start, images):
    first, again, other = (
        list(learner_of(plan, layers, start, images, QUICK, seed).batches()) for seed in (0, 0, 1)
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(first) == 9  # three epochs of 24 photos, eight in a batch


@pytest.mark.parametrize(
    ("snr_db", "agreement", "is_better"),
    [(21.0, 0.9, True), (21.0, 0.8, False), (20.0, 0.9, False), (19.0, 1.0, False), (20.0, 1.0, False)],
)
def test_what_changes_more_answers_or_has_no_better_snr_is_no_better(snr_db, agreement, is_better):
    learner = CodeLearner.__new__(CodeLearner)  # a network has no part in it
    learner._start = {"snr_db": 20.0, "agreement": 0.9}

    ranks = [learner.rank(each) for each in ({"snr_db": snr_db, "agreement": agreement}, learner._start)]

    assert (ranks[0] > ranks[1]) == is_better


def test_a_code_that_jumps_to_and_fro_is_frozen_and_one_that_walks_is_not():
    codes = tf.Variable([[0.4, 0.4, 0.4]])
    held = Oscillation(codes)
    for step in range(40):
        back = 0.6 if step % 2 == 0 else 0.4  # over the edge and back
        codes.assign(held.held(codes, tf.constant([[back, 0.4 + 0.1 * step, 0.41]]), 0.2))

    assert held.frozen.numpy().tolist() == [[1.0, 0.0, 0.0]]
    before = float(codes[0, 0])
    codes.assign(held.held(codes, tf.constant([[7.0, 4.4, 0.41]]), 0.2))
    assert float(codes[0, 0]) == before
    assert float(codes[0, 1]) == pytest.approx(4.4)


def test_copies_of_a_channel_learn_as_one_and_the_others_alone():
    codes = np.array([[1, 2, 1, 3], [5, 6, 5, 7]], np.float32).reshape(1, 1, 2, 4)
    copies = ChannelCopies(codes, 4)

    assert copies.tied(tf.constant([1.0, 2.0, 3.0, 4.0])).numpy().tolist() == [2, 2, 2, 4]
    kernel = copies.tied(tf.constant(np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)))
    assert kernel.numpy().reshape(2, 4).tolist() == [[1, 1, 1, 3], [5, 5, 5, 7]]
    depthwise = ChannelCopies(np.ones((3, 3, 4, 1), np.float32), 4)
    assert depthwise.tied(tf.ones((3, 3, 4, 1))).shape == (3, 3, 4, 1)


def tuned_run(photos, weights, out, said=None, **more):
    with listening(print, print if said is None else said.append):
        return train(photos, out, model=scenes.MODEL, weights=weights, calibration=8, min_agreement=0.0,
                     max_drop=1.0, workers=1, fine_tune=True, fine_tune_blocks=0, epochs=1, draws=0,
                     quantization_aware=True, **more)  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    """A short tuning, whose last epoch is kept: the network that learned is what leaves."""
    monkeypatch.setattr(quantization_aware, "CodeTuning", lambda: replace(QUICK, code_rate=0.05))
    monkeypatch.setattr(CodeLearner, "rank", lambda self, scores: ("step" not in scores,))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return scenes.write_random_weights(tmp_path_factory.mktemp("weights") / "w.safetensors")


def test_a_run_has_the_file_that_learned_and_says_how_far_it_is_from_its_simulation_also_when_killed(
    photos, weights, cache, quick, tmp_path
):
    said: list[str] = []
    trained = tuned_run(photos, weights, tmp_path / "run", said)

    assert verify(trained.run).passed
    aware = json.loads((trained.run / "card.json").read_text())["int8"]["quantization_aware"]
    assert (aware["chosen_epoch"], aware["epochs_run"]) == (3, 3)
    assert [row["epoch"] for row in aware["log"]] == [0, 1, 2, 3]
    assert aware["simulated"]["agreement"] >= 0.995
    assert aware["simulated"]["count"] == 2 * trained.proof.comparisons[0].count
    assert tomllib.loads((trained.run / "config.toml").read_text())["quantization_aware"] is True
    lines = [line for line in said if line.startswith("int8")]
    assert lines[0].startswith("int8 before it learns: logit SNR ")
    assert lines[3].startswith("int8, epoch 3 of 3: loss ")
    assert not (tmp_path / "run.training").exists()

    with pytest.MonkeyPatch.context() as patch:
        save = Bookkeeping.save

        def save_and_die(self, learner, journal):
            save(self, learner, journal)
            if isinstance(learner, CodeLearner) and journal.rows[-1]["epoch"] == 2:
                raise Killed

        patch.setattr(Bookkeeping, "save", save_and_die)
        with pytest.raises(Killed):
            tuned_run(photos, weights, tmp_path / "again")
    with pytest.raises(UsageError, match="a training that did not end lies here"):
        tuned_run(photos, weights, tmp_path / "again")
    said = []
    tuned_run(photos, weights, tmp_path / "again", said, resume=True)

    assert "int8 goes on behind epoch 2 of 3" in said
    for name in ("int8", "float32"):
        files = [tmp_path / run / "exports" / f"{run}_{name}.tflite" for run in ("run", "again")]
        assert files[0].read_bytes() == files[1].read_bytes(), name
    assert not (tmp_path / "again.training").exists()
    assert run(["train", "--config", str(trained.run / "config.toml"), "--out", str(tmp_path / "third")]) == 0
    card = json.loads((tmp_path / "third" / "card.json").read_text())
    assert card["int8"]["quantization_aware"] == aware


def test_where_it_brings_nothing_the_closed_form_stays_and_a_note_says_so_with_both_figures(
    photos, weights, cache, monkeypatch, tmp_path
):
    ruinous = replace(QUICK, epochs=1, code_rate=20.0, bias_rate=20.0, ema=0)
    monkeypatch.setattr(quantization_aware, "CodeTuning", lambda: ruinous)
    trained = tuned_run(photos, weights, tmp_path / "ruined")
    with listening(print, print):
        plain = train(photos, tmp_path / "plain", model=scenes.MODEL, weights=weights, calibration=8,
                      min_agreement=0.0, max_drop=1.0, workers=1, fine_tune=True, fine_tune_blocks=0, epochs=1,
                      draws=0)  # fmt: skip

    (note,) = [each for each in trained.notes if each.startswith("quantization-aware")]
    assert note.count("logit SNR") == note.count("same class") == 2
    aware = trained.card["int8"]["quantization_aware"]
    assert (aware["chosen_epoch"], aware["simulated"]) == (0, None)
    assert aware["before"] == aware["after"]
    files = [each.run / "exports" / f"{each.run.name}_int8.tflite" for each in (trained, plain)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert plain.card["int8"]["quantization_aware"] is None


def test_a_file_that_answers_otherwise_than_its_simulation_is_not_published():
    class File:
        where = "run"

    simulated._require(995, 1000, File())
    with pytest.raises(VerificationFailed, match=r"994 of 1000 images \(99.4 %\), and 99.5 % is wanted"):
        simulated._require(994, 1000, File())
