"""The ordinary way to the same goal, beside ours: a frozen Keras backbone, augmentation, `fit`, converter.

    .venv-peers/bin/python -m benchmarks.peers.ordinary_way --photos DIR --write docs/numbers.md

DIR has train/ and validation/. Both ways begin with a new process and the same official weights, and end with a
float32 and a full-int8 file. The ordinary way is what tutorials do: photos squashed to the input's size, random
flips and small random crops, ten epochs of Adam on the head, and the stock converter with 100 photos. The files
of both are then judged on the validation photos by the same code, on center crops and on squashed photos.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.inputs import Inputs
from benchmarks.job import train_apart
from benchmarks.page import put, section
from benchmarks.table import Table, machine
from benchmarks.timing import Finished, finished

EPOCHS, BATCH, CALIBRATION = 10, 32, 100
VIEWS = ("crop", "squash")
PRECISIONS = ("float32", "int8")
Scores = dict[str, dict[str, float]]  # precision -> view -> top-1


def train_keras(photos: Path, out: Path, name: str) -> dict[str, float]:
    """Make both files in the ordinary way, in `out`; gives the seconds of each stage."""
    start = time.perf_counter()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from benchmarks.peers.keras_lite import backbone, convert
    from efficientnet_lite.run.source import open_origin
    from efficientnet_lite.storage import files

    origin = open_origin(name)
    size = origin.plan.size
    stages = {"imports and weights": time.perf_counter() - start}
    keras.utils.set_random_seed(0)
    training, validation = (
        keras.utils.image_dataset_from_directory(
            photos / part, image_size=(size, size), batch_size=BATCH, shuffle=part == "train", seed=0
        )
        for part in ("train", "validation")
    )
    classes = len(training.class_names)
    augment = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal", seed=1),
            keras.layers.RandomTranslation(0.1, 0.1, seed=2),
            keras.layers.RandomZoom((-0.2, 0.0), seed=3),
        ]
    )
    normalize = keras.layers.Rescaling(1 / 128, offset=-127 / 128)
    frozen = backbone(origin.plan, origin.weights.parameters)
    dropout = keras.layers.Dropout(origin.plan.variant.dropout)
    head = keras.layers.Dense(classes, activation="softmax")
    image = keras.Input((size, size, 3))
    model = keras.Model(image, head(dropout(frozen(normalize(augment(image)), training=False))))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    start = time.perf_counter()
    model.fit(training, validation_data=validation, epochs=EPOCHS, verbose=0)
    stages[f"{EPOCHS} epochs of fit"] = time.perf_counter() - start
    served_image = keras.Input((size, size, 3), name="images")
    served = keras.Model(served_image, head(frozen(served_image)))
    start = time.perf_counter()
    files.publish(out / "float32.tflite", convert(served, size, None))
    stages["converter, float32"] = time.perf_counter() - start
    start = time.perf_counter()
    few = training.unbatch().take(CALIBRATION)
    images = [normalize(photo[None])[0].numpy() for photo, _ in few]
    files.publish(out / "int8.tflite", convert(served, size, images))
    stages["converter, int8"] = time.perf_counter() - start
    return stages


def judge(photos: Path, file: Path, name: str, *, unit: bool) -> dict[str, float]:
    """Top-1 of a file on the validation photos in each of VIEWS; `unit`: its float input is [0, 1]."""
    import numpy as np

    from efficientnet_lite.network.plan import model_name
    from efficientnet_lite.photos.contract import Contract
    from efficientnet_lite.photos.dataset import open_dataset
    from efficientnet_lite.photos.views import prepare
    from efficientnet_lite.runtimes.litert import LiteRT

    dataset = open_dataset(photos)
    runner, contract = LiteRT(file.read_bytes()), Contract(model_name(name).size)
    right = dict.fromkeys(VIEWS, 0)
    rows = [row for row in dataset.rows if row.split == "validation"]
    for row in rows:
        for view, image in zip(
            VIEWS, prepare(row.path.read_bytes(), VIEWS, contract, where=row.path).images, strict=True
        ):
            fed = image
            if runner.inputs[0].dtype == np.float32:
                fed = image / np.float32(255) if unit else (image.astype(np.float32) - 127) / 128
            (scores,) = runner(fed[None]).values()
            right[view] += dataset.labels[int(scores.argmax())] == row.label
    return {view: count / len(rows) for view, count in right.items()}


def keras_apart(photos: Path, out: Path, model: str) -> tuple[Finished, dict[str, float]]:
    """`train_keras` in a process of its own, and the seconds of its stages."""
    out.mkdir()
    arguments = ["--photos", photos, "--model", model, "--keras-into", out]
    done = finished([sys.executable, "-m", "benchmarks.peers.ordinary_way", *arguments])
    return done, json.loads((out / "stages.json").read_text(encoding="utf-8"))


def compare(photos: Path, model: str) -> Table:
    """Both ways on the same photos, one behind the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold, _ = train_apart(photos, folder / "ours", folder / "cache", model)
        ordinary, stages = keras_apart(photos, folder / "keras", model)
        cached, _ = train_apart(photos, folder / "again", folder / "cache", model)
        ours, theirs = (
            {each: judge(photos, pattern(each), model, unit=unit) for each in PRECISIONS}
            for pattern, unit in (
                (lambda each: folder / "ours" / "exports" / f"ours_{each}.tflite", True),
                (lambda each: folder / "keras" / f"{each}.tflite", False),
            )
        )
    rows = [
        _row("the ordinary way", ordinary.seconds, ordinary.seconds, theirs),
        _row("`train`, nothing cached", cold.seconds, ordinary.seconds, ours),
        _row("`train`, features cached", cached.seconds, ordinary.seconds, ours),
    ]
    columns = [
        "way",
        "seconds",
        "times faster",
        *(f"{each}, {view}" for each in PRECISIONS for view in VIEWS),
    ]
    took = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in stages.items())
    note = (
        f"{model}, frozen, each in a process of its own, from its start to both files. Top-1 on the validation "
        f"photos, on which ours also chose its regularisation. The ordinary way: {took}. Ours also verified its files."
    )
    return Table("The ordinary way: Keras, augmentation, fit, converter", columns, rows, note)


def _row(way: str, seconds: float, ordinary: float, scores: Scores) -> list[str]:
    points = [f"{100 * scores[precision][view]:.1f} %" for precision in PRECISIONS for view in VIEWS]
    return [way, f"{seconds:.0f}", f"{ordinary / seconds:.1f}", *points]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="lite1")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page whose section is replaced")
    parser.add_argument("--keras-into", type=Path, help=argparse.SUPPRESS)  # the child's own call
    arguments = parser.parse_args()
    photos = Inputs(arguments.photos).photos
    if arguments.keras_into is not None:
        stages = train_keras(photos, arguments.keras_into, arguments.model)
        (arguments.keras_into / "stages.json").write_text(json.dumps(stages), encoding="utf-8")
        return
    table = compare(photos, arguments.model)
    print(f"\n{table.title}\n{machine()}\n\n{table.markdown()}")
    if arguments.write:
        command = f"python -m benchmarks.peers.ordinary_way --photos DIR --model {arguments.model}"
        put(arguments.write, section("ordinary-way", command, table))


if __name__ == "__main__":
    main()
