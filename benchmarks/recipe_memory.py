"""Peak memory of the whole of `train --recipe imagenet` as the number of photos grows, which are the same few files.

Names, splits and what is known of each photo grow with their number; decoded images and the network do not.
"""

import csv
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from benchmarks.inputs import Inputs, photos_below
from benchmarks.table import Table
from benchmarks.timing import Finished, finished

COUNTS = (10_000, 200_000)
FEW, CLASSES, SIDE = 40, 2, 96  # files under all those names; small ones, for the sake of time
MODEL = "lite0@32"
FIELDS = ("batch=8", "steps=4", "eval_every=4", "save_every=4", "eval_batch=256")
OPEN = ("--max-drop", "1", "--min-agreement", "0")  # publishes whatever four steps have made


def recipe(inputs: Inputs) -> Table:
    """Peak memory of the whole of `train --recipe imagenet`, four steps of lite0@32, over 10,000 and 200,000 photos."""
    rows = []
    for title, listed in (("class folders", class_folders), ("a manifest with splits", manifest)):
        done = []
        for count in COUNTS:
            with tempfile.TemporaryDirectory() as name:
                few = reduced(photos_below(inputs.photos), Path(name, "few"))
                done.append(trained(listed(few, count, Path(name, "data")), Path(name, "run")))
        grown = (done[1].peak_bytes - done[0].peak_bytes) / 1e6
        peaks = [f"{each.peak_bytes / 1e6:.0f} MB, {each.seconds:.0f} s" for each in done]
        rows.append([title, *peaks, f"{grown:.0f} MB"])
    note = f"{MODEL}. The photos are the same {FEW} files, hard-linked under as many names; {FIELDS[1]}."
    return Table(
        "Memory: the whole of `train --recipe imagenet`, peak of the process",
        ["data", *(f"{count:,} photos" for count in COUNTS), "more"],
        rows,
        note,
    )


def reduced(photos: list[Path], folder: Path) -> list[Path]:
    """Some of `photos` from all over, small."""
    folder.mkdir()
    few = []
    for number in range(FEW):
        few.append(folder / f"{number}.jpg")
        with Image.open(photos[number * len(photos) // FEW]) as image:
            image.convert("RGB").resize((SIDE, SIDE)).save(few[-1])
    return few


def class_folders(few: list[Path], count: int, folder: Path) -> Path:
    """`count` names in a folder for each class; a photo keeps to its class."""
    _linked(few, count, folder, lambda number: f"class-{number % CLASSES}/{number:06d}.jpg")
    return folder


def manifest(few: list[Path], count: int, folder: Path) -> Path:
    """`count` rows, a fifth of them for validation: every photo stands on both sides."""
    names = _linked(few, count, folder, lambda number: f"photos/{number:06d}.jpg")
    table = folder / "photos.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        for number, name in enumerate(names):
            split = "validation" if number // FEW % 5 == 0 else "train"
            rows.writerow((name, f"class-{number % CLASSES}", split))
    return table


def _linked(few: list[Path], count: int, folder: Path, name: Callable[[int], str]) -> list[str]:
    names = [name(number) for number in range(count)]
    for number, each in enumerate(names):
        path = folder / each
        if number < FEW:
            path.parent.mkdir(parents=True, exist_ok=True)
        os.link(few[number % FEW], path)
    return names


def trained(photos: Path, out: Path) -> Finished:
    """The command, in a process of its own."""
    fields = [word for field in FIELDS for word in ("--set", field)]
    return finished(
        [
            *(sys.executable, "-m", "efficientnet_lite", "train", photos, "--out", out, "--model", MODEL),
            *("--recipe", "imagenet", "--calibration", "8", *fields, *OPEN, "--json"),
        ],
        environment={"EFFICIENTNET_LITE_CACHE": str(out.with_name("cache")), "KERAS_BACKEND": "tensorflow"},
    )
