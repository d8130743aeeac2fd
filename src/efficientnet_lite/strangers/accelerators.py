"""What accelerators ask of a `.tflite` file, as rows: operators, versions, limits, each with its source.

`readiness.py` asks whether a file keeps them. Nothing here was compiled or run on such a device: a row
says what a page, a compiler's log or a delegate's source says, and `seen` whether it was read there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TargetName = Literal["edgetpu", "gpu", "npu"]
# What a broken rule leads to: the whole file is refused; the operator stays on the CPU; it maps only with an
# option of the delegate; nobody here knows.
Effect = Literal["refused", "cpu", "option", "unknown"]
Check = Literal[
    "always",
    "axes_constant",
    "axes_without_batch",
    "channels_multiple",
    "computed_types",
    "constant_types",
    "covers",
    "fixed_shapes",
    "inner_dimensions",
    "input_elements",
    "input_flat",
    "multiplier_one",
    "no_activation",
    "no_shrunken_axis",
    "output_flat",
    "pack_without_batch",
    "padding_rows",
    "padding_without_batch",
    "parameters_constant",
    "per_tensor",
    "rank",
    "rank_kept",
    "same_dilation",
    "second_flat",
    "split_without_batch",
    "two_with_constant",
    "unit_strides",
]

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row comes from."""

    text: str
    seen: bool  # read there; where not, it is remembered or concluded, and the output says "unverified"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a target asks of an operator; `limits.py` has a function for each `check`."""

    check: Check
    says: str
    source: Source
    effect: Effect = "cpu"
    limit: int = 0  # of rules that have a bound
    types: tuple[str, ...] = ()  # of rules about types: those that are allowed


@dataclass(frozen=True, slots=True)
class Row:
    """One operator that a target takes."""

    name: str
    newest: int | None  # version; None: any
    listed: Source
    dated: Source  # where `newest` comes from
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of accelerator."""

    name: TargetName
    title: str
    rows: Mapping[str, Row] | None  # by operator; None where no list is to be had
    rules: tuple[Rule, ...]  # asked of every operator
    listing: Source  # of what is not among the rows
    too_new: Effect  # for a version that it does not know
    partition: Literal["first", "largest"]  # which run of operators that map is taken: there is one
    memory_bytes: tuple[int, int] | None  # for weights on the chip: surely, and at best
    memory: Source | None
    remarks: tuple[str, ...]  # what no rule here can say


_CORAL = Source("coral.ai, TensorFlow models on the Edge TPU", seen=True)
_CORAL_NEWER = Source("coral.ai, the same page's rows for runtimes 13 and 14", seen=False)
_TABLE_2022 = Source(
    "tensorflow/lite/kernels/register.cc of early 2022, half a year younger than the compiler",
    seen=False,
)
_OPERATORS_8BIT = Source("google-coral/edgetpu, issue 222: 'working on an unsupported data type'", seen=True)
_FIXED = Rule("fixed_shapes", "sizes are constant when it is compiled", _CORAL, "refused")
_NO_ACTIVATION = Rule("no_activation", "no fused activation function", _CORAL)
_SAME_DILATION = Rule("same_dilation", "the same dilation in height and width", _CORAL)
_NO_BATCH_AXIS = Rule("axes_without_batch", "no reduction along the batch", _CORAL)
_SIZE_DECIDES = Rule("always", "depending on its size it may stay on the CPU", _CORAL, "unknown")


def _seen(issue: int) -> Source:
    return Source(f"google-coral/edgetpu, issue {issue}: a log of compiler 16.0", seen=True)


def _coral(name: str, newest: int, *rules: Rule, log: int = 0, newer: bool = False) -> Row:
    listed = _CORAL_NEWER if newer else _CORAL
    return Row(name, newest, listed, _seen(log) if log else _TABLE_2022, rules)


_CORAL_ROWS = (
    _coral("ADD", 4),
    _coral("AVERAGE_POOL_2D", 3, _NO_ACTIVATION),
    _coral(
        "CONCATENATION",
        3,
        Rule("two_with_constant", "a constant only as zero padding, one of two inputs", _CORAL),
    ),
    _coral("CONV_2D", 5, _SAME_DILATION, log=631),
    _coral("DEPTHWISE_CONV_2D", 6, _SAME_DILATION),
    _coral("EXPAND_DIMS", 1, newer=True),
    _coral(
        "FULLY_CONNECTED",
        9,
        Rule("output_flat", "a one-dimensional output", _CORAL),
        Rule(
            "per_tensor",
            "one scale for the kernel; whether one a channel maps is not known",
            Source("no log of compiler 16.0 found", seen=False),
            "unknown",
        ),
    ),
    _coral("LOGISTIC", 3),
    _coral("MAXIMUM", 4),
    _coral("MAX_POOL_2D", 3, _NO_ACTIVATION),
    _coral(
        "MEAN",
        3,
        _NO_BATCH_AXIS,
        Rule("channels_multiple", "channels are reduced in multiples of 4 only", _CORAL, limit=4),
    ),
    _coral("MINIMUM", 4),
    _coral("MUL", 5),
    _coral("PACK", 3, Rule("pack_without_batch", "no packing along the batch", _CORAL_NEWER), newer=True),
    _coral("PAD", 4, Rule("padding_without_batch", "no padding of the batch", _CORAL)),
    _coral("PRELU", 1, Rule("second_flat", "a one-dimensional alpha", _CORAL_NEWER), newer=True),
    _coral("QUANTIZE", 2, log=879),
    _coral("REDUCE_MAX", 3, _NO_BATCH_AXIS, newer=True),
    _coral("RELU", 3),
    _coral("RELU6", 3),
    _coral("RELU_N1_TO_1", 1),
    _coral("RESHAPE", 1, _SIZE_DECIDES),
    _coral("RESIZE_BILINEAR", 4, _SIZE_DECIDES),
    _coral(
        "SOFTMAX",
        3,
        Rule("input_flat", "a one-dimensional input", _CORAL),
        Rule("input_elements", "at most 16,000 elements", _CORAL, limit=16_000),
    ),
    _coral("SPLIT", 4, Rule("split_without_batch", "no splitting along the batch", _CORAL_NEWER)),
    _coral("SQUEEZE", 2),
    _coral(
        "STRIDED_SLICE",
        6,
        Rule("unit_strides", "all strides are 1", _CORAL),
    ),
    _coral("SUB", 5),
    _coral("SUM", 2, _NO_BATCH_AXIS, newer=True),
    _coral("TANH", 3),
    _coral("TRANSPOSE", 5, newer=True),
)

EDGE_TPU = Target(
    name="edgetpu",
    title="Coral Edge TPU, edgetpu_compiler 16.0",
    rows={row.name: row for row in _CORAL_ROWS},
    rules=(
        _FIXED,
        Rule("computed_types", "8-bit tensors", _OPERATORS_8BIT, types=("int8", "uint8")),
        Rule(
            "constant_types", "8-bit weights, int32 biases", _OPERATORS_8BIT, types=("int8", "uint8", "int32")
        ),
        Rule("parameters_constant", "weights and biases are constants", _CORAL),
        Rule("inner_dimensions", "only the 3 innermost dimensions exceed 1", _CORAL, limit=3),
    ),
    listing=_CORAL,
    too_new="refused",
    partition="first",  # f0cal/google-coral, issue 20: a leading QUANTIZE stayed on the CPU, the rest mapped
    memory_bytes=(70 * MIB // 10, 72 * MIB // 10),
    memory=Source("compiler logs in google-coral/edgetpu, issues 356 and 671", seen=True),
    remarks=(
        "The newest version of an operator is known from logs for CONV_2D and QUANTIZE; for the others it is "
        f"unverified ({_TABLE_2022.text}).",
        "Files with large activation tensors are refused too (google-coral/edgetpu, issues 439 and 512); where "
        "that begins is not known.",
        "Nothing was compiled: edgetpu_compiler has the last word.",
    ),
)

_DELEGATE = Source("tensorflow/lite/tools/versioning/gpu_compatibility.cc", seen=True)
_BUILDER = Source("tensorflow/lite/delegates/gpu/common/model_builder.cc", seen=True)
_CONSTANT_AXES = Rule("axes_constant", "axes are constants", _DELEGATE)
_PADDING = Rule("padding_rows", "paddings of 3 or 4 dimensions", _DELEGATE)


def _gpu(name: str, newest: int | None, *rules: Rule) -> Row:
    return Row(name, newest, _DELEGATE, _BUILDER, rules)


_GPU_ROWS = (
    *(_gpu(name, 2) for name in ("LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MINIMUM", "RELU", "RELU6", "TANH")),
    *(_gpu(name, 2) for name in ("AVERAGE_POOL_2D", "DIV", "MAX_POOL_2D", "SUB")),
    *(_gpu(name, None, _CONSTANT_AXES) for name in ("MEAN", "REDUCE_MAX", "SUM")),
    *(_gpu(name, None) for name in ("HARD_SWISH", "PACK", "SPLIT", "TRANSPOSE")),
    _gpu("ADD", 2),
    _gpu("CONCATENATION", 2),
    _gpu("CONV_2D", 5),
    _gpu(
        "DEPTHWISE_CONV_2D",
        6,
        Rule("multiplier_one", "a depth multiplier of 1, or one input channel", _DELEGATE),
    ),
    # Weights stored as float16 come through one of these, which the delegate takes out again.
    _gpu("DEQUANTIZE", None),
    _gpu(
        "FULLY_CONNECTED",
        9,
        Rule("rank_kept", "with keep_num_dims, as many dimensions out as in", _DELEGATE),
    ),
    _gpu("MUL", 3, Rule("covers", "one operand is nowhere smaller than the other", _DELEGATE)),
    _gpu("PAD", 2, _PADDING),
    _gpu("PADV2", 2, _PADDING),
    _gpu("PRELU", 1),
    _gpu("QUANTIZE", 2),
    _gpu("RELU_N1_TO_1", None),
    _gpu("RESHAPE", 1),
    _gpu("RESIZE_BILINEAR", 3),
    _gpu("SOFTMAX", 2),
    _gpu(
        "STRIDED_SLICE",
        2,
        Rule("no_shrunken_axis", "no shrunken axis", _DELEGATE),
    ),
)

GPU = Target(
    name="gpu",
    title="GPU delegate of LiteRT",
    rows={row.name: row for row in _GPU_ROWS},
    rules=(
        Rule(
            "fixed_shapes",
            "shapes are fixed",
            Source("documentation of LiteRT's delegates, from memory", seen=False),
            "refused",
        ),
        Rule(
            "computed_types",
            "float tensors; 8-bit ones are computed as floats",
            _BUILDER,
            types=("float32", "float16", "int8", "uint8"),
        ),
        Rule(
            "computed_types",
            "8-bit tensors only with the delegate's option for quantized models",
            Source("GPU delegates for LiteRT; that it is off or on by default was not tried", seen=False),
            "option",
            types=("float32", "float16", "int32"),
        ),
        Rule(
            "rank",
            "at most 4 dimensions",
            Source("tensorflow/lite/delegates/gpu/common/model_builder_helper.cc, from memory", seen=False),
            limit=4,
        ),
    ),
    listing=_DELEGATE,
    too_new="cpu",
    partition="largest",
    memory_bytes=None,
    memory=None,
    remarks=("Nothing was run on a GPU; drivers differ, and the newer ML Drift delegate was not looked at.",),
)

NPU = Target(
    name="npu",
    title="NPU, whichever",
    rows=None,
    rules=(
        Rule(
            "fixed_shapes",
            "shapes are fixed",
            Source("MediaTek, Neuron SDK, general restrictions; taken for the others", seen=False),
            "refused",
        ),
    ),
    listing=Source("no list is shared by vendors", seen=False),
    too_new="unknown",
    partition="largest",
    memory_bytes=None,
    memory=None,
    remarks=(
        "Which operators and types map is decided by the chip and its vendor's compiler (Qualcomm, MediaTek, "
        "Google Tensor, Samsung, Intel), ahead of time or on the device. None of them was tried.",
    ),
)

TARGETS: dict[TargetName, Target] = {target.name: target for target in (EDGE_TPU, GPU, NPU)}
