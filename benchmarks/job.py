"""The main job, with nothing cached and with everything cached."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import Table

PROGRAM = """
import json, sys, time
from contextlib import contextmanager
from efficientnet_lite.stories.classify import train
times = {}
@contextmanager
def stage(name):
    start = time.perf_counter()
    yield lambda done, total: None
    times[name] = times.get(name, 0) + time.perf_counter() - start
trained = train(sys.argv[1], sys.argv[2], model=sys.argv[3], stage=stage)
exports = {each["precision"]: each["as"] for each in trained.card["exports"]}
print(json.dumps({"times": times, "exports": exports, "photos": trained.card["data"]["photos"]}))
"""


def main_job(photos: Path | None, _web: Path | None, model: str = "lite1") -> Table:
    """`train` on a data set: seconds of each stage, cold and cached, and the accuracy of both files."""
    assert photos is not None, "give --photos"
    rows, document = [], {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "EFFICIENTNET_LITE_CACHE": f"{folder}/cache"}
        for state in ("nothing cached", "cached"):
            command = [sys.executable, "-c", PROGRAM, str(photos), f"{folder}/{state}", model]
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            document = json.loads(done.stdout)
            seconds = [f"{value:.1f}" for value in document["times"].values()]
            rows.append([state, *seconds, f"{time.perf_counter() - start:.1f}"])
    accuracy = "; ".join(
        f"{precision} as {view}: top-1 {100 * each['top1']:.1f} %, agreement {100 * each['agreement']:.1f} %"
        for precision, views in document["exports"].items()
        for view, each in views.items()
    )
    note = f"{model}, photos {document['photos']}. On the split that was kept back: {accuracy}."
    return Table("The main job, seconds", ["", *document["times"], "all"], rows, note)
