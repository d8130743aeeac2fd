"""The shapes that operators make: as LiteRT itself computes them."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.strangers.shapes import fits, spans_of
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.container import Graph

small = st.integers(1, 4)
side = st.integers(1, 9)


def model(kind, shape, output, options=None, *constants):
    """One operator of a float tensor and of constants, recorded as making `output`."""
    graph = Graph()
    image = graph.tensor("image", shape, "float32")
    others = [
        graph.tensor(f"constant{i}", value.shape, value.dtype.name, data=value)
        for i, value in enumerate(constants)
    ]
    result = graph.tensor("result", output, "float32")
    graph.operator(kind, [image, *others], [result], options)
    return graph.finish(inputs={"image": image}, outputs={"result": result}, description="")


def litert_agrees(kind, shape, output, options=None, *constants):
    """Whether `output` passes the check; LiteRT must make the same of it, and of no other that passes."""
    data = model(kind, shape, output, options, *constants)
    try:
        check_model(data)
    except ArtifactError:
        return False
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.invoke()
    return tuple(interpreter.get_output_details()[0]["shape"]) == tuple(output)


@settings(max_examples=40, deadline=None)
@given(
    side,
    side,
    small,
    small,
    small,
    small,
    st.sampled_from([1, 2]),
    st.sampled_from(["SAME", "VALID"]),
    st.data(),
)
def test_a_convolution_makes_what_litert_makes(
    height, width, reach_h, reach_w, stride_h, stride_w, dilation, padding, data
):
    stride_h, stride_w = (stride_h, stride_w) if dilation == 1 else (1, 1)
    covered = [1, 1] if padding == "SAME" else [(reach - 1) * dilation + 1 for reach in (reach_h, reach_w)]
    made = [(height - covered[0]) // stride_h + 1, (width - covered[1]) // stride_w + 1]
    assume(min(made) >= 1)
    options = {
        "padding": getattr(schema.Padding, padding),
        "strideH": stride_h,
        "strideW": stride_w,
        "dilationHFactor": dilation,
        "dilationWFactor": dilation,
    }
    kernel, bias = np.ones((4, reach_h, reach_w, 2), np.float32), np.zeros(4, np.float32)
    wide, wide_bias = np.ones((1, reach_h, reach_w, 2), np.float32), np.zeros(2, np.float32)

    convolution = schema.Conv2DOptionsT(**options)
    depthwise = schema.DepthwiseConv2DOptionsT(**options, depthMultiplier=1)

    assert litert_agrees("CONV_2D", (1, height, width, 2), (1, *made, 4), convolution, kernel, bias)
    assert litert_agrees(
        "DEPTHWISE_CONV_2D", (1, height, width, 2), (1, *made, 2), depthwise, wide, wide_bias
    )
    other = data.draw(st.sampled_from([(made[0] + 1, made[1]), (made[0], made[1] + 1)]))
    assert not litert_agrees("CONV_2D", (1, height, width, 2), (1, *other, 4), convolution, kernel, bias)


@settings(max_examples=30, deadline=None)
@given(
    side, side, small, small, small, st.sampled_from(["SAME", "VALID"]), st.sampled_from(["AVERAGE", "MAX"])
)
def test_a_pool_makes_what_litert_makes(height, width, reach, stride_h, stride_w, padding, kind):
    covered = 1 if padding == "SAME" else reach
    made = (height - covered) // stride_h + 1, (width - covered) // stride_w + 1
    assume(min(made) >= 1)
    options = schema.Pool2DOptionsT(
        padding=getattr(schema.Padding, padding),
        strideH=stride_h,
        strideW=stride_w,
        filterHeight=reach,
        filterWidth=reach,
    )

    assert litert_agrees(f"{kind}_POOL_2D", (1, height, width, 3), (1, *made, 3), options)


PADDING = np.array([[0, 0], [1, 2], [0, 3], [0, 0]], np.int32)


@pytest.mark.parametrize(
    ("kind", "shape", "output", "options", "constants"),
    [
        ("RELU6", (1, 4, 4, 2), (1, 4, 4, 2), None, []),
        ("SOFTMAX", (1, 5), (1, 5), schema.SoftmaxOptionsT(beta=1.0), []),
        ("ADD", (1, 4, 4, 2), (1, 4, 4, 2), schema.AddOptionsT(), [np.ones((), np.float32)]),
        ("MUL", (1, 4, 1, 2), (1, 4, 3, 2), schema.MulOptionsT(), [np.ones((1, 1, 3, 2), np.float32)]),
        ("PAD", (1, 4, 4, 2), (1, 7, 7, 2), schema.PadOptionsT(), [PADDING]),
        (
            "RESIZE_BILINEAR",
            (1, 4, 4, 2),
            (1, 5, 9, 2),
            schema.ResizeBilinearOptionsT(),
            [np.array([5, 9], np.int32)],
        ),
        ("MEAN", (1, 4, 4, 2), (1, 2), schema.ReducerOptionsT(), [np.array([2, -3], np.int32)]),
        (
            "MEAN",
            (1, 4, 4, 2),
            (1, 1, 1, 2),
            schema.ReducerOptionsT(keepDims=True),
            [np.array([1, 2], np.int32)],
        ),
        (
            "RESHAPE",
            (1, 4, 4, 2),
            (2, 16),
            schema.ReshapeOptionsT(newShape=[2, 16]),
            [np.array([2, 16], np.int32)],
        ),
        (
            "TRANSPOSE",
            (1, 4, 3, 2),
            (1, 2, 4, 3),
            schema.TransposeOptionsT(),
            [np.array([0, 3, 1, 2], np.int32)],
        ),
        (
            "FULLY_CONNECTED",
            (1, 1, 1, 6),
            (1, 5),
            schema.FullyConnectedOptionsT(),
            [np.ones((5, 6), np.float32), np.ones(5, np.float32)],
        ),
        (
            "CONCATENATION",
            (1, 4, 2),
            (1, 4, 5),
            schema.ConcatenationOptionsT(axis=-1),
            [np.ones((1, 4, 3), np.float32)],
        ),
        ("PRELU", (1, 4, 4, 2), (1, 4, 4, 2), None, [np.ones((1, 1, 2), np.float32)]),
        ("SQUEEZE", (1, 4, 1, 2), (1, 4, 2), schema.SqueezeOptionsT(squeezeDims=[-2]), []),
        ("SQUEEZE", (1, 4, 1, 2), (4, 2), schema.SqueezeOptionsT(), []),
        ("EXPAND_DIMS", (4, 2), (4, 1, 2), schema.ExpandDimsOptionsT(), [np.array(-2, np.int32)]),
        (
            "RESHAPE",
            (1, 4, 4, 2),
            (2, 16),
            schema.ReshapeOptionsT(newShape=[2, -1]),
            [],
        ),
        (
            "STRIDED_SLICE",
            (1, 9, 8, 2),
            (1, 3, 5),
            schema.StridedSliceOptionsT(beginMask=5, endMask=1, shrinkAxisMask=8),
            [np.array(each, np.int32) for each in ([0, 2, 3, -1], [0, -1, 5, 2], [1, 2, 1, 1])],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_operator_makes_what_litert_makes_and_nothing_else(kind, shape, output, options, constants):
    assert litert_agrees(kind, shape, output, options, *constants)
    for axis in range(len(output)):
        larger = tuple(side + (place == axis) for place, side in enumerate(output))
        with pytest.raises(ArtifactError, match=rf"{kind}\) of"):
            check_model(model(kind, shape, larger, options, *constants))


@pytest.mark.parametrize(
    ("kind", "inputs", "options", "second", "output"),
    [
        ("ADD", [(1, 4), (1, 3)], (0, 0), None, (1, 4)),
        ("PAD", [(1, 4), (2, 2)], (), None, (1, 6)),
        ("PAD", [(1, 4), (2, 2)], (), (0, 0, -1, 3), (1, 6)),
        ("MEAN", [(1, 4), (1,)], (0,), (2,), (1,)),
        ("MEAN", [(1, 4), (2,)], (0,), (1, -1), (1,)),
        ("MEAN", [(1, 4), (1,)], (0,), None, (1,)),
        ("CONCATENATION", [(1, 4), (2, 4)], (1, 0), None, (1, 8)),
        ("CONCATENATION", [(1, 4), (1, 4)], (7, 0), None, (1, 8)),
        ("PACK", [(4,), (4,)], (2, 0), None, (2, 4)),
        ("CONV_2D", [(1, 4)], (0, 1, 1, 0, 1, 1, 0), None, (1, 4)),
        ("CONV_2D", [(1, 4, 4, 3), (8, 1, 1, 3), (7,)], (0, 1, 1, 0, 1, 1, 0), None, (1, 4, 4, 8)),
        ("CONV_2D", [(1, 4, 4, 4), (5, 1, 1, 2), (5,)], (0, 1, 1, 0, 1, 1, 0), None, (1, 4, 4, 5)),
        ("CONV_2D", [(1, 4, 4, 3), (8, 5, 5, 3), (8,)], (1, 3, 3, 0, 1, 1, 0), None, (1, 0, 0, 8)),
        ("DEPTHWISE_CONV_2D", [(1, 4, 4, 3), (2, 1, 1, 3)], (0, 1, 1, 1, 0, 1, 1), None, (1, 4, 4, 3)),
        ("FULLY_CONNECTED", [(1, 7), (5, 6)], (0,) * 6, None, (1, 5)),
        ("FULLY_CONNECTED", [(1, 6), (5, 6), (4,)], (0,) * 6, None, (1, 5)),
        ("FULLY_CONNECTED", [(1, 2, 6), (5, 6)], (0,) * 6, None, (1, 2, 5)),
        ("FULLY_CONNECTED", [(1, 2, 3), (5, 6)], (0, 0, 1, 0, 0, 0), None, (1, 5)),
        ("TRANSPOSE", [(1, 4), (2,)], (), (0, 0), (1, 1)),
        ("RESHAPE", [(1, 4), (2,)], (0,), (-1, -1), (2, 2)),
        ("RESHAPE", [(1, 4), (2,)], (0,), (0, 4), (1, 4)),
        ("RESHAPE", [(1, 4), (1, 2)], (0,), (2, 2), (2, 2)),
        ("EXPAND_DIMS", [(1, 4), ()], (), (3,), (1, 4, 1)),
        ("PRELU", [(1, 4), (1, 1)], (), None, (1, 4)),
        ("RESIZE_BILINEAR", [(1, 4, 4, 1), (2,)], (0, 0, 1, 1), (8, 8), (1, 8, 8, 1)),
    ],
)
def test_inputs_that_do_not_go_together_fit_no_output(kind, inputs, options, second, output):
    assert not fits(kind, inputs, options, (), [None, second], [output])


@pytest.mark.parametrize(
    ("begins", "ends", "strides", "masks"),
    [
        ((0, 4), (1, 4), (1, 1), (0, 0, 0)),
        ((0, 3), (1, 1), (1, 1), (0, 0, 0)),
        ((0, 3), (1, 1), (1, -1), (0, 0, 0)),
        ((0, 0), (1, 5), (1, 1), (0, 0, 0)),
        ((0, 0), (1, 4), (1, 0), (0, 0, 0)),
        ((0, 0, 0), (1, 4, 1), (1, 1, 1), (0, 0, 0)),
        ((0, 0), (1, 4), (1,), (0, 0, 0)),
        ((0, 0), (1, 4), (1, 1), (4, 0, 0)),
        ((0, 0), (1, 4), (1, 1), (0, 4, 0)),
        ((0, 0), (1, 4), (1, 1), (0, 0, 4)),
        ((0, 0), (1, 4), (1, 1), (1, 0, 1)),
        ((0, 0), (1, 4), (2, 1), (0, 0, 1)),
        ((0, 0), (1, 4), (1, 1), (-1, 0, 0)),
    ],
)
def test_a_slice_that_reaches_outside_or_walks_backwards_leaves_nothing(begins, ends, strides, masks):
    assert spans_of((1, 4), (masks[0], masks[1], 0, 0, masks[2], 0), begins, ends, strides) is None


def test_a_split_gives_equal_parts_or_nothing():
    assert fits("SPLIT", [(), (1, 6)], (2,), (), [(-1,), None], [(1, 3), (1, 3)])
    assert not fits("SPLIT", [(), (1, 6)], (2,), (), [(-1,), None], [(1, 2), (1, 4)])
    assert not fits("SPLIT", [(), (1, 6)], (4,), (), [(1,), None], [(1, 2)] * 4)
    assert not fits("SPLIT", [(), (1, 6)], (2,), (), [None, None], [(1, 3), (1, 3)])
