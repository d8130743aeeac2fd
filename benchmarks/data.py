"""Data for training from scratch: images a second, memory as the list of examples grows, and waiting for data."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.inputs import Inputs, photos_below
from benchmarks.table import Table
from benchmarks.timing import finished, timed

if TYPE_CHECKING:
    from efficientnet_lite.training.augment import Name

SIZE = 224
PHOTOS, PASSES, A_TASK = 200, 3, 10  # of one pass; passes, of which the quickest counts; photos of one task
COUNTS = (10_000, 100_000, 1_000_000)
A_FILE = 1_000  # records of one record file
STEPS, SECONDS = 26, 240  # whichever comes first; the first two steps do not count
ALONE, UNCOUNTED = 5, 2

LISTING = f"""
import itertools, re, sys
from pathlib import Path
from efficientnet_lite.photos.rows import Placed, Rows
from efficientnet_lite.training.augment import Augmentation
from efficientnet_lite.training.batches import train_batches
from efficientnet_lite.training.examples import PhotoFiles
from efficientnet_lite.records.record_set import open_records
kind, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
if kind == "photos":
    names, labels = [path.name for path in sorted(folder.iterdir())], [str(n) for n in range(10)]
    placed = (Placed(names[n % len(names)], labels[n % 10], None) for n in range(count))
    source = PhotoFiles(Rows(folder, placed), labels)
else:
    source = open_records(folder, "train", classes=10)
assert len(source) == count
batches = train_batches(source, {SIZE}, Augmentation("randaugment"), batch=32, seed=0, epoch=0)
seen = [index for batch in itertools.islice(batches, 8) for index in batch.indices]
assert len(set(seen)) == 256 and max(seen) > count // 2
# Not what the system says of a child that has ended: that begins at the size of the process that started it.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""

STEPPING = f"""
import json, sys, time
from pathlib import Path
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.network.keras_arrays import read_parameters
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.training.augment import Augmentation
from efficientnet_lite.training.batches import train_batches
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.records.record_set import open_records
from efficientnet_lite.training.train_state import start_state
from efficientnet_lite.training.step import build_network, make_step
recipe = Recipe.from_settings({{"batch": "32", "augment": sys.argv[2]}})
plan = make_plan(VARIANTS["lite0"], size={SIZE}, classes=10)
state, step = start_state(read_parameters(build_network(plan, recipe))), make_step(plan, recipe)
source = open_records(Path(sys.argv[1]), "train", classes=10)
batches = iter(train_batches(
    source, {SIZE}, Augmentation(recipe.augment), batch=32, seed=0, epoch=0, workers=cores()
))

def stepped(state, batch):
    state, losses = step(state, batch.images, batch.labels)
    float(losses.total)  # waits for the device
    return state

waiting, stepping = [], []
first = time.perf_counter()
while len(waiting) < {STEPS} and time.perf_counter() - first < {SECONDS} or len(waiting) < 6:
    begun = time.perf_counter()
    batch = next(batches)
    there = time.perf_counter()
    state = stepped(state, batch)
    waiting.append(there - begun)
    stepping.append(time.perf_counter() - there)
batches.close()
alone = []
for _ in range({ALONE}):
    begun = time.perf_counter()
    state = stepped(state, batch)
    alone.append(time.perf_counter() - begun)
print(json.dumps([waiting, stepping, alone]))
"""


def speed(inputs: Inputs) -> Table:
    """Images a second of decoding and augmenting at 224 pixels, by one thread, by threads and by processes."""
    from efficientnet_lite.photos import decode as photo_door
    from efficientnet_lite.runtimes.engine import cores

    files, rows, workers = _files(inputs.photos), [], cores()
    parts = [range(start, min(start + A_TASK, len(files))) for start in range(0, len(files), A_TASK)]
    cases: dict[str, Name | None] = {
        "decoding alone": None,
        "none": "none",
        "autoaugment": "autoaugment",
        "randaugment": "randaugment",
    }
    with (
        ThreadPoolExecutor(workers) as threads,
        ProcessPoolExecutor(workers, get_context("spawn"), _files, (inputs.photos,)) as processes,
    ):
        for title, name in cases.items():
            core = min(_core_seconds(lambda: _prepare(range(len(files)), name)) for _ in range(PASSES))  # noqa: B023
            both = [
                timed(lambda: list(pool.map(_prepare, parts, [name] * len(parts))), PASSES)  # noqa: B023
                for pool in (threads, processes)
            ]
            speeds = [len(files) / core, *(1000 * len(files) / each.least for each in both)]
            rows.append([title, f"{1000 / speeds[0]:.1f}", *(f"{speed:.0f}" for speed in speeds)])
    sides = [photo_door.decode_reference(data).pixels.shape for data in files]
    pixels = sum(height * width for height, width, _ in sides) / len(sides)
    columns = ["augmentation", "ms an image", "one core", f"{workers} threads", f"{workers} processes"]
    note = (
        f"Images a second; {len(files)} photos of {pixels / 1e6:.2f} megapixels on average, read beforehand. One core: "
        "by the time that it was at work, which other programs hardly change; the last two columns they do. "
        f"{_load()}"
    )
    return Table("Training data: decoding and augmenting at 224 pixels", columns, rows, note)


def _load() -> str:
    """How busy the machine was, which a reader of seconds should know; 2 on two cores is what a benchmark makes."""
    return f"Load average of the last five minutes: {os.getloadavg()[1]:.0f}."


def _core_seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


_read: list[bytes] = []  # by each process for itself


def _files(folder: Path) -> list[bytes]:
    _read[:] = [path.read_bytes() for path in photos_below(folder)[:PHOTOS]]
    return _read


def _prepare(numbers: range, name: "Name | None") -> None:
    """Decode photos, and make training images of them unless `name` is None."""
    from efficientnet_lite.photos import decode as photo_door
    from efficientnet_lite.training.augment import Augmentation
    from efficientnet_lite.training.chance import generator
    from efficientnet_lite.training.crops import training_image

    for number in numbers:
        pixels = photo_door.decode_reference(_read[number]).pixels
        if name is not None:
            training_image(pixels, SIZE, Augmentation(name), generator(0, 0, number))


def memory(inputs: Inputs) -> Table:
    """Peak memory of the pipeline over 10,000 to 1,000,000 listed examples, as photos and as TFRecords."""
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            photos, records = Path(name, "photos"), Path(name, "records")
            few = photos_below(inputs.photos)[:100]
            photos.mkdir()
            for number, path in enumerate(few):
                (photos / f"{number:03d}.jpg").symlink_to(path.resolve())
            _record_files(records, few, count)
            peaks = [
                1024 * int(finished([sys.executable, "-c", LISTING, kind, str(folder), str(count)]).output)
                for kind, folder in (("photos", photos), ("records", records))
            ]
        rows.append([f"{count:,}", *(f"{peak / 1e6:.0f} MB" for peak in peaks)])
    note = (
        "The whole process, Grain included, which draws the order of an epoch and 8 batches of 32 from it. The more "
        "examples are the same 100 photos under more names. Record files cost 8 bytes an example; names of photos "
        "nothing, which are read from a file when they are asked for."
    )
    columns = ["examples", "photos in folders, peak", "TFRecord files, peak"]
    return Table("Training data: memory as the list of examples grows", columns, rows, note)


def waiting(inputs: Inputs) -> Table:
    """The share of a training step spent waiting for data: lite0 at 224, batch 32, TensorFlow on the CPU; minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "records")
        _record_files(folder, photos_below(inputs.photos)[:A_FILE], A_FILE)
        done = finished(
            [sys.executable, "-c", STEPPING, str(folder), "randaugment"],
            environment={"KERAS_BACKEND": "tensorflow"},
        )
    waited, stepped, alone = (times[UNCOUNTED:] for times in json.loads(done.output.splitlines()[-1]))
    both = [first + second for first, second in zip(waited, stepped, strict=True)]
    row = [
        f"{100 * sum(waited) / sum(both):.2f} %",
        f"{1000 * max(waited):.0f} ms",
        f"{median(both):.2f} s",
        f"{median(alone):.2f} s",
    ]
    note = (
        f"{len(both)} steps with RandAugment, from record files, with a thread for each core, which the step's own "
        f"threads share with it; then {len(alone)} steps on one batch again and again, to tell what that costs. "
        f"{_load()}"
    )
    columns = ["waiting", "longest wait", "a step with its data, median", "a step without, median"]
    return Table("Training data: the share of a step spent waiting for data", columns, [row], note)


def _record_files(folder: Path, photos: list[Path], count: int) -> None:
    """`count` records as TFRecord files of 1,000, the same file under many names."""
    from efficientnet_lite.records import tfrecord
    from efficientnet_lite.records.example import encode

    folder.mkdir()
    names = [folder / f"train-{number:05d}-of-{count // A_FILE:05d}" for number in range(count // A_FILE)]
    with tfrecord.writing(names[0]) as write:
        for number in range(A_FILE):
            path = photos[number % len(photos)]
            write(encode(path.read_bytes(), number % 10, height=1, width=1, label="", name=path.name))
    for name in names[1:]:
        name.symlink_to(names[0].name)
