"""TF1 checkpoints that we write: TensorFlow's own bytes, our reader's numbers, the reference's names."""

import numpy as np
import pytest
from checkpoint_files import random_parameters
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.training.train_state import start_state
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.tf1_read import read_index, read_tensors
from efficientnet_lite.weights.tf1_write import (
    BLOCK_BYTES,
    PREFIX,
    bundle_bytes,
    checkpoint_entries,
    write_checkpoint,
)

LITE0 = VARIANTS["lite0"]
DTYPES = [np.float16, np.float32, np.float64, np.int32, np.int64]
# Names that share beginnings, as variables do, and letters that take several bytes.
NAMES = st.lists(st.sampled_from(["stem", "block", "conv2d", "é", "層", "_1"]), min_size=1, max_size=6).map(
    "/".join
)
TENSORS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-all", exc_type=ImportError)


def read(index, data):
    return {
        name: stored.load()
        for name, stored in read_tensors(read_index(index, where="x"), [data], where="x").items()
    }


def same(found, wanted):
    """Equal names, dtypes, shapes and bits."""
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name
    return True


def state(classes=10):
    """A training state whose groups all differ from each other."""
    begun = start_state(random_parameters(LITE0, classes))
    for seed, group in enumerate((begun.accumulators, begun.momentum, begun.averages)):
        random = np.random.default_rng(seed + 100)
        for name, array in group.items():
            group[name] = np.abs(random.standard_normal(array.shape, np.float32))
    return begun


def entries_of(begun, step=218_949, classes=10):
    return checkpoint_entries(
        make_plan(LITE0, classes=classes),
        begun.weights,
        averages=begun.averages,
        accumulators=begun.accumulators,
        momentum=begun.momentum,
        step=step,
    )


# The bytes


def test_the_official_checkpoint_written_again_has_the_bytes_of_tensorflow(shared):
    folder = shared / "reference/efficientnet-lite0"
    index, data = ((folder / f"{PREFIX}.{part}").read_bytes() for part in ("index", "data-00000-of-00001"))
    tensors = read(index, data)

    assert len(tensors) == 2 * 247 + 1
    assert bundle_bytes(dict(reversed(tensors.items()))) == (index, data)


def test_the_official_checkpoint_read_and_written_gives_the_same_weights_raw_and_averaged(shared, tmp_path):
    folder = shared / "reference/efficientnet-lite0"
    raw, averages = (read_checkpoint(folder, ema=ema).parameters for ema in (False, True))

    write_checkpoint(tmp_path, checkpoint_entries(make_plan(LITE0), raw, averages=averages, step=7))

    assert any((raw[name] != averages[name]).any() for name in raw)
    assert same(read_checkpoint(tmp_path, ema=False).parameters, raw)
    assert same(read_checkpoint(tmp_path, ema=True).parameters, averages)
    assert (tmp_path / "checkpoint").read_bytes() == (folder / "checkpoint").read_bytes()


@given(st.dictionaries(NAMES, TENSORS, max_size=60), st.sampled_from([1, 60, 200, 1000, BLOCK_BYTES]))
def test_any_tensors_come_back_equal_from_blocks_of_any_size(tensors, block_bytes):
    assert same(read(*bundle_bytes(tensors, block_bytes=block_bytes)), tensors)


def test_more_than_a_block_becomes_several():
    tensors = {f"efficientnet/a_long_name_of_variable_{number}": np.float32(number) for number in range(300)}

    one, several = (bundle_bytes(tensors, block_bytes=size)[0] for size in (BLOCK_BYTES, 1000))

    assert len(several) > len(one)
    assert same(read(several, bundle_bytes(tensors)[1]), tensors)


def test_the_order_of_bytes_and_of_axes_in_memory_is_of_no_account():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert bundle_bytes({"a": array.astype(">f4")}) == bundle_bytes({"a": array})
    assert bundle_bytes({"a": np.asfortranarray(array)}) == bundle_bytes({"a": array})


@pytest.mark.parametrize("name", ["", "text"])
def test_what_no_checkpoint_holds_is_refused(name):
    with pytest.raises(ValueError, match="no dtype or name of a checkpoint"):
        bundle_bytes({name: np.array("text") if name else np.float32(1)})


# The variables


@pytest.mark.parametrize(
    ("variant", "variables", "trainable"),
    [("lite0", 247, 149), ("lite1", 322, 194), ("lite2", 322, 194), ("lite3", 367, 221), ("lite4", 457, 275)],
)
def test_every_variable_has_a_shadow_and_every_trained_one_two_slots(variant, variables, trainable):
    plan = make_plan(VARIANTS[variant], classes=10)
    weights = {name: np.broadcast_to(np.float32(0), shape) for name, shape in plan.parameter_shapes().items()}
    trained = {name: array for name, array in weights.items() if "/moving_" not in name}

    names = list(checkpoint_entries(plan, weights, accumulators=trained, momentum=trained))

    def ending(end):
        return {name.removesuffix(end) for name in names if name.endswith(end)}

    slots = ending("/RMSProp")
    raw = {
        name for name in names if not name.endswith(("/ExponentialMovingAverage", "/RMSProp", "/RMSProp_1"))
    }
    assert raw == ending("/ExponentialMovingAverage") | {"global_step"}
    assert (len(raw) - 1, len(slots)) == (variables, trainable)
    assert slots == ending("/RMSProp_1")
    assert {name for name in raw if "/moving_" in name} == raw - slots - {"global_step"}
    assert all(name.startswith(f"efficientnet-{variant}/") for name in slots)


def test_the_names_and_shapes_are_those_of_the_official_checkpoint(shared):
    index = (shared / "reference/efficientnet-lite0" / f"{PREFIX}.index").read_bytes()
    official = {name: entry.shape for name, entry in read_index(index, where="x").entries.items()}
    plan = make_plan(LITE0)
    weights = {name: np.zeros(shape, np.float32) for name, shape in plan.parameter_shapes().items()}

    ours = checkpoint_entries(plan, weights)

    assert {name: array.shape for name, array in ours.items()} == official
    assert ours["global_step"].dtype == np.int64


@pytest.mark.parametrize("classes", [10, 1001, None])
def test_any_number_of_classes_is_written_and_read(classes, tmp_path):
    parameters = random_parameters(LITE0, classes)

    write_checkpoint(tmp_path, checkpoint_entries(make_plan(LITE0, classes=classes), parameters))

    found = read_checkpoint(tmp_path)
    assert found.classes == classes
    assert same(found.parameters, parameters)


def test_a_training_state_is_written_whole(tmp_path):
    begun = state()

    write_checkpoint(tmp_path, entries_of(begun))

    assert same(read_checkpoint(tmp_path, ema=False).parameters, begun.weights)
    assert same(read_checkpoint(tmp_path, ema=True).parameters, begun.averages)
    parts = [(tmp_path / f"{PREFIX}.{part}").read_bytes() for part in ("index", "data-00000-of-00001")]
    stored, stem = read(*parts), "efficientnet-lite0/stem/conv2d/kernel"
    assert stored["global_step"] == 218_949
    assert (stored[f"{stem}/RMSProp"] == begun.accumulators["stem/conv/kernel"]).all()
    assert (stored[f"{stem}/RMSProp_1"] == begun.momentum["stem/conv/kernel"]).all()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda begun: begun.parameters.pop("stem/conv/kernel"), "of weights stem/conv/kernel missing"),
        (lambda begun: begun.averages.pop("stem/conv/beta"), "of averages stem/conv/beta missing"),
        (lambda begun: begun.averages.clear(), "of averages .* missing"),
        (lambda begun: begun.momentum.pop("stem/conv/beta"), "of momentum stem/conv/beta missing"),
        (
            lambda begun: begun.accumulators.update({"stem/conv/moving_mean": np.zeros(32, np.float32)}),
            "of accumulators stem/conv/moving_mean left over",
        ),
        (
            lambda begun: begun.momentum.update({"stem/conv/beta": np.zeros(31, np.float32)}),
            r"of momentum stem/conv/beta is float32 \(31,\), expected float32 \(32,\)",
        ),
        (
            lambda begun: begun.parameters.update({"stem/conv/beta": np.zeros(32)}),
            "of weights stem/conv/beta is float64",
        ),
    ],
)
def test_a_group_that_does_not_fit_the_plan_is_refused_by_name(spoil, says):
    begun = state()
    spoil(begun)

    with pytest.raises(ValueError, match=says):
        entries_of(begun)


# TensorFlow


def test_tensorflow_reads_every_tensor_equal_to_the_bit(tf, tmp_path):
    entries = entries_of(state())

    write_checkpoint(tmp_path, entries)

    reader = tf.train.load_checkpoint(
        str(tmp_path)
    )  # by the note `checkpoint`, as the reference's programs do
    assert same(
        {name: np.asarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}, entries
    )


def test_a_saver_restores_into_variables_of_those_names(tf, tmp_path):
    entries = entries_of(state())
    write_checkpoint(tmp_path, entries)
    v1 = tf.compat.v1

    with tf.Graph().as_default(), v1.Session() as session:
        variables = {
            name: v1.get_variable(name, shape=array.shape, dtype=array.dtype)
            for name, array in entries.items()
        }
        v1.train.Saver().restore(session, v1.train.latest_checkpoint(str(tmp_path)))

        assert same({name: np.asarray(value) for name, value in session.run(variables).items()}, entries)


def test_the_bytes_are_those_that_tensorflow_writes(tf, tmp_path):
    random = np.random.default_rng(0)
    shapes = [(), (0, 4), (3,), (2, 1, 3), (1, 1, 1, 200)]
    tensors = {
        f"net/{number % 7}/{dtype.__name__}/{number}": (10 * random.standard_normal(shape)).astype(dtype)
        for dtype in DTYPES
        for number, shape in enumerate(shapes * 5)
    }
    names = sorted(tensors)

    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / PREFIX),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tensors[name] for name in names],
    )

    written = tuple((tmp_path / f"{PREFIX}.{part}").read_bytes() for part in ("index", "data-00000-of-00001"))
    assert bundle_bytes(tensors) == written


def test_tensorflow_reads_an_index_of_several_blocks(tf, tmp_path):
    tensors = {f"variable/{number:05}/{'x' * 40}": np.float32(number) for number in range(9000)}

    write_checkpoint(tmp_path, tensors)

    assert (tmp_path / f"{PREFIX}.index").stat().st_size > BLOCK_BYTES
    reader = tf.train.load_checkpoint(str(tmp_path / PREFIX))
    assert len(reader.get_variable_to_shape_map()) == 9000
    assert all(reader.get_tensor(name) == tensors[name] for name in list(tensors)[::97])
