"""Labelled photos to train on by the recipe, from folders, manifests or record files, and those that prove a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from efficientnet_lite.errors import UnreadablePhoto, UnusableInput, UsageError
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.partition import Partition, divide, plan_split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.storage import files, tables
from efficientnet_lite.training import examples
from efficientnet_lite.training.listed import Listed, Source
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.recordfiles import Part
from efficientnet_lite.training.settings import Settings

LABELS = "labels.txt"  # beside record files: a class name a line
IMAGENET_CLASSES = 1000  # of record files without names
PROOF_PHOTOS = 500  # of record files, copied into the run
PROOF = "photos/photos.csv"  # in the run
MAX_LABELS_BYTES = 2**20
PNG = b"\x89PNG"  # a file that begins like this; ImageNet has one


@dataclass(frozen=True, slots=True)
class Examples:
    """What a training learns from and is measured on."""

    labels: tuple[str, ...]
    training: Source
    validation: Source
    whole: int  # examples for training, those that are held out among them
    seen: Partition | None  # None: they lie in record files


def is_records(photos: Path) -> bool:
    """Whether record files lie in the folder."""
    return files.is_dir(photos) and examples.holds_records(photos, "train")


def open_examples(
    photos: Path, settings: Settings, given: Mapping[str, str], *, index: Path, workers: int, stage: ShowStage
) -> Examples:
    """The examples of a folder, a manifest or a folder of record files.

    Args:
        given: fields of the recipe that were set; of them `holdout_shards` counts here.
        index: a folder for where records begin in their files, so that they are looked for once.

    Raises:
        UnusableInput, UnusableDataset: there is nothing to learn from.
        UsageError: shards are to be held out, and there are none.
    """
    holdout = Recipe.from_settings(given).holdout_shards
    if is_records(photos):
        return _of_records(photos, holdout, index, workers)
    if holdout:
        raise UsageError(
            f"{holdout} shards are to be held out, and these are no record files",
            where=photos,
            fix="leave holdout_shards out; `val=` says how many photos are kept back",
        )
    dataset = open_dataset(photos, links=settings.links, class_folders=settings.class_folders)
    if settings.on_bad == "fail":
        dataset.require_all()
    with stage("Looking at the photos") as on_progress:
        seen = survey(dataset.rows, workers=workers, on_progress=on_progress)
    if seen.refused and settings.on_bad == "fail":
        at, reason = seen.refused[0]
        raise UnreadablePhoto(
            reason, where=dataset.rows[at].path, fix="mend it, or leave it out (`on_bad='skip'`)"
        )
    partition = divide(dataset, seen, fraction=settings.val, seed=settings.seed)
    training, validation = (
        Listed(dataset.rows, dataset.labels, partition.assignment.positions(split))
        for split in ("train", "validation")
    )
    return Examples(dataset.labels, training, validation, len(training), partition)


def _of_records(folder: Path, holdout: int, index: Path, workers: int) -> Examples:
    labels = _labels(folder)
    classes = len(labels)
    others: Part = "holdout" if holdout else "validation"
    parts: tuple[Part, Part] = ("train", others)
    training, validation = (
        examples.open_examples(
            folder, part, classes=classes, holdout=holdout, index=index / f"{part}.npz", workers=workers
        )
        for part in parts
    )
    whole = len(training) + (len(validation) if holdout else 0)
    return Examples(labels, training, validation, whole, None)


def _labels(folder: Path) -> tuple[str, ...]:
    """The names beside the record files, or numbers that count as their labels do."""
    path = folder / LABELS
    if not files.is_file(path):
        return tuple(f"{number:04d}" for number in range(1, IMAGENET_CLASSES + 1))
    try:
        text = plain_text(files.read_bytes(path, limit=MAX_LABELS_BYTES, what="a list of labels"))
    except ValueError as error:
        raise UnusableInput(str(error), where=path, fix="write one class name a line, in UTF-8") from error
    names = text.removesuffix("\n").split("\n")
    if not names or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise UnusableInput(
            "it has no names, an empty one, or one twice", where=path, fix="write one class name a line"
        )
    return tuple(names)


def unpack(found: Examples, folder: Path, calibration: int, *, workers: int) -> Partition:
    """Copy some photos out of record files into the run `folder`: those that set ranges, and those that prove it.

    Raises UnusableInput where none can be read.
    """
    place = folder / PROOF
    place.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        *_copied(found.training, "train", calibration, found.labels, place.parent),
        *_copied(found.validation, "validation", PROOF_PHOTOS, found.labels, place.parent),
    ]
    tables.publish_csv(place, ("path", "label", "split"), rows)
    dataset = replace(open_dataset(place), labels=found.labels)
    seen = survey(dataset.rows, workers=workers)
    return Partition(dataset, seen, plan_split(dataset, seen.looks))


def _copied(
    source: Source, split: str, count: int, labels: Sequence[str], folder: Path
) -> Iterator[tuple[str, str, str]]:
    """`count` examples from all over the source, as files; path, label and split of each."""
    count = min(count, len(source))
    for number in range(count):
        data, class_index, _ = source[number * len(source) // count]
        name = f"{split}-{number:05d}.{'png' if data.startswith(PNG) else 'jpg'}"
        files.publish(folder / name, data)
        yield name, labels[class_index], split
