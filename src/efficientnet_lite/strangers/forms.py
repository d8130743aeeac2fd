"""Whether an operator of a file from outside stands in one of the forms of its rule.

Source: the Prepare functions of tensorflow/lite/kernels; tensorflow/lite/kernels/internal/quantization_util.cc
for what a ratio of scales becomes.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from efficientnet_lite.strangers.operators import OperatorInfo, Rule, Scales
from efficientnet_lite.strangers.tensors import TensorInfo

MAX_SUM_RATIO = 1 << 13  # of scales, input to output: beyond, a sum is all saturation, and LiteRT aborts
MAX_RATIO = 1 << 8  # the same for products and for what is rescaled
SAME_SCALE = 1e-6  # relative
_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_WRITTEN = {  # how a letter of a form reads in a message
    "f": "float32",
    "F": "constant float32",
    "s": "int8 with a scale",
    "S": "constant int8 with a scale",
    "K": "a symmetric int8 kernel",
    "u": "uint8 with a scale",
    "U": "constant uint8 with a scale",
    "B": "int32 bias with scales",
    "c": "8 bits without a scale",
    "H": "constant float16",
    "n": "known int32",
    "-": "none",
}
_COMPUTED = {"float32": "f", "int8": "s", "uint8": "u"}
_CONSTANT = {"float32": "F", "int8": "S", "uint8": "U"}


def fault(
    operator: OperatorInfo,
    rule: Rule,
    tensors: Sequence[TensorInfo],
    fixed: set[int],
    known: Mapping[int, tuple[int, ...]],
) -> str | None:
    """Why this operator is refused; None where it has a form of its rule, with scales that go together.

    Args:
        fixed: tensors that are the same in every run: constants, and what a DEQUANTIZE makes of one.
        known: tensors of a few int32 whose values no image changes -> these.
    """

    def letters(index: int) -> str:
        return "-" if index == -1 else _letters(tensors[index], index in fixed, index in known)

    inputs = [letters(index) for index in operator.inputs]
    # what it makes is fixed where all that it reads is
    made_fixed = bool(operator.inputs) and all(index in fixed for index in operator.inputs)
    outputs = [_letters(tensors[index], made_fixed, index in known) for index in operator.outputs]
    form = next((form for form in rule.forms if _stands(form, inputs, outputs)), None)
    if form is None:
        return (
            f"it takes {_readable(inputs)} and makes {_readable(outputs)}, "
            f"which no image classifier asks of this operator"
        )
    present = [tensors[index] for index in (*operator.inputs, *operator.outputs) if index != -1]
    for tensor in present:
        if len(tensor.shape) > rule.rank:
            return f"it has a tensor of {len(tensor.shape)} dimensions, at most {rule.rank} are usual"
    if (axis := _CHANNEL_AXIS.get(operator.name)) is not None and (
        wrong := _channels(operator, tensors, axis)
    ):
        return wrong
    return _scales_fault(rule.scales, operator, tensors)


def _letters(tensor: TensorInfo, fixed: bool, known: bool) -> str:
    """The letters of `Rule` that this tensor may stand for."""
    kind, found = tensor.dtype, ""
    if tensor.scales == 0:
        if kind == "float32":
            found = _CONSTANT[kind] if fixed else _COMPUTED[kind]
        elif kind == "float16":
            found = "H" if tensor.constant_bytes is not None else ""
        elif kind == "int32":
            found = "n" if known else ""
        elif kind in ("int8", "uint8") and not fixed:
            found = "c"
    elif kind == "int32":
        found = "B" if tensor.constant_bytes is not None and tensor.symmetric else ""
    elif kind in ("int8", "uint8"):
        if tensor.scales == 1:
            found = _CONSTANT[kind] if fixed else _COMPUTED[kind]
        if kind == "int8" and tensor.constant_bytes is not None and tensor.symmetric:
            found += "K"
    return found


def _stands(form: str, inputs: Sequence[str], outputs: Sequence[str]) -> bool:
    wanted, made = form.split(">")
    return _matches(wanted, inputs) and _matches(made, outputs)


def _matches(wanted: str, found: Sequence[str]) -> bool:
    if wanted.endswith("+"):
        letter = wanted[0]
        return all({letter, letter.upper()} & set(each) for each in found) and any(
            letter in each for each in found
        )
    if wanted.endswith("*"):
        letter = wanted[-2]
        wanted = wanted[:-2] + letter * (len(found) - len(wanted) + 2)
    return len(wanted) == len(found) and all(a in b for a, b in zip(wanted, found, strict=True))


def _readable(found: Sequence[str]) -> str:
    """Types in words, those that repeat with their number."""
    words = [_WRITTEN[each[0]] if each else "a type or a scale of its own" for each in found]
    runs = [(word, len(list(run))) for word, run in groupby(words)]
    return ", ".join(word if count == 1 else f"{count} x {word}" for word, count in runs) or "nothing"


def _channels(operator: OperatorInfo, tensors: Sequence[TensorInfo], axis: int) -> str | None:
    """Scales of a kernel lie along its output channels; its bias has as many, or one."""
    kernel = tensors[operator.inputs[1]]
    if kernel.scales > 1 and kernel.axis != axis:
        return f"its kernel has scales along axis {kernel.axis}, expected {axis}"
    for index in operator.inputs[2:]:
        if index != -1 and tensors[index].scales > 1 and tensors[index].scales != kernel.scales:
            return f"its bias has {tensors[index].scales} scales, its kernel {kernel.scales}"
    return None


def _scales_fault(kind: Scales, operator: OperatorInfo, tensors: Sequence[TensorInfo]) -> str | None:
    """Why the scales of the 8-bit inputs and outputs do not go together."""
    *read, made = (tensors[index] for index in (*operator.inputs, operator.outputs[0]) if index != -1)
    coded = [tensor for tensor in read if tensor.dtype in ("int8", "uint8") and tensor.scales]
    if made.scale is None:
        return None
    scales = [tensor.largest_scale for tensor in coded]
    listed = f"it has the scales {scales}, and {made.scale} for what it makes"
    match kind:
        case "equal":
            others = [*coded, *(tensors[index] for index in operator.outputs[1:])]
            same = all(_same(tensor, made) for tensor in others)
            return None if same else f"{listed}: they must be one, with one zero point"
        case "product":
            return None if math.prod(scales) <= MAX_RATIO * made.scale else listed
        case "sum":
            fits = max(scales) <= MAX_SUM_RATIO * made.scale
            return None if fits else f"it has the scales {scales}, and {made.scale} for their sum"
        case "ratio":
            near = all(scale <= MAX_RATIO * made.scale <= MAX_RATIO**3 * scale for scale in scales)
            return None if near else listed
        case "slope":
            return None if max(scales[0], math.prod(scales)) <= MAX_RATIO * made.scale else listed
        case "probability" | "tangent":
            scale = 1 / (256 if kind == "probability" else 128)
            zero_point = (0 if kind == "probability" else 128) - (128 if made.dtype == "int8" else 0)
            exact = math.isclose(made.scale, scale, rel_tol=1e-3) and made.zero_point == zero_point
            return None if exact else f"it makes codes of scale {made.scale} and zero point {made.zero_point}"
    return None


def _same(one: TensorInfo, other: TensorInfo) -> bool:
    if one.scale is None or other.scale is None or one.zero_point != other.zero_point:
        return False
    return math.isclose(one.scale, other.scale, rel_tol=SAME_SCALE)
