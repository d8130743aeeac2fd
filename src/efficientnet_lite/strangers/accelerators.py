"""What accelerators without a compiler to ask want of a `.tflite`, as rows: operators, versions, limits, their sources.

The rows are of the operators that we write, and of those of the image classifiers that people bring; of any other
nothing is known here. `readiness.py` asks whether a file keeps them. Nothing here was compiled or run on such a
device: a row says what a page, a compiler's log or a delegate's source says, and `seen` whether it was read there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from efficientnet_lite.strangers import limits
from efficientnet_lite.strangers.limits import Effect, Evidence, Limit
from efficientnet_lite.vocabulary import RuleTarget

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Support:
    """One operator that a target takes."""

    newest: int | None  # version; None: any
    dated: Evidence  # where `newest` comes from
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of accelerator."""

    name: RuleTarget
    title: str
    rows: Mapping[str, Support]  # by operator; of those in neither this nor `lacks` nothing is known
    lacks: frozenset[str]  # operators that its list does not have
    limits: tuple[Limit, ...]  # asked of every operator
    listing: Evidence
    too_new: Effect  # for a version that it does not know
    partition: Literal["first", "largest"]  # which run of operators that map is taken: there is one
    memory_bytes: tuple[int, int] | None  # for weights on the chip: surely, and at best
    memory: Evidence | None
    remarks: tuple[str, ...]  # what no limit here can say


_CORAL = Evidence("coral.ai, TensorFlow models on the Edge TPU", seen=True)
_TABLE_2022 = Evidence(
    "tensorflow/lite/kernels/register.cc of early 2022, half a year younger than the compiler", seen=False
)
_OPERATORS_8BIT = Evidence(
    "google-coral/edgetpu, issue 222: 'working on an unsupported data type'", seen=True
)
_NO_ACTIVATION = Limit("no fused activation function", limits.no_activation, _CORAL)
_SAME_DILATION = Limit("the same dilation in height and width", limits.same_dilation, _CORAL)


def _log(issue: int) -> Evidence:
    return Evidence(f"google-coral/edgetpu, issue {issue}: a log of compiler 16.0", seen=True)


def _coral(newest: int, *asked: Limit, dated: Evidence = _TABLE_2022) -> Support:
    return Support(newest, dated, asked)


_CORAL_ROWS = {
    "ADD": _coral(4),
    "AVERAGE_POOL_2D": _coral(3, _NO_ACTIVATION),
    "CONCATENATION": _coral(
        3, Limit("a constant only as zero padding, one of two inputs", limits.two_with_constant, _CORAL)
    ),
    "CONV_2D": _coral(5, _SAME_DILATION, dated=_log(631)),
    "DEPTHWISE_CONV_2D": _coral(6, _SAME_DILATION),
    "FULLY_CONNECTED": _coral(
        9,
        Limit("a one-dimensional output", limits.output_flat, _CORAL),
        Limit(
            "one scale for the kernel; whether one a channel maps is not known",
            limits.per_tensor,
            Evidence("no log of compiler 16.0 found", seen=False),
            "unknown",
        ),
    ),
    "LOGISTIC": _coral(3),
    "MAX_POOL_2D": _coral(3, _NO_ACTIVATION),
    "MEAN": _coral(
        3,
        Limit("no reduction along the batch", limits.axes_without_batch, _CORAL),
        Limit("channels are reduced in multiples of 4 only", limits.channels_multiple(4), _CORAL),
    ),
    "MUL": _coral(5),
    "PAD": _coral(4, Limit("no padding of the batch", limits.padding_without_batch, _CORAL)),
    "QUANTIZE": _coral(2, dated=_log(879)),
    "RELU": _coral(3),
    "RELU6": _coral(3),
    "RESHAPE": _coral(
        1, Limit("depending on its size it may stay on the CPU", limits.always, _CORAL, "unknown")
    ),
    "SOFTMAX": _coral(
        3,
        Limit("a one-dimensional input", limits.input_flat, _CORAL),
        Limit("at most 16,000 elements", limits.input_elements(16_000), _CORAL),
    ),
    "SQUEEZE": _coral(2),
    "SUB": _coral(5),
}

EDGE_TPU = Target(
    name="edgetpu",
    title="Coral Edge TPU, edgetpu_compiler 16.0",
    rows=_CORAL_ROWS,
    lacks=frozenset(
        (
            "CAST",
            "DEQUANTIZE",
            "DIV",
            "HARD_SWISH",
            "LEAKY_RELU",
            "LOG_SOFTMAX",
            "PADV2",
            "RELU_0_TO_1",
            "SHAPE",
        )
    ),
    limits=(
        Limit("sizes are constant when it is compiled", limits.fixed_shapes, _CORAL, "refused"),
        Limit("8-bit tensors", limits.computed_types("int8", "uint8"), _OPERATORS_8BIT),
        Limit(
            "8-bit weights, int32 biases", limits.constant_types("int8", "uint8", "int32"), _OPERATORS_8BIT
        ),
        Limit("weights and biases are constants", limits.parameters_constant, _CORAL),
        Limit("only the 3 innermost dimensions exceed 1", limits.inner_dimensions(3), _CORAL),
    ),
    listing=_CORAL,
    too_new="refused",
    partition="first",  # f0cal/google-coral, issue 20: a leading QUANTIZE stayed on the CPU, the rest mapped
    memory_bytes=(70 * MIB // 10, 72 * MIB // 10),
    memory=Evidence("compiler logs in google-coral/edgetpu, issues 356 and 671", seen=True),
    remarks=(
        "The newest version of an operator is known from logs for CONV_2D and QUANTIZE; for the others it is "
        f"unverified ({_TABLE_2022.text}).",
        "Files with large activation tensors are refused too (google-coral/edgetpu, issues 439 and 512); where "
        "that begins is not known.",
        "Nothing was compiled: edgetpu_compiler has the last word.",
    ),
)

_DELEGATE = Evidence("tensorflow/lite/tools/versioning/gpu_compatibility.cc", seen=True)
_BUILDER = Evidence("tensorflow/lite/delegates/gpu/common/model_builder.cc", seen=True)


def _gpu(newest: int | None, *asked: Limit) -> Support:
    return Support(newest, _BUILDER, asked)


_PADDING = _gpu(2, Limit("paddings of 3 or 4 dimensions", limits.padding_rows, _DELEGATE))
_GPU_ROWS = {
    **dict.fromkeys(("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "LOGISTIC", "MAX_POOL_2D"), _gpu(2)),
    **dict.fromkeys(("QUANTIZE", "RELU", "RELU6", "SOFTMAX", "SUB"), _gpu(2)),
    "CONV_2D": _gpu(5),
    "DEPTHWISE_CONV_2D": _gpu(
        6, Limit("a depth multiplier of 1, or one input channel", limits.multiplier_one, _DELEGATE)
    ),
    # Weights stored as float16 come through one of these, which the delegate takes out again.
    "DEQUANTIZE": _gpu(None),
    "FULLY_CONNECTED": _gpu(9),
    "HARD_SWISH": _gpu(None),
    "MEAN": _gpu(None, Limit("axes are constants", limits.axes_constant, _DELEGATE)),
    "MUL": _gpu(3, Limit("one operand is nowhere smaller than the other", limits.covers, _DELEGATE)),
    "PAD": _PADDING,
    "RESHAPE": _gpu(1),
    "TRANSPOSE": _gpu(None),
}

GPU = Target(
    name="gpu",
    title="GPU delegate of LiteRT",
    rows=_GPU_ROWS,
    lacks=frozenset(("CAST", "EXPAND_DIMS", "LOG_SOFTMAX", "RELU_0_TO_1", "SHAPE", "SQUEEZE")),
    limits=(
        Limit(
            "shapes are fixed",
            limits.fixed_shapes,
            Evidence("documentation of LiteRT's delegates, from memory", seen=False),
            "refused",
        ),
        Limit(
            "float tensors; 8-bit ones are computed as floats",
            limits.computed_types("float32", "float16", "int8", "uint8"),
            _BUILDER,
        ),
        Limit(
            "8-bit tensors only with the delegate's option for quantized models",
            limits.computed_types("float32", "float16", "int32"),
            Evidence("GPU delegates for LiteRT; that it is off or on by default was not tried", seen=False),
            "option",
        ),
        Limit(
            "at most 4 dimensions",
            limits.rank(4),
            Evidence("tensorflow/lite/delegates/gpu/common/model_builder_helper.cc, from memory", seen=False),
        ),
    ),
    listing=_DELEGATE,
    too_new="cpu",
    partition="largest",
    memory_bytes=None,
    memory=None,
    remarks=("Nothing was run on a GPU; drivers differ, and the newer ML Drift delegate was not looked at.",),
)

TARGETS: dict[RuleTarget, Target] = {target.name: target for target in (EDGE_TPU, GPU)}
