"""The run in numpy against loops that nobody would write for speed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Add, Conv, Dense, Pool, Softmax


def convolved_slowly(x, kernel, stride, depthwise):
    """One output at a time; pixels beyond the border are 0."""
    count, height, width, channels = x.shape
    k = kernel.shape[0]
    rows, columns = -(-height // stride), -(-width // stride)
    above = max((rows - 1) * stride + k - height, 0) // 2
    left = max((columns - 1) * stride + k - width, 0) // 2
    outputs = channels if depthwise else kernel.shape[3]
    y = np.zeros((count, rows, columns, outputs))
    for n, row, column, i, j in np.ndindex(count, rows, columns, k, k):
        top, side = row * stride + i - above, column * stride + j - left
        if 0 <= top < height and 0 <= side < width:
            pixel = x[n, top, side].astype(float)
            y[n, row, column] += pixel * kernel[i, j, :, 0] if depthwise else pixel @ kernel[i, j]
    return y


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    k=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    depthwise=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_convolutions_are_what_loops_give(height, width, k, stride, depthwise, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(2, height, width, 3)).astype(np.float32)
    kernel = random.normal(size=(k, k, 3, 1 if depthwise else 4)).astype(np.float32)

    found = numpy_run.convolve(x, kernel, stride, depthwise=depthwise)

    assert found.dtype == np.float32
    assert np.allclose(found, convolved_slowly(x, kernel, stride, depthwise), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"),
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (112, 5, 2, (1, 2)),
        (7, 5, 1, (2, 2)),
        (1, 5, 2, (2, 2)),
        (4, 1, 2, (0, 0)),
    ],
)
def test_the_odd_pixel_of_padding_comes_after(side, kernel, stride, padding):
    assert numpy_run.same_padding(side, kernel, stride) == padding


def test_a_plan_by_hand():
    steps = [
        Conv("a", "normalized", False, 1, 1, 1, 1, relu6=True),
        Conv("b", "a", False, 1, 1, 1, 1, relu6=False),
        Add("sum", "b", "a"),
        Pool("features", "sum"),
        Dense("head/dense", "features", 1, 2),
        Softmax("probabilities", "head/dense"),
    ]
    one = np.ones((1, 1, 1, 1), np.float32)
    layers = {
        "a": Layer(4 * one, np.float32([1])),
        "b": Layer(-2 * one, np.float32([0.5])),
        "head/dense": Layer(np.float32([[1, 0]]), np.float32([0, 0])),
    }

    found = numpy_run.run(steps, layers, np.float32([-1, 0, 1, 2]).reshape(1, 2, 2, 1))

    assert found["a"].ravel().tolist() == [0, 1, 5, 6]  # clipped at both ends
    assert found["b"].ravel().tolist() == [0.5, -1.5, -9.5, -11.5]  # and not clipped
    assert found["sum"].ravel().tolist() == [0.5, -0.5, -4.5, -5.5]
    assert found["features"].tolist() == [[[[-2.5]]]]
    assert found["head/dense"].tolist() == [[-2.5, 0]]
    assert np.allclose(found["probabilities"], [[1 / (1 + np.exp(2.5)), 1 / (1 + np.exp(-2.5))]])
