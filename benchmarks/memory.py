"""Peak memory as the number of photos grows: of decoding and features, and of the whole of `train`."""

import sys
import tempfile
from pathlib import Path

from benchmarks.inputs import Inputs, photos_below
from benchmarks.job import train_apart
from benchmarks.table import Table
from benchmarks.timing import finished

COUNTS = (2_000, 20_000)
TRAINED = "lite0@64"  # a small input for the sake of time; the head's memory is that of every size
VIEWS = 4
PROGRAM = """
import sys
from pathlib import Path
from efficientnet_lite.weights.read import load_weights
from efficientnet_lite.photos.contract import FIT_VIEWS, Contract
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.features.backbone import Backbone
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.network.fold import fold
from efficientnet_lite.tflite.float import write_float
plan = make_plan(VARIANTS["lite0"], size=32, classes=None)
model = write_float(plan, fold(plan, load_weights(plan.variant).parameters), outputs=("features",))
rows = open_dataset(Path(sys.argv[1])).rows
with Cache(Path(sys.argv[2])) as cache:
    store = FeatureStore(Backbone("lite0@32", model, Contract(32)), rows, cache, cores())
    store.fill(FIT_VIEWS)
assert store.computed == len(rows)
"""


def features(inputs: Inputs) -> Table:
    """Peak memory of the feature pass, four views of lite0@32, over 2,000 and 20,000 photos."""
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            multiply(photos_below(inputs.photos)[:2000], count, Path(folder, "photos"))
            done = finished([sys.executable, "-c", PROGRAM, f"{folder}/photos", f"{folder}/cache"])
            rows.append([f"{count:,}", f"{done.peak_bytes / 1e6:.0f} MB"])
    return Table("Memory: decoding and features, peak of the process", ["photos", "peak"], rows)


def multiply(photos: list[Path], count: int, folder: Path) -> None:
    """`count` files below `folder`, in the class folders of `photos`, the same pictures in different bytes."""
    for number in range(count):
        photo = photos[number % len(photos)]
        path = folder / photo.parent.name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        # bytes behind the end marker change the content's hash and not the picture
        path.write_bytes(photo.read_bytes() + str(number).encode())


def training(inputs: Inputs) -> Table:
    """Peak memory of the whole of `train`, four views of lite0@64, over 2,000 and 20,000 photos.

    The more photos are copies of the fewer, so that the head learns as it does from real ones; the gate is
    left open, since 64 pixels are none of the sizes that int8 is good at.
    """
    rows, peaks = [], []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            multiply(photos_below(inputs.photos)[:2000], count, folder / "photos")
            done, document = train_apart(
                folder / "photos", folder / "run", folder / "cache", TRAINED, gated=False
            )
        peaks.append(done.peak_bytes)
        stages = [f"{seconds:.0f}" for seconds in document["times"].values()]
        rows.append([f"{count:,}", f"{done.peak_bytes / 1e6:.0f} MB", *stages, f"{done.seconds:.0f}"])
    growth = (peaks[1] - peaks[0]) / (COUNTS[1] - COUNTS[0]) / VIEWS / 1000
    note = f"{TRAINED}. From the one size to the other: {growth:.1f} KB for each photo and view."
    columns = ["photos", "peak", *(f"{stage}, s" for stage in document["times"]), "all, s"]
    return Table("Memory: the whole of `train`, peak of the process", columns, rows, note)
