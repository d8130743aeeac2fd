"""The door to LiteRT: what a runner says of its file, order and bounds of a pool, and a clean stderr."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.runtimes.engine import EnginePool, cores
from efficientnet_lite.runtimes.litert import LiteRT, runtime_version
from efficientnet_lite.tflite.container import Graph, Quantization


def doubling(shape=(1, 4), copies=1):
    """`x` to `y` = 2 x by additions, with `copies` of them one after another."""
    graph = Graph()
    first = value = graph.tensor("x", shape, "float32")
    for number in range(copies):
        result = graph.tensor(f"y{number}", shape, "float32")
        graph.operator("ADD", [value, value], [result])
        value = result
    return graph.finish(inputs={"x": first}, outputs={"y": value}, description="doubling")


def requantizing():
    graph = Graph()
    pixels = graph.tensor("x", (1, 3), "uint8", quantization=Quantization(np.float32([1 / 128]), 127))
    codes = graph.tensor("y", (1, 3), "int8", quantization=Quantization(np.float32([1 / 128]), -1))
    graph.operator("QUANTIZE", [pixels], [codes])
    return graph.finish(inputs={"pixels": pixels}, outputs={"codes": codes}, description="requantizing")


def test_a_runner_says_what_its_file_takes_and_gives():
    runner = LiteRT(requantizing())
    (taken,), (given,) = runner.inputs, runner.outputs

    assert (taken.name, taken.shape, taken.dtype) == ("pixels", (1, 3), np.uint8)
    assert (taken.scale, taken.zero_point) == (1 / 128, 127)
    assert (given.name, given.dtype, given.scale, given.zero_point) == ("codes", np.int8, 1 / 128, -1)
    codes = runner(np.array([[0, 127, 255]], np.uint8))["codes"]
    assert codes.tolist() == [[-128, -1, 127]]


def test_a_result_stays_when_the_runner_runs_again():
    runner = LiteRT(doubling())

    first = runner(np.ones((1, 4), np.float32))["y"]
    runner(np.zeros((1, 4), np.float32))

    assert first.tolist() == [[2, 2, 2, 2]]


def test_an_input_that_is_filled_in_place_gives_what_a_given_one_gives():
    runner, values = LiteRT(doubling()), np.float32([[1, 2, 3, 4]])
    given = []

    def fill(array):
        given.append((array.shape, array.dtype))
        array[...] = values

    first = runner.filled(fill)["y"]
    values = values + 1
    second = runner.filled(fill)["y"]

    assert given == [((1, 4), np.float32)] * 2
    assert first.tolist() == [[2, 4, 6, 8]]
    assert second.tolist() == [[4, 6, 8, 10]]
    assert runner(values)["y"].tolist() == second.tolist()


def test_inputs_of_another_shape_type_or_number_are_a_caller_error():
    runner = LiteRT(doubling())

    with pytest.raises(ValueError, match=r"(?i)dimension mismatch"):
        runner(np.zeros((1, 5), np.float32))
    with pytest.raises(ValueError, match="Got value of type"):
        runner(np.zeros((1, 4), np.uint8))
    with pytest.raises(ValueError, match="argument"):
        runner()


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"....TFL3" + bytes(64)])
def test_what_litert_refuses_is_one_error_that_names_the_file(data):
    with pytest.raises(ArtifactError, match=r"LiteRT cannot open it: .+") as caught:
        LiteRT(data, where="clothes.tflite")

    assert caught.value.where == "clothes.tflite"
    assert "\n" not in caught.value.what


def test_a_pool_keeps_the_order_whoever_is_done_first():
    pool = EnginePool(LiteRT, doubling(), workers=3)

    def slow_at_first(runner, number):
        gate.wait(timeout=0.2 if number == 0 else 0)
        return runner(np.full((1, 4), number, np.float32))["y"][0, 0]

    gate = threading.Event()
    assert list(pool.map(slow_at_first, range(50))) == [2 * number for number in range(50)]


def test_no_runner_is_lent_to_two_threads_at_once():
    pool, lent, mixed = EnginePool(LiteRT, doubling(), workers=2), set(), []

    def work(runner, _):
        mixed.append(id(runner) in lent)
        lent.add(id(runner))
        runner(np.zeros((1, 4), np.float32))
        lent.discard(id(runner))

    list(pool.map(work, range(200)))
    assert not any(mixed)


def test_an_error_in_one_item_reaches_the_caller_and_the_pool_goes_on():
    pool = EnginePool(LiteRT, doubling(), workers=2)

    def fails_at_three(runner, number):
        if number == 3:
            raise RuntimeError("three")
        return number

    with pytest.raises(RuntimeError, match="three"):
        list(pool.map(fails_at_three, range(10)))
    assert list(pool.map(lambda runner, number: number, range(5))) == [0, 1, 2, 3, 4]


def test_this_process_has_a_core_and_a_runtime():
    assert cores() >= 1
    assert runtime_version().split(".")[0].isdecimal()


def in_a_fresh_process(program, **options):
    start = f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_litert as t\n"
    command = [sys.executable, "-c", start + program]
    return subprocess.run(command, text=True, timeout=60, check=True, stdout=subprocess.PIPE, **options)


def test_only_the_greeting_is_kept_off_stderr():
    program = (
        "from efficientnet_lite.storage import quiet\n"
        "with quiet.stderr_without(b'INFO: Created'):\n"
        "    os.write(2, b'INFO: Created by us\\n'); os.write(2, b'WARNING: kept\\n'); sys.stderr.write('kept too')\n"
        "t.LiteRT(t.doubling()); t.EnginePool(t.LiteRT, t.doubling(), workers=3)\n"
    )
    done = in_a_fresh_process(program, stderr=subprocess.PIPE)

    assert done.stderr.splitlines() == ["WARNING: kept", "kept too"]


def test_a_greeting_after_a_refused_file_is_kept_off_too():
    program = (
        "try: t.LiteRT(b'no model')\nexcept t.ArtifactError: pass\n"
        "threads = [t.threading.Thread(target=t.LiteRT, args=(t.doubling(),)) for _ in range(8)]\n"
        "for each in threads: each.start()\n"
        "for each in threads: each.join()\n"
    )

    assert in_a_fresh_process(program, stderr=subprocess.PIPE).stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors of another kind")
@pytest.mark.parametrize("obstacle", ["os.close(2)", "sys.stderr = None", "t.in_no_place_for_files()"])
def test_it_runs_without_a_stderr_or_a_place_for_temporary_files(obstacle):
    program = (
        f"{obstacle}\nrunner = t.LiteRT(t.doubling()); print(runner(t.np.ones((1, 4), t.np.float32))['y'])"
    )

    done = in_a_fresh_process(program, stderr=subprocess.PIPE)

    assert done.stdout.strip() == "[[2. 2. 2. 2.]]"


def in_no_place_for_files():
    """Make every temporary file fail, as on a read-only system."""
    import tempfile

    def fail(*_, **__):
        raise FileNotFoundError(2, "No usable temporary directory found")

    tempfile.TemporaryFile = fail
