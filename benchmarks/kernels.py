"""How far apart the kernels of LiteRT are on our int8 files: their answers, and each operator alone."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.inputs import Inputs, photos_below
from benchmarks.stock import NAMES, crops, divided
from benchmarks.table import Table
from efficientnet_lite.commands.train import train
from efficientnet_lite.network.plan import INPUT, PROBABILITIES, Add, Conv, Dense, Plan, Step
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.proof.kernel_spread import OTHERS
from efficientnet_lite.quantize.method import Method
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.run.folder import open_run
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.float import options, output_shape, stored_kernel
from efficientnet_lite.tflite.int8 import VERSIONS, IntegerNetwork, write_int8
from efficientnet_lite.tflite.integer_run import run_integers
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, SOFTMAX_SCALE, Scale

Image = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int8]

JUDGED = 20  # photos, as center crops; the reference kernels take a second each
OPERATOR_PHOTOS = 2  # with which each operator is asked alone
SCALES = {"as chosen": True, "any": False}  # and whether kernels were thought of


def answers(inputs: Inputs) -> Table:
    """Codes of logits and probabilities on all kernels of LiteRT, with scales chosen for it and without."""
    calibrating, judging = divided(photos_below(inputs.web_photos))
    rows = []
    for name in NAMES:
        plan, contract = open_origin(name).plan, open_origin(name).contract
        images, judged = crops(calibrating, contract), crops(judging[:JUDGED], contract)
        for said, alike in SCALES.items():
            data = write_int8(
                plan, _network(name, images, Method(alike=alike)), outputs=("logits", "probabilities")
            )
            rows += [[name, said, *cells] for cells in _rows(data, judged)]
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(train(inputs.photos, Path(folder) / "run").run)
        data = run.export("int8").read_bytes()
        contract = Contract(LiteRT(data).inputs[0].shape[1])
        judged = crops(photos_below(inputs.photos)[::3][:JUDGED], contract)
        rows += [
            [f"a run of {len(run.labels)} classes", "as chosen", *cells] for cells in _rows(data, judged)
        ]
    columns = [
        "model",
        "scales",
        "kernels",
        "photos that differ",
        "logits, codes",
        "probabilities, codes",
        "same class",
    ]
    note = (
        f"Against XNNPACK on one thread, on {JUDGED} photos that did not calibrate (of the run some did). Codes of "
        "255: the largest difference of any class and photo, then the mean. Scales as chosen are those of "
        "`quantize/alike.py`."
    )
    return Table("Kernels of LiteRT: answers of int8 files", columns, rows, note)


def operators(inputs: Inputs) -> Table:
    """Each operator of lite0 alone, on the same codes, on all kernels of LiteRT."""
    calibrating, judging = divided(photos_below(inputs.web_photos))
    plan, contract = open_origin("lite0").plan, open_origin("lite0").contract
    images, judged = crops(calibrating, contract), crops(judging[:OPERATOR_PHOTOS], contract)
    rows = []
    for said, alike in SCALES.items():
        network = _network("lite0", images, Method(alike=alike))
        gaps: dict[tuple[str, str], list[Codes]] = defaultdict(list)
        for image in judged:
            for kind, kernels, gap in _alone(plan, network, image):
                gaps[kind, kernels].append(gap)
        for kind in dict.fromkeys(kind for kind, _ in gaps):
            cells = [np.concatenate(gaps[kind, kernels]) for kernels in _KERNELS]
            rows.append([kind, said, *(f"{1e6 * (gap > 0).mean():,.0f}, {gap.max()}" for gap in cells)])
    columns = ["operator", "scales", *_KERNELS]
    note = (
        f"Every operator of lite0 as a file of its own, fed with the codes of `tflite/integer_run.py` for "
        f"{OPERATOR_PHOTOS} photos: of a million codes so many differ from it, then the largest difference. "
        "Convolutions with ReLU6 and without stand apart, since the latter give codes below the zero point."
    )
    return Table("Kernels of LiteRT: each operator alone", columns, rows, note)


_KERNELS = ("reference", "optimized", "xnnpack")


def _network(name: str, images: Sequence[Image], method: Method) -> IntegerNetwork:
    origin = open_origin(name)
    return quantize(origin.plan, origin.layers(), images, method=method, workers=cores()).network


def _rows(data: bytes, images: Sequence[Image]) -> Iterator[list[str]]:
    base = _given(LiteRT(data), images)
    for said, (kernels, threads) in OTHERS.items():
        found = _given(LiteRT(data, kernels=kernels, threads=threads), images)
        gaps = {name: np.abs(found[name].astype(int) - base[name]) for name in base}
        main = next(iter(base))
        differ = np.mean(gaps[main].max(axis=1) > 0)
        same = np.mean(found[main].argmax(axis=1) == base[main].argmax(axis=1))
        cells = [
            f"{gaps[name].max()}, {gaps[name].mean():.3f}" if name in gaps else ""
            for name in ("logits", PROBABILITIES)
        ]
        yield [said, f"{100 * differ:.0f} %", *cells, f"{100 * same:.1f} %"]


def _given(engine: LiteRT, images: Sequence[Image]) -> dict[str, npt.NDArray[np.integer]]:
    rows = [engine(image[None]) for image in images]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _alone(
    plan: Plan, network: IntegerNetwork, image: Image
) -> Iterator[tuple[str, str, npt.NDArray[np.integer]]]:
    tensors = run_integers(plan.steps, network, image[None])
    scales = {INPUT: INPUT_SCALE, PROBABILITIES: SOFTMAX_SCALE, **network.tensors}
    for step in plan.steps:
        reads = [step.source, *([step.skip] if isinstance(step, Add) else [])]
        kind, data = operator_file(
            step, network, scales, {name: codes.shape for name, codes in tensors.items()}
        )
        if isinstance(step, Conv):
            kind += ", ReLU6" if step.relu6 else ""
        for kernels in _KERNELS:
            found = LiteRT(data, kernels=kernels)(*(tensors[name] for name in reads))["made"]
            yield kind, kernels, np.abs(found.astype(int) - tensors[step.name]).ravel()


def operator_file(
    step: Step, network: IntegerNetwork, scales: Mapping[str, Scale], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, bytes]:
    """The name of a step's operator, and a file of it alone, int8 to int8."""
    graph = Graph()

    def tensor(name: str, shape: tuple[int, ...], scale: Scale) -> int:
        quantization = Quantization(np.float32([scale.scale]), scale.zero_point)
        return graph.tensor(name, shape, "int8", quantization=quantization)

    reads = [step.source, *([step.skip] if isinstance(step, Add) else [])]
    taken = {name: tensor(name, shapes[name], scales[name]) for name in reads}
    inputs = list(taken.values())
    if isinstance(step, Conv | Dense):
        layer, read = network.layers[step.name], scales[step.source].scale
        kernel = stored_kernel(step, layer.kernel)
        axis = 3 if isinstance(step, Conv) and step.depthwise else 0
        products = (layer.scales.astype(np.float64) * read).astype(np.float32)
        inputs.append(
            graph.tensor(
                "kernel", kernel.shape, "int8", quantization=Quantization(layer.scales, 0, axis), data=kernel
            )
        )
        inputs.append(
            graph.tensor(
                "bias", layer.bias.shape, "int32", quantization=Quantization(products), data=layer.bias
            )
        )
    made = tensor("made", output_shape(step, shapes), scales[step.name])
    side = shapes[step.source][1]
    kind, table = options(step, side)
    graph.operator(kind, inputs, [made], table, version=VERSIONS[kind])
    return kind, graph.finish(inputs=taken, outputs={"made": made}, description=kind)
