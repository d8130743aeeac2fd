"""Feature vectors: whole processes beside other runtimes, a steady pace, and what loading a photo costs."""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.inputs import Inputs, photos_below
from benchmarks.soak import photograph
from benchmarks.table import Table
from benchmarks.timing import Ratio, finished
from efficientnet_lite.features.extract import extract
from efficientnet_lite.photos.contract import Contract, center_crop
from efficientnet_lite.photos.decode import read_bytes
from efficientnet_lite.photos.views import prepare, to_float
from efficientnet_lite.run.source import open_features
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.model import Model

NAME, SIZE = "lite0", 224
CONTRACT = Contract(SIZE)
PHOTOS = 1000
PEERS = {
    "onnxruntime": 5,
    "openvino": 5,
    "openvino-bfloat16": 2,
    "keras": 1,
    "timm": 1,
}  # rounds, in turns with ours
FEW, MANY, STEADY_ROUNDS = 500, 3000, 2
SMALL, LARGE = (340, 452), (3000, 4000)  # pixels
OURS = "ours"
JSON = ("--json", "--quiet")


def against_peers(inputs: Inputs) -> Table:
    """`embed` of 1,000 photos beside ONNX Runtime, OpenVINO, Keras and timm, whole processes in turns; six minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = _some(inputs, PHOTOS, folder / "photos")
        models = folder / "models"
        peer = (str(inputs.peers), "-m", "benchmarks.peers.embedding")
        finished([*peer, "prepare", models])
        rows, vectors = [], {}
        for way, rounds in PEERS.items():
            pairs = []
            for number in range(
                rounds + (rounds > 1)
            ):  # the first of several warms the disk, and does not count
                mine = _whole(photos, folder / "vectors", folder / "cache")
                theirs = finished([*peer, way, models, photos, folder / f"{way}.npy"]).seconds
                pairs += [(mine, theirs)] if number or rounds == 1 else []
            ratios = [one / other for one, other in pairs]
            ratio = Ratio(statistics.median(ratios), min(ratios), max(ratios))
            vectors[way] = np.load(folder / f"{way}.npy")
            mine, theirs = (min(each) for each in zip(*pairs, strict=True))
            rows.append([way, f"{mine:.2f} s", f"{theirs:.2f} s", str(ratio)])
        own = _matrix(photos, folder / "vectors", folder / "cache")
        for row, way in zip(rows, PEERS, strict=True):
            cosines = _cosines(own, vectors[way])
            row.append(f"{cosines.mean():.4f}, {cosines.min():.4f}")
    note = (
        f"{NAME}, {PHOTOS:,} photos, float32, a whole process from its start to its end; ours writes Parquet with the "
        "hash of each photo. Least seconds of each; the ratio is ours over theirs: median, lowest and highest. "
        "Cosine: between ours and theirs, mean and least; decoders and filters differ, and bfloat16 rounds."
    )
    columns = ["beside", "ours", "theirs", "ours / theirs", "cosine"]
    return Table("Feature vectors: whole processes", columns, rows, note)


def steady_pace(inputs: Inputs) -> Table:
    """Photos a second of `embed` between 500 and 3,000 photos, beside what model and loader take alone; a minute."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = (_some(inputs, count, folder / str(count)) for count in (FEW, MANY))
        model = open_features(NAME, workers=1)
        alone = _alone(model, photos_below(few)[:200])
        pairs = []
        for _ in range(STEADY_ROUNDS):
            pairs.append([_whole(place, folder / "vectors", folder / "cache") for place in (few, many)])
        short, long = (min(each) for each in zip(*pairs, strict=True))
        pace = (MANY - FEW) / (long - short)
        possible = 1000 * cores() / sum(alone)
        inside = _inside(photos_below(few))
        together = _together(photos_below(few)[:200])
    rows = [
        [
            f"{alone[0]:.2f} ms",
            f"{together:.2f} ms",
            f"{alone[1]:.2f} ms",
            f"{possible:.0f}",
            f"{inside:.0f} ({inside / possible:.2f})",
            f"{pace:.0f} ({pace / possible:.2f})",
            f"{short - FEW / pace:.2f} s",
        ]
    ]
    wall = "the model" if alone[0] > alone[1] else "loading the photos"
    shared = cores() * 1000 / (together + alone[1])
    note = (
        f"{NAME}; model and loader on one thread, photo by photo, nothing beside. Possible: {cores()} cores / (model + "
        f"loader). In brackets the share of it; of the {shared:.0f} that models on all cores at once leave possible "
        f"it is {pace / shared:.2f}. Start-up is what is left of the time for {FEW} photos. "
        f"{wall[0].upper() + wall[1:]} binds: it takes {max(alone) / sum(alone):.0%} of a photo's time."
    )
    columns = [
        "model",
        "all cores at once",
        "loader",
        "possible, photos/s",
        "in one process",
        f"{FEW} to {MANY:,}",
        "start-up",
    ]
    return Table("Feature vectors: a steady pace", columns, rows, note)


def loader(inputs: Inputs) -> Table:
    """A photo's way to the model's input, and what Pillow takes for it, one thread; and what it does to features."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photograph(folder / "small", 40, SMALL)
        photograph(folder / "large", 8, LARGE)
        sets = {
            f"drawn, {SMALL[1]} x {SMALL[0]}": photos_below(folder / "small"),
            "photos given": photos_below(inputs.photos)[:: max(1, len(photos_below(inputs.photos)) // 60)],
            f"drawn, {LARGE[1]} x {LARGE[0]}": photos_below(folder / "large"),
        }
        model = open_features(NAME, workers=1)
        for kind, photos in sets.items():
            data = [read_bytes(path) for path in photos]
            ours, pillow, whole = _least([_ours, _by_pillow, _whole_by_pillow], data)
            cosines = _cosines(_features(model, data, _ours), _features(model, data, _by_pillow))
            rows.append(
                [
                    kind,
                    f"{ours:.2f} ms",
                    f"{pillow:.2f} ms ({ours / pillow:.2f})",
                    f"{whole:.2f} ms ({ours / whole:.2f})",
                    f"{cosines.mean():.5f}, {cosines.min():.5f}",
                ]
            )
    note = (
        f"To {SIZE} pixels and float32, bytes in memory, one thread: means of the least of seven. Pillow decodes all "
        "of it and resizes by bicubic, the center crop as ours does, or the whole photo; in brackets ours / Pillow. "
        f"Cosine of {NAME}'s features of the same crop, ours and by Pillow's full decode: mean and least."
    )
    columns = ["photos", "ours", "Pillow, center crop", "Pillow, whole photo", "cosine"]
    return Table("Feature vectors: loading a photo", columns, rows, note)


def _some(inputs: Inputs, count: int, folder: Path) -> Path:
    """`count` names of the photos given, as hard links or copies; where they are too few, a photo has several."""
    photos = photos_below(inputs.photos)
    folder.mkdir()
    for number in range(count):
        photo = photos[number % len(photos)]
        place = folder / f"{number:05}{photo.suffix.lower()}"
        try:
            os.link(photo, place)
        except OSError:  # on another disk
            shutil.copy(photo, place)
    return folder


def _whole(photos: Path, out: Path, cache: Path) -> float:
    """Seconds of `embed` as a command, anew, with no features in the cache."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "efficientnet_lite", "embed", NAME, photos, "--out", out, *JSON]
    done = finished(command, environment={"EFFICIENTNET_LITE_CACHE": str(cache)})
    if json.loads(done.output)["used"] != len(photos_below(photos)):
        raise SystemExit(f"not all photos of {photos} could be used")
    return done.seconds


def _matrix(photos: Path, out: Path, cache: Path) -> npt.NDArray[np.float32]:
    import pyarrow.parquet as parquet

    _whole(photos, out, cache)
    table = parquet.read_table(out)
    return np.asarray(table["vector"].combine_chunks().flatten()).reshape(table.num_rows, -1)


def _cosines(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    a, b = one.astype(np.float64), other.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def _alone(model: Model, photos: list[Path]) -> tuple[float, float]:
    """Milliseconds of a photo in the model, and in everything before it, each on this thread alone."""
    views = (model.contract.view,)
    images = [prepare(read_bytes(path), views, model.contract).images[0] for path in photos]
    loading, running = [], []
    for _ in range(3):
        start = time.perf_counter()
        for path in photos:
            model.encode(prepare(read_bytes(path), views, model.contract).images[0])
        loading.append(time.perf_counter() - start)
        encoded = [model.encode(image)[None] for image in images]
        start = time.perf_counter()
        for one in encoded:
            model.pool.first(one)
        running.append(time.perf_counter() - start)
    return 1000 * min(running) / len(photos), 1000 * min(loading) / len(photos)


def _together(photos: list[Path]) -> float:
    """Milliseconds of an image in a model while every core runs one: what they take from each other."""
    model = open_features(NAME)
    images = [prepare(read_bytes(path), (CONTRACT.view,), CONTRACT).images[0] for path in photos]
    encoded = [model.encode(image)[None] for image in images]
    times = []
    for _ in range(4):
        start = time.perf_counter()
        for _ in model.pool.map(lambda engine, one: engine(one), encoded):
            pass
        times.append(time.perf_counter() - start)
    return 1000 * cores() * min(times) / len(encoded)


def _inside(photos: list[Path]) -> float:
    """Photos a second of the extraction alone, all cores."""
    model = open_features(NAME)
    for _ in extract(model, photos[:20], read_bytes):
        pass
    start = time.perf_counter()
    count = sum(1 for _ in extract(model, photos, read_bytes))
    return count / (time.perf_counter() - start)


def _ours(data: bytes) -> npt.NDArray[np.float32]:
    return to_float(prepare(data, (CONTRACT.view,), CONTRACT).images[0])


def _by_pillow(data: bytes) -> npt.NDArray[np.float32]:
    image = Image.open(BytesIO(data)).convert("RGB")
    box = center_crop(image.height, image.width, SIZE)
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, edges)).astype(np.float32) / 255


def _whole_by_pillow(data: bytes) -> npt.NDArray[np.float32]:
    image = Image.open(BytesIO(data)).convert("RGB")
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).astype(np.float32) / 255


def _least(ways: list[Callable[[bytes], object]], data: list[bytes]) -> list[float]:
    """Milliseconds of each way: the mean over the photos of the least of seven, in turns."""
    times = np.empty((len(ways), len(data), 7))
    for turn in range(7):
        for column, photo in enumerate(data):
            for row, way in enumerate(ways):
                start = time.perf_counter()
                way(photo)
                times[row, column, turn] = time.perf_counter() - start
    return [float(1000 * each.min(1).mean()) for each in times]


def _features(model: Model, data: list[bytes], way: Callable[[bytes], npt.NDArray[np.float32]]):
    return np.stack([model.pool.first(way(photo)[None])["features"].ravel() for photo in data])
