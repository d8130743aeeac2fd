"""The TF1 Hub module that the published EfficientNet-Lite pages describe, written with today's TensorFlow alone.

    tfhub_module.pb       two bytes that say TF1 Hub format
    saved_model.pb        two graphs: tags [] for inference, ["train"] with batch statistics and their updates
    variables/            one value for each variable; both graphs name them alike
    assets/               for people and for us; no graph reads them

`hub.Module` of tensorflow_hub 0.15 and older reads it, and so do `hub.load` and `hub.KerasLayer` of today.

Source: tensorflow/hub at f74a32b^: docs/tf1_hub_module.md, docs/common_signatures/images.md,
tensorflow_hub/native_module.py (which collections a graph may have) and image_module_info.proto.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.plan import (
    BN_EPSILON,
    BN_PARTS,
    DENSE,
    INPUT,
    POOLED,
    Add,
    Conv,
    Dense,
    Plan,
    Pool,
)
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.protobuf import encoded_varint, message

MODULE_FILE = "tfhub_module.pb"  # its presence tells readers the format
MODULE_DEF = b"\x08\x03"  # ModuleDef{format: FORMAT_V3}, without required features
ATTACHMENTS = "hub_module_attachments"  # the collection
IMAGES, DEFAULT = "images", "default"  # keys of every signature
FEATURE_VECTOR, CLASSIFICATION = "image_feature_vector", "image_classification"
ALIAS = "image_feature-vector"  # how the published pages spell the signature once
TRAIN = "train"  # the tag

MOMENTUM = 0.99  # of the moving statistics. Source: efficientnet_lite_builder.py, `batch_norm_momentum`
SURVIVAL = 0.8  # Source: efficientnet_lite_builder.py, `survival_prob`
WEIGHT_DECAY = 1e-5  # Source: main.py, `weight_decay`


@cache
def first_session() -> None:
    """Open the session with which TensorFlow says what it says once in a process."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        session.run(tf.constant(0))


def write_hub_module(
    folder: Path,
    plan: Plan,
    parameters: Mapping[str, Array],
    names: Mapping[str, str],
    *,
    survival: float = SURVIVAL,
) -> None:
    """Write the module of `plan` into the empty `folder`: features, or logits where the plan has classes.

    Images are float32 (N, H, W, 3) in [0, 1], of any size; `plan.size` is what `hub.get_expected_image_size`
    answers.

    Args:
        parameters: by the plan's names, in the plan's layout.
        names: plan name -> name of the variable.
        survival: of the last residual in training; 1 switches drop-connect off.
    """
    builder = tf.compat.v1.saved_model.Builder(str(folder))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables, signatures = _build(plan, names, training=False, survival=1)
        # Values are fed: as constants of an initializer they would be stored in the graph a second time.
        session.run(
            [variable.initializer for variable in variables.values()],
            {variable.initializer.inputs[1]: parameters[name] for name, variable in variables.items()},
        )
        builder.add_meta_graph_and_variables(
            session, [], signature_def_map=signatures, strip_default_attrs=True
        )
    with tf.Graph().as_default():
        _, signatures = _build(plan, names, training=True, survival=survival)
        builder.add_meta_graph([TRAIN], signature_def_map=signatures, strip_default_attrs=True)
    builder.save()
    (folder / MODULE_FILE).write_bytes(MODULE_DEF)


def run_hub_module(folder: Path, signature: str, images: Array) -> dict[str, Array]:
    """Every output of one signature of a module on disk, by name, for `images` (N, H, W, 3) in [0, 1]."""
    loaded = tf.saved_model.load(str(folder), tags=[])
    return {name: value.numpy() for name, value in loaded.signatures[signature](tf.constant(images)).items()}


def image_module_info(size: int) -> bytes:
    """The attachment that carries the expected size: ModuleAttachment{key: "image_module_info", value}.

    The value is ImageModuleInfo{default_image_size: {height, width}}, both `size`.
    """
    side = encoded_varint(size)
    sides = b"\x08" + side + b"\x10" + side  # fields 1 and 2, both numbers
    return message(1, b"image_module_info") + message(2, message(1, sides))


def _build(
    plan: Plan, names: Mapping[str, str], *, training: bool, survival: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One graph of the module, into TensorFlow's default graph: its variables by the plan's names, its signatures.

    Readers refuse a graph with other collections than variables, update ops, regularization losses and
    attachments.
    """
    tf.compat.v1.add_to_collection(ATTACHMENTS, image_module_info(plan.size))
    variables = {
        name: tf.compat.v1.get_variable(
            names[name],
            shape,
            tf.float32,
            tf.compat.v1.zeros_initializer(),
            trainable="/moving_" not in name,
            use_resource=True,
        )
        for name, shape in plan.parameter_shapes().items()
    }
    _regularize(variables)
    images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], IMAGES)
    tensors = _tensors(plan, variables, images, training=training, survival=survival)
    return variables, _signatures(plan, images, tensors)


def _regularize(variables: Mapping[str, Any]) -> None:
    """L2 of every weight outside of batch norm, each its own loss, in both graphs.

    A reader hands them on only where it was asked for a trainable module.
    """
    for name, variable in variables.items():
        if name.rpartition("/")[2] in ("kernel", "bias"):
            tf.compat.v1.add_to_collection(
                tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES, WEIGHT_DECAY * tf.nn.l2_loss(variable)
            )


def _tensors(
    plan: Plan, variables: Mapping[str, Any], images: Any, *, training: bool, survival: float
) -> dict[str, Any]:
    """Every tensor of the plan by name; the pooled features without their two sides of 1.

    Dropout is left to the consumer: the contract wants features without it.
    """
    # Scalars, not one number for each channel: the published modules changed to them for speed in version 2.
    tensors = {INPUT: images * (255 / STDDEV) - MEAN / STDDEV}
    blocks = sum(endpoint.startswith("block_") for endpoint in plan.endpoints)
    for step in plan.steps:
        x = tensors[step.source]
        if isinstance(step, Conv):
            y = _normalize(_convolve(x, variables[f"{step.name}/kernel"], step), step, variables, training)
            tensors[step.name] = tf.nn.relu6(y) if step.relu6 else y
        elif isinstance(step, Add):
            if training and survival < 1:
                block = int(step.name.split("/")[0].removeprefix("blocks_"))
                x = _drop_connect(x, 1 - (1 - survival) * block / blocks)
            tensors[step.name] = x + tensors[step.skip]
        elif isinstance(step, Pool):
            tensors[step.name] = tf.reduce_mean(x, [1, 2])  # not of a fixed window, so any size will do
        elif isinstance(step, Dense):
            kernel, bias = variables[f"{step.name}/kernel"], variables[f"{step.name}/bias"]
            tensors[step.name] = tf.nn.bias_add(tf.matmul(x, kernel), bias)
    return tensors


def _convolve(x: Any, kernel: Any, step: Conv) -> Any:
    strides = [1, step.stride, step.stride, 1]
    if step.depthwise:
        return tf.nn.depthwise_conv2d(x, kernel, strides, "SAME")
    return tf.nn.conv2d(x, kernel, strides, "SAME")


def _normalize(x: Any, step: Conv, variables: Mapping[str, Any], training: bool) -> Any:
    """Batch norm of `x`; in training with the batch's own statistics, and updates of the moving ones.

    The fused kernel normalizes by the variance of the population but hands out that of a sample, which is
    n / (n - 1) of it. The reference moves its statistics by the former, and so do we: at 32 pixels the last
    layers of one image have n = 1, where the two have nothing in common.

    Source: tensorflow/tpu, utils.py, `TpuBatchNormalization`.
    """
    gamma, beta, mean, variance = (variables[f"{step.name}/{part}"] for part in BN_PARTS)
    normalize = tf.compat.v1.nn.fused_batch_norm
    if not training:
        y, _, _ = normalize(x, gamma, beta, mean, variance, epsilon=BN_EPSILON, is_training=False)
        return y
    y, batch_mean, sample_variance = normalize(x, gamma, beta, epsilon=BN_EPSILON, is_training=True)
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
    for moving, batch in ((mean, batch_mean), (variance, sample_variance * ((count - 1) / count))):
        update = moving.assign_sub((moving - batch) * (1 - MOMENTUM), read_value=False)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)
    return y


def _drop_connect(x: Any, survival: float) -> Any:
    """`x` without the images that chance takes out, the others scaled so that the mean stays.

    Source: tensorflow/tpu, utils.py, `drop_connect`.
    """
    kept = tf.floor(survival + tf.random.uniform([tf.shape(x)[0], 1, 1, 1]))
    return x / survival * kept


def _signatures(plan: Plan, images: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """`default`, and the signatures for images, which have the named endpoints beside their result."""
    hidden = {plan.endpoint_output(name): tensors[tensor] for name, tensor in plan.endpoints.items()}
    vector = {DEFAULT: tensors[POOLED]} | hidden
    outputs = {DEFAULT: {DEFAULT: tensors[POOLED]}, FEATURE_VECTOR: vector, ALIAS: vector}
    if plan.classes is not None:
        outputs[DEFAULT] = {DEFAULT: tensors[DENSE]}
        outputs[CLASSIFICATION] = {DEFAULT: tensors[DENSE]} | hidden
    return {
        signature: SignatureDef(
            inputs={IMAGES: _info(images)},
            outputs={name: _info(tensor) for name, tensor in named.items()},
            method_name="tensorflow/serving/predict",
        )
        for signature, named in outputs.items()
    }


def _info(tensor: Any) -> Any:
    return TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )
