"""The stock converter's files of the same weights: the same operators, no more bytes, and the same integers.

In an environment of its own, see requirements.txt; skipped elsewhere.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import PROBABILITIES, Conv, Dense, make_plan
from efficientnet_lite.proof.parity import fixed_inputs
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8
from efficientnet_lite.tflite.quantmath import Scale
from efficientnet_lite.tflite.stored_weights import WeightForm

REASON = "TensorFlow lives in an environment of its own: requirements.txt"
tf = pytest.importorskip("tensorflow", reason=REASON)
pytest.importorskip("keras", reason=REASON)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks/ is never installed
from benchmarks.peers import keras_lite  # noqa: E402

# the converter calibrates with its own interpreter, which says that it is deprecated
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*tf.lite.Interpreter is deprecated:UserWarning")

SCALARS = Counter({"MUL": 1, "SUB": 1})  # our float files take [0, 1], the stock ones get normalized input
CALIBRATING = 8


@pytest.fixture(scope="module")
def origin():
    return open_origin("lite0@96")


@pytest.fixture(scope="module")
def stock(origin):
    """Precision -> the converter's file."""
    model = keras_lite.build(origin.plan, origin.weights.parameters, output=PROBABILITIES)
    size, root = origin.plan.size, tf.Module()
    root.weights = [variable.value for variable in model.variables]

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name="images")])
    def serve(images):
        return {"output": model(images, training=False)}

    images = np.random.default_rng(0).integers(0, 256, (CALIBRATING, size, size, 3), np.uint8)
    images[0, : size // 2], images[0, size // 2 :] = 0, 255  # the exact input scale
    found = {
        "float32": keras_lite.convert(model, size, None),
        "int8": keras_lite.convert(model, size, keras_lite.normalized(images)),
    }
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(root, folder, signatures=serve.get_concrete_function())
        for precision in ("float16", "dynamic"):
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            found[precision] = bytes(converter.convert())
    return found


def operators(data):
    return Counter(operator.name for operator in check_model(data, where="a file").operators)


def network_of(data, plan):
    """The scales and codes of a full-int8 file whose operators stand in the plan's order."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    quantize = schema.BuiltinOperator.QUANTIZE
    inner = [each for each in graph.operators if codes[each.opcodeIndex] != quantize]
    layers, tensors = {}, {}

    def array(index, dtype):
        tensor = graph.tensors[index]
        return np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype).reshape(tensor.shape)

    for step, operator in zip(plan.steps, inner, strict=True):
        made = graph.tensors[operator.outputs[0]].quantization
        tensors[step.name] = Scale(float(made.scale[0]), int(made.zeroPoint[0]))
        if isinstance(step, Conv | Dense):
            kernel = array(operator.inputs[1], np.int8)
            layers[step.name] = IntegerLayer(
                kernel.T if isinstance(step, Dense) else kernel.transpose(1, 2, 3, 0),
                np.asarray(graph.tensors[operator.inputs[1]].quantization.scale, np.float32),
                array(operator.inputs[2], np.int32),
            )
    return IntegerNetwork(layers, tensors)


def test_given_the_stock_files_own_scales_and_codes_our_file_gives_the_same_codes(origin, stock):
    ours = write_int8(origin.plan, network_of(stock["int8"], origin.plan))

    images = fixed_inputs(origin.plan.size)

    for image in images:
        (mine,), (theirs,) = (LiteRT(data)(image[None]).values() for data in (ours, stock["int8"]))
        assert np.array_equal(mine, theirs)
        assert np.ptp(mine) > 0


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic"])
def test_operators_are_the_stock_converters_and_two_scalars(origin, stock, precision):
    layers = fold(origin.plan, origin.weights.parameters)
    ours = write_float(origin.plan, layers, weights=WeightForm(precision, "per-channel"))

    assert operators(ours) == operators(stock[precision]) + SCALARS
    assert abs(len(ours) / len(stock[precision]) - 1) < 0.01


def test_operators_of_int8_are_the_stock_converters(origin, stock):
    ours = write_int8(origin.plan, network_of(stock["int8"], origin.plan))

    assert operators(ours) == operators(stock["int8"])
    assert abs(len(ours) / len(stock["int8"]) - 1) < 0.01


@pytest.mark.parametrize(("precision", "bar"), [("float32", 1e-6), ("float16", 1e-3), ("dynamic", 0.05)])
def test_probabilities_are_the_stock_files(origin, stock, precision, bar):
    plan = make_plan(origin.plan.variant, size=origin.plan.size)
    ours = write_float(
        plan, fold(plan, origin.weights.parameters), weights=WeightForm(precision, "per-channel")
    )
    images = fixed_inputs(plan.size).astype(np.float32)

    for image in images:
        (mine,) = LiteRT(ours)(image[None] / 255).values()
        (theirs,) = LiteRT(stock[precision])((image[None] - 127) / 128).values()
        assert np.abs(mine - theirs).max() < bar
