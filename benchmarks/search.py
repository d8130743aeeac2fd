"""Search: the scan of 200,000 vectors beside numpy, faiss and usearch, and what opening a folder of them costs."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from benchmarks.timing import finished
from efficientnet_lite.arrays import Array
from efficientnet_lite.commands.embed import embed
from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.part_files import PartFiles
from efficientnet_lite.features.provenance import Provenance
from efficientnet_lite.features.sources.photo_entry import PhotoEntry, PhotoPlace
from efficientnet_lite.features.vector_folder import growing
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.accounting import Tally
from efficientnet_lite.vocabulary import PART_ROWS

MODEL, COUNT, SIZE = "lite0", 200_000, 1280
NOISE = 0.5  # of the standard deviation of the real numbers
WAYS = ("numpy", "faiss", "usearch")
OPENED = """
import sys, time, json
import numpy as np
start = time.perf_counter()
from efficientnet_lite.commands.search import Vectors
from efficientnet_lite.neighbors.answers import Query
from efficientnet_lite.neighbors.vectors import at_length_one
query = at_length_one(np.load(sys.argv[2])[None])[0]
imported = time.perf_counter()
opened = Vectors(sys.argv[1])
ready = time.perf_counter()
streamed = opened.answers([Query("vector", query)], 10)
times = []
for _ in range(6):
    times.append(time.perf_counter())
    assert [each.id for each in opened.search(query)] == [each.id for each in streamed[0].found]
times.append(time.perf_counter())
spent = [after - before for before, after in zip(times, times[1:])]
print(json.dumps([ready - imported, times[0] - ready, spent[0], min(spent[1:])]))
"""


def scan(inputs: Inputs) -> Table:
    """Exact search in 200,000 mapped vectors beside numpy, faiss and usearch, in turns in one process; two minutes."""
    with tempfile.TemporaryDirectory() as name:
        matrix = Path(name) / "unit.npy"
        made_matrix(real_vectors(inputs), matrix)
        output = finished([inputs.peers, "-m", "benchmarks.peers.search", matrix]).output
    found = json.loads(output)
    rows = []
    for queries in ("1", "16"):
        ours, others = found[queries]["ours"], {way: found[queries][way] for way in WAYS}
        fastest = [min(each) for each in zip(*others.values(), strict=True)]
        for way, times in {**others, "the fastest": fastest}.items():
            ratios = [one / other for one, other in zip(ours, times, strict=True)]
            rows.append(
                [
                    queries,
                    way,
                    f"{1000 * min(ours):.1f} ms",
                    f"{1000 * min(times):.1f} ms",
                    f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
                ]
            )
    note = (
        f"{COUNT:,} x {SIZE} float32 at length one, made of the vectors of real photos and noise, 1 GB mapped and "
        "warm; the ten nearest, which are the same in all. faiss: IndexFlatIP, which holds a copy (adding it took "
        f"{found['adding']:.1f} s); usearch: exact search; all on the cores of the machine, in turns in one process. "
        "Least times; the ratio is ours over theirs: median of the rounds, lowest and highest."
    )
    return Table("Search: the scan", ["queries", "beside", "ours", "theirs", "ours / theirs"], rows, note)


def folders(inputs: Inputs) -> Table:
    """What opening a folder of 200,000 vectors and the first searches cost, by layout; a minute."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        place, real = Path(name), real_vectors(inputs)
        np.save(place / "query.npy", real[7])
        for dtype in ("float32", "int8"):
            made_folder(real, place / dtype, dtype=dtype)
            done = finished([sys.executable, "-c", OPENED, place / dtype, place / "query.npy"])
            opening, streamed, made, later = json.loads(done.output)
            size = sum(path.stat().st_size for path in (place / dtype).iterdir())
            times = [
                f"{1000 * opening:.0f} ms",
                f"{streamed:.2f} s",
                f"{made:.2f} s",
                f"{1000 * later:.0f} ms",
            ]
            rows.append(
                [f"parts, {dtype}", f"{size / 1e6:,.0f} MB", *times, f"{done.peak_bytes / 1e6:,.0f} MB"]
            )
    note = (
        f"{COUNT:,} vectors in parts of {PART_ROWS:,}, one query. Streamed, as the command does: each part "
        "held against its SHA-256 and read once, in memory that does not grow. As `Vectors.search` does: the first "
        "search makes a matrix at length one in a file without a name, and later ones go through that. The peak is "
        "that of the whole process, with the pages of that file."
    )
    columns = ["folder", "on the disk", "opening", "streamed", "first in Python", "later ones", "peak"]
    return Table("Search: a folder of vectors", columns, rows, note)


def real_vectors(inputs: Inputs) -> Array:
    """Of the photos that were given."""
    with tempfile.TemporaryDirectory() as name:
        embed(MODEL, inputs.photos, Path(name) / "v")
        return np.concatenate([np.array(batch) for _, batch in StoredVectors(Path(name) / "v").batches()])


def noisy(real: Array, rows: int = PART_ROWS) -> Iterator[Array]:
    """COUNT vectors, some at a time: each a real one with noise, no number below zero, as the network has them."""
    random, spread = np.random.default_rng(0), NOISE * real.std()
    for start in range(0, COUNT, rows):
        mine = real[np.arange(start, start + rows) % len(real)]
        noise = random.standard_normal(mine.shape, np.float32) * spread
        yield np.where(mine > 0, (mine + noise).clip(0), np.float32(0))


def made_matrix(real: Array, path: Path) -> None:
    """All of them at length one in a file of numpy's."""
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, (COUNT, SIZE))
    start = 0
    for vectors in noisy(real):
        matrix[start : start + len(vectors)] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        start += len(vectors)
    matrix.flush()


def made_folder(real: Array, out: Path, *, dtype: str = "float32") -> None:
    """All of them as `embed` writes them."""
    contract = {"size": 224, "view": "crop", "crop_padding": 32, "mean": 127, "stddev": 128}
    about = {"model": MODEL, "model_sha256": "0" * 64, "contract": contract, "pixels": 1, "runtime": "none"}
    form = {"layout": "parts", "dtype": dtype, "size": SIZE, "part_rows": PART_ROWS, "rows": COUNT}
    made = Provenance(**about, **form, package="0", list_sha256="0" * 64, columns={})
    with growing(out) as folder:
        folder.begin(made, overwrite=False)
        for number, vectors in enumerate(noisy(real)):
            part = PartFiles(folder, number)
            part.part.add([_row(number * PART_ROWS + at, vector) for at, vector in enumerate(vectors)])
            part.publish()
        folder.complete(Tally(COUNT))


def _row(number: int, vector: Array) -> Extracted[PhotoEntry]:
    path = f"photos/{number // PART_ROWS:03}/{number:06}.jpg"
    entry = PhotoEntry(path, path, PhotoPlace("file", path))
    return Extracted(entry, f"{number:064x}", 400, 300, vector, None)


if __name__ == "__main__":  # one more folder to look at
    start = time.monotonic()
    made_folder(
        np.concatenate([np.array(each) for _, each in StoredVectors(sys.argv[1]).batches()]),
        Path(sys.argv[2]),
    )
    print(f"{time.monotonic() - start:.1f} s")
