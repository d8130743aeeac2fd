"""Vela, Arm's compiler for Ethos-U, on files of ours: what it says, as a user reads it and as a program does."""

import json
from pathlib import Path

import pytest

import efficientnet_lite as el
from efficientnet_lite.chips.ethos_u import ETHOS_U
from efficientnet_lite.chips.fitting import NPU_MORE, NPU_SMALLEST, planned_bytes
from efficientnet_lite.chips.sizes import blank_file
from efficientnet_lite.chips.vela import compiled_by_vela
from efficientnet_lite.cli.app import run
from efficientnet_lite.commands.asked_target import int8_of
from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.structure import check_model

pytest.importorskip("ethosu.regor", reason="needs Vela: make test-vela", exc_type=ImportError)
KIB = 1024


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """lite0 at 64 pixels in int8, as a file."""
    path = tmp_path_factory.mktemp("vela") / "small.tflite"
    path.write_bytes(int8_of(Path("lite0@64"))[0])
    return path


def said(capsys, *arguments: str) -> tuple[object, str, str]:
    """The exit code of a command line, what it printed and what it said aside."""
    try:
        code: object = run([*arguments])
    except SystemExit as ending:
        code = ending.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("target", ETHOS_U)
def test_every_operator_of_ours_runs_on_every_ethos_u(small, target):
    report = el.info(small, target=target)

    assert (report.ready, report.mapped) == (True, len(check_model(small.read_bytes()).operators))
    assert report.title == f"Arm Ethos-{target.split('-')[1].upper()}-{target.split('-')[2]}"
    assert 0 < report.smallest.sram_bytes <= report.fastest.sram_bytes < 200 * KIB
    assert 0 < report.fastest.milliseconds < 100


def test_a_larger_npu_is_faster_and_the_memory_is_that_of_the_activations(small):
    data = small.read_bytes()
    times = [el.info(small, target=f"ethos-u55-{macs}").fastest.cycles for macs in (32, 64, 128, 256)]

    assert times == sorted(times, reverse=True)
    arena = check_model(data).arena_bytes
    assert 0.9 * arena < el.info(small, target="ethos-u55-128").fastest.sram_bytes < 1.1 * arena


def test_a_file_a_run_and_a_model_are_asked_about_alike(small, capsys):
    of_file = el.info(small, target="ethos-u55-128")
    code, out, err = said(capsys, "info", "lite0@64", "--target", "ethos-u55-128", "--json")

    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["fastest"] == of_file.to_json()["fastest"]
    assert (document["system"], document["memory_mode"]) == ("Ethos_U55_High_End_Embedded", "Shared_Sram")
    assert {each["on"] for each in document["operators"]} == {"npu"}


def test_a_layer_in_float_stays_on_the_cpu_and_vela_says_why(tmp_path, capsys):
    mixed = tmp_path / "mixed.tflite"
    mixed.write_bytes(mixed_file())

    code, out, _ = said(capsys, "info", str(mixed), "--target", "ethos-u55-128")

    assert code == 5
    assert "NOT READY: 62 of 65 operators run on the NPU, 3 on the CPU" in out
    assert "unsupported DataType Float32 (blocks_3/depthwise/float32" in " ".join(out.split())
    assert "DEQUANTIZE" in out


def mixed_file() -> bytes:
    """lite0 at 32 pixels with one layer in float32."""
    from efficientnet_lite.proof.parity import fixed_inputs
    from efficientnet_lite.quantize.method import PLAIN
    from efficientnet_lite.quantize.stages import quantize
    from efficientnet_lite.run.source import open_origin
    from efficientnet_lite.tflite.int8 import write_int8

    origin = open_origin("lite0@32")
    layers, name = origin.layers(), "blocks_3/depthwise"
    made = quantize(origin.plan, layers, list(fixed_inputs(32)), method=PLAIN, workers=1)
    return write_int8(origin.plan, made.network, kept={name: layers[name]})


def test_within_less_sram_it_is_slower_and_too_little_is_said_with_the_size_that_fits(small, capsys):
    free = el.info(small, target="ethos-u55-128")
    tight = free.smallest.sram_bytes // KIB + 8

    within = el.info(small, target="ethos-u55-128", sram=tight)
    code, out, _ = said(
        capsys,
        "info",
        str(small),
        "--target",
        "ethos-u55-128",
        "--sram",
        str(free.smallest.sram_bytes // KIB - 1),
    )

    assert within.ready
    assert within.fastest.sram_bytes <= tight * KIB < free.fastest.sram_bytes
    assert within.fastest.cycles >= free.fastest.cycles
    assert code == 5
    assert "TOO LARGE by 1 KiB of SRAM; 32 pixels fit" in out


def test_the_compiled_file_holds_one_operator_for_the_npu_and_the_plain_input_and_output(small):
    from ai_edge_litert import schema_py_generated as schema

    compiled = compiled_by_vela(small.read_bytes(), "ethos-u55-256")

    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(compiled.model, 0)).subgraphs[0]
    assert [len(graph.operators), len(graph.inputs), len(graph.outputs)] == [1, 1, 1]
    assert graph.tensors[graph.inputs[0]].shape.tolist() == [1, 64, 64, 3]
    assert graph.tensors[graph.outputs[0]].shape.tolist() == [1, 1000]


def test_noise_for_weights_takes_the_memory_of_real_ones(small):
    blank = blank_file(make_plan(VARIANTS["lite0"], size=64))

    reports = [compiled_by_vela(each, "ethos-u55-128").report for each in (blank, small.read_bytes())]

    needs = [(each.fastest.sram_bytes, each.smallest.sram_bytes) for each in reports]
    assert needs[0] == pytest.approx(needs[1], rel=0.05)


@pytest.mark.parametrize("size", [64, 96, 160, 224])
def test_what_boards_are_measured_by_is_what_vela_needs(size):
    plan = make_plan(VARIANTS["lite0"], size=size, classes=10)

    report = compiled_by_vela(blank_file(plan), "ethos-u55-128").report

    tensors = planned_bytes(plan)
    assert tensors <= report.fastest.sram_bytes <= NPU_MORE * tensors
    assert report.smallest.sram_bytes <= NPU_SMALLEST * tensors


def test_another_system_changes_the_time_and_an_unknown_one_is_refused_with_those_that_are(small):
    slow = el.info(small, target="ethos-u55-128", system_config="Ethos_U55_Deep_Embedded")

    assert slow.clock_hz == 200_000_000
    assert slow.fastest.milliseconds > el.info(small, target="ethos-u55-128").fastest.milliseconds
    with pytest.raises(UsageError, match="memory_mode='Fast'") as caught:
        el.info(small, target="ethos-u55-128", memory_mode="Fast")
    assert "Shared_Sram" in caught.value.fix


def test_what_vela_refuses_is_told_in_its_own_words_with_the_operator():
    from graphs import make

    with pytest.raises(
        ArtifactError, match=r"Vela 5\.\d+\.\d+ gives no answer: it ended with an error"
    ) as caught:
        compiled_by_vela(make(46, 77), "ethos-u55-128", where="odd.tflite")
    assert "HARD_SWISH 't2' Does not have valid TFLite Semantics" in caught.value.what
    assert "Traceback" not in caught.value.what
