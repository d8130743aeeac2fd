"""The photos on which the reference calibrates: its own records, or a folder, prepared as its evaluation does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from efficientnet_lite.artifacts.sample import Sample
from efficientnet_lite.errors import UnreadablePhoto, UnusableInput
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import Contract, View
from efficientnet_lite.photos.dataset import list_photos
from efficientnet_lite.photos.views import Image, prepare
from efficientnet_lite.quantize.calibration_photos import CalibrationSet
from efficientnet_lite.records.recordfiles import record_files
from efficientnet_lite.records.tfrecord import read_examples
from efficientnet_lite.storage import files
from efficientnet_lite.threads import in_threads

SPLIT = "validation"  # that the reference calibrates on
VIEW: View = "reference"


def calibration_sample(folder: Path, contract: Contract, most: int, *, workers: int) -> Sample:
    """At most `most` images of `folder`, as the reference's evaluation prepares them, each content once.

    The folder holds the reference's records (validation-00000-of-00128, ...), else photos. Rounded to
    the uint8 that the file will be given.

    Raises:
        UnusableInput: a record file is damaged, or fewer than two photos can be used.
    """
    outcomes = in_threads(lambda item: _prepared(*item, contract), _photos(folder, most), workers=workers)
    found = [each for each in outcomes if each is not None]
    if len(found) < 2:
        raise UnusableInput(
            f"{len(found)} photos can be used: int8 needs 2 to be made and proven, and 100 to be good",
            where=folder,
            fix="give a folder of photos, or of the records validation-*-of-* of ImageNet",
        )
    images, names, contents = zip(*found, strict=True)
    return Sample(images, photos=CalibrationSet(names, contents, (VIEW,) * len(names), seed=0))


def _photos(folder: Path, most: int) -> Iterator[tuple[bytes, str, str]]:
    """Bytes, place and SHA-256 of each photo that can be read, the first `most` of different content."""
    if not files.is_dir(folder):
        raise UnusableInput(files.missing(folder, "folder"), where=folder, fix="give `data_dir=FOLDER`")
    seen: set[str] = set()
    for data, where in _records(folder) if record_files(folder, SPLIT, "tfrecord") else _files(folder):
        digest = files.sha256_bytes(data)
        if digest in seen:
            continue
        seen.add(digest)
        yield data, where, digest
        if len(seen) == most:
            return


def _records(folder: Path) -> Iterator[tuple[bytes, str]]:
    for shard in record_files(folder, SPLIT, "tfrecord"):
        yield from ((example.data, example.where) for example in read_examples(shard))


def _files(folder: Path) -> Iterator[tuple[bytes, str]]:
    if record_files(folder, "train", "tfrecord"):
        raise UnusableInput(
            "it holds records for training, none for validation",
            where=folder,
            fix="give the folder of validation-*-of-*, on which the reference calibrates",
        )
    for path, _ in list_photos([folder]).photos:
        try:
            yield photo_door.read_bytes(path), str(path)
        except UnreadablePhoto:
            continue


def _prepared(data: bytes, where: str, digest: str, contract: Contract) -> tuple[Image, str, str] | None:
    try:
        image = prepare(data, [VIEW], contract, where=where).images[0]
    except UnreadablePhoto:
        return None
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), where, digest
