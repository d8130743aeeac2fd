"""Our files in other engines than LiteRT: whether they open them, what they answer, and how long they take.

Run it by the python of `make test-engines`' environment, .venv-engines/bin/python, which has the engines. Each is
asked in a process of its own (`benchmarks.engine_child`), so that one that dies or hangs is a row that says so.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.engine_child import ENGINES, FOUND, OUTPUTS
from benchmarks.inputs import Inputs, photos_below
from benchmarks.job import OPEN
from benchmarks.stock import NAMES, crops, divided
from benchmarks.table import Table
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.train import train
from efficientnet_lite.run.folder import open_run
from efficientnet_lite.run.source import open_origin

JUDGED = 50  # photos, as center crops
SECONDS = 300  # for one engine and one file
MODULES = ("openvino", "onnx", "onnxruntime", "MNN", "ncnn", "pnnx")  # of tests/engines/requirements.txt
LAST_WORDS = 80  # characters, of an engine that refuses


@dataclass(frozen=True)
class Asked:
    """An engine that is asked about the file of a precision."""

    precision: str
    name: str  # as the table calls it
    engine: str  # as `engine_child` does
    environment: Mapping[str, str] = field(default_factory=dict)


# oneDNN, with which OpenVINO computes on CPUs, takes this as a CPU whose newest instructions are AVX2.
NO_VNNI = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
ASKED = (
    Asked("float32", "OpenVINO", "openvino"),
    Asked("float32", "OpenVINO, asked for accuracy", "openvino-accurate"),
    Asked("float32", "ONNX Runtime", "onnxruntime"),
    Asked("float32", "MNN", "mnn"),
    Asked("float32", "ncnn", "ncnn"),
    Asked("float32", "ncnn, no halves", "ncnn-float32"),
    Asked("int8", "OpenVINO", "openvino"),
    Asked("int8", "OpenVINO, asked for accuracy", "openvino-accurate"),
    Asked("int8", "OpenVINO, asked for accuracy, as on AVX2 without VNNI", "openvino-accurate", NO_VNNI),
    Asked("int8", "MNN", "mnn"),
)


class Model(NamedTuple):
    """What is exported, the photos that calibrate it, and those that judge."""

    name: str
    source: Path | str
    calibrating: Path
    judged: Sequence[Path]


def answers(inputs: Inputs) -> Table:
    """OpenVINO, ONNX Runtime, MNN and ncnn beside LiteRT on float32 and int8 files; by .venv-engines/bin/python."""
    if missing := [name for name in MODULES if find_spec(name) is None]:
        raise SystemExit(
            f"not installed: {', '.join(missing)}; run it by .venv-engines/bin/python, which `make test-engines` makes"
        )
    rows, versions = [], dict[str, str]()
    with tempfile.TemporaryDirectory() as name:
        for number, model in enumerate(_models(inputs.photos, inputs.web_photos, Path(name))):
            place = Path(name) / str(number)
            write_files(model, place)
            for asked in ASKED:
                found = ask(asked, place)
                rows.append([model.name, asked.precision, asked.name, *_cells(asked, found)])
                print(" | ".join(rows[-1]), flush=True)
                versions |= {ENGINES[asked.engine][0]: found["version"]} if "version" in found else {}
    columns = ["model", "file", "engine", "same class", *OUTPUTS, "ms", "LiteRT, ms", "engine / LiteRT"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    note = (
        f"{JUDGED} photos that did not calibrate (of the run some trained it). Largest difference of any class and "
        "photo from LiteRT: of float32 as it is, of int8 in codes of 255. One thread; least milliseconds, taken in "
        "turns; the ratio is the median of blocks, lowest and highest. OpenVINO opens the `.tflite` itself, MNN what "
        "its converter makes of it, ONNX Runtime our `.onnx`, ncnn what pnnx makes of that. AVX2 without VNNI: by "
        f"`ONEDNN_MAX_CPU_ISA=AVX2`. {named}."
    )
    return Table("Other engines: answers and times beside LiteRT", columns, rows, note)


def _models(clothing: Path, web_photos: Path, folder: Path) -> Iterator[Model]:
    calibrating, judging = divided(photos_below(web_photos))
    web = folder / "web"
    web.mkdir()
    for number, photo in enumerate(calibrating):
        shutil.copy(photo, web / f"{number}{photo.suffix}")
    for name in NAMES:
        yield Model(name, name, web, judging[:: len(judging) // JUDGED][:JUDGED])
    run = open_run(train(clothing, folder / "run").run)
    photos = photos_below(clothing)
    yield Model(
        f"a run of {len(run.labels)} classes",
        run.folder,
        clothing,
        photos[:: len(photos) // JUDGED][:JUDGED],
    )


def write_files(model: Model, place: Path) -> None:
    """The three files, as `export` makes them, and the photos as they read them, into a new folder."""
    place.mkdir()
    export(model.source, place / "float32.tflite", outputs=OUTPUTS)
    export(
        model.source,
        place / "int8.tflite",
        precision="int8",
        data=model.calibrating,
        outputs=OUTPUTS,
        **OPEN,
    )
    export(model.source, place / "float32.onnx", outputs=OUTPUTS)
    np.save(place / "images.npy", np.stack(crops(model.judged, open_origin(model.source).contract)))


def ask(asked: Asked, place: Path, *, seconds: float = SECONDS) -> dict[str, Any]:
    """What the engine's process found, or {"failed": why}."""
    (place / FOUND).unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.engine_child", asked.engine, asked.precision, str(place)]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **asked.environment},
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {seconds:g} s"}
    if done.returncode < 0:
        return {"failed": f"it died of signal {-done.returncode}"}
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return {"failed": f"it refuses: {lines[-1][:LAST_WORDS] if lines else 'no word'}"}
    found: dict[str, Any] = json.loads((place / FOUND).read_text(encoding="utf-8"))
    return found


def _cells(asked: Asked, found: Mapping[str, Any]) -> list[str]:
    if "failed" in found:
        return [found["failed"], *[""] * (len(OUTPUTS) + 3)]
    gaps = [f"{found[name]:.0f}" if asked.precision == "int8" else f"{found[name]:.0e}" for name in OUTPUTS]
    times = [f"{found['ms']:.1f}", f"{found['litert_ms']:.1f}", found["ratio"]]
    return [f"{100 * found['same']:.0f} %", *gaps, *times]
