"""What each family of checkpoints calls the parameters of the layer plan, and how it turns them.

    plan        stem/conv/kernel                         our own files
    lukemelas   _conv_stem.weight                        the packages with the official weights
    timm        conv_stem.weight                         timm's tf_efficientnet_lite models
    tf1         efficientnet-lite0/stem/conv2d/kernel    the reference's own checkpoints; scope removed here

TensorFlow's kernels are laid out as the plan's: (h, w, in, out), (h, w, channels, 1), (in, out).
Torch's are (out, in, h, w), (channels, 1, h, w), (out, in). Pure: opens no file.

Source: tensorflow/tpu, efficientnet_model.py (scopes, in the order of creation); lukemelas,
EfficientNet-PyTorch, model.py; timm, models/efficientnet.py and _efficientnet_blocks.py.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from efficientnet_lite.network.plan import BN_PARTS, DENSE, Plan

Dialect = Literal["plan", "lukemelas", "timm", "tf1"]

SHADOW = "/ExponentialMovingAverage"
ACCUMULATOR, MOMENTUM = "/RMSProp", "/RMSProp_1"  # slots of the reference's optimizer
GLOBAL_STEP = "global_step"
TORCH_BN = dict(zip(BN_PARTS, ("weight", "bias", "running_mean", "running_var"), strict=True))

NORM_SUFFIX = "_bn"  # of a Keras layer: the batch norm behind the one of that name

# A part of a name that each dialect uses in every block and no other one uses.
MARKS: dict[Dialect, str] = {
    "plan": "/depthwise/kernel",
    "lukemelas": "._depthwise_conv.weight",
    "timm": ".conv_dw.weight",
    "tf1": "/depthwise_conv2d/depthwise_kernel",
}
_SQUEEZE_AND_EXCITE = re.compile(r"_se_reduce|\.se\.|/se/")
# What wraps a part of a network, and so stands anywhere in its names: FSDP, activation checkpointing,
# torch.compile, Opacus; DataParallel, whose `module` in front is a prefix like others.
_WRAPPER = re.compile(
    r"(?<![^.])(?:_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod|_module)\.|(?<=\.)module\."
)
_NO_PARAMETER = re.compile(
    GLOBAL_STEP + r"|_CHECKPOINTABLE_OBJECT_GRAPH|save_counter|(.*/)?beta[12]_power"
    r"|.*(\.num_batches_tracked|/(RMSProp|Momentum|Adam)(_[1-9])?)"
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A parameter as a dialect has it; `axes` is the transposition into the plan's layout, None for none."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None


def dialect_of(names: Iterable[str]) -> Dialect | None:
    """The dialect that `names` belong to, or None where they are of no EfficientNet known here."""
    names = [unwrapped(name) for name in names]
    for dialect, mark in MARKS.items():
        if any(mark in name for name in names):
            return dialect
    return None


def unwrapped(name: str) -> str:
    """`name` without what torch's wrappers put into it: blocks.0._orig_mod.0.bn1.bias -> blocks.0.0.bn1.bias."""
    return _WRAPPER.sub("", name)


def has_squeeze_and_excite(names: Iterable[str]) -> bool:
    """Whether the names have squeeze-and-excite, as full EfficientNets and MobileNetV3 do and no Lite variant does."""
    return any(_SQUEEZE_AND_EXCITE.search(name) for name in names)


def is_no_parameter(name: str) -> bool:
    """Whether `name` is a step counter or a slot of an optimizer, which no model needs."""
    return _NO_PARAMETER.fullmatch(name) is not None


def tf1_scope(names: Iterable[str]) -> str:
    """What stands before `stem/` in the names of a TF1 checkpoint: "efficientnet-lite0/", mostly."""
    for name in names:
        if match := re.match(r"(.*/)?(?:stem|blocks_\d+)/", name):
            return match[1] or ""
    return ""


def foreign_names(plan: Plan, dialect: Dialect) -> dict[str, Foreign]:
    """Plan name -> what `dialect` calls it and how it lays it out, for every parameter of `plan`."""
    shapes = plan.parameter_shapes()
    if dialect == "plan":
        return {name: Foreign(name, shape, None) for name, shape in shapes.items()}
    layers, foreign = _layers(plan, dialect), _tf1 if dialect == "tf1" else _torch
    table = {}
    for name, shape in shapes.items():
        layer, _, part = name.rpartition("/")
        weights, norm = layers[layer]
        table[name] = foreign(norm if part in BN_PARTS else weights, part, shape)
    return table


def plan_layer(layer: str) -> str | None:
    """`blocks_3/expand` for the Keras layers `blocks_3_expand` and `blocks_3_expand_bn`; None for strange ones."""
    block, _, part = layer.removesuffix(NORM_SUFFIX).rpartition("_")
    if f"{block}/{part}" in ("stem/conv", "head/conv", DENSE):
        return f"{block}/{part}"
    numbered = block.startswith("blocks_") and block.removeprefix("blocks_").isdecimal()
    return f"{block}/{part}" if numbered and part in ("expand", "depthwise", "project") else None


def tf1_variables(plan: Plan) -> dict[str, str]:
    """Plan name -> variable of the reference's graph, in the same layout: efficientnet-lite1/stem/conv2d/kernel."""
    scope = f"efficientnet-{plan.variant.name}/"
    return {name: scope + foreign.name for name, foreign in foreign_names(plan, "tf1").items()}


def _tf1(layer: str, part: str, shape: tuple[int, ...]) -> Foreign:
    depthwise = part == "kernel" and layer.endswith("/depthwise_conv2d")
    return Foreign(f"{layer}/{'depthwise_kernel' if depthwise else part}", shape, None)


def _torch(layer: str, part: str, shape: tuple[int, ...]) -> Foreign:
    if part != "kernel":
        return Foreign(f"{layer}.{TORCH_BN.get(part, part)}", shape, None)
    name = f"{layer}.weight"
    if len(shape) == 2:
        return Foreign(name, shape[::-1], (1, 0))
    height, width, inputs, outputs = shape
    if outputs == 1:  # depthwise, since no convolution of the plan has a single output
        return Foreign(name, (inputs, 1, height, width), (2, 3, 0, 1))
    return Foreign(name, (outputs, inputs, height, width), (2, 3, 1, 0))


_ENDS: dict[Dialect, dict[str, tuple[str, str]]] = {
    "lukemelas": {
        "stem/conv": ("_conv_stem", "_bn0"),
        "head/conv": ("_conv_head", "_bn1"),
        DENSE: ("_fc", ""),
    },
    "timm": {"stem/conv": ("conv_stem", "bn1"), "head/conv": ("conv_head", "bn2"), DENSE: ("classifier", "")},
    "tf1": {
        "stem/conv": ("stem/conv2d", "stem/tpu_batch_normalization"),
        "head/conv": ("head/conv2d", "head/tpu_batch_normalization"),
        DENSE: ("head/dense", ""),
    },
}


def _layers(plan: Plan, dialect: Dialect) -> dict[str, tuple[str, str]]:
    """Plan layer -> the dialect's layer that holds the weights, and its batch norm."""
    layers = dict(_ENDS[dialect])
    expanding = {conv.name.split("/")[0] for conv in plan.convs if conv.name.endswith("/expand")}
    projections = [conv for conv in plan.convs if conv.name.endswith("/project")]
    stage, repeat, channels = -1, 0, 0
    for number, projection in enumerate(projections):
        block = projection.name.split("/")[0]
        # Neighboring stages differ in width for every variant, so a change of width begins a stage.
        stage, repeat = (stage, repeat + 1) if projection.outputs == channels else (stage + 1, 0)
        channels = projection.outputs
        layers |= _block_layers(block, number, (stage, repeat), block in expanding, dialect)
    return layers


def _block_layers(
    block: str, number: int, place: tuple[int, int], expands: bool, dialect: Dialect
) -> dict[str, tuple[str, str]]:
    parts = ("expand", "depthwise", "project") if expands else ("depthwise", "project")
    if dialect == "lukemelas":  # batch norms keep their number where the expansion is absent
        convs = {"expand": "_expand_conv", "depthwise": "_depthwise_conv", "project": "_project_conv"}
        norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
        prefix = f"_blocks.{number}."
    elif dialect == "timm":  # `conv_pw` expands, but projects in the blocks without expansion
        convs = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl" if expands else "conv_pw"}
        norms = {part: f"bn{position}" for position, part in enumerate(parts, 1)}
        prefix = f"blocks.{place[0]}.{place[1]}."
    else:  # numbered in the order of creation within the scope
        convs = {
            "expand": "conv2d",
            "depthwise": "depthwise_conv2d",
            "project": "conv2d_1" if expands else "conv2d",
        }
        norms = {
            part: "tpu_batch_normalization" + (f"_{position}" if position else "")
            for position, part in enumerate(parts)
        }
        prefix = f"blocks_{number}/"
    return {f"{block}/{part}": (prefix + convs[part], prefix + norms[part]) for part in parts}
