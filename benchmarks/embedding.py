"""Peak memory of decoding and features as the number of photos grows."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.table import Table

COUNTS = (2_000, 20_000)
PROGRAM = """
import resource, sys
from pathlib import Path
from efficientnet_lite.checkpoints.read import load_weights
from efficientnet_lite.contract import FIT_VIEWS, Contract
from efficientnet_lite.doors.cache import Cache
from efficientnet_lite.doors.dataset import open_dataset
from efficientnet_lite.doors.litert import cores
from efficientnet_lite.inference.features import Backbone, FeatureStore
from efficientnet_lite.spec import VARIANTS, make_plan
from efficientnet_lite.tflite.fold import fold
from efficientnet_lite.tflite.write import write_float
plan = make_plan(VARIANTS["lite0"], size=32, classes=None)
model = write_float(plan, fold(plan, load_weights(plan.variant).parameters), outputs=("features",))
rows = open_dataset(Path(sys.argv[1])).rows
with Cache(Path(sys.argv[2])) as cache:
    store = FeatureStore(Backbone("lite0@32", model, Contract(32)), rows, cache, cores())
    store.fill(FIT_VIEWS)
assert store.computed == len(rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory(photos: Path | None, _web: Path | None) -> Table:
    """Peak memory of the feature pass, four views of lite0@32, over 2,000 and 20,000 photos."""
    assert photos is not None, "give --photos"
    sources = sorted(photos.rglob("*.jp*g"))[:2000]
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "photos")
            for number in range(count):
                path = root / str(number % 10) / f"{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                # bytes behind the end marker change the content's hash and not the picture
                path.write_bytes(sources[number % len(sources)].read_bytes() + str(number).encode())
            command = [sys.executable, "-c", PROGRAM, str(root), f"{folder}/cache"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append([f"{count:,}", f"{int(done.stdout) / 1024:.0f} MB"])
    return Table("Memory: decoding and features, peak of the process", ["photos", "peak"], rows)
