"""The operators that a file from outside may use, with the layout of their options.

Enough for image classifiers as people export them (MobileNet, EfficientNet, ResNet, Inception, and
those with attention). What is not here is refused before LiteRT sees it: custom operators, control flow,
variables, hash tables, random numbers and whatever gathers by index. Each of those is a way to reach code
that ordinary classifiers never run.

Source: tensorflow/lite/schema/schema.fbs for the options; tensorflow/lite/kernels for the counts of inputs.
A depthwise convolution of two inputs is one of those counts, but kills the process in XNNPACK (LiteRT 2.3.0).
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """What one operator may look like.

    `layout` has one letter for each slot of its options: b a byte, ? a flag, i an int32, f a float32,
    s an int32 of at least 1 without which the kernel would divide by zero (or make nothing), d the same
    where 1 is the default, v a vector of int32, - a slot that must be empty.
    """

    inputs: tuple[int, int]  # fewest and most
    options: str = ""  # name of the options table
    layout: str = ""
    optional: bool = False  # the last input may be left out by the index -1: a bias


_UNARY = Rule((1, 1))

OPERATORS: dict[str, Rule] = {
    "ABS": Rule((1, 1), "AbsOptions"),
    "ADD": Rule((2, 2), "AddOptions", "b?"),
    "AVERAGE_POOL_2D": Rule((1, 1), "Pool2DOptions", "bssssb"),
    "BATCH_MATMUL": Rule((2, 2), "BatchMatMulOptions", "???"),
    "CAST": Rule((1, 1), "CastOptions", "bb"),
    "CONCATENATION": Rule((1, 64), "ConcatenationOptions", "ib"),
    "CONV_2D": Rule((2, 3), "Conv2DOptions", "bssbddb", optional=True),
    "DEPTHWISE_CONV_2D": Rule((3, 3), "DepthwiseConv2DOptions", "bsssbdd", optional=True),
    "DEQUANTIZE": Rule((1, 1), "DequantizeOptions"),
    "DIV": Rule((2, 2), "DivOptions", "b"),
    "ELU": _UNARY,
    "EXP": Rule((1, 1), "ExpOptions"),
    "EXPAND_DIMS": Rule((2, 2), "ExpandDimsOptions"),
    "FULLY_CONNECTED": Rule((2, 3), "FullyConnectedOptions", "bb??b-", optional=True),
    "GELU": Rule((1, 1), "GeluOptions", "?"),
    "HARD_SWISH": Rule((1, 1), "HardSwishOptions"),
    "L2_NORMALIZATION": Rule((1, 1), "L2NormOptions", "b"),
    "LEAKY_RELU": Rule((1, 1), "LeakyReluOptions", "f"),
    "LOCAL_RESPONSE_NORMALIZATION": Rule((1, 1), "LocalResponseNormalizationOptions", "ifff"),
    "LOGISTIC": _UNARY,
    "LOG_SOFTMAX": Rule((1, 1), "LogSoftmaxOptions"),
    "MAXIMUM": Rule((2, 2), "MaximumMinimumOptions"),
    "MAX_POOL_2D": Rule((1, 1), "Pool2DOptions", "bssssb"),
    "MEAN": Rule((2, 2), "ReducerOptions", "?"),
    "MINIMUM": Rule((2, 2), "MaximumMinimumOptions"),
    "MIRROR_PAD": Rule((2, 2), "MirrorPadOptions", "b"),
    "MUL": Rule((2, 2), "MulOptions", "b"),
    "NEG": Rule((1, 1), "NegOptions"),
    "PACK": Rule((1, 64), "PackOptions", "ii"),
    "PAD": Rule((2, 2), "PadOptions"),
    "PADV2": Rule((3, 3), "PadV2Options"),
    "PRELU": Rule((2, 2)),
    "QUANTIZE": Rule((1, 1), "QuantizeOptions"),
    "REDUCE_MAX": Rule((2, 2), "ReducerOptions", "?"),
    "RELU": _UNARY,
    "RELU6": _UNARY,
    "RELU_N1_TO_1": _UNARY,
    "RESHAPE": Rule((1, 2), "ReshapeOptions", "v"),
    "RESIZE_BILINEAR": Rule((2, 2), "ResizeBilinearOptions", "--??"),
    "RESIZE_NEAREST_NEIGHBOR": Rule((2, 2), "ResizeNearestNeighborOptions", "??"),
    "RSQRT": _UNARY,
    "SHAPE": Rule((1, 1), "ShapeOptions", "b"),
    "SOFTMAX": Rule((1, 1), "SoftmaxOptions", "f"),
    "SPLIT": Rule((2, 2), "SplitOptions", "s"),
    "SQRT": _UNARY,
    "SQUARE": Rule((1, 1), "SquareOptions"),
    "SQUARED_DIFFERENCE": Rule((2, 2), "SquaredDifferenceOptions"),
    "SQUEEZE": Rule((1, 1), "SqueezeOptions", "v"),
    "STRIDED_SLICE": Rule((4, 4), "StridedSliceOptions", "iiiii?"),
    "SUB": Rule((2, 2), "SubOptions", "b?"),
    "SUM": Rule((2, 2), "ReducerOptions", "?"),
    "TANH": _UNARY,
    "TRANSPOSE": Rule((2, 2), "TransposeOptions"),
}
