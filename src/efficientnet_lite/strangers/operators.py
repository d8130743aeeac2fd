"""The operators that a file from outside may use: the forms in which each may stand, and its options.

Enough for image classifiers as people export them (MobileNet, EfficientNet, ResNet, Inception, DenseNet,
ShuffleNet, with what converters put around them). What is not here is refused before LiteRT sees it, by
name; so is a listed operator in a form that no such classifier has. LiteRT trusts what its converter would
not write: an output of a narrower type than the input is written beyond its end, a missing scale divides.

Source: tensorflow/lite/schema/schema.fbs for the options; the Prepare functions of tensorflow/lite/kernels
for inputs, types and scales. A convolution without a bias is refused by LiteRT 2.3.0, or kills it.
"""

from typing import Literal, NamedTuple

Scales = Literal["free", "equal", "product", "sum", "ratio", "slope", "probability", "tangent"]


class OperatorInfo(NamedTuple):
    """One operator, `inputs` and `outputs` as indices of tensors; -1 is a bias that is left out."""

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[float, ...]  # by slot of the operator's options table; vectors count as 0
    vector: tuple[int, ...]  # its options' vector of int32, where they have one


class Rule(NamedTuple):
    """What one operator may look like.

    Each of `forms` has a letter for each input, ">", and one for each output:

        f  float32, computed         F  float32, constant (also by a DEQUANTIZE of a constant)
        s  int8 with a scale         S  the same, constant       K  int8 constant, symmetric: a kernel
        u  uint8 with a scale        U  the same, constant       B  int32 constant with scales: a bias
        c  8 bits without a scale    H  float16, constant        n  int32, known before anything is run
        -  a bias that is left out   *  behind a letter: one or more of it
                                     +  the same, of which all but one may be constant

    `layout` has one letter for each slot of its options:

        a  a fused activation (none, RELU, RELU_N1_TO_1, RELU6)     p  padding, SAME or VALID
        s  an int32 from 1 to `MAX_STEP`    d  the same, to `MAX_DILATION`, and 1 is the default
        i  an int32    b  a byte    ?  a flag    v  a vector of int32    t  the type INT32
        1  a float32 that is 1      l  a float32 from 0 to 1             -  a slot that must be empty
        0  a byte that must be 0    o  an int32 that must be 0
    """

    forms: tuple[str, ...]
    options: str = ""  # name of the options table
    layout: str = ""
    scales: Scales = "free"  # what must hold between the scales of 8-bit inputs and outputs
    rank: int = 4  # the largest


MAX_STEP, MAX_DILATION = 1024, 64  # strides and windows of pools; dilations
MAX_PARTS = 64  # inputs of one operator

_FLOAT = ("f>f",)
_UNARY = ("f>f", "s>s", "u>u")
_BINARY = tuple(form for f, c in ("fF", "sS", "uU") for form in (f"{f}{f}>{f}", f"{f}{c}>{f}", f"{c}{f}>{f}"))
_WITH_NUMBERS = ("fn>f", "sn>s", "un>u")
_WEIGHTED = ("fFF>f", "fKF>f", "sKB>s", "uUB>u")
_UNBIASED = ("fF->f", "fF>f", "fK->f", "fK>f", "sK->s", "sK>s", "uU->u", "uU>u")

OPERATORS: dict[str, Rule] = {
    "ADD": Rule(_BINARY, "AddOptions", "a?", "sum"),
    "AVERAGE_POOL_2D": Rule(_UNARY, "Pool2DOptions", "pssssa", "equal"),
    "CAST": Rule(("c>f",), "CastOptions", "bb"),
    "CONCATENATION": Rule(("f+>f", "s+>s", "u+>u"), "ConcatenationOptions", "i0", "equal"),
    "CONV_2D": Rule(_WEIGHTED, "Conv2DOptions", "pssaddb", "product"),
    "DEPTHWISE_CONV_2D": Rule(_WEIGHTED, "DepthwiseConv2DOptions", "psssadd", "product"),
    "DEQUANTIZE": Rule(("s>f", "u>f", "H>F", "K>F"), "DequantizeOptions"),
    "DIV": Rule(("ff>f", "fF>f", "Ff>f"), "DivOptions", "a"),
    "EXPAND_DIMS": Rule(_WITH_NUMBERS, "ExpandDimsOptions", scales="equal"),
    "FULLY_CONNECTED": Rule((*_WEIGHTED, *_UNBIASED), "FullyConnectedOptions", "a0??b-", "product"),
    "HARD_SWISH": Rule(_UNARY, "HardSwishOptions", scales="ratio"),
    "LEAKY_RELU": Rule(_UNARY, "LeakyReluOptions", "l", "ratio"),
    "LOGISTIC": Rule(_UNARY, scales="probability"),
    "LOG_SOFTMAX": Rule(_FLOAT, "LogSoftmaxOptions"),
    "MAXIMUM": Rule(_BINARY, "MaximumMinimumOptions", scales="equal"),
    "MAX_POOL_2D": Rule(_UNARY, "Pool2DOptions", "pssssa", "equal"),
    "MEAN": Rule(_WITH_NUMBERS, "ReducerOptions", "?", "ratio"),
    "MINIMUM": Rule(_BINARY, "MaximumMinimumOptions", scales="equal"),
    "MUL": Rule(_BINARY, "MulOptions", "a", "product"),
    "PACK": Rule(("n*>n",), "PackOptions", "io"),
    "PAD": Rule(_WITH_NUMBERS, "PadOptions", scales="equal"),
    "PADV2": Rule(("fnF>f", "snS>s", "unU>u"), "PadV2Options", scales="equal"),
    "PRELU": Rule(("fF>f", "sS>s", "uU>u"), scales="slope"),
    "QUANTIZE": Rule(("f>s", "f>u", "s>s", "s>u", "u>s", "u>u"), "QuantizeOptions", scales="ratio"),
    "REDUCE_MAX": Rule(_WITH_NUMBERS, "ReducerOptions", "?", "equal"),
    "RELU": Rule(_UNARY, scales="ratio"),
    "RELU6": Rule(_UNARY, scales="ratio"),
    "RELU_0_TO_1": Rule(_UNARY, scales="ratio"),
    "RELU_N1_TO_1": Rule(_FLOAT),
    "RESHAPE": Rule((*_WITH_NUMBERS, *_UNARY), "ReshapeOptions", "v", "equal", rank=5),
    "RESIZE_BILINEAR": Rule(_WITH_NUMBERS, "ResizeBilinearOptions", "--??", "equal"),
    "SHAPE": Rule(("f>n", "s>n", "u>n"), "ShapeOptions", "t"),
    "SOFTMAX": Rule(_UNARY, "SoftmaxOptions", "1", "probability"),
    "SPLIT": Rule(("nf>f*", "ns>s*", "nu>u*"), "SplitOptions", "s", "equal"),
    "SQUEEZE": Rule(_UNARY, "SqueezeOptions", "v", "equal"),
    "STRIDED_SLICE": Rule(("fnnn>f", "snnn>s", "unnn>u", "nnnn>n"), "StridedSliceOptions", "iiooi0", "equal"),
    "SUB": Rule(_BINARY, "SubOptions", "a?", "sum"),
    "SUM": Rule(("fn>f",), "ReducerOptions", "?"),
    "TANH": Rule(_UNARY, scales="tangent"),
    "TRANSPOSE": Rule(_WITH_NUMBERS, "TransposeOptions", scales="equal", rank=5),
}


def _counts(rule: Rule) -> set[tuple[int, int]]:
    found = set()
    for form in rule.forms:
        for more in range(MAX_PARTS if {"*", "+"} & set(form) else 1):
            sides = form.replace("*", "x" * more).replace("+", "x" * more).split(">")
            found.add((len(sides[0]), len(sides[1])))
    return found


# Numbers of inputs and outputs of its forms.
COUNTS = {name: _counts(rule) for name, rule in OPERATORS.items()}
