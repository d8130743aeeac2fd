"""Torch's weight files: what a sound one holds is read, through every stride and in both forms."""

import numpy as np
import pytest
from checkpoint_files import View, legacy_pth, numbers, pth_bytes, views, zip_pth
from hypothesis import given, settings
from hypothesis import strategies as st
from pth_tensors import read_pth

from efficientnet_lite.errors import CheckpointError, WeightsMissing
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.weights import published as weights

FORMS = ("legacy", "zip")


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def tensors():
    random = np.random.default_rng(0)
    return {
        "layer.weight": random.standard_normal((4, 3, 2, 2), np.float32),
        "layer.turned": random.standard_normal((2, 2, 3, 4), np.float32).transpose(3, 2, 0, 1),
        "layer.half": random.standard_normal(5).astype(np.float16),
        "layer.num_batches_tracked": np.array(7, np.int64),
    }


def test_every_tensor_comes_back_equal(form):
    expected = tensors()

    found = read_pth(pth_bytes(expected, form=form), where="x.pth")

    assert list(found) == list(expected)
    for name, tensor in found.items():
        assert tensor.shape == expected[name].shape
        np.testing.assert_array_equal(tensor.load(), expected[name])


def test_bfloat16_is_the_upper_half_of_a_float32(form):
    wide = np.array([1.0, -2.5, 3.0e38, 0.0], np.float32)
    codes = (wide.view(np.uint32) >> 16).astype(np.uint16)

    found = read_pth(pth_bytes({"w": codes}, form=form), where="x.pth")["w"]

    assert found.dtype.name == "bfloat16"
    np.testing.assert_allclose(found.load(), wide, rtol=2**-7)


@settings(deadline=None)
@given(shape=st.lists(st.integers(1, 4), max_size=5).map(tuple), order=st.randoms(), offset=st.integers(0, 3))
def test_any_order_of_axes_and_any_offset_is_honored(shape, order, offset):
    axes = list(range(len(shape)))
    order.shuffle(axes)
    array = np.random.default_rng(0).standard_normal([shape[axis] for axis in axes], np.float32)
    array = array.transpose(np.argsort(axes))
    view = View("0", offset + array.size, array.shape, tuple(step // 4 for step in array.strides), offset)
    data = legacy_pth({"w": view}, {"0": bytes(4 * offset) + numbers(array)}, {"0": view.count})

    np.testing.assert_array_equal(read_pth(data, where="x.pth")["w"].load(), array)


def test_two_tensors_may_share_a_storage(form):
    numbers_ = np.arange(6, dtype=np.float32)
    root = {"a": View("0", 6, (2, 2), (2, 1)), "b": View("0", 6, (2,), (1,), 4)}
    write = zip_pth if form == "zip" else lambda root, raw: legacy_pth(root, raw, {"0": 6})

    found = read_pth(write(root, {"0": numbers_.tobytes()}), where="x.pth")

    np.testing.assert_array_equal(found["a"].load(), [[0, 1], [2, 3]])
    np.testing.assert_array_equal(found["b"].load(), [4, 5])


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "state_dict_ema"])
def test_a_state_dict_is_found_within_its_wrapper(form, wrapper):
    found = read_pth(pth_bytes(tensors(), form=form, wrapper=wrapper), where="x.pth")

    assert list(found) == list(tensors())


def test_averaged_weights_are_preferred_unless_told_otherwise():
    raw, averaged = np.zeros(2, np.float32), np.ones(2, np.float32)
    root = {"state_dict": {"w": View("0", 2, (2,), (1,))}, "state_dict_ema": {"w": View("1", 2, (2,), (1,))}}
    data = legacy_pth(root, {"0": raw.tobytes(), "1": averaged.tobytes()}, {"0": 2, "1": 2})

    assert read_pth(data, where="x.pth")["w"].load()[0] == 1
    assert read_pth(data, where="x.pth", ema=False)["w"].load()[0] == 0


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ({"epoch": 3, "lr": 0.1}, "no tensors: epoch, lr"),
        ([], "the file holds list"),
        ({}, "the file holds dict"),
        ({3: 4}, "no tensors: 3"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(root, message):
    with pytest.raises(CheckpointError, match=message):
        read_pth(legacy_pth(root, {}, {}), where="x.pth")


def test_a_file_of_a_big_endian_machine_is_refused():
    with pytest.raises(CheckpointError, match="big-endian"):
        read_pth(zip_pth({}, {}, byteorder=b"big"), where="x.pth")


# Counts: read from the official files with pickletools; the variances of 0 are dead channels.
@pytest.mark.parametrize(
    ("name", "count", "floats", "channels", "dead"),
    [
        ("lite0", 296, 4_694_024, 21_008, 130),
        ("lite1", 386, 5_470_344, 26_832, 202),
        ("lite2", 386, 6_150_168, 29_048, 242),
    ],
)
def test_the_official_files_hold_what_was_counted(name, count, floats, channels, dead):
    try:
        path = weights.locate(VARIANTS[name])[0]
    except WeightsMissing as error:
        pytest.skip(f"the official weights are not installed: {error.fix}")

    found = read_pth(path.read_bytes(), where=path)

    variances = [tensor.load() for name, tensor in found.items() if name.endswith("running_var")]
    assert len(found) == count
    assert sum(tensor.load().size for tensor in found.values() if tensor.dtype.real) == floats
    assert sum(values.size for values in variances) == channels
    assert sum(int((values == 0).sum()) for values in variances) == dead


def test_the_writer_of_these_tests_describes_the_strides_it_writes():
    view = views(tensors())["layer.turned"]

    assert view.shape == (4, 3, 2, 2)
    assert view.stride == (1, 4, 24, 12)
