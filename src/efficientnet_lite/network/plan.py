"""The five EfficientNet-Lite variants as data, and the layer plan that follows from them.

The plan lists every operation of the network in order, with the names of its tensors and
parameters. The file writer, the numpy run, the quantizer, the checkpoint readers and the
documentation all read it; nothing else knows the architecture.
Pure: standard library only, opens no file, prints nothing.

Source: tensorflow/tpu, models/official/efficientnet: lite/efficientnet_lite_builder.py (widths,
depths, dropout, stages), efficientnet_model.py (`round_filters`, `round_repeats`, block order and
endpoint names). Squeeze-and-excite is absent; stem, head and the repeats of the first and last
stage are not scaled.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from efficientnet_lite.errors import UsageError

STEM_CHANNELS = 32
FEATURES = 1280  # length of the feature vector, the same for every variant
IMAGENET_CLASSES = 1000
BN_EPSILON = 1e-3  # Source: efficientnet_lite_builder.py, `batch_norm_epsilon`
CHANNEL_DIVISOR = 8


@dataclass(frozen=True, slots=True)
class Variant:
    """One published size of the network."""

    name: str
    width: float  # multiplies channels
    depth: float  # multiplies repeats
    size: int  # side of the input in pixels for which `top1` holds
    dropout: float  # rate before the classifier, in training
    parameters: int  # trainable, with 1000 classes
    top1: float  # published ImageNet accuracy of the float weights at `size`
    top1_int8: float  # published, of the reference's int8 file, at `int8_size`
    int8_size: int  # side for which the reference's int8 accuracy, MAdds and latencies were most likely taken


# Sizes: the TF Hub pages and timm reproduce the published float accuracies at 224 to 380; the
# reference's builder says 280 and 300 for lite3 and lite4. Accuracies: lite/README.md.
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("lite0", 1.0, 1.0, 224, 0.2, 4_652_008, 0.751, 0.744, 224),
        Variant("lite1", 1.0, 1.1, 240, 0.2, 5_416_680, 0.767, 0.759, 240),
        Variant("lite2", 1.1, 1.2, 260, 0.3, 6_092_072, 0.776, 0.770, 260),
        Variant("lite3", 1.2, 1.4, 300, 0.3, 8_197_096, 0.798, 0.790, 280),
        Variant("lite4", 1.4, 1.8, 380, 0.3, 13_006_568, 0.815, 0.802, 300),
    )
}
FROM_TO = f"{next(iter(VARIANTS))} to {next(reversed(VARIANTS))}"  # as messages name them all


class Stage(NamedTuple):
    """One row of the unscaled network: `repeats` blocks, of which the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution without bias, batch norm, and ReLU6 where `relu6`.

    Parameters: `<name>/kernel`, HWIO, or (k, k, C, 1) where `depthwise`; `<name>/gamma`, `beta`,
    `moving_mean`, `moving_variance`, each (out,). Padding is TensorFlow's SAME.
    """

    name: str  # also the name of its output tensor
    source: str  # tensor it reads
    depthwise: bool
    kernel: int
    stride: int
    inputs: int  # channels
    outputs: int
    relu6: bool

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        if self.depthwise:
            return (self.kernel, self.kernel, self.outputs, 1)
        return (self.kernel, self.kernel, self.inputs, self.outputs)


@dataclass(frozen=True, slots=True)
class Add:
    """The residual: the sum of two tensors of one shape."""

    name: str
    source: str  # the block's last convolution
    skip: str  # the block's input


@dataclass(frozen=True, slots=True)
class Pool:
    """The mean over height and width: (N, H, W, C) to (N, 1, 1, C)."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Dense:
    """`<name>/kernel` (inputs, outputs) and `<name>/bias` (outputs,)."""

    name: str
    source: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Softmax:
    """Logits to probabilities."""

    name: str
    source: str


Step = Conv | Add | Pool | Dense | Softmax

INPUT = "normalized"  # the tensor that the stem reads: (x - 127) / 128
POOLED: Final = "features"
LOGITS: Final = "logits"
PROBABILITIES: Final = "probabilities"
BN_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
DENSE = "head/dense"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every operation of one network, in an order in which each reads only what came before."""

    variant: Variant
    size: int  # side of the input, pixels
    classes: int | None  # None: the plan ends at the feature vector
    steps: tuple[Step, ...]
    endpoints: dict[str, str]  # the reference's endpoint name -> tensor

    @property
    def convs(self) -> Iterator[Conv]:
        return (step for step in self.steps if isinstance(step, Conv))

    def endpoint_output(self, endpoint: str) -> str:
        """The public name of an endpoint as an output: with the architecture in front, as the Hub contract asks.

        `efficientnet-lite1/features`, the last block, is not mistaken for `features`, the pooled vector.
        """
        return f"efficientnet-{self.variant.name}/{endpoint}"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every parameter, moving statistics included, in the plan's order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for step in self.steps:
            if isinstance(step, Conv):
                shapes[f"{step.name}/kernel"] = step.kernel_shape
                shapes.update({f"{step.name}/{part}": (step.outputs,) for part in BN_PARTS})
            elif isinstance(step, Dense):
                shapes[f"{step.name}/kernel"] = (step.inputs, step.outputs)
                shapes[f"{step.name}/bias"] = (step.outputs,)
        return shapes

    def trainable_parameters(self) -> int:
        """Count without moving statistics, as the published figures count."""
        return sum(
            math.prod(shape) for name, shape in self.parameter_shapes().items() if "/moving_" not in name
        )

    def sides(self) -> dict[str, int]:
        """Height (= width) of every tensor, in pixels; 1 behind the pool. SAME padding rounds up."""
        sides = {INPUT: self.size}
        for step in self.steps:
            if isinstance(step, Conv):
                sides[step.name] = -(-sides[step.source] // step.stride)
            elif isinstance(step, Add):
                sides[step.name] = sides[step.source]
            else:
                sides[step.name] = 1
        return sides

    def madds(self) -> int:
        """Multiply-adds of the convolutions and the dense layer for one image."""
        sides = self.sides()
        total = 0
        for step in self.steps:
            if isinstance(step, Conv):
                reads = 1 if step.depthwise else step.inputs
                total += sides[step.name] ** 2 * step.kernel**2 * reads * step.outputs
            elif isinstance(step, Dense):
                total += step.inputs * step.outputs
        return total


def round_channels(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 that loses less than a tenth.

    Source: efficientnet_model.py, `round_filters`.
    """
    scaled = channels * width
    rounded = max(CHANNEL_DIVISOR, int(scaled + CHANNEL_DIVISOR / 2) // CHANNEL_DIVISOR * CHANNEL_DIVISOR)
    return rounded + CHANNEL_DIVISOR if rounded < 0.9 * scaled else rounded


def make_plan(variant: Variant, *, size: int | None = None, classes: int | None = IMAGENET_CLASSES) -> Plan:
    """The plan of `variant` at `size` pixels (its own where None).

    With `classes` None the last tensor is `features`, (N, 1, 1, 1280); else the dense layer `head/dense`,
    whose output are the logits, and `probabilities` follow, (N, classes).
    Raises ValueError where `size` or `classes` is below 1.
    """
    size = variant.size if size is None else size
    if size < 1 or (classes is not None and classes < 1):
        raise ValueError(f"size and classes must be at least 1, got {size=} {classes=}")
    steps: list[Step] = [Conv("stem/conv", INPUT, False, 3, 2, 3, STEM_CHANNELS, relu6=True)]
    endpoints = {"stem": "stem/conv"}
    channels, tensor, index, reductions = STEM_CHANNELS, "stem/conv", 0, 0
    for number, stage in enumerate(STAGES):
        fixed = number in (0, len(STAGES) - 1)
        outputs = round_channels(stage.channels, variant.width)
        for repeat in range(stage.repeats if fixed else math.ceil(variant.depth * stage.repeats)):
            stride = stage.stride if repeat == 0 else 1
            if stride == 2:  # a reduction ends where the next block halves the side
                reductions += 1
                endpoints[f"reduction_{reductions}"] = tensor
            block, skip, expanded = f"blocks_{index}", tensor, channels * stage.expand
            if stage.expand != 1:
                steps.append(Conv(f"{block}/expand", tensor, False, 1, 1, channels, expanded, relu6=True))
                tensor = f"{block}/expand"
            steps.append(
                Conv(f"{block}/depthwise", tensor, True, stage.kernel, stride, expanded, expanded, relu6=True)
            )
            steps.append(
                Conv(f"{block}/project", f"{block}/depthwise", False, 1, 1, expanded, outputs, relu6=False)
            )
            tensor = f"{block}/project"
            if stride == 1 and channels == outputs:
                steps.append(Add(f"{block}/add", tensor, skip))
                tensor = f"{block}/add"
            endpoints[f"block_{index}"] = tensor
            channels, index = outputs, index + 1
    endpoints[f"reduction_{reductions + 1}"] = endpoints["features"] = tensor
    steps.append(Conv("head/conv", tensor, False, 1, 1, channels, FEATURES, relu6=True))
    steps.append(Pool(POOLED, "head/conv"))
    endpoints |= {"head_1x1": "head/conv", "pooled_features": POOLED}
    if classes is not None:
        steps.append(Dense(DENSE, POOLED, FEATURES, classes))
        steps.append(Softmax(PROBABILITIES, DENSE))
    return Plan(variant, size, classes, tuple(steps), endpoints)


class ModelName(NamedTuple):
    """What a model name says: the variant and the side of its input in pixels."""

    variant: Variant
    size: int

    def __str__(self) -> str:
        return self.variant.name if self.size == self.variant.size else f"{self.variant.name}@{self.size}"


MIN_SIZE, MAX_SIZE = 32, 2048  # below 32 the last feature map vanishes; above, memory alone forbids it
_ANY = "|".join(VARIANTS)
_NAME = re.compile(rf"(?:tf[_-])?(?:efficientnet[_-])?({_ANY})(?:@(.*))?", re.DOTALL)
_HUB = re.compile(
    rf"https?://(?:www\.)?tfhub\.dev/tensorflow/efficientnet/({_ANY})/(?:feature-vector|classification)/[12]/?"
)
_FORMS = {  # as people write the names elsewhere, without what is no letter or digit
    form.format(name): name
    for name in VARIANTS
    for form in ("{}", "efficientnet{}", "tfefficientnet{}", "timmtfefficientnet{}in1k", "efficientnet{}fp32")
}


def parse_model_name(text: str) -> ModelName | None:
    """`lite1`, `lite4@300`, `efficientnet-lite1`, `tf_efficientnet_lite1` or a TF Hub address; else None.

    Raises UsageError for a name with a size that is no number, or outside MIN_SIZE to MAX_SIZE.
    """
    match = _NAME.fullmatch(text.strip().lower()) or _HUB.fullmatch(text.strip())
    if match is None:
        return None
    variant = VARIANTS[match[1]]
    said = match[2] if match.re is _NAME else None
    if said is None:
        return ModelName(variant, variant.size)
    if not re.fullmatch("[0-9]+", said):
        raise UsageError(
            f"the size after @ is no whole number: {said[:40]!r}",
            where=text,
            fix=f"write for example {variant.name}@{variant.size}, the side of the input in pixels",
        )
    digits = said.lstrip("0") or "0"
    if len(digits) > len(str(MAX_SIZE)) or not MIN_SIZE <= int(digits) <= MAX_SIZE:
        raise UsageError(
            f"an input of {digits[:40]} pixels is outside {MIN_SIZE} to {MAX_SIZE}",
            where=text,
            fix=f"use {variant.name} ({variant.size} pixels) or another {variant.name}@SIZE",
        )
    return ModelName(variant, int(digits))


def nearest_model(text: str) -> str | None:
    """The model that `text` seems to mean, with its size: `lite1@300` for `Lite-1@300`; None for no model.

    The number decides: `lite9` is near to none, as any other would be a guess, and so is `efficientnet-b0`.
    """
    core, at, size = text[:200].lower().partition("@")
    core = re.sub("[^a-z0-9]", "", core)
    import difflib  # for an error alone

    near = difflib.get_close_matches(core, _FORMS, n=1, cutoff=0.6)
    name = _FORMS[near[0]] if near else ""
    if not name or not re.search(f"(?<![0-9b]){name[-1]}(?![0-9])", core):
        return None
    return f"{name}{at}{size}" if re.fullmatch("[0-9]{2,4}", size) else name


def model_name(text: str) -> ModelName:
    """Like `parse_model_name`, but an unknown name is an error, with the known one that it seems to mean."""
    if parsed := parse_model_name(text):
        return parsed
    near = nearest_model(text)
    hint = f"did you mean {near}? " if near else ""
    raise UsageError(
        "no such model",
        where=text,
        fix=f"{hint}known: {', '.join(VARIANTS)}, each also with @SIZE (`efficientnet-lite models` lists them)",
    )
