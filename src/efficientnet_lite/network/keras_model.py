"""The layer plan as a plain Keras model, built by walking the plan's steps.

`blocks_3/expand` of the plan becomes the layers `blocks_3_expand` and `blocks_3_expand_bn`, so that
`parameters` finds every array again. Only `keras` and `keras.ops` are used: any backend.

Source: tensorflow/tpu, models/official/efficientnet: efficientnet_model.py (`MBConvBlock`, `Model.call`,
initializers), utils.py (`drop_connect`), lite/efficientnet_lite_builder.py (rates).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.naming import NORM_SUFFIX
from efficientnet_lite.network.plan import (
    BN_EPSILON,
    DENSE,
    INPUT,
    LOGITS,
    POOLED,
    Add,
    Conv,
    Dense,
    Plan,
    Pool,
    Softmax,
    Step,
)
from efficientnet_lite.photos.contract import MEAN, STDDEV

BN_MOMENTUM = 0.99  # new = 0.99 * old + 0.01 * batch; Source: efficientnet_lite_builder.py
SURVIVAL = 0.8  # of a residual branch behind the last block; Source: efficientnet_lite_builder.py
IMAGES = "images"  # the input; Source: tensorflow/hub, docs/common_signatures/images.md


def build_model(
    plan: Plan, *, side: int | None, endpoints: Sequence[str] = (), survival: float = SURVIVAL
) -> keras.Model:
    """A model with fresh weights that takes `images` in [0, 1], float32 (N, side, side, 3).

    With `side` None height and width are open. The output is logits (N, classes), no softmax, or
    features (N, 1280) where the plan has no classes. With `endpoints`, names of the reference such as
    "reduction_4", it is a dictionary: "logits" or "features", and each endpoint under its public name
    (`Plan.endpoint_output`).

    Args:
        survival: how often the last residual branch is kept in training; 1 keeps all.

    Raises UsageError for an endpoint that the plan does not have.
    """
    if unknown := [name for name in endpoints if name not in plan.endpoints]:
        raise UsageError(
            f"{plan.variant.name} has no endpoint {', '.join(unknown)}",
            where="endpoints",
            fix=f"it has {', '.join(plan.endpoints)}",
        )
    images = layers.Input((side, side, 3), name=IMAGES)
    tensors = {INPUT: layers.Rescaling(255 / STDDEV, -MEAN / STDDEV, name=INPUT)(images)}
    add_layers(plan.steps, tensors, plan.variant.dropout, survival=survival_rates(plan, survival))
    main = POOLED if plan.classes is None else LOGITS
    outputs: Any = tensors[POOLED if plan.classes is None else DENSE]
    if endpoints:
        extra = {plan.endpoint_output(name): tensors[plan.endpoints[name]] for name in endpoints}
        outputs = {main: outputs, **extra}
    return keras.Model(images, outputs, name=f"efficientnet_{plan.variant.name}")


def add_layers(
    steps: Iterable[Step],
    tensors: dict[str, Any],
    dropout: float,
    *,
    seed: int | None = None,
    survival: Mapping[str, float] | None = None,
    normalization: Callable[..., Any] = layers.BatchNormalization,
) -> None:
    """Walk `steps` with Keras layers: `tensors` has what the first ones read, and gets what each gives, by name.

    Softmax is left out, since losses are computed on logits.

    Args:
        dropout: rate before the classifier; its draws follow from `seed`.
        survival: residual -> how often its branch is kept in training; None: always.
        normalization: makes the layer behind each convolution.
    """
    for step in steps:
        if isinstance(step, Softmax):
            continue
        x = tensors[step.source]
        match step:
            case Conv():
                x = _conv(step, x, normalization)
            case Add():
                if survival is not None:
                    x = DropConnect(survival[step.name], name=layer_name(step.source) + "_drop")(x)
                x = layers.Add(name=layer_name(step.name))([x, tensors[step.skip]])
            case Pool():
                x = layers.GlobalAveragePooling2D(name=step.name)(x)
            case Dense():
                x = _dense(step, layers.Dropout(dropout, seed=seed, name="head_dropout")(x))
        tensors[step.name] = x


def layer_name(step: str) -> str:
    """What Keras calls a step of the plan; a name there may have no slash."""
    return step.replace("/", "_")


def survival_rates(plan: Plan, survival: float) -> dict[str, float]:
    """Name of each residual -> how often its branch is kept in training: 1 - (1 - survival) * i / B.

    Source: efficientnet_model.py, `Model.call`: i counts all B blocks from 0, so the last block's rate
    is not `survival` itself.
    """
    blocks = [step.name.split("/")[0] for step in plan.convs if step.name.endswith("/project")]
    rates = {f"{block}/add": 1 - (1 - survival) * i / len(blocks) for i, block in enumerate(blocks)}
    return {step.name: rates[step.name] for step in plan.steps if isinstance(step, Add)}


def _conv(step: Conv, x: Any, normalization: Callable[..., Any]) -> Any:
    """Convolution, batch norm and, where the step has it, ReLU6."""
    name = layer_name(step.name)
    # For a depthwise kernel the reference's fan-out is k * k: its last axis, the multiplier, is 1.
    spread = math.sqrt(2 / (step.kernel**2 * step.kernel_shape[-1]))
    shared: dict[str, Any] = {"strides": step.stride, "padding": "same", "use_bias": False, "name": name}
    if step.depthwise:
        x = layers.DepthwiseConv2D(step.kernel, depthwise_initializer=_normal(spread), **shared)(x)
    else:
        x = layers.Conv2D(step.outputs, step.kernel, kernel_initializer=_normal(spread), **shared)(x)
    x = normalization(momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=name + NORM_SUFFIX)(x)
    return layers.ReLU(6, name=f"{name}_relu6")(x) if step.relu6 else x


def _normal(spread: float) -> keras.initializers.Initializer:
    """Not truncated, unlike Keras' own He initializers. Source: `conv_kernel_initializer`."""
    return keras.initializers.RandomNormal(0.0, spread)


def _dense(step: Dense, x: Any) -> Any:
    """Logits, float32 under mixed precision too. Source of the bound: `dense_kernel_initializer`."""
    bound = 1 / math.sqrt(step.outputs)
    return layers.Dense(
        step.outputs,
        kernel_initializer=keras.initializers.RandomUniform(-bound, bound),
        dtype="float32",
        name=layer_name(step.name),
    )(x)


@keras.saving.register_keras_serializable("efficientnet_lite")
class DropConnect(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """In training, drops a residual branch for single images and scales the kept ones up; else nothing.

    x / survival * floor(survival + U), one U in [0, 1) per image. Source: utils.py, `drop_connect`.
    """

    def __init__(self, survival: float, **options: Any) -> None:
        super().__init__(**options)
        self.survival = survival
        self.seeds = keras.random.SeedGenerator()

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or self.survival >= 1:
            return x
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = ops.floor(self.survival + keras.random.uniform(shape, dtype="float32", seed=self.seeds))
        return x / self.survival * ops.cast(kept, x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "survival": self.survival}
