"""Feature vectors of a folder of photos, as the best users of other runtimes write it, for `benchmarks.embedding`.

    .venv-peers/bin/python -m benchmarks.peers.embedding prepare MODELS      # lite0 in each one's own form
    .venv-peers/bin/python -m benchmarks.peers.embedding onnxruntime MODELS PHOTOS OUT.npy

Every way sees what ours sees, the center crop by antialiased bicubic, in float32, and leaves the vectors in the order
of the sorted paths beside a list of these. Nothing of ours is imported while it is timed. Each is tuned for few cores:
what was tried stands at each.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAME, SIZE, SHOWN, FEATURES = "lite0", 224, 256, 1280  # of the short side, SIZE of SHOWN are cropped
BATCH = 32


def listed(photos: Path) -> list[str]:
    return sorted(str(path) for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def save(out: Path, paths: list[str], vectors) -> None:
    import numpy as np

    np.save(out, vectors)
    out.with_suffix(".csv").write_text("\n".join(paths), encoding="utf-8")


def by_pillow(path: str):
    """A photo as (SIZE, SIZE, 3) float32 in [0, 1]; a large JPEG is decoded at a fraction of its size."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        width, height = image.size
        side = int(SIZE / SHOWN * min(width, height))
        left, top = (width - side + 1) // 2, (height - side + 1) // 2
        image.draft("RGB", (2 * SHOWN, 2 * SHOWN))
        scale = width / image.size[0]
        box = (left / scale, top / scale, (left + side) / scale, (top + side) / scale)
        image = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC, box)
    return np.asarray(image, np.float32) / np.float32(255)


def in_threads(one: Callable[[str], object], paths: list[str]):
    """`one` of every path, by a thread a core. Faster than one thread that decodes and a session of two threads."""
    import numpy as np

    vectors = np.empty((len(paths), FEATURES), np.float32)
    with ThreadPoolExecutor(cores()) as pool:
        for row, vector in enumerate(pool.map(one, paths)):
            vectors[row] = vector
    return vectors


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def onnxruntime(models: Path, photos: Path, out: Path) -> None:
    """One session of one thread, which all Python threads share. Arenas and spinning off gained nothing."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(models / f"{NAME}.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    paths = listed(photos)
    save(out, paths, in_threads(lambda path: session.run(None, {name: by_pillow(path)[None]})[0][0], paths))


def openvino(models: Path, photos: Path, out: Path, precision: str = "f32") -> None:
    """A stream a core, a request for each Python thread. Its queue of asynchronous requests was no faster."""
    import threading

    import openvino

    core = openvino.Core()
    model = core.read_model(models / f"{NAME}.tflite")
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": cores(), "INFERENCE_NUM_THREADS": cores()}
    compiled = core.compile_model(model, "CPU", hints | {"INFERENCE_PRECISION_HINT": precision})
    mine = threading.local()

    def one(path: str):
        if not hasattr(mine, "request"):
            mine.request = compiled.create_infer_request()
        return mine.request.infer({0: by_pillow(path)[None]})[0][0]

    paths = listed(photos)
    save(out, paths, in_threads(one, paths))


def openvino_bfloat16(models: Path, photos: Path, out: Path) -> None:
    """As it comes on processors with bfloat16: its answers are other ones."""
    openvino(models, photos, out, "bf16")


def keras(models: Path, photos: Path, out: Path) -> None:
    """`predict` behind tf.data, which decodes in parallel. Batches of 8 and 64, and XLA, were no faster."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
    import keras
    import tensorflow as tf

    paths = listed(photos)

    def image(path):
        data = tf.io.read_file(path)
        shape = tf.io.extract_jpeg_shape(data)
        side = tf.cast(SIZE / SHOWN * tf.cast(tf.minimum(shape[0], shape[1]), tf.float32), tf.int32)
        window = tf.stack([(shape[0] - side + 1) // 2, (shape[1] - side + 1) // 2, side, side])
        crop = tf.image.decode_and_crop_jpeg(data, window, channels=3, dct_method="INTEGER_FAST")
        return tf.image.resize(crop, (SIZE, SIZE), "bicubic", antialias=True)

    data = tf.data.Dataset.from_tensor_slices(paths).map(image, num_parallel_calls=tf.data.AUTOTUNE)
    model = keras.models.load_model(models / f"{NAME}.keras", compile=False)
    save(out, paths, model.predict(data.batch(BATCH).prefetch(tf.data.AUTOTUNE), verbose=0))


def timm(models: Path, photos: Path, out: Path) -> None:
    """Its model and its transform behind torch's DataLoader, channels last; a worker a core, as many threads."""
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    paths = listed(photos)
    model = timm.create_model(f"tf_efficientnet_{NAME}", num_classes=0).eval()
    model.load_state_dict(torch.load(models / f"{NAME}.pt", weights_only=True), strict=False)  # but counters
    model = model.to(memory_format=torch.channels_last)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))

    class Photos(Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, row):
            with Image.open(paths[row]) as image:
                return transform(image.convert("RGB"))

    torch.set_num_threads(cores())
    found = []
    with torch.inference_mode():
        for batch in DataLoader(Photos(), batch_size=BATCH, num_workers=cores()):
            found.append(model(batch.contiguous(memory_format=torch.channels_last)).numpy())
    save(out, paths, np.concatenate(found))


WAYS: dict[str, Callable[[Path, Path, Path], None]] = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "openvino-bfloat16": openvino_bfloat16,
    "keras": keras,
    "timm": timm,
}


def prepare(models: Path, ways: Iterable[str]) -> None:
    """The same weights in the form that each way opens; not timed."""
    import efficientnet_lite as el

    models.mkdir(parents=True, exist_ok=True)
    el.export(NAME, models / f"{NAME}.tflite", outputs=["features"], overwrite=True)
    if "onnxruntime" in ways:
        el.export(NAME, models / f"{NAME}.onnx", format="onnx", outputs=["features"], overwrite=True)
    if "keras" in ways:
        os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
        import keras

        from benchmarks.peers.keras_lite import backbone
        from efficientnet_lite.run.source import open_origin

        origin = open_origin(NAME)
        image = keras.Input((SIZE, SIZE, 3))
        scaled = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(image)
        keras.Model(image, backbone(origin.plan, origin.weights.parameters)(scaled)).save(
            models / f"{NAME}.keras"
        )
    if "timm" in ways:
        import torch

        torch.save(_state(), models / f"{NAME}.pt")


def _state():
    """The published weights under timm's names, in torch's order of axes."""
    import numpy as np
    import torch

    from efficientnet_lite.network.naming import foreign_names
    from efficientnet_lite.run.source import open_origin

    origin = open_origin(NAME)
    state = {}
    for name, theirs in foreign_names(origin.plan, "timm").items():
        if name in origin.weights.parameters and not theirs.name.startswith("classifier"):
            value = origin.weights.parameters[name]
            turned = value if theirs.axes is None else value.transpose(np.argsort(theirs.axes))
            state[theirs.name] = torch.from_numpy(np.array(turned, np.float32, order="C"))
    return state


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("way", choices=["prepare", *WAYS])
    parser.add_argument("models", type=Path)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    arguments = parser.parse_args()
    if arguments.way == "prepare":
        prepare(arguments.models, WAYS)
    else:
        WAYS[arguments.way](arguments.models, arguments.photos, arguments.out)


if __name__ == "__main__":
    main()
