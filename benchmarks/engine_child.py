"""In a process of its own: another engine opens files of ours, answers photos beside LiteRT, and is timed beside it.

    python -m benchmarks.engine_child ENGINE PRECISION FOLDER

FOLDER holds `float32.tflite`, `int8.tflite`, `float32.onnx` and `images.npy`, uint8 (N, S, S, 3). What was found comes
to `found.json` there, as engines print what they like. Each engine is asked as its own documentation says, with one
thread.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.timing import paired
from efficientnet_lite.photos.views import to_float
from efficientnet_lite.runtimes.litert import LiteRT

OUTPUTS = ("probabilities", "logits")
ROUNDS, RUNS = 5, 8
FOUND = "found.json"

Value = npt.NDArray[Any]
Answer = Callable[[Value], dict[str, Value]]  # one image as the file wants it, (1, S, S, 3), to each output


def openvino(folder: Path, precision: str, **options: str) -> Answer:
    """OpenVINO on the `.tflite` file itself."""
    import openvino as ov

    core = ov.Core()
    model = core.read_model(folder / f"{precision}.tflite")
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, **options})

    def answer(image: Value) -> dict[str, Value]:
        found = compiled(image)
        return {name: found[name] for name in OUTPUTS}

    return answer


def onnx_runtime(folder: Path, precision: str) -> Answer:
    """ONNX Runtime on our ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / f"{precision}.onnx", options, providers=["CPUExecutionProvider"]
    )
    return lambda image: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"images": image}), strict=True))


def mnn(folder: Path, precision: str) -> Answer:
    """MNN on what its converter makes of the `.tflite` file.

    The converter's library is called, and not its command `mnnconvert`, which installs a package when it starts and
    reports to its makers (MNN 3.6.1, MNN/tools/utils/log.py).
    """
    import _tools
    import MNN

    source, place = folder / f"{precision}.tflite", folder / f"{precision}.mnn"
    convert = ["mnnconvert", "-f", "TFLITE", "--modelFile", source, "--MNNModel", place, "--bizCode", "none"]
    _tools.mnnconvert([str(each) for each in convert])
    network = MNN.Interpreter(str(place))
    session = network.createSession({"numThread": 1, "backend": "CPU"})
    taken = network.getSessionInput(session)

    def answer(image: Value) -> dict[str, Value]:
        taken.copyFrom(
            MNN.Tensor(image.shape, taken.getDataType(), image, MNN.Tensor_DimensionType_Tensorflow)
        )
        network.runSession(session)
        return {name: network.getSessionOutput(session, name).getNumpyData() for name in OUTPUTS}

    return answer


def ncnn(folder: Path, precision: str, *, halves: bool = True) -> Answer:
    """ncnn on what pnnx makes of our ONNX file; with `halves` it rounds weights to 16 bits, as it does by itself.

    The program pnnx lies in the package of that name, whose own modules want torch.
    """
    import ncnn

    package = find_spec("pnnx")
    if package is None or package.origin is None:
        raise ImportError("pnnx")
    side = np.load(folder / "images.npy", mmap_mode="r").shape[1]
    program = Path(package.origin).with_name("pnnx")
    command = [program, f"{precision}.onnx", f"inputshape=[1,{side},{side},3]f32", "fp16=0"]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    network = ncnn.Net()
    network.opt.num_threads = 1
    if not halves:
        network.opt.use_fp16_storage = network.opt.use_fp16_packed = network.opt.use_fp16_arithmetic = False
    for file, load in ((".param", network.load_param), (".bin", network.load_model)):
        if load(str(folder / f"{precision}.ncnn{file}")):
            raise RuntimeError(f"ncnn refuses {precision}.ncnn{file}")

    def answer(image: Value) -> dict[str, Value]:
        with network.create_extractor() as run:
            run.input("in0", ncnn.Mat(image[0]).clone())  # a Mat of numpy's memory does not keep it alive
            return {name: run.extract(f"out{place}")[1].numpy().copy() for place, name in enumerate(OUTPUTS)}

    return answer


ENGINES: dict[str, tuple[str, Callable[[Path, str], Answer]]] = {  # its distribution, and how it opens files
    "openvino": ("openvino", openvino),
    "openvino-accurate": ("openvino", lambda *file: openvino(*file, EXECUTION_MODE_HINT="ACCURACY")),
    "onnxruntime": ("onnxruntime", onnx_runtime),
    "mnn": ("mnn", mnn),
    "ncnn": ("ncnn", ncnn),
    "ncnn-float32": ("ncnn", lambda *file: ncnn(*file, halves=False)),
}


def compare(answer: Answer, litert: LiteRT, images: Value) -> dict[str, Any]:
    """How often the best class is the same, the largest difference of each output, and both times."""
    gaps: dict[str, list[float]] = {name: [] for name in OUTPUTS}
    same = 0
    for image in images:
        wanted = litert(image[None])
        found = {name: np.asarray(value).ravel() for name, value in answer(image[None]).items()}
        for name in OUTPUTS:
            gaps[name].append(float(np.abs(found[name].astype(float) - wanted[name].ravel()).max()))
        same += int(found["probabilities"].argmax() == wanted["probabilities"].argmax())
    one = images[:1]
    theirs, ours, ratio = paired(lambda: answer(one), lambda: litert(one), rounds=ROUNDS, runs=RUNS)
    return {
        "same": same / len(images),
        **{name: max(values) for name, values in gaps.items()},
        "ms": theirs.least,
        "litert_ms": ours.least,
        "ratio": str(ratio),
    }


def main(engine: str, precision: str, where: str) -> None:
    folder = Path(where)
    images = np.load(folder / "images.npy")
    litert = LiteRT((folder / f"{precision}.tflite").read_bytes())
    distribution, opened = ENGINES[engine]
    given = images if precision == "int8" else to_float(images)
    found = compare(opened(folder, precision), litert, given) | {"version": version(distribution)}
    (folder / FOUND).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
