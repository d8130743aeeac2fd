"""Memory of `embed` while it runs, from a thousand photos to a hundred thousand."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.inputs import Inputs
from benchmarks.table import Table

MODEL = "lite0@32"  # small, for the sake of time: memory beyond the network's own is that of every size
COUNTS = (1_000, 10_000, 100_000)
DIFFERENT = 5_000  # photos; the names beyond that are hard links to them
LARGE = 50  # photos of 12 megapixels besides, spread over all names
SIDES, LARGE_SIDES = (340, 452), (3000, 4000)  # pixels
EVERY_S = 0.1
PLACES = (0.1, 0.25, 0.5, 0.75, 1.0)  # of a run's time at which its memory stands in the table


def soak(inputs: Inputs) -> Table:
    """Memory of `embed` over 1,000, 10,000 and 100,000 photos, fifty of 12 megapixels among each; three minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photograph(folder / "different", DIFFERENT, SIDES)
        photograph(folder / "large", LARGE, LARGE_SIDES)
        rows = []
        for count in COUNTS:
            link(folder, count)
            rows.append(_row(count, *_embedded(folder, count)))
    note = (
        f"{MODEL}; {DIFFERENT:,} drawn JPEGs of {SIDES[1]} x {SIDES[0]} pixels under as many names as the table says, "
        f"and {LARGE} of {LARGE_SIDES[1]} x {LARGE_SIDES[0]}. MB that are resident, at parts of the run's time; the "
        "peak is that of the process as the system counts it."
    )
    columns = ["photos", *(f"at {place:.0%}" for place in PLACES), "peak", "seconds", "photos/s"]
    return Table("Feature vectors: memory of `embed` while it runs, MB", columns, rows, note)


def photograph(folder: Path, count: int, sides: tuple[int, int]) -> None:
    """`count` JPEGs of soft colors and noise, no two alike."""
    folder.mkdir()
    height, width = sides
    for number in range(count):
        random = np.random.default_rng([height, number])
        soft = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((width, height))
        noise = random.integers(0, 24, (height // 4, width // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
        pixels = np.clip(
            np.asarray(soft)[: len(noise), : noise.shape[1]].astype(np.int16) + noise - 12, 0, 255
        )
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=90)


def link(folder: Path, count: int) -> None:
    """`count` names below `folder`/COUNT, a thousand in a folder."""
    different, large = (sorted((folder / kind).iterdir()) for kind in ("different", "large"))
    apart = count // len(large)
    for number in range(count):
        place = folder / str(count) / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        is_large = number % apart == apart // 2
        photo = large[number // apart % len(large)] if is_large else different[number % len(different)]
        os.link(photo, place / f"{number:06}.jpg")


def _embedded(folder: Path, count: int) -> tuple[list[float], float, float, float]:
    """MB at PLACES and the peak, seconds, and photos a second of one run."""
    command = ["embed", MODEL, folder / str(count), "--out", folder / f"vectors {count}", "--json", "--quiet"]
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "efficientnet_lite", *command], stdout=subprocess.PIPE, text=True
    ) as process:
        seen = list(_watched(process))
        seconds = time.monotonic() - began
        document = json.loads(process.communicate()[0])
    if process.returncode or document["used"] != count:
        raise SystemExit(
            f"embed of {count} photos ended with {process.returncode} and {document['used']} vectors"
        )
    at = [seen[min(len(seen) - 1, int(place * len(seen)))][0] for place in PLACES]
    return at, max(peak for _, peak in seen), seconds, document["photos_per_second"]


def _watched(process: "subprocess.Popen[str]") -> Iterator[tuple[float, float]]:
    """MB that are resident, and that were at most, now and then until the process ends."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status.read_text(), re.MULTILINE))
        if len(found) == 2:
            yield int(found["VmRSS"]) / 1e3, int(found["VmHWM"]) / 1e3
        time.sleep(EVERY_S)


def _row(count: int, at: list[float], peak: float, seconds: float, speed: float) -> list[str]:
    megabytes = [f"{value:.0f}" for value in (*at, peak)]
    return [f"{count:,}", *megabytes, f"{seconds:.0f}", f"{speed:.0f}"]
