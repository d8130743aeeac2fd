"""A float file of ours as others would have written it: the same network in another form, by the object API."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tiny import changed

NONE, RELU, RELU6 = (getattr(schema.ActivationFunctionType, name) for name in ("NONE", "RELU", "RELU6"))


class Tree:
    """A model that is being altered; `operators` are those of its graph, in order."""

    def __init__(self, model):
        self.model, self.graph = model, model.subgraphs[0]
        self.operators = self.graph.operators

    def code(self, name):
        """The index of an operator's code, a new one where the file has none."""
        number = getattr(schema.BuiltinOperator, name)
        for index, each in enumerate(self.model.operatorCodes):
            if max(each.builtinCode, each.deprecatedBuiltinCode) == number and each.version == 1:
                return index
        code = schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=min(number, 127), version=1)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def kind(self, operator):
        code = self.model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        return next(name for name, value in vars(schema.BuiltinOperator).items() if value == number)

    def of(self, *kinds):
        return [each for each in self.operators if self.kind(each) in kinds]

    def tensor(self, shape, data=None, dtype="FLOAT32"):
        """A new tensor, a constant where there are data."""
        buffer = 0
        if data is not None:
            self.model.buffers.append(
                schema.BufferT(data=np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8))
            )
            buffer = len(self.model.buffers) - 1
        made = schema.TensorT(
            name=f"new_{len(self.graph.tensors)}",
            shape=np.array(shape, np.int32),
            type=getattr(schema.TensorType, dtype),
            buffer=buffer,
            hasRank=True,
        )
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def values(self, index, dtype=np.float32):
        tensor = self.graph.tensors[index]
        return (
            np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), dtype).reshape(tensor.shape).copy()
        )

    def constant(self, values):
        dtype = {
            np.dtype(np.float32): "FLOAT32",
            np.dtype(np.int32): "INT32",
            np.dtype(np.float16): "FLOAT16",
        }
        return self.tensor(values.shape, values, dtype[values.dtype])

    def made(self, kind, inputs, outputs, options=None):
        operator = schema.OperatorT(
            opcodeIndex=self.code(kind),
            inputs=np.array(inputs, np.int32),
            outputs=np.array(outputs, np.int32),
        )
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(
                schema.BuiltinOptions, type(options).__name__.removesuffix("T")
            )
        return operator

    def behind(self, operator, kind, constants=(), options=None):
        """Put another operator behind one: what it makes now comes of the new one."""
        (result,) = operator.outputs
        between = self.tensor(self.graph.tensors[result].shape)
        operator.outputs = np.array([between], np.int32)
        new = self.made(kind, [between, *constants], [result], options)
        self.operators.insert(self.operators.index(operator) + 1, new)
        return new

    def before(self, operator, kind, shape, constants=(), options=None):
        """Put another operator in front of one's first input."""
        between = self.tensor(shape)
        new = self.made(kind, [operator.inputs[0], *constants], [between], options)
        operator.inputs = np.array([between, *operator.inputs[1:]], np.int32)
        self.operators.insert(self.operators.index(operator), new)
        return new

    def set(self, operator, place, values):
        """Another constant for one input."""
        inputs = list(operator.inputs)
        inputs[place] = self.constant(values)
        operator.inputs = np.array(inputs, np.int32)


def altered(data, change, *, entries=None):
    """`data` after `change(tree)`, without our own metadata, with `entries` in their place; labels are lost."""

    def whole(model):
        model.metadata = []
        for name, content in (entries or {}).items():
            model.buffers.append(schema.BufferT(data=np.frombuffer(content, np.uint8)))
            model.metadata.append(schema.MetadataT(name=name, buffer=len(model.buffers) - 1))
        change(Tree(model))

    return changed(data, whole)


def nothing(tree):
    """The file without its metadata."""


def no_names(tree):
    for number, tensor in enumerate(tree.graph.tensors):
        tensor.name = f"t{number}"
    tree.model.signatureDefs, tree.graph.name = [], ""


def batch_norm_behind(tree):
    for operator in tree.of("CONV_2D", "DEPTHWISE_CONV_2D"):
        kernel, bias = (tree.values(index) for index in operator.inputs[1:])
        count = len(bias)
        factor = np.linspace(0.5, 2, count).astype(np.float32)
        along = factor if tree.kind(operator) == "DEPTHWISE_CONV_2D" else factor[:, None, None, None]
        fused, operator.builtinOptions.fusedActivationFunction = (
            operator.builtinOptions.fusedActivationFunction,
            NONE,
        )
        tree.set(operator, 1, kernel / along)
        tree.set(operator, 2, np.zeros(count, np.float32))
        shift = tree.constant(bias.reshape(1, 1, 1, count))
        new = tree.behind(operator, "MUL", [tree.constant(factor)], schema.MulOptionsT())
        tree.behind(new, "ADD", [shift], schema.AddOptionsT(fusedActivationFunction=fused))


def clamps_apart(tree):
    six, zero = tree.constant(np.array(6, np.float32)), tree.constant(np.array(0, np.float32))
    for number, operator in enumerate(tree.of("CONV_2D", "DEPTHWISE_CONV_2D")):
        if operator.builtinOptions.fusedActivationFunction != RELU6:
            continue
        operator.builtinOptions.fusedActivationFunction = RELU if number % 3 == 1 else NONE
        if number % 3 == 0:
            tree.behind(operator, "RELU6")
        else:
            new = tree.behind(operator, "MINIMUM", [six], schema.MaximumMinimumOptionsT())
            if number % 3 == 2:
                tree.behind(new, "MAXIMUM", [zero], schema.MaximumMinimumOptionsT())


def pads_apart(tree, extra=0):
    for operator in tree.of("CONV_2D", "DEPTHWISE_CONV_2D"):
        options = operator.builtinOptions
        shape, window = (tree.graph.tensors[index].shape for index in operator.inputs[:2])
        if options.strideH == 1 and window[1] == 1:
            options.padding = schema.Padding.VALID  # pads nothing
            continue
        total = max((-(-shape[1] // options.strideH) - 1) * options.strideH + window[1] - shape[1], 0)
        pads = total // 2 + extra, total - total // 2 - extra
        options.padding = schema.Padding.VALID
        numbers = tree.constant(np.array([[0, 0], pads, pads, [0, 0]], np.int32))
        padded = [1, shape[1] + total, shape[2] + total, shape[3]]
        tree.before(operator, "PAD", padded, [numbers], schema.PadOptionsT())


def mean_over_axes(tree):
    (pool,) = tree.of("AVERAGE_POOL_2D")
    axes = tree.constant(np.array([-2, 1], np.int32))
    options = schema.ReducerOptionsT(keepDims=True)
    tree.operators[tree.operators.index(pool)] = tree.made(
        "MEAN", [pool.inputs[0], axes], pool.outputs, options
    )


def vectors_reshaped(tree):
    (dense,) = tree.of("FULLY_CONNECTED")
    new = tree.before(dense, "SQUEEZE", [1280], (), schema.SqueezeOptionsT(squeezeDims=[0, 1, 2]))
    shape = tree.constant(np.array([1, 1280], np.int32))
    tree.before(dense, "RESHAPE", [1, 1280], [shape], schema.ReshapeOptionsT(newShape=[1, 1280]))
    assert new in tree.operators


def head_of_a_convolution(tree):
    (dense,) = tree.of("FULLY_CONNECTED")
    kernel = tree.values(dense.inputs[1])
    made = tree.tensor([1, 1, 1, len(kernel)])
    options = schema.Conv2DOptionsT(strideH=1, strideW=1, padding=schema.Padding.VALID)
    inputs = [dense.inputs[0], tree.constant(kernel[:, None, None, :]), dense.inputs[2]]
    place = tree.operators.index(dense)
    shape = tree.constant(np.array([1, len(kernel)], np.int32))
    flat = schema.ReshapeOptionsT(newShape=[1, len(kernel)])
    tree.operators[place : place + 1] = [
        tree.made("CONV_2D", inputs, [made], options),
        tree.made("RESHAPE", [made, shape], dense.outputs, flat),
    ]


def dense_without_a_bias(tree):
    (dense,) = tree.of("FULLY_CONNECTED")
    bias = dense.inputs[2]
    dense.inputs = np.array([*dense.inputs[:2], -1], np.int32)
    tree.behind(dense, "ADD", [bias], schema.AddOptionsT())


def _input(called, *steps):
    """Other operators on the input: (name, constant), in order."""

    def change(tree):
        mul, _, stem = tree.operators[:3]
        read, shape = mul.inputs[0], tree.graph.tensors[mul.inputs[0]].shape
        del tree.operators[:2]
        stem.inputs = np.array([read, *stem.inputs[1:]], np.int32)
        for name, value in steps:
            options = {"MUL": schema.MulOptionsT, "SUB": schema.SubOptionsT, "ADD": schema.AddOptionsT}
            options["DIV"] = schema.DivOptionsT
            constant = tree.constant(np.array(value, np.float32))
            tree.before(stem, name, shape, [constant], options[name]())

    change.__name__ = called
    return change


normalized = _input("normalized")
pixels = _input("pixels", ("SUB", 127), ("DIV", 128))
pixels_by_channel = _input("pixels_by_channel", ("MUL", [1 / 128] * 3), ("ADD", [-127 / 128] * 3))
half_of_unit = _input("half_of_unit", ("MUL", 2), ("SUB", 1))  # (x - 127.5) / 127.5
no_known_zero = _input("no_known_zero", ("SUB", 3))


def scale_in_the_stem(tree):
    """(255 x - 127), the rest in the kernel: as the converter leaves the Hub modules."""
    _input("", ("MUL", 255), ("SUB", 127))(tree)
    stem = tree.of("CONV_2D")[0]
    tree.set(stem, 1, tree.values(stem.inputs[1]) / 128)


def input_of_uint8(tree):
    (image,) = tree.graph.inputs
    shape = tree.graph.tensors[image].shape
    pixels(tree)
    first = tree.operators[0]
    tree.before(first, "CAST", shape, (), schema.CastOptionsT())
    tree.graph.tensors[image].type = schema.TensorType.UINT8
