"""Files of strangers: the ones that once killed a reader, signatures of every kind, and errors of LiteRT itself."""

import copy
import csv

import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import EXIT_ARTIFACT, EXIT_OK, ArtifactError
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.strangers.description import describe
from efficientnet_lite.strangers.signatures import main_signature
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.container import Graph
from efficientnet_lite.tflite.label_files import pack_labels

INT8 = tiny.tiny("int8")


def signed(*signatures):
    """The small int8 model with these signatures: key, names of outputs."""

    def change(tree):
        graph = tree.subgraphs[0]
        tree.signatureDefs = [
            schema.SignatureDefT(
                signatureKey=key,
                inputs=[schema.TensorMapT(name="images", tensorIndex=graph.inputs[0])],
                outputs=[schema.TensorMapT(name=name, tensorIndex=graph.outputs[0]) for name in outputs],
            )
            for key, outputs in signatures
        ]

    return pack_labels(tiny.changed(INT8, change), tiny.FILES)


def test_every_hostile_file_has_its_verdict(shared, tmp_path, capsys):
    folder = shared / "data/hostile-models"
    with (folder / "expected.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["file"].endswith(".tflite")]
    assert len(rows) > 20

    for row in rows:
        data = (folder / row["file"]).read_bytes()
        code = run(["info", str(folder / row["file"])])
        printed = capsys.readouterr()
        allowed = {"ok": {EXIT_OK}, "refuse": {EXIT_ARTIFACT}, "survive": {EXIT_OK, EXIT_ARTIFACT}}
        assert code in allowed[row["verdict"]], row
        assert "Traceback" not in printed.err
        if code == EXIT_OK:
            runner = LiteRT(data)
            runner(*(np.zeros(tensor.shape, tensor.dtype) for tensor in runner.inputs))


# --- signatures


def test_of_two_signatures_the_default_one_gives_the_names():
    model = signed(("other", ["mine"]), ("serving_default", ["probabilities"]))

    assert [tensor.name for tensor in LiteRT(model).outputs] == ["probabilities"]
    assert [port.name for port in describe(model).outputs] == ["probabilities"]
    assert describe(model).signatures == ("serving_default", "other")


def test_without_a_default_one_the_signature_that_names_most_gives_the_names():
    model = signed(("small", []), ("whole", ["scores"]))

    assert [tensor.name for tensor in LiteRT(model).outputs] == ["scores"]
    assert [port.name for port in describe(model).outputs] == ["scores"]


def test_a_file_of_two_signatures_classifies():
    opened = model_from_bytes(
        signed(("serving_default", ["probabilities"]), ("other", ["x"])), where="a file"
    )

    assert list(opened.outputs) == ["probabilities"]


def of_two_graphs(*keys):
    """The small float model twice; the second graph ends at the logits. A signature for each."""

    def change(tree):
        first = tree.subgraphs[0]
        second = copy.deepcopy(first)
        second.operators.pop()
        (logits,) = (n for n, tensor in enumerate(second.tensors) if tensor.name == b"logits")
        second.outputs = [logits]
        tree.subgraphs.append(second)
        tree.signatureDefs = [
            schema.SignatureDefT(
                signatureKey=key,
                inputs=[schema.TensorMapT(name="images", tensorIndex=graph.inputs[0])],
                outputs=[schema.TensorMapT(name=f"of {key}", tensorIndex=graph.outputs[0])],
                subgraphIndex=number,
            )
            for number, (key, graph) in enumerate(zip(keys, tree.subgraphs, strict=False))
        ]

    return pack_labels(tiny.changed(tiny.tiny(), change), tiny.FILES)


@pytest.mark.parametrize(
    ("keys", "name", "total"),
    [
        (("serving_default", "other"), "of serving_default", 1.0),
        (("other", "serving_default"), "of serving_default", None),
        (("first", "second"), "of first", 1.0),
    ],
)
def test_of_two_graphs_the_main_signatures_own_is_described_and_run(keys, name, total):
    model = of_two_graphs(*keys)
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)

    checked, (given,) = check_model(model), LiteRT(model)(image).values()

    assert [tensor.name for tensor in LiteRT(model).outputs] == [name]
    assert [port.name for port in describe(model).outputs] == [name]
    assert checked.operators[-1].name == ("SOFTMAX" if total else "FULLY_CONNECTED")
    assert (given.sum() == pytest.approx(1)) == bool(total)


def test_info_says_which_of_two_signatures_is_run(tmp_path, capsys):
    (tmp_path / "two.tflite").write_bytes(of_two_graphs("other", "serving_default"))

    assert run(["info", str(tmp_path / "two.tflite")]) == EXIT_OK
    assert "serving_default is run; also other" in capsys.readouterr().out


def test_what_a_runner_of_two_signatures_takes_has_its_shape_and_type():
    runner = LiteRT(of_two_graphs("serving_default", "other"))

    for wrong in (np.zeros((1, 31, 32, 3), np.float32), np.zeros((1, 32, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match="is expected"):
            runner(wrong)


def test_a_graph_that_no_signature_names_is_refused():
    with pytest.raises(ArtifactError, match="2 subgraphs, expected 1"):
        check_model(of_two_graphs("serving_default"))


def test_every_graph_is_checked():
    def widen(tree):
        tree.subgraphs[1].tensors[-2].type = schema.TensorType.INT8

    with pytest.raises(ArtifactError):
        check_model(tiny.changed(of_two_graphs("serving_default", "other"), widen))


def test_two_signatures_of_one_name_are_refused():
    with pytest.raises(ArtifactError, match="two signatures have the name"):
        check_model(signed(("same", ["a"]), ("same", ["b"])))


@pytest.mark.parametrize(
    ("sizes", "main"),
    [
        ({}, None),
        ({"a": 2}, "a"),
        ({"a": 1, "b": 2}, "b"),
        ({"a": 9, "serving_default": 1}, "serving_default"),
    ],
)
def test_the_main_signature(sizes, main):
    assert main_signature(sizes) == main


@pytest.mark.parametrize("key", [None, "", b"\xff\xfe"])
def test_a_signature_without_a_usable_name_is_refused(key):
    with pytest.raises(ArtifactError, match=r"no name|no UTF-8"):
        check_model(signed((key, ["probabilities"])))


def test_a_name_that_is_no_utf8_is_refused_where_somebody_would_ask_for_it():
    def rename(tree):
        graph = tree.subgraphs[0]
        graph.tensors[graph.outputs[0]].name = b"\xff"

    def rename_inside(tree):
        tree.subgraphs[0].tensors[3].name = b"\xff"

    with pytest.raises(ArtifactError, match="no UTF-8"):
        check_model(signed(("serving_default", [b"\xff"])))
    with pytest.raises(ArtifactError, match="no UTF-8"):
        check_model(tiny.changed(INT8, rename))
    assert check_model(tiny.changed(INT8, rename_inside)).tensors[3].name == "\\xff"


def test_a_runner_says_in_one_line_that_a_name_is_no_utf8():
    with pytest.raises(ArtifactError, match="LiteRT cannot open it"):
        LiteRT(signed((b"\xff", ["probabilities"])))


# --- errors of LiteRT


def test_a_file_that_opens_and_cannot_run_is_an_error_of_the_file():
    graph = Graph()
    image = graph.tensor("image", (1, 8), "float32")
    wanted = graph.tensor("wanted", (1,), "int32")
    result = graph.tensor("result", (1, 8), "float32")
    graph.operator("RESHAPE", [image, wanted], [result])
    data = graph.finish(inputs={"image": image, "wanted": wanted}, outputs={"result": result}, description="")
    with pytest.raises(ArtifactError, match="RESHAPE"):
        check_model(data)
    runner = LiteRT(data)

    with pytest.raises(ArtifactError, match="LiteRT cannot run it") as caught:
        runner(np.zeros((1, 8), np.float32), np.array([7], np.int32))

    assert caught.value.exit_code == EXIT_ARTIFACT


def test_data_in_the_first_buffer_are_no_constants_since_litert_takes_it_for_empty():
    def share(tree):
        kernel = next(each for each in tree.subgraphs[0].tensors if each.name == b"dense/kernel")
        tree.buffers[0].data = tree.buffers[kernel.buffer].data
        kernel.buffer = 0

    with pytest.raises(ArtifactError, match="before it is made"):
        check_model(tiny.changed(INT8, share))
