"""Latency of the files, and threads against processes."""

import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from benchmarks.timing import Timed, timed
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.runtimes.engine import EnginePool, cores
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import write_int8
from efficientnet_lite.weights.read import load_weights

RUNS = 40


def files(_inputs: Inputs) -> Table:
    """Writing time, size and latency of the float32 and int8 files of lite0, lite1 and lite2."""
    rows = []
    for name in ("lite0", "lite1", "lite2"):
        plan = make_plan(VARIANTS[name])
        layers = fold(plan, load_weights(plan.variant).parameters)
        noise = np.random.default_rng(0).integers(0, 256, (4, plan.size, plan.size, 3), np.uint8)
        network = quantize(plan, layers, list(noise), workers=cores()).network
        made: dict[str, Timed] = {}
        for precision, write in (
            ("float32", lambda plan=plan, layers=layers: write_float(plan, layers)),
            ("int8", lambda plan=plan, network=network: write_int8(plan, network)),
        ):
            writing = timed(write, 5).median / 1000
            data = write()
            runner = LiteRT(data)
            image = noise[:1] if precision == "int8" else noise[:1] / np.float32(255)
            took = made[precision] = timed(lambda runner=runner, image=image: runner(image), RUNS)
            rows.append(
                [
                    name,
                    precision,
                    f"{writing:.2f} s",
                    f"{len(data):,}",
                    f"{took.least:.1f}",
                    f"{took.median:.1f}",
                ]
            )
        rows[-1].append(f"{made['int8'].least / made['float32'].least:.2f}")
        rows[-2].append("1")
    columns = ["model", "precision", "writing", "bytes", "ms, least", "ms, median", "int8 / float32"]
    return Table("Files: writing, size and latency of one image on one thread", columns, rows)


def _in_process(arguments: tuple[bytes, int]) -> None:
    model, count = arguments
    runner = LiteRT(model)
    image = np.zeros(runner.inputs[0].shape, np.float32)
    for _ in range(count):
        runner(image)


def workers(_inputs: Inputs) -> Table:
    """Threads against processes against one runner with several threads, float32 backbones."""
    rows, count = [], 300
    for name in ("lite0", "lite1"):
        plan = make_plan(VARIANTS[name], classes=None)
        model = write_float(plan, fold(plan, load_weights(plan.variant).parameters), outputs=("features",))
        image = np.zeros((1, plan.size, plan.size, 3), np.float32)

        def threads(number: int, model: bytes = model, image: np.ndarray = image) -> float:
            pool = EnginePool(LiteRT, model, workers=number)
            start = time.perf_counter()
            list(pool.map(lambda runner, value: runner(value), [image] * count))
            return count / (time.perf_counter() - start)

        def processes(model: bytes = model) -> float:
            with ProcessPoolExecutor(cores()) as pool:
                list(pool.map(_in_process, [(model, 1)] * cores()))
                start = time.perf_counter()
                list(pool.map(_in_process, [(model, count // cores())] * cores()))
            return count / (time.perf_counter() - start)

        def one_runner(model: bytes = model, image: np.ndarray = image) -> float:
            runner = LiteRT(model, threads=cores())
            start = time.perf_counter()
            for _ in range(count):
                runner(image)
            return count / (time.perf_counter() - start)

        single = threads(1)
        rates = [single, threads(cores()), processes(), one_runner()]
        rows.append([name, *(f"{rate:.0f} ({rate / single:.2f})" for rate in rates)])
    columns = [
        "model",
        "one thread",
        f"{cores()} threads",
        f"{cores()} processes",
        f"one runner, {cores()} threads",
    ]
    note = (
        "Images a second; in brackets the ratio to one thread. The pool of threads is what the package uses."
    )
    return Table("Workers: threads against processes", columns, rows, note)
