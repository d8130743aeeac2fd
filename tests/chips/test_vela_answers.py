"""What is made of Vela's answers, and of what is never asked of it; Vela itself is in tests/vela."""

import json

import pytest
import tiny

from efficientnet_lite.chips import vela
from efficientnet_lite.chips.sizes import blank_file, largest_size
from efficientnet_lite.chips.tool import Tool
from efficientnet_lite.chips.vela import compiled_by_vela, reasons
from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.structure import check_model

WARNED = """Warning (supported operators) operator: RELU6, ofm: 'a/float32'
Reason: Operation has tensor with unsupported DataType Float32 (a)
Feature-map dataTypes must be one of {"INT8"}
Warning (supported operators) operator: DEQUANTIZE, ofm: 'b'
Reason: Unsupported opType"""


@pytest.fixture
def answering(tmp_path, monkeypatch):
    """Puts a tool that answers what is given in Vela's place: the answers of a broken one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(vela, "VELA", Tool("Vela", "json", "numpy", "pip install it", "broken_vela"))

    def put(answer: bytes) -> None:
        (tmp_path / "broken_vela.py").write_text(f"def respond(data, out):\n    out.write({answer!r})\n")

    return put


def whole(**changed):
    report = {"cycles": 5, "npu_cycles": 5, "macs": 5, "read_only": 5, "memories": {"Sram": 7}}
    return {"clock_hz": 10, "operators": [], "reports": [report, report], "chosen": 0} | changed


def test_the_reasons_of_vela_are_found_by_the_tensor_that_each_is_about():
    found = reasons(f"on my way\n{WARNED}\n{WARNED}")

    assert found == {
        "a/float32": "Operation has tensor with unsupported DataType Float32 (a) "
        'Feature-map dataTypes must be one of {"INT8"}',
        "b": "Unsupported opType",
    }


def test_what_is_still_in_the_compiled_file_runs_on_the_cpu(answering):
    left = [{"name": "ethos-u", "output": "logits"}, {"name": "SOFTMAX", "output": "chances"}]
    answering(json.dumps(whole(operators=left)).encode() + b"\nmodel")

    report, model = compiled_by_vela(tiny.tiny("int8"), "ethos-u55-128")

    assert model == b"model"
    on_cpu = [(each.name, each.reason) for each in report.operators if each.on == "cpu"]
    assert on_cpu == [("SOFTMAX", "Vela gives no reason")]
    assert not report.ready
    assert report.fastest.milliseconds == 500


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xff\xfe no JSON", b"[]", b"{}", whole(clock_hz=0), whole(reports=[]), whole(chosen=True)],
    ids=("nothing", "no text", "a list", "nothing in it", "no clock", "no reports", "a truth for a count"),
)
def test_an_answer_that_makes_no_sense_is_one_error(answering, answer):
    answering(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")

    with pytest.raises(ArtifactError, match="answers what makes no sense"):
        compiled_by_vela(tiny.tiny("int8"), "ethos-u55-128", where="m.tflite")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (tiny.tiny("float32"), r"Arm Ethos-U55-128 computes in 8-bit integers alone, .* \(CONV_2D\) already"),
        (b"no model", "TFLite"),
    ],
    ids=("float", "no model"),
)
def test_what_an_npu_could_not_run_is_refused_before_anybody_is_asked(answering, model, why):
    answering(b"nobody asks")

    with pytest.raises(ArtifactError, match=why):
        compiled_by_vela(model, "ethos-u55-128", where="m.tflite")


def test_a_batch_that_may_change_is_refused(answering):
    def change(tree):
        tree.subgraphs[0].tensors[0].shapeSignature = [-1, 32, 32, 3]

    answering(b"nobody asks")
    with pytest.raises(ArtifactError, match="its shapes may change at run time"):
        compiled_by_vela(tiny.changed(tiny.tiny("int8"), change), "ethos-u55-128")


def test_without_vela_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(vela, "VELA", Tool("Vela", "no_vela_here", "no-vela", vela.VELA.install, "x"))

    with pytest.raises(UsageError, match="asks Vela, which is not installed") as caught:
        compiled_by_vela(b"not even looked at", "ethos-u55-128")
    assert "efficientnet-lite[ethos-u]" in caught.value.fix


@pytest.mark.parametrize(("limit", "size"), [(96 * 96, 96), (95 * 95, 64), (200 * 200, 128), (31 * 31, None)])
def test_the_largest_size_that_fits_is_below_the_one_that_does_not(limit, size):
    plan = make_plan(VARIANTS["lite0"], size=160, classes=None)

    def needed(model: bytes) -> int:
        return check_model(model).tensors[0].elements // 3

    assert largest_size(plan, needed, limit) == size


def test_a_blank_file_is_whole():
    checked = check_model(blank_file(make_plan(VARIANTS["lite0"], size=32, classes=7)))

    assert checked.tensors[checked.outputs[0]].shape == (1, 7)
