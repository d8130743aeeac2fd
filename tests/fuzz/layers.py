"""Operators with weights and windows: convolutions, dense layers and pools."""

import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from parts import CHANNELS, Parts, Unfit, Value

from efficientnet_lite.tflite.container import Quantization


class Layers(Parts):
    """A graph under construction to which such operators can be added."""

    def weighted(self, name, form, x: Value, shape, axis, made, options) -> None:
        """Kernel and bias in the letters of `form`, and the result."""
        letters = form.split(">")[0]
        filters = shape[axis]
        scales = np.ones(1, np.float32)
        if letters[1] == "F":
            kernel = self.constant("F", shape, x).index
        elif letters[1] == "K":
            kernel, scales = self.kernel(shape, axis)
        else:
            u = self.tensor(shape, "u", 10 ** self.chance.uniform(-4, 0), data=self.codes(shape, "uint8"))
            kernel, scales = u.index, np.array([u.scale], np.float32)
        inputs = [x.index, kernel]
        if letters[2:] == "-":
            inputs.append(-1)
        elif letters[2:] == "F":
            inputs.append(self.constant("F", (filters,), x).index)
        elif letters[2:] == "B":
            product = (scales.astype(np.float64) * x.scale).astype(np.float32)
            product = np.where(np.isfinite(product), product, 1).astype(np.float32)
            data = np.array([self.chance.randint(-(2**20), 2**20) for _ in range(filters)], np.int32)
            inputs.append(
                self.graph.tensor(
                    self.name(), (filters,), "int32", quantization=Quantization(product), data=data
                )
            )
        if x.kind == "f":
            result = self.tensor(made, "f")
        else:
            largest = float(x.scale) * float(scales.max())
            ratio = 2 ** self.chance.choice([self.chance.uniform(-10, 7.9), self.chance.uniform(-60, 7.9)])
            scale = min(max(largest / ratio, 2.0**-64), 2.0**64)
            if scale * 250 < largest:
                raise Unfit
            result = self.tensor(made, x.kind, scale)
        self.emit(name, inputs, [result.index], options, version=self.chance.choice([1, 3, 5]))

    def slides(self, x: Value, window: tuple[int, int]) -> dict:
        """Padding, strides and dilations, and the sides made, under "made"."""
        pick = self.chance.choice
        same = pick([True, False])
        strides = [pick([1, 1, 2, 2, 3, 1024]) for _ in range(2)]
        dilations = [pick([1, 1, 1, 2, 3]) for _ in range(2)]
        if pick([True, False]):
            strides, dilations = [strides[0]] * 2, [dilations[0]] * 2
        covered = [1 if same else (side - 1) * wide + 1 for side, wide in zip(window, dilations, strict=True)]
        made = [
            (side - cover) // step + 1
            for side, cover, step in zip(x.shape[1:3], covered, strides, strict=True)
        ]
        if any(side < cover for side, cover in zip(x.shape[1:3], covered, strict=True)):
            raise Unfit
        return {
            "made": made,
            "options": {"padding": 0 if same else 1, "strideH": strides[0], "strideW": strides[1]},
            "dilations": {"dilationHFactor": dilations[0], "dilationWFactor": dilations[1]},
        }

    def window(self) -> tuple[int, int]:
        pick = self.chance.choice
        side = pick([1, 1, 2, 3, 3, 5, 7])
        return (side, side) if self.chance.random() < 0.7 else (side, pick([1, 2, 3, 5]))

    def _conv_2d(self, name, form, kind):
        x, window = self.value(kind, 4), self.window()
        slid, filters = self.slides(x, window), self.chance.choice(CHANNELS)
        channels = x.shape[3]
        groups = self.chance.choice([1, 1, 1, 1, 2, 4, channels])
        if channels % groups or filters % groups:
            groups = 1
        options = schema.Conv2DOptionsT(
            **slid["options"], **slid["dilations"], fusedActivationFunction=self.activation()
        )
        shape = (filters, *window, channels // groups)
        self.weighted(name, form, x, shape, 0, (x.shape[0], *slid["made"], filters), options)

    def _depthwise_conv_2d(self, name, form, kind):
        x, window = self.value(kind, 4), self.window()
        slid, multiplier = self.slides(x, window), self.chance.choice([1, 1, 1, 2, 3])
        filters = x.shape[3] * multiplier
        options = schema.DepthwiseConv2DOptionsT(
            **slid["options"],
            **slid["dilations"],
            depthMultiplier=multiplier,
            fusedActivationFunction=self.activation(),
        )
        shape = (1, *window, filters)
        self.weighted(name, form, x, shape, 3, (x.shape[0], *slid["made"], filters), options)

    def _fully_connected(self, name, form, kind):
        x = self.value(kind)
        keep = self.chance.random() < 0.3
        whole = math.prod(x.shape[1:]) if len(x.shape) > 1 and self.chance.random() < 0.5 else x.shape[-1]
        width, units = (x.shape[-1] if keep else whole), self.chance.choice(CHANNELS)
        made = (*x.shape[:-1], units) if keep else (math.prod(x.shape) // width, units)
        options = schema.FullyConnectedOptionsT(
            keepNumDims=keep,
            fusedActivationFunction=self.activation(),
            asymmetricQuantizeInputs=self.chance.random() < 0.5,
        )
        self.weighted(name, form, x, (units, width), 0, made, options)

    def _pool(self, name, form, kind):
        x, window = self.value(kind, 4), self.window()
        if self.chance.random() < 0.3:
            window = x.shape[1:3]
        slid = self.slides(x, window)
        if slid["dilations"] != {"dilationHFactor": 1, "dilationWFactor": 1}:
            raise Unfit
        options = schema.Pool2DOptionsT(
            **slid["options"],
            filterHeight=window[0],
            filterWidth=window[1],
            fusedActivationFunction=self.activation(),
        )
        self.emit(name, [x.index], [self.like(x, (x.shape[0], *slid["made"], x.shape[3])).index], options)
