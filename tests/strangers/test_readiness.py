"""What the rules of each target say of our own files, the stock converter's kinds, and odd ones made here."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.accelerators import MIB, TARGETS
from efficientnet_lite.strangers.operators import OPERATORS
from efficientnet_lite.strangers.readiness import Readiness, check_readiness
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.float import write_float

FLOAT, INT8 = tiny.tiny("float32"), tiny.tiny("int8")
STOCK = Path(__file__).resolve().parents[2] / "build/stock"


def placed(readiness: Readiness) -> list[tuple[str, str]]:
    return [(each.name, each.on) for each in readiness.operators]


def ended(arguments: list[str]) -> object:
    """The exit code of a command line."""
    try:
        return run(arguments)
    except SystemExit as ending:
        return ending.code


def eight_bit(graph: Graph, name: str, shape: tuple[int, ...], data=None, dtype="int8") -> int:
    quantization = Quantization(np.array([0.1], np.float32), 0)
    return graph.tensor(name, shape, dtype, quantization=quantization, data=data)


def chain(*steps: tuple[str, tuple[int, ...], str, object], shape=(1, 8, 8, 4), dtype="int8") -> bytes:
    """Operators with one input each, one after the other: name, shape and type of the output, options."""
    graph = Graph()

    def tensor(name: str, shape: tuple[int, ...], kind: str, *, probability: bool = False) -> int:
        if kind == "float32":
            return graph.tensor(name, shape, kind)
        if probability:
            scale = Quantization(np.array([1 / 256], np.float32), -128)
            return graph.tensor(name, shape, kind, quantization=scale)
        return eight_bit(graph, name, shape, dtype=kind)

    at = first = tensor("input", shape, dtype)
    for number, (name, made, kind, options) in enumerate(steps):
        result = tensor(f"made {number}", made, kind, probability=name == "SOFTMAX")
        inputs = [at]
        if name in ("MEAN", "REDUCE_MAX"):
            axes = np.array(options, np.int32)
            inputs.append(graph.tensor("axes", axes.shape, "int32", data=axes))
            options = schema.ReducerOptionsT()
        graph.operator(name, inputs, [result], options)
        at = result
    return graph.finish(inputs={"input": first}, outputs={"output": at}, description="")


def dense(units: int, inputs: int, *, version: int = 4) -> bytes:
    graph = Graph()
    image = eight_bit(graph, "image", (1, inputs))
    kernel = eight_bit(graph, "kernel", (units, inputs), np.zeros((units, inputs), np.int8))
    result = eight_bit(graph, "scores", (1, units))
    graph.operator(
        "FULLY_CONNECTED", [image, kernel], [result], schema.FullyConnectedOptionsT(), version=version
    )
    return graph.finish(inputs={"image": image}, outputs={"scores": result}, description="")


def dynamic(model: bytes) -> bytes:
    def change(tree):
        tensor = tree.subgraphs[0].tensors[0]
        tensor.shapeSignature = [-1, *tensor.shape[1:]]

    return tiny.changed(model, change)


def test_our_int8_file_maps_whole_onto_the_edge_tpu_and_our_float_file_onto_the_gpu():
    edge, gpu = check_readiness(INT8, "edgetpu"), check_readiness(FLOAT, "gpu")

    assert (edge.verdict, edge.mapped, edge.obstacle) == ("ready", 6, None)
    assert (gpu.verdict, gpu.mapped, gpu.obstacle) == ("ready", 4, None)
    assert {on for _, on in placed(edge)} == {"target"}


def test_weights_on_the_chip_are_the_constants_each_once():
    assert check_readiness(dense(6, 100), "edgetpu").weights_bytes == 600


@pytest.mark.parametrize("name", ["lite0", "lite4"])
def test_float_files_of_the_smallest_and_largest_variant_map_onto_the_gpu(name):
    plan = make_plan(VARIANTS[name], size=32, classes=4)
    random = np.random.default_rng(0)
    parameters = {
        key: random.uniform(0.5, 1, shape).astype(np.float32)
        for key, shape in plan.parameter_shapes().items()
    }

    assert check_readiness(write_float(plan, fold(plan, parameters)), "gpu").verdict == "ready"


@pytest.mark.parametrize("path", sorted(STOCK.glob("*.tflite")), ids=str)
def test_the_stock_converters_files_map_too(path):
    data = path.read_bytes()

    edge, gpu = check_readiness(data, "edgetpu"), check_readiness(data, "gpu")

    integer = "int8" in path.stem
    assert edge.verdict == ("ready" if integer else "not ready")
    assert gpu.verdict == ("conditional" if integer else "ready")


def test_a_float_file_is_not_ready_for_the_edge_tpu_and_the_first_operator_is_named():
    readiness = check_readiness(FLOAT, "edgetpu")

    assert (readiness.verdict, readiness.mapped) == ("not ready", 0)
    obstacle = readiness.obstacle
    assert (obstacle.operator, obstacle.name, obstacle.tensor) == (0, "CONV_2D", "images")
    assert (obstacle.found, obstacle.effect, obstacle.verified) == ("float32", "cpu", True)


def test_an_int8_file_maps_onto_the_gpu_only_with_an_option():
    readiness = check_readiness(INT8, "gpu")

    assert (readiness.verdict, readiness.ready, readiness.mapped) == ("conditional", False, 6)
    assert {each.effect for each in readiness.operators[0].findings} == {"option"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_dynamic_batch_is_refused_whole(target):
    readiness = check_readiness(dynamic(INT8), target)

    assert (readiness.verdict, readiness.mapped) == ("not ready", 0)
    assert readiness.obstacle.effect == "refused"
    assert readiness.obstacle.tensor == "images"
    assert {on for _, on in placed(readiness)} == {"cpu"}


def test_a_version_that_the_frozen_compiler_does_not_know_makes_it_refuse_the_file():
    readiness = check_readiness(dense(4, 8, version=12), "edgetpu")

    assert readiness.obstacle.found == "version 12"
    assert (readiness.obstacle.effect, readiness.obstacle.verified) == ("refused", False)
    assert check_readiness(dense(4, 8, version=12), "gpu").obstacle.effect == "cpu"


@pytest.mark.parametrize(("name", "newest"), [("CONV_2D", 5), ("QUANTIZE", 2)])
def test_versions_refused_in_logs_of_the_compiler_are_refused(name, newest):
    def verdict(version):
        def change(tree):
            for code in tree.operatorCodes:
                if code.builtinCode == getattr(schema.BuiltinOperator, name):
                    code.version = version

        return check_readiness(tiny.changed(INT8, change), "edgetpu").verdict

    assert (verdict(newest), verdict(newest + 1)) == ("ready", "not ready")


def test_a_softmax_over_too_many_classes_stays_on_the_cpu():
    def softmax(classes):
        return chain(("SOFTMAX", (1, classes), "int8", schema.SoftmaxOptionsT(beta=1.0)), shape=(1, classes))

    assert check_readiness(softmax(16_000), "edgetpu").verdict == "ready"
    readiness = check_readiness(softmax(16_001), "edgetpu")
    assert (readiness.verdict, readiness.obstacle.found) == ("not ready", "16,001 elements")


def test_there_is_one_partition_and_what_follows_it_stays_on_the_cpu():
    shape = (1, 8, 8, 4)
    model = chain(
        ("RELU6", shape, "int8", None),
        ("DEQUANTIZE", shape, "float32", schema.DequantizeOptionsT()),
        ("QUANTIZE", shape, "int8", schema.QuantizeOptionsT()),
        ("RELU6", shape, "int8", None),
        ("RELU6", shape, "int8", None),
    )

    edge = check_readiness(model, "edgetpu")

    assert [on for _, on in placed(edge)] == ["target", "cpu", "cpu", "cpu", "cpu"]
    assert (edge.obstacle.operator, edge.obstacle.name) == (1, "DEQUANTIZE")
    assert edge.operators[3].findings == ()  # it would map, but for its place


def test_operators_before_the_partition_stay_on_the_cpu_too():
    shape = (1, 8, 8, 4)
    graph = Graph()
    image = graph.tensor("image", shape, "float32")
    codes, result = eight_bit(graph, "codes", shape), eight_bit(graph, "result", shape)
    graph.operator("QUANTIZE", [image], [codes], schema.QuantizeOptionsT())
    graph.operator("RELU6", [codes], [result])
    model = graph.finish(inputs={"image": image}, outputs={"result": result}, description="")

    assert [on for _, on in placed(check_readiness(model, "edgetpu"))] == ["cpu", "target"]


def test_weights_beyond_the_chips_memory_are_told_and_do_not_hinder(capsys, tmp_path):
    (tmp_path / "large.tflite").write_bytes(dense(8_000, 1_000))

    readiness = check_readiness((tmp_path / "large.tflite").read_bytes(), "edgetpu")
    run(["info", str(tmp_path / "large.tflite"), "--target", "edgetpu"])

    assert readiness.verdict == "ready"
    assert readiness.weights_bytes == 8_000_000 > readiness.memory_bytes[1]
    assert readiness.memory_bytes == (int(7.0 * MIB), int(7.2 * MIB))
    assert "7.63 MiB, more than the 7.0 to 7.2 MiB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (chain(("MEAN", (8, 8, 4), "int8", [0])), "MEAN"),
        (chain(("MEAN", (1, 8, 8), "int8", [3]), shape=(1, 8, 8, 6)), "MEAN"),
        (
            chain(
                (
                    "AVERAGE_POOL_2D",
                    (1, 1, 1, 4),
                    "int8",
                    schema.Pool2DOptionsT(
                        padding=1,
                        strideW=8,
                        strideH=8,
                        filterWidth=8,
                        filterHeight=8,
                        fusedActivationFunction=3,
                    ),
                )
            ),
            "AVERAGE_POOL_2D",
        ),
        (chain(("SOFTMAX", (2, 4), "int8", schema.SoftmaxOptionsT(beta=1.0)), shape=(2, 4)), "SOFTMAX"),
        (chain(("RELU6", (2, 8, 8, 4), "int8", None), shape=(2, 8, 8, 4)), "RELU6"),
        (chain(("HARD_SWISH", (1, 8, 8, 4), "int8", schema.HardSwishOptionsT())), "HARD_SWISH"),
    ],
    ids=["batch reduced", "6 channels reduced", "fused activation", "two rows", "batch of 2", "not listed"],
)
def test_a_limit_of_the_edge_tpu_keeps_the_operator_on_the_cpu(model, name):
    readiness = check_readiness(model, "edgetpu")

    assert placed(readiness) == [(name, "cpu")]
    assert readiness.obstacle.effect == "cpu"


def test_a_scale_for_each_channel_of_the_dense_layer_is_a_question_that_stays_open():
    def change(tree):
        (kernel,) = (each for each in tree.subgraphs[0].tensors if each.name == b"kernel")
        kernel.quantization.scale, kernel.quantization.zeroPoint = [0.1, 0.2], [0, 0]

    readiness = check_readiness(tiny.changed(dense(2, 8), change), "edgetpu")

    (finding,) = readiness.operators[0].findings
    assert (readiness.verdict, finding.found, finding.effect) == ("ready", "2 scales", "unknown")
    assert not finding.verified


def test_of_an_operator_without_a_row_nothing_is_known():
    largest = check_readiness(chain(("REDUCE_MAX", (1, 4), "int8", [1, 2])), "edgetpu")
    finding = largest.operators[0].findings[0]

    assert (largest.verdict, largest.mapped, largest.obstacle) == ("not known", 0, None)
    assert placed(largest) == [("REDUCE_MAX", "unknown")]
    assert (finding.found, finding.effect, finding.verified) == (
        "nothing is known of it here",
        "unknown",
        False,
    )


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (
            chain(("RESHAPE", (1, 1, 8, 8, 4), "int8", schema.ReshapeOptionsT(newShape=[1, 1, 8, 8, 4]))),
            "RESHAPE",
        ),
        (
            chain(
                ("LOG_SOFTMAX", (1, 4), "float32", schema.LogSoftmaxOptionsT()), shape=(1, 4), dtype="float32"
            ),
            "LOG_SOFTMAX",
        ),
    ],
    ids=["5 dimensions", "not listed"],
)
def test_a_limit_of_the_gpu_keeps_the_operator_on_the_cpu(model, name):
    assert placed(check_readiness(model, "gpu")) == [(name, "cpu")]


def test_float16_weights_behind_a_dequantize_map_onto_the_gpu():
    graph = Graph()
    image, result = graph.tensor("image", (1, 4), "float32"), graph.tensor("result", (1, 3), "float32")
    stored = eight_bit(graph, "stored", (3, 4), np.zeros((3, 4), np.int8))
    kernel = graph.tensor("kernel", (3, 4), "float32")
    graph.operator("DEQUANTIZE", [stored], [kernel], schema.DequantizeOptionsT(), version=3)
    graph.operator("FULLY_CONNECTED", [image, kernel], [result], schema.FullyConnectedOptionsT())
    data = graph.finish(inputs={"image": image}, outputs={"result": result}, description="")

    def change(tree):
        (tensor,) = (each for each in tree.subgraphs[0].tensors if each.name == b"stored")
        tensor.type, tensor.quantization = schema.TensorType.FLOAT16, None
        tree.buffers[tensor.buffer].data = np.zeros(24, np.uint8)

    assert check_readiness(tiny.changed(data, change), "gpu").verdict == "ready"
    assert check_readiness(tiny.changed(data, change), "edgetpu").mapped == 0


def test_every_row_is_of_an_operator_that_a_file_may_hold_and_stands_once():
    for target in TARGETS.values():
        assert target.rows.keys() | target.lacks <= set(OPERATORS)
        assert not target.rows.keys() & target.lacks
        assert all(a <= b for a, b in pairwise(target.memory_bytes or (0, 0)))


def test_a_file_with_one_byte_changed_is_refused_or_answered():
    random = np.random.default_rng(0)
    answered = 0
    for _ in range(300):
        data = bytearray(INT8)
        data[int(random.integers(len(data)))] = int(random.integers(256))
        try:
            for target in TARGETS:
                check_readiness(bytes(data), target)
            answered += 1
        except ArtifactError:
            continue

    assert 0 < answered < 300


def test_the_command_names_the_first_obstacle_by_operator_and_tensor(capsys, tmp_path):
    (tmp_path / "float.tflite").write_bytes(FLOAT)

    code = ended(["info", str(tmp_path / "float.tflite"), "--target", "edgetpu"])

    out = capsys.readouterr().out
    assert code == 5
    assert "NOT READY" in out
    assert "0 of 4 operators map" in out
    assert "first obstacle: operator 0 (CONV_2D v1), tensor 'images': float32" in out
    assert "Nothing was compiled" in out


@pytest.mark.parametrize(
    ("model", "target", "verdict", "code"),
    [
        (FLOAT, "edgetpu", "not ready", 5),
        (INT8, "edgetpu", "ready", 0),
        (INT8, "gpu", "conditional", 0),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_script_can_tell_by_the_exit_code_that_a_file_does_not_map(
    capsys, tmp_path, model, target, verdict, code, form
):
    (tmp_path / "a.tflite").write_bytes(model)

    found = ended(["info", str(tmp_path / "a.tflite"), "--target", target, *form])

    out = capsys.readouterr().out
    assert found == code
    said = {"conditional": "ready only with an option"}.get(verdict, verdict)
    assert json.loads(out)["verdict"] == verdict if form else said in out.lower()


def test_npu_is_no_target_and_those_that_can_be_asked_are_named(capsys):
    assert ended(["info", "lite0", "--target", "npu"]) == 2

    error = capsys.readouterr().err
    assert 'Invalid value "npu" for --target' in error
    assert '"edgetpu", "gpu", "ethos-u55-32"' in error
    assert "An NPU is asked about by its name" in error
    assert "mean" not in error


def test_the_command_marks_what_is_unverified(capsys, tmp_path):
    (tmp_path / "new.tflite").write_bytes(dense(4, 8, version=12))

    ended(["info", str(tmp_path / "new.tflite"), "--target", "edgetpu"])

    out = capsys.readouterr().out
    assert "first obstacle: operator 0 (FULLY_CONNECTED v12), tensor 'scores': version 12" in out
    assert "(unverified; tensorflow/lite/kernels/register.cc" in out


def test_the_json_has_every_operator(capsys, tmp_path):
    (tmp_path / "int8.tflite").write_bytes(INT8)

    run(["info", str(tmp_path / "int8.tflite"), "--target", "edgetpu", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert (document["target"], document["ready"], document["mapped"]) == ("edgetpu", True, 6)
    assert [each["name"] for each in document["operators"]][:2] == ["QUANTIZE", "CONV_2D"]
    assert Path(document["path"]) == tmp_path / "int8.tflite"


def test_a_model_name_or_a_run_has_no_target(capsys, tmp_path):
    for source in ("lite1", str(tmp_path)):
        assert run(["info", source, "--target", "gpu"]) == 2
        assert "a question about a .tflite file" in capsys.readouterr().err
