"""What is held of each photo of a large data set: a few bytes, whatever their number."""

import gc
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trees import photograph

from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.photos.partition import Partition, divide, publish_split
from efficientnet_lite.photos.rows import Placed, Rows
from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.training.examples import PhotoFiles

FEW, MANY = 8, 3000
BYTES_A_PHOTO = 150  # 30 MB for 200,000 photos


def linked(root: Path) -> Path:
    """MANY names of FEW photos in two classes."""
    for number in range(MANY):
        first = root / "ab"[number % 2] / f"{number % FEW:06d}.jpg"
        path = root / "ab"[number % 2] / f"{number:06d}.jpg"
        if number < FEW:
            photograph(path, number)
        else:
            os.link(first, path)
    return root


def opened(root: Path) -> tuple[Partition, list[PhotoFiles], Surveyed]:
    dataset = open_dataset(root)
    photos = divide(dataset, survey(dataset.rows, workers=2), fraction=0.2, seed=0)
    parts: tuple[Split, Split] = ("train", "validation")
    examples = [PhotoFiles(dataset.rows, dataset.labels, photos.positions(split)) for split in parts]
    return photos, examples, photos.surveyed(photos.positions("train"))


def test_rows_looks_and_split_of_a_photo_take_a_few_bytes(tmp_path: Path) -> None:
    root = linked(tmp_path / "photos")
    opened(root)  # what is imported on the way is not of the photos
    for thread in threading.enumerate():
        if thread.name.endswith(
            "(run)"
        ):  # of `threads.beside`: a model that a call of another test still opens
            thread.join()
    tracemalloc.start()
    try:
        photos, examples, shown = opened(root)
        gc.collect()  # what waits for it is not held
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(map(len, examples)) == len(photos.dataset.rows) == MANY
    assert len(shown.paths) == len(shown.contents) == len(examples[0])
    assert held < BYTES_A_PHOTO * MANY
    publish_split(tmp_path / "split.csv", photos.dataset, photos.survey.looks, photos.assignment)
    assert (tmp_path / "split.csv").read_bytes().count(b"\n") == MANY + 1


def test_rows_are_read_in_many_threads() -> None:
    names = [f"{number}/" + "x" * (number % 97) for number in range(4000)]
    rows = Rows(Path("/photos"), (Placed(name, name[:1], None) for name in names))
    places = [place * 1237 % len(names) for place in range(len(names))]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: (rows[place].name, rows.said(place).label), places * 3))
    assert found == [(names[place], names[place][:1]) for place in places * 3]
