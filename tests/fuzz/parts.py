"""What graphs are made of: tensors, scales and constants, from the ordinary and the ends of what is allowed."""

import math
import random
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.tflite.container import Graph, Quantization

DTYPES = {"f": "float32", "s": "int8", "u": "uint8", "c": "uint8"}
EXTREME_SCALES = [2.0**-64, 1e-30, 1e-12, 1e-8, 50.0, 1e6, 1e30, 2.0**64]
EXTREME_FLOATS = [0.0, -0.0, 1e-45, 1e38, -1e38, math.inf, -math.inf, math.nan]
MOST_ELEMENTS, MOST_CONSTANT = 1 << 25, 1 << 22  # of a large graph
CHANNELS = [1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 32, 33, 64]


class Unfit(Exception):
    """This operator cannot follow; another is drawn."""


@dataclass(frozen=True)
class Value:
    """A computed tensor."""

    index: int
    shape: tuple[int, ...]
    kind: str  # f, s, u, c as in `Rule.forms`
    scale: float = 0.0
    zero_point: int = 0


def _fitting(shape: tuple[int, ...]) -> int:
    """Elements of a constant."""
    if (count := math.prod(shape)) > MOST_CONSTANT:
        raise Unfit
    return count


@dataclass
class Parts:
    """One graph under construction."""

    chance: random.Random
    large: bool = False  # images of up to millions of numbers, some of them beyond what is allowed
    graph: Graph = field(default_factory=Graph)
    values: list[Value] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    names: int = 0

    def value(self, kind: str, rank: int | None = None, least: int = 1, most: int = 4) -> Value:
        """A computed tensor of this kind, made earlier, or an input of the model."""
        fitting = [
            value
            for value in self.values
            if value.kind == kind and least <= len(value.shape) <= most and rank in (None, len(value.shape))
        ]
        if fitting and self.chance.random() < 0.8:
            return fitting[-1] if self.chance.random() < 0.8 else self.chance.choice(fitting)
        ranks = [each for each in (4, 4, 4, 4, 2, 2, 3, 1, 5) if least <= each <= most]
        value = self.tensor(self.shape(rank or self.chance.choice(ranks)), kind)
        self.inputs[f"in{value.index}"] = value.index
        return value

    def shape(self, rank: int) -> tuple[int, ...]:
        pick = self.chance.choice
        if self.large:
            sides = (*(pick([1, 1, 64, 300, 1000, 4096]) for _ in range(rank - 1)), pick(CHANNELS))
            return sides if math.prod(sides) <= MOST_ELEMENTS else self.shape(rank)
        side = pick([4, 8, 8, 16, 33])
        sides = [pick([1, 1, 1, 1, 2, 3]), *(self.chance.randint(1, side) for _ in range(rank - 2))]
        return (*sides, pick(CHANNELS)) if rank > 1 else (pick(CHANNELS),)

    def name(self) -> str:
        self.names += 1
        return f"t{self.names}"

    def scale(self) -> float:
        if self.chance.random() < 0.15:
            return self.chance.choice(EXTREME_SCALES)
        return 10 ** self.chance.uniform(-4, 1)

    def zero_point(self, kind: str) -> int:
        low = 0 if kind == "u" else -128
        return self.chance.choice([low, low + 255, low + 128, self.chance.randint(low, low + 255)])

    def tensor(
        self,
        shape: tuple[int, ...],
        kind: str,
        scale: float | None = None,
        zero_point: int | None = None,
        data=None,
    ) -> Value:
        """A tensor with a scale where its kind has one; computed, and a value, unless it has data."""
        quantization = None
        if kind in "su":
            scale = float(np.clip(self.scale() if scale is None else scale, 2.0**-64, 2.0**64))
            zero_point = self.zero_point(kind) if zero_point is None else zero_point
            quantization = Quantization(np.array([scale], np.float32), zero_point)
        index = self.graph.tensor(self.name(), shape, DTYPES[kind], quantization=quantization, data=data)
        value = Value(index, shape, kind, scale or 0.0, zero_point or 0)
        if data is None:
            self.values.append(value)
        return value

    def like(self, value: Value, shape: tuple[int, ...], ratio: float | None = 1.0) -> Value:
        """A computed tensor of the same kind; its scale is `ratio` times as fine, None: anything near."""
        if value.kind not in "su":
            return self.tensor(shape, value.kind)
        if ratio is None:
            return self.tensor(shape, value.kind, value.scale * 2 ** self.chance.uniform(-7.9, 7.9))
        return self.tensor(shape, value.kind, value.scale / ratio, value.zero_point)

    def floats(self, shape: tuple[int, ...]) -> np.ndarray:
        count = _fitting(shape)
        data = np.array([self.chance.gauss(0, 1) for _ in range(min(count, 512))], np.float32)
        data = np.resize(data, count)
        if self.chance.random() < 0.1:
            data[self.chance.randrange(count)] = self.chance.choice(EXTREME_FLOATS)
        return data.reshape(shape)

    def codes(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        count = _fitting(shape)
        data = np.frombuffer(self.chance.randbytes(min(count, 512)), np.uint8)
        return np.resize(data, count).reshape(shape).astype(dtype)

    def numbers(self, values, shape: tuple[int, ...] | None = None) -> int:
        data = np.array(values, np.int32)
        shape = data.shape if shape is None else shape
        return self.graph.tensor(self.name(), shape, "int32", data=data.reshape(shape))

    def constant(self, letter: str, shape: tuple[int, ...], near: Value) -> Value:
        """A constant operand: F, S or U; of the scale of `near`, or any."""
        kind = {"F": "f", "S": "s", "U": "u"}[letter]
        data = self.floats(shape) if kind == "f" else self.codes(shape, DTYPES[kind])
        if kind == "f" and self.chance.random() < 0.2:
            return Value(self.widened(data), shape, kind)
        return self.tensor(shape, kind, near.scale, near.zero_point, data=data)

    def widened(self, data: np.ndarray) -> int:
        """A float constant that is stored as float16 or int8, with a DEQUANTIZE behind it."""
        if self.chance.random() < 0.6:
            half = np.clip(data, -60000, 60000).astype(np.float16)
            stored = self.graph.tensor(self.name(), data.shape, "float16", data=half)
        else:
            stored = self.kernel(data.shape, 0)[0]
        result = self.graph.tensor(self.name(), data.shape, "float32")
        self.graph.operator("DEQUANTIZE", [stored], [result], schema.DequantizeOptionsT(), version=3)
        return result

    def kernel(self, shape: tuple[int, ...], axis: int) -> tuple[int, np.ndarray]:
        """A symmetric int8 kernel with one scale or many, and its scales."""
        count = shape[axis] if shape and self.chance.random() < 0.6 else 1
        scales = np.array([10 ** self.chance.uniform(-5, 0) for _ in range(count)], np.float32)
        if count > 1 and self.chance.random() < 0.1:
            scales[self.chance.randrange(count)] = self.chance.choice([0.0, 1e-45, 1e-38, 1e-20])
        data = self.codes(shape, "int8")
        index = self.graph.tensor(
            self.name(), shape, "int8", quantization=Quantization(scales, 0, axis), data=data
        )
        return index, scales

    def activation(self) -> int:
        return self.chance.choice([0, 0, 1, 2, 3])

    def emit(self, name: str, inputs: list[int], outputs: list[int], options=None, version: int = 1) -> None:
        self.graph.operator(name, inputs, outputs, options, version=version)
