"""The SavedModel of the reference's export script: `serving_default` with `input` -> `output`, one image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT, Add, Conv, Dense, Plan, Pool
from efficientnet_lite.tflite.float import needed_steps, tensors_of

SIGNATURE, TAKES, GIVES = "serving_default", "input", "output"


def write_saved_model(plan: Plan, layers: Mapping[str, Layer], output: str, folder: Path) -> None:
    """Write the network up to `output`, a public name, into `folder`, which is empty.

    `input` is float32 (1, S, S, 3), normalized already: (x - 127) / 128.

    Source: tensorflow/tpu, models/official/efficientnet/export_model.py.
    """
    (tensor,) = tensors_of(plan, [output]).values()
    steps = needed_steps(plan, [tensor])
    module = tf.Module()
    module.variables_by_name = {
        f"{step.name}/{part}": tf.Variable(getattr(layers[step.name], part), name=f"{step.name}/{part}")
        for step in steps
        if isinstance(step, Conv | Dense)
        for part in ("kernel", "bias")
    }

    def serve(images: Any) -> dict[str, Any]:
        values = {INPUT: images}
        for step in steps:
            values[step.name] = _value(step, values, module.variables_by_name)
        result = values[tensor]
        return {GIVES: tf.reshape(result, (1, -1)) if output == "features" else result}

    spec = tf.TensorSpec((1, plan.size, plan.size, 3), tf.float32, name=TAKES)
    concrete = tf.function(serve).get_concrete_function(spec)
    module.serve = concrete
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: concrete})


def run_saved_model(folder: Path, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the signature of a written model gives for `inputs` (1, S, S, 3)."""
    signature = tf.saved_model.load(str(folder)).signatures[SIGNATURE]
    result: npt.NDArray[np.float32] = signature(**{TAKES: tf.constant(inputs)})[GIVES].numpy()
    return result


def _value(step: Any, values: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    x = values[step.source]
    if isinstance(step, Conv):
        convolve = tf.nn.depthwise_conv2d if step.depthwise else tf.nn.conv2d
        strides = [1, step.stride, step.stride, 1]
        y = convolve(x, variables[f"{step.name}/kernel"], strides, "SAME") + variables[f"{step.name}/bias"]
        return tf.nn.relu6(y) if step.relu6 else y
    if isinstance(step, Add):
        return x + values[step.skip]
    if isinstance(step, Pool):
        return tf.reduce_mean(x, [1, 2], keepdims=True)
    if isinstance(step, Dense):
        flat = tf.reshape(x, (1, step.inputs))
        return flat @ variables[f"{step.name}/kernel"] + variables[f"{step.name}/bias"]
    return tf.nn.softmax(x)
