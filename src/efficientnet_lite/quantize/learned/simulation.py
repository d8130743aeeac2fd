"""The integer network as a differentiable TensorFlow function that gives what the written int8 file gives.

It computes in codes, as the kernels do: sums of products of codes are whole numbers and exact in float32, so the
only rounding is the one that the file has too. In reals it would not do: a single code that is rounded otherwise
changes all roundings behind it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.plan import INPUT, Add, Conv, Dense, Plan, Pool, Softmax, Step
from efficientnet_lite.photos.contract import MEAN
from efficientnet_lite.quantize.learned.rounding import added, averaged, requantized, straight
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, INT8_MAX, INT8_MIN, WEIGHT_MAX, Scale

RELU6_TOP = 6.0


class Simulation:
    """An `IntegerNetwork` whose numbers are variables.

    `variables`, all float32, by name:
        `<layer>/codes`: the kernel in steps of its channel's scale, in the plan's layout; rounded when it is used.
        `<layer>/bias`: (C,), in steps that the layer's output had at the start.
        `<layer>/gains`: the weights' scales as parts of those at the start, (C,), or (1,) for a dense layer.
        `<tensor>/gain`: a tensor's scale as a part of that at the start. The pool has that of what it reads.
    Zero points stay as they are. Gains and not logarithms, since products are the same float32 everywhere.
    """

    def __init__(
        self, plan: Plan, network: IntegerNetwork, kernels: Mapping[str, Array] | None = None
    ) -> None:
        """`kernels`, layer -> floats in steps of its scales, start in place of the codes where they are given."""
        import tensorflow as tf

        self.plan, self._zero_points = plan, {}
        self.steps = tuple(step for step in plan.steps if not isinstance(step, Softmax))
        self.variables: dict[str, Any] = {}
        self._made: dict[str, np.float32] = {INPUT: np.float32(INPUT_SCALE.scale)}  # scales at the start
        self._weights: dict[str, Array] = {}
        pooled = {step.name: step.source for step in self.steps if isinstance(step, Pool)}
        self._same = {step.name: pooled.get(step.name, step.name) for step in self.steps}
        for step in self.steps:
            made = network.tensors[step.name]
            self._zero_points[step.name] = made.zero_point
            self._made[step.name] = np.float32(made.scale)
            if step.name not in pooled:
                self.variables[f"{step.name}/gain"] = tf.Variable(np.float32(1))
            if isinstance(step, Conv | Dense):
                layer, source = network.layers[step.name], network.tensors.get(step.source, INPUT_SCALE)
                codes = (kernels or {}).get(step.name, layer.kernel)
                self._weights[step.name] = layer.scales
                reals = layer.bias * layer.scales.astype(np.float64) * (source.scale / made.scale)
                for part, value in (
                    ("codes", codes),
                    ("bias", reals),
                    ("gains", np.ones_like(layer.scales)),
                ):
                    self.variables[f"{step.name}/{part}"] = tf.Variable(value.astype(np.float32))

    def logits(self, images: Any) -> Any:
        """What the file gives for `images`, (N, S, S, 3) of 0 to 255, as reals (N, classes).

        Features, (N, 1280), where the plan has no classes.
        """
        last = self.steps[-1].name
        return self.codes(images)[last] * self.scale(last)

    def codes(self, images: Any) -> dict[str, Any]:
        """Every tensor by name, as codes less the zero point."""
        import tensorflow as tf

        tensors = {INPUT: tf.cast(images, tf.float32) - float(MEAN)}
        for step in self.steps:
            if isinstance(step, Conv | Dense):
                tensors[step.name] = self._layer(step, tensors[step.source])
            elif isinstance(step, Add):
                tensors[step.name] = self._sum(step, tensors[step.source], tensors[step.skip])
            else:  # the mean of codes is rounded once; both tensors have one scale
                tensors[step.name] = averaged(tensors[step.source], self._zero_points[step.name])
        return tensors

    def scale(self, tensor: str) -> Any:
        """Of one tensor, a scalar."""
        tensor = self._same.get(tensor, tensor)
        return self._made[tensor] * (self.variables[f"{tensor}/gain"] if tensor != INPUT else np.float32(1))

    def network(self) -> IntegerNetwork:
        """What the variables are as integers."""
        tensors = {
            step.name: Scale(float(self.scale(step.name)), self._zero_points[step.name])
            for step in self.steps
        }
        layers = {}
        for step in self.steps:
            if isinstance(step, Conv | Dense):
                scales = (self._weights[step.name] * self.variables[f"{step.name}/gains"]).numpy()
                layers[step.name] = IntegerLayer(
                    self._kernel(step).numpy().astype(np.int8),
                    scales,
                    self._bias(step).numpy().astype(np.int32),
                )
        return IntegerNetwork(layers, {INPUT: INPUT_SCALE, **tensors})

    def _kernel(self, step: Conv | Dense) -> Any:
        """Its codes, as floats."""
        import tensorflow as tf

        codes = self.variables[f"{step.name}/codes"]
        return straight(tf.clip_by_value(codes, -float(WEIGHT_MAX), float(WEIGHT_MAX)))

    def _finest(self, step: Conv | Dense) -> Any:
        """The scales of its sums of products, (C,) or (1,)."""
        return self.scale(step.source) * (self._weights[step.name] * self.variables[f"{step.name}/gains"])

    def _bias(self, step: Conv | Dense) -> Any:
        """Its codes, as floats."""
        return straight(self.variables[f"{step.name}/bias"] * self._made[step.name] / self._finest(step))

    def _layer(self, step: Conv | Dense, x: Any) -> Any:
        import tensorflow as tf

        kernel, bias = self._kernel(step), self._bias(step)
        if isinstance(step, Dense):
            sums = tf.matmul(x, kernel)
        elif step.depthwise:
            sums = tf.nn.depthwise_conv2d(x, kernel, [1, step.stride, step.stride, 1], "SAME")
        else:
            sums = tf.nn.conv2d(x, kernel, step.stride, "SAME")
        factors = tf.broadcast_to(self._finest(step) / self.scale(step.name), bias.shape)
        return requantized()(sums, bias, factors, *self._bounds(step))

    def _sum(self, step: Add, x: Any, skip: Any) -> Any:
        import tensorflow as tf

        made = self.scale(step.name)
        factors = [
            tf.convert_to_tensor(self.scale(name) / made, tf.float32) for name in (step.source, step.skip)
        ]
        return added()(x, skip, *factors, *self._bounds(step))

    def _bounds(self, step: Step) -> tuple[Any, Any]:
        """The smallest and the largest code of what a step makes, less the zero point."""
        import tensorflow as tf

        zero_point = self._zero_points[step.name]
        low, high = float(INT8_MIN - zero_point), float(INT8_MAX - zero_point)
        if isinstance(step, Conv) and step.relu6:
            low = max(low, 0.0)
            return tf.constant(low), tf.minimum(
                high, tf.round(RELU6_TOP / tf.stop_gradient(self.scale(step.name)))
            )
        return tf.constant(low), tf.constant(high)
