"""The main job, with nothing cached and with everything cached."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from benchmarks.timing import Finished, finished

PROGRAM = """
import json, sys, time
from contextlib import contextmanager
from efficientnet_lite.commands.train import train
photos, out, model, bars = sys.argv[1:]
times = {}
@contextmanager
def stage(name):
    start = time.perf_counter()
    yield lambda done, total: None
    times[name] = times.get(name, 0) + time.perf_counter() - start
trained = train(photos, out, model=model, progress=stage, **json.loads(bars))
exports = {each["precision"]: each["as"] for each in trained.card["exports"]}
print(json.dumps({"times": times, "exports": exports, "photos": trained.card["data"]["photos"]}))
"""
OPEN = {"max_drop": 1.0, "min_agreement": 0.0}  # publishes however much int8 loses


def train_apart(
    photos: Path, out: Path, cache: Path, model: str, *, gated: bool = True
) -> tuple[Finished, dict[str, Any]]:
    """`train` in a process of its own; what it took, and its times (seconds), exports and counts of photos."""
    bars = json.dumps({} if gated else OPEN)
    command = [sys.executable, "-c", PROGRAM, str(photos), str(out), model, bars]
    done = finished(command, environment={"EFFICIENTNET_LITE_CACHE": str(cache)})
    return done, json.loads(done.output)


def main_job(inputs: Inputs, model: str = "lite1") -> Table:
    """`train` on a data set: seconds of each stage, cold and cached, and the accuracy of both files."""
    rows, document = [], dict[str, Any]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for state in ("nothing cached", "cached"):
            done, document = train_apart(inputs.photos, folder / state, folder / "cache", model)
            seconds = [f"{value:.1f}" for value in document["times"].values()]
            rows.append([state, *seconds, f"{done.seconds:.1f}", f"{done.peak_bytes / 1e6:.0f} MB"])
    accuracy = "; ".join(
        f"{precision} as {view}: top-1 {100 * each['top1']:.1f} %, agreement {100 * each['agreement']:.1f} %"
        for precision, views in document["exports"].items()
        for view, each in views.items()
    )
    counts = ", ".join(f"{count:,} {split}" for split, count in document["photos"].items() if count)
    note = f"{model}, photos: {counts}. On those that were kept back: {accuracy}."
    return Table("The main job, seconds", ["", *document["times"], "all", "peak memory"], rows, note)
