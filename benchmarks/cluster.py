"""Feature vectors on a cluster: one machine under Ray beside the local engine, and how much one run can take in.

Needs Ray: `.venv-ray/bin/python -m benchmarks embed-cluster --photos DIR`.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.embedding import JSON, NAME, _some
from benchmarks.inputs import Inputs
from benchmarks.table import Table
from benchmarks.timing import Ratio, finished
from efficientnet_lite.features.destinations import destination
from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.outcomes import Outcomes, Work
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.features.vector_form import form_of
from efficientnet_lite.progress import silent
from efficientnet_lite.run.source import open_features
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage.files import sha256_bytes

FEW, MANY, ROUNDS = 500, 2500, 3
FORMS = (("float32", 1000), ("float32", 10_000), ("float16", 10_000))
TAKEN_IN = 50_000


def beside_local(inputs: Inputs) -> Table:
    """`embed` on a Ray cluster of this machine beside the local engine, from 500 to 2,500 photos; five minutes."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores(), "include_dashboard": False})
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            few, many = (_some(inputs, count, folder / str(count)) for count in (FEW, MANY))
            ways = {"local": (), "Ray": ("--engine", "ray", "--address", cluster.address)}
            for more in ways.values():
                _seconds(few, folder, more)  # the disk's cache, and Ray's first processes
            paces: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, more in ways.items():
                    short, long = (_seconds(photos, folder, more) for photos in (few, many))
                    paces[way].append((MANY - FEW) / (long - short))
    finally:
        cluster.shutdown()
    ratios = [ray / local for local, ray in zip(paces["local"], paces["Ray"], strict=True)]
    rows = [
        [
            *(f"{median(paces[way]):.0f} ({min(paces[way]):.0f}-{max(paces[way]):.0f})" for way in ways),
            str(Ratio(median(ratios), min(ratios), max(ratios))),
        ]
    ]
    note = (
        f"{NAME}; whole commands in turn, {ROUNDS} rounds, the photos between {FEW} and {MANY:,} by the time between: "
        "start-up, which Ray has some seconds of, does not count. One node with all cores, on which the run that "
        "writes is too. The parts are equal to the byte."
    )
    return Table(
        "Feature vectors: one machine under Ray",
        ["local, photos/s", "Ray, photos/s", "Ray / local"],
        rows,
        note,
    )


def taken_in(inputs: Inputs) -> Table:
    """How many photos a second the process that writes takes from a cluster, however large; half a minute."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = _some(inputs, 50, folder / "photos")
        model = open_features(NAME)
        rows = []
        with list_sources(photos) as listed:
            work = Work(model, listed)
            vectors = np.stack([each.vector for each in work.outcomes() if each.vector is not None])
        names = folder / "names.csv"
        names.write_text(
            "path\n" + "".join(f"https://example.org/{number:09}.jpg\n" for number in range(TAKEN_IN))
        )
        for dtype, part_rows in FORMS:
            with (
                list_sources(names) as listed,
                destination(
                    folder / dtype, form_of("parquet", "parts", dtype, part_rows), overwrite=False, apart=()
                ) as into,
            ):
                begun = time.perf_counter()
                into.take(_Ready(model, listed, vectors), silent)
                pace = TAKEN_IN / (time.perf_counter() - begun)
            rows.append([dtype, f"{part_rows:,}", f"{pace:,.0f}"])
            shutil.rmtree(folder / dtype)
    note = (
        f"{TAKEN_IN:,} rows, the vectors of {len(vectors)} photos ready in memory: Parquet, checksums, journal, fsync "
        "and the digest of the list, on a disk of this machine."
    )
    columns = ["numbers", "photos of a part", "photos/s"]
    return Table("Feature vectors: what one run takes in", columns, rows, note)


class _Ready(Work):
    """Photos whose vectors are there already."""

    def __init__(self, model, listed, vectors):
        super().__init__(model, listed)
        object.__setattr__(self, "_ready", vectors)

    def outcomes(self, ranges: Iterable[range] | None = None) -> Outcomes:
        ready = self._ready
        for number, entry in enumerate(self.entries(ranges)):
            yield Extracted(
                entry, sha256_bytes(entry.path.encode()), 640, 480, ready[number % len(ready)], None
            )


def _seconds(photos: Path, folder: Path, more: tuple[str, ...]) -> float:
    out = folder / "vectors"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "efficientnet_lite", "embed", NAME, photos, "--out", out, *JSON, *more]
    return finished(command, environment={"EFFICIENTNET_LITE_CACHE": str(folder / "cache")}).seconds
