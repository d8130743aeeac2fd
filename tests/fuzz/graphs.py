"""Valid-looking `.tflite` files by the thousand: file N depends on the seed and N alone.

Each begins with one form of one operator of the list, in turn, so that every form comes up, and goes on with
whatever fits. Sizes, options, scales and data are drawn from the ordinary and from the ends of what is
allowed; `spoil.py` then breaks about half of the files in one or two places.
"""

import random
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from layers import Layers
from parts import Unfit, Value
from spoil import spoil

from efficientnet_lite.strangers.operators import OPERATORS
from efficientnet_lite.strangers.shapes import spans_of

FORMS = [(name, form) for name, rule in OPERATORS.items() for form in rule.forms]
SPOILT, LARGE = 0.5, 0.01  # of all files


def make(number: int, seed: int = 0) -> bytes:
    """File `number` of `seed`."""
    chance = random.Random(f"{seed}:{number}")
    large = chance.random() < LARGE
    while True:
        maker = Maker(chance, large=large)
        try:
            data = maker.model(*FORMS[number % len(FORMS)])
        except Unfit:
            continue
        return spoil(data, chance) if chance.random() < SPOILT else data


@dataclass
class Maker(Layers):
    """A graph under construction to which any operator of the list can be added."""

    def model(self, name: str, form: str, *, more: bool = True) -> bytes:
        """A graph that begins with this form of this operator, and goes on where there is `more`."""
        self.apply(name, form)
        for _ in range(self.chance.choice([0, 0, 0, 1, 2, 4]) if more else 0):
            name, form = self.chance.choice(FORMS)
            try:
                self.apply(name, form)
            except Unfit:
                continue
        made = [value.index for value in self.values if value.index not in self.inputs.values()]
        if not made:
            raise Unfit
        outputs = {made[-1], *(index for index in made if self.chance.random() < 0.2)}
        return self.graph.finish(
            inputs=self.inputs, outputs={f"out{index}": index for index in sorted(outputs)}, description=""
        )

    def apply(self, name: str, form: str) -> None:
        """Append the operator `name` in this form."""
        kind = next((letter for letter in form if letter in "fsuc"), "f")  # of what is computed
        build = getattr(self, f"_{name.lower()}", None) or getattr(self, _SHARED[name])
        build(name, form, kind)

    def _unary(self, name, form, kind):
        x = self.value(kind)
        kind_made, scales = form[-1], OPERATORS[name].scales
        if kind_made == "f":
            made = self.tensor(x.shape, "f")
        elif scales in ("probability", "tangent"):
            scale = 1 / 256 if scales == "probability" else 1 / 128
            zero_point = (0 if scales == "probability" else 128) - (128 if kind_made == "s" else 0)
            made = self.tensor(x.shape, kind_made, scale, zero_point)
        else:
            scale = x.scale * 2 ** self.chance.uniform(-7.9, 7.9) if x.scale else None
            made = self.tensor(x.shape, kind_made, scale)
        options = {
            "LEAKY_RELU": lambda: schema.LeakyReluOptionsT(alpha=self.chance.choice([0.0, 0.1, 1.0, 1e-30])),
            "SOFTMAX": lambda: schema.SoftmaxOptionsT(beta=1.0),
            "QUANTIZE": lambda: self.chance.choice([None, schema.QuantizeOptionsT()]),
            "CAST": lambda: self.chance.choice([None, schema.CastOptionsT(inDataType=3, outDataType=0)]),
        }.get(name, lambda: None)()
        version = 1 if name in ("HARD_SWISH", "RELU_0_TO_1", "RELU_N1_TO_1") else self.chance.choice([1, 2])
        self.emit(name, [x.index], [made.index], options, version=version)

    def _dequantize(self, name, form, kind):
        if form[0] in "HK":
            x = self.value("f")
            slopes = self.constant("F", x.shape[-1:], x)
            made = self.widened(self.floats(x.shape)) if form[0] == "H" else None
            if made is None:
                stored = self.kernel(x.shape, self.chance.randrange(len(x.shape)))[0]
                made = self.graph.tensor(self.name(), x.shape, "float32")
                self.emit(name, [stored], [made], schema.DequantizeOptionsT(), version=3)
            self.emit("MUL", [x.index, made], [self.tensor(x.shape, "f").index], schema.MulOptionsT())
            return self.emit(
                "ADD", [x.index, slopes.index], [self.tensor(x.shape, "f").index], schema.AddOptionsT()
            )
        return self._unary(name, form, kind)

    def _binary(self, name, form, kind):
        letters = form.split(">")[0]
        x, scales = self.value(kind), OPERATORS[name].scales
        shape = tuple(1 if self.chance.random() < 0.25 else side for side in x.shape)
        shape = shape[self.chance.choice([0, 0, 0, len(shape) // 2, len(shape)]) :]
        anything = Value(0, (), kind, self.scale(), self.zero_point(kind))
        near = x if scales == "equal" else anything
        other_letter = letters[1] if letters[0] in "fsu" else letters[0]
        if other_letter in "FSU":
            other = self.constant(other_letter, shape, near)
        elif self.chance.random() < 0.5:
            other = x
        else:
            other = self.tensor(shape or (1,), kind, near.scale, near.zero_point)
            self.inputs[f"in{other.index}"] = other.index
        pair = [x, other] if letters[0] in "fsu" else [other, x]
        made = np.broadcast_shapes(x.shape, other.shape)
        largest = max(x.scale, other.scale) if scales == "sum" else x.scale * other.scale
        if kind == "f":
            result = self.tensor(made, "f")
        elif scales == "equal":
            result = self.like(x, made)
        else:
            most = 7.9 if scales == "product" else 12.9
            result = self.tensor(made, kind, largest / 2 ** self.chance.uniform(-30, most))
        options = _BINARY_OPTIONS[name]()
        if hasattr(options, "fusedActivationFunction"):
            options.fusedActivationFunction = self.activation()
        inputs = [value.index for value in pair]
        self.emit(name, inputs, [result.index], options, version=self.chance.choice([1, 2]))

    def _prelu(self, name, form, kind):
        x = self.value(kind)
        shape = (*(1 for _ in x.shape[1:-1]), x.shape[-1])
        slopes = self.constant(kind.upper(), shape, Value(0, (), kind, self.scale(), self.zero_point(kind)))
        largest = x.scale * max(1.0, slopes.scale)
        made = self.tensor(x.shape, kind, largest / 2 ** self.chance.uniform(-30, 7.9))
        self.emit(name, [x.index, slopes.index], [made.index])

    def _reduce(self, name, form, kind):
        x = self.value(kind)
        axes = self.chance.sample(range(len(x.shape)), self.chance.randint(1, len(x.shape)))
        if len(x.shape) == 4 and self.chance.random() < 0.5:
            axes = [1, 2]
        keep = self.chance.random() < 0.5
        made = tuple(
            1 if axis in axes else side for axis, side in enumerate(x.shape) if keep or axis not in axes
        )
        written = [axis - len(x.shape) if self.chance.random() < 0.3 else axis for axis in axes]
        ratio = 1.0 if OPERATORS[name].scales == "equal" or self.chance.random() < 0.5 else None
        result = self.like(x, made, ratio)
        single = len(written) == 1 and self.chance.random() < 0.3
        numbers = self.numbers(written, () if single else (len(written),))
        self.emit(name, [x.index, numbers], [result.index], schema.ReducerOptionsT(keepDims=keep))

    def _concatenation(self, name, form, kind):
        x = self.value(kind)
        axis = self.chance.randrange(len(x.shape))
        parts = [x]
        for _ in range(self.chance.choice([0, 1, 1, 2, 5])):
            if self.chance.random() < 0.5:
                parts.append(x)
                continue
            shape = (*x.shape[:axis], self.chance.randint(1, 5), *x.shape[axis + 1 :])
            if self.chance.random() < 0.5:
                parts.append(self.constant(kind.upper(), shape, x))
                continue
            other = self.like(x, shape)
            self.inputs[f"in{other.index}"] = other.index
            parts.append(other)
        total = sum(part.shape[axis] for part in parts)
        made = self.like(x, (*x.shape[:axis], total, *x.shape[axis + 1 :]))
        written = axis - len(x.shape) if self.chance.random() < 0.3 else axis
        options = schema.ConcatenationOptionsT(axis=written)
        self.emit(name, [part.index for part in parts], [made.index], options, version=2)

    def _split(self, name, form, kind):
        x = self.value(kind)
        axis = self.chance.randrange(len(x.shape))
        count = self.chance.choice([each for each in range(1, 9) if x.shape[axis] % each == 0])
        made = (*x.shape[:axis], x.shape[axis] // count, *x.shape[axis + 1 :])
        outputs = [self.like(x, made).index for _ in range(count)]
        axis_at = self.numbers(self.chance.choice([axis, axis - len(x.shape)]), ())
        self.emit(name, [axis_at, x.index], outputs, schema.SplitOptionsT(numSplits=count), version=2)

    def _padded(self, name, form, kind):
        x = self.value(kind)
        pads = [[self.chance.choice([0, 0, 1, 2, 7]) for _ in range(2)] for _ in x.shape]
        made = self.like(x, tuple(side + sum(pad) for side, pad in zip(x.shape, pads, strict=True)))
        inputs = [x.index, self.numbers(pads)]
        if name == "PADV2":
            inputs.append(self.constant(form[2], self.chance.choice([(), (1,)]), x).index)
        self.emit(
            name, inputs, [made.index], schema.PadOptionsT() if name == "PAD" else schema.PadV2OptionsT()
        )

    def _resize_bilinear(self, name, form, kind):
        x = self.value(kind, 4)
        size = [self.chance.choice([1, 2, 5, 16, side, 2 * side]) for side in x.shape[1:3]]
        flags = self.chance.choice([(False, False), (True, False), (False, True)])
        options = schema.ResizeBilinearOptionsT(alignCorners=flags[0], halfPixelCenters=flags[1])
        made = self.like(x, (x.shape[0], *size, x.shape[3]))
        self.emit(name, [x.index, self.numbers(size)], [made.index], options, version=3)

    def _reshape(self, name, form, kind):
        x = self.value(kind, most=5)
        made = list(x.shape)
        for _ in range(self.chance.randint(0, 3)):
            place = self.chance.randrange(len(made))
            if len(made) > 1 and self.chance.random() < 0.6:
                taken = made.pop(place)
                made[self.chance.randrange(len(made))] *= taken
            elif len(made) < 5:
                divisor = self.chance.choice([each for each in (1, 2, 3, 4) if made[place] % each == 0])
                made[place] //= divisor
                made.insert(place, divisor)
        written = list(made)
        if self.chance.random() < 0.3:
            written[self.chance.randrange(len(made))] = -1
        result = self.like(x, tuple(made))
        options, inputs = schema.ReshapeOptionsT(newShape=written), [x.index]
        if "n" in form:
            if self.chance.random() < 0.3:  # as a converter does where the batch is open
                options, numbers = None, self._computed(x, made)
            else:
                options, numbers = self.chance.choice([None, options]), self.numbers(written)
            inputs.append(numbers)
        self.emit(name, inputs, [result.index], options)

    def _computed(self, x: Value, wanted: list[int]) -> int:
        """The numbers `wanted`, the first of them cut out of a shape where it is one of its sides."""
        parts = []
        for number in wanted:
            if number in x.shape and len(x.shape) <= 4 and self.chance.random() < 0.5:
                parts.append(self._side(x, x.shape.index(number)))
            else:
                parts.append(self.numbers(number, ()))
        made = self.graph.tensor(self.name(), (len(wanted),), "int32")
        self.emit("PACK", parts, [made], schema.PackOptionsT(valuesCount=len(wanted), axis=0))
        return made

    def _side(self, x: Value, axis: int) -> int:
        """One side of x, computed."""
        shape = self.graph.tensor(self.name(), (len(x.shape),), "int32")
        self.emit("SHAPE", [x.index], [shape], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
        side = self.graph.tensor(self.name(), (), "int32")
        cut = [self.numbers([axis]), self.numbers([axis + 1]), self.numbers([1])]
        self.emit("STRIDED_SLICE", [shape, *cut], [side], schema.StridedSliceOptionsT(shrinkAxisMask=1))
        return side

    def _numbers_alone(self, name, form, kind):
        x = self.value(kind, most=4)
        made = self._computed(x, list(x.shape)) if name != "SHAPE" else self._computed(x, [1, *x.shape])
        result = self.like(x, x.shape if name != "SHAPE" else (1, *x.shape))
        self.emit("RESHAPE", [x.index, made], [result.index])

    def _shape(self, name, form, kind):
        self._numbers_alone(name, form, kind)

    def _squeeze(self, name, form, kind):
        x = self.value(kind, least=2)
        ones = [axis for axis, side in enumerate(x.shape) if side == 1]
        axes = self.chance.sample(ones, self.chance.randint(0, len(ones)))
        gone = axes or ones
        made = self.like(x, tuple(side for axis, side in enumerate(x.shape) if axis not in gone))
        written = [axis - len(x.shape) if self.chance.random() < 0.3 else axis for axis in axes]
        self.emit(name, [x.index], [made.index], schema.SqueezeOptionsT(squeezeDims=written))

    def _expand_dims(self, name, form, kind):
        x = self.value(kind, most=3)
        axis = self.chance.randint(0, len(x.shape))
        made = self.like(x, (*x.shape[:axis], 1, *x.shape[axis:]))
        numbers = self.numbers(axis, self.chance.choice([(), (1,)]))
        self.emit(name, [x.index, numbers], [made.index], schema.ExpandDimsOptionsT())

    def _transpose(self, name, form, kind):
        x = self.value(kind, most=5)
        order = self.chance.sample(range(len(x.shape)), len(x.shape))
        made = self.like(x, tuple(x.shape[axis] for axis in order))
        self.emit(name, [x.index, self.numbers(order)], [made.index], schema.TransposeOptionsT(), version=2)

    def _strided_slice(self, name, form, kind):
        if form[0] == "n":
            return self._numbers_alone(name, form, kind)
        x = self.value(kind)
        given = self.chance.randint(1, len(x.shape))
        begins = [self.chance.randrange(side) for side in x.shape[:given]]
        ends = [self.chance.randint(begin + 1, side) for begin, side in zip(begins, x.shape, strict=False)]
        strides = [self.chance.choice([1, 1, 1, 2, 3]) for _ in begins]
        masks = [self.chance.getrandbits(given) & self.chance.getrandbits(given) for _ in range(3)]
        if self.chance.random() < 0.6:
            masks[2] = 0
        sides = zip(begins, x.shape, strict=False)
        begins = [each - side if self.chance.random() < 0.2 else each for each, side in sides]
        options = (masks[0], masks[1], 0, 0, masks[2], 0)
        spans = spans_of(x.shape, options, tuple(begins), tuple(ends), tuple(strides))
        if spans is None:
            raise Unfit
        made = self.like(x, tuple(len(span) for axis, span in enumerate(spans) if not masks[2] >> axis & 1))
        written = schema.StridedSliceOptionsT(beginMask=masks[0], endMask=masks[1], shrinkAxisMask=masks[2])
        numbers = [self.numbers(each) for each in (begins, ends, strides)]
        return self.emit(name, [x.index, *numbers], [made.index], written, version=2)

    def _pack(self, name, form, kind):
        self._numbers_alone(name, form, kind)


_BINARY_OPTIONS = {
    "ADD": schema.AddOptionsT,
    "DIV": schema.DivOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT,
    "MINIMUM": schema.MaximumMinimumOptionsT,
    "MUL": schema.MulOptionsT,
    "SUB": schema.SubOptionsT,
}
_UNARY = [
    *("CAST", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOG_SOFTMAX", "QUANTIZE", "RELU", "RELU6"),
    *("RELU_0_TO_1", "RELU_N1_TO_1", "SOFTMAX", "TANH"),
]
_SHARED = {
    **dict.fromkeys(["AVERAGE_POOL_2D", "MAX_POOL_2D"], "_pool"),
    **dict.fromkeys(["ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM"], "_binary"),
    **dict.fromkeys(["MEAN", "SUM", "REDUCE_MAX"], "_reduce"),
    **dict.fromkeys(["PAD", "PADV2"], "_padded"),
    **dict.fromkeys(_UNARY, "_unary"),
}
