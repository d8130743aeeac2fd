"""A sound `.tflite` made unsound in one or two places: types, shapes, scales, options, indices, constants."""

import copy
import random

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = [
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    9,
    10,
    17,
]  # float32, float16, int32, uint8, int64, bool, int16, int8, float64, int4
_SIDES = [0, 1, 2, 3, 5, 64, 4096, 1 << 16, (1 << 31) - 1, -1]
_NUMBERS = [0, 1, -1, 2, 3, 7, 64, 255, 1 << 15, (1 << 31) - 1, -(1 << 31)]
_SCALES = [
    0.0,
    -1.0,
    1e-45,
    1e-38,
    2.0**-64,
    1e-12,
    1.0,
    50.0,
    1e12,
    2.0**64,
    3e38,
    float("inf"),
    float("nan"),
]
_POINTS = [0, 1, -1, 127, -128, 255, 256, 1 << 31, -(1 << 40)]
_BYTES = [  # options that are kept in one
    *("padding", "fusedActivationFunction", "weightsFormat", "outType", "inDataType", "outDataType"),
    "quantizedBiasType",
]
_FLOATS = [0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, float("nan"), float("inf")]


def spoil(model: bytes, chance: random.Random) -> bytes:
    """`model` with one or two changes, written anew."""
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    for _ in range(chance.choice([1, 1, 2])):
        chance.choice(_CHANGES)(tree, chance)
    builder = flatbuffers.Builder(len(model) + 1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(tree, chance):
    return chance.choice(chance.choice(tree.subgraphs).tensors)


def _operator(tree, chance):
    return chance.choice(chance.choice(tree.subgraphs).operators)


def _sides(tensor) -> list[int]:
    return [] if tensor.shape is None else [int(side) for side in tensor.shape]


def _type(tree, chance):
    _tensor(tree, chance).type = chance.choice(_TYPES)


def _shape(tree, chance):
    tensor = _tensor(tree, chance)
    sides = _sides(tensor)
    match chance.randrange(4):
        case 0 if sides:
            sides[chance.randrange(len(sides))] = chance.choice(_SIDES)
        case 1 if sides:
            sides[chance.randrange(len(sides))] += chance.choice([-1, 1])
        case 2:
            sides.insert(chance.randint(0, len(sides)), 1)
        case _ if sides:
            sides.pop(chance.randrange(len(sides)))
    tensor.shape = np.array(sides, np.int32)


def _large(tree, chance):
    """Sides of all computed tensors grow together, so that some of it still goes together."""
    factor, axis = chance.choice([16, 64, 256]), chance.choice([1, 2])
    for tensor in tree.subgraphs[0].tensors:
        data = tree.buffers[tensor.buffer].data
        sides = _sides(tensor)
        if (data is None or not len(data)) and len(sides) == 4:
            sides[axis] *= factor
            tensor.shape = np.array(sides, np.int32)


def _scale(tree, chance):
    tensor = _tensor(tree, chance)
    if tensor.quantization is None or tensor.quantization.scale is None or chance.random() < 0.2:
        one, nothing = np.ones(1, np.float32), np.zeros(1, np.int64)
        tensor.quantization = schema.QuantizationParametersT(scale=one, zeroPoint=nothing)
    count = len(tensor.quantization.scale)
    match chance.randrange(5):
        case 0:
            tensor.quantization = None
        case 1 if count:
            tensor.quantization.zeroPoint = np.full(count, chance.choice(_POINTS), np.int64)
        case 2:
            tensor.quantization.quantizedDimension = chance.choice([0, 1, 2, 3, -1, 9])
        case _ if count:
            scales = np.array(tensor.quantization.scale, np.float32)
            scales[chance.randrange(count)] = chance.choice(_SCALES)
            tensor.quantization.scale = scales


def _option(tree, chance):
    options = _operator(tree, chance).builtinOptions
    names = [name for name in vars(options) if name != "quantSpec"] if options is not None else []
    if not names:
        return
    name = chance.choice(names)
    match getattr(options, name):
        case bool(value):
            setattr(options, name, not value)
        case float():
            setattr(options, name, chance.choice(_FLOATS))
        case int(value):
            few = [value + 1, value - 1, 0, 1, 2, 3, 4, 5, 100, -1]
            chosen = chance.choice(few if name in _BYTES else few + _NUMBERS)
            setattr(options, name, max(-128, min(127, chosen)) if name in _BYTES else chosen)
        case _:
            setattr(options, name, [chance.choice(_NUMBERS) for _ in range(chance.randint(0, 5))])


def _constant(tree, chance):
    """Other numbers in a constant; of axes, paddings and sizes first of all."""
    tensors = tree.subgraphs[0].tensors
    held = [each for each in tensors if tree.buffers[each.buffer].data is not None]
    short = [each for each in held if each.type == schema.TensorType.INT32 and each.quantization is None]
    if not held:
        return
    tensor = chance.choice(short if short and chance.random() < 0.8 else held)
    data = np.array(tree.buffers[tensor.buffer].data, np.uint8)
    if len(data) < 4:
        return
    at = 4 * chance.randrange(len(data) // 4)
    data[at : at + 4] = np.frombuffer(np.array([chance.choice(_NUMBERS)], np.int32).tobytes(), np.uint8)
    tree.buffers[tensor.buffer].data = data


def _rewired(tree, chance):
    graph, operator = tree.subgraphs[0], _operator(tree, chance)
    field = chance.choice(["inputs", "inputs", "outputs"])
    indices = [int(index) for index in getattr(operator, field)]
    match chance.randrange(4):
        case 0 if indices:
            indices[chance.randrange(len(indices))] = chance.randint(-1, len(graph.tensors) - 1)
        case 1 if indices:
            indices.pop()
        case 2:
            indices.append(chance.randint(-1, len(graph.tensors) - 1))
        case _:
            chance.shuffle(indices)
    setattr(operator, field, np.array(indices, np.int32))


def _code(tree, chance):
    """Another operator, options and all as they are, or another version."""
    code = chance.choice(tree.operatorCodes)
    if chance.random() < 0.4:
        code.version = chance.choice([0, 1, 2, 5, 9, 12, 99, -1])
        return
    other = chance.choice(
        [kind for name, kind in vars(schema.BuiltinOperator).items() if isinstance(kind, int)]
    )
    code.builtinCode, code.deprecatedBuiltinCode = other, min(other, 127)


def _shared(tree, chance):
    """Two tensors of one buffer."""
    one, other = _tensor(tree, chance), _tensor(tree, chance)
    one.buffer = other.buffer


def _ends(tree, chance):
    graph = tree.subgraphs[0]
    field = chance.choice(["inputs", "outputs"])
    indices = [int(index) for index in getattr(graph, field)]
    indices.append(chance.randrange(len(graph.tensors)))
    setattr(graph, field, np.array(indices, np.int32))


def _signature(tree, chance):
    tensor = _tensor(tree, chance)
    sides = _sides(tensor)
    if sides:
        sides[chance.randrange(len(sides))] = chance.choice([-1, -1, 2])
        tensor.shapeSignature = np.array(sides, np.int32)


def _graph(tree, chance):
    """A second graph, with or without a signature."""
    if len(tree.subgraphs) > 4:
        return
    tree.subgraphs.append(copy.deepcopy(tree.subgraphs[0]))
    if tree.signatureDefs and chance.random() < 0.8:
        signature = copy.deepcopy(tree.signatureDefs[0])
        signature.signatureKey, signature.subgraphIndex = "second", len(tree.subgraphs) - 1
        tree.signatureDefs.append(signature)


def _name(tree, chance):
    odd = chance.choice([b"", b"\xff\xfe", b"x" * 5000, b"a\0b", None])
    if chance.random() < 0.5 and tree.signatureDefs:
        signature = chance.choice(tree.signatureDefs)
        if chance.random() < 0.5:
            signature.signatureKey = odd
        else:
            tree.signatureDefs.append(
                schema.SignatureDefT(signatureKey=odd, inputs=signature.inputs, outputs=signature.outputs)
            )
    elif tree.signatureDefs and chance.random() < 0.5:
        chance.choice(tree.signatureDefs[0].outputs).name = odd
    else:
        _tensor(tree, chance).name = odd


_CHANGES = [
    *[_type] * 3, *[_shape] * 3, _large, *[_scale] * 4, *[_option] * 4, *[_constant] * 4, *[_rewired] * 2, _code,
    _shared, _ends, _signature, _name, _graph,
]  # fmt: skip
