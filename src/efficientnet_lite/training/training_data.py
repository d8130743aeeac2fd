"""What a training by the recipe learns from, photos or record files, and the photos that prove its run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from efficientnet_lite.errors import UnreadablePhoto, UsageError
from efficientnet_lite.photos.dataset import DatasetPlace, open_dataset
from efficientnet_lite.photos.frames import Frame
from efficientnet_lite.photos.partition import Partition, divide, plan_split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.records.record_set import holds_records, labels_of_records, open_records
from efficientnet_lite.records.recordfiles import RecordPart
from efficientnet_lite.storage import files, tables
from efficientnet_lite.training.examples import Examples, PhotoFiles
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.settings import Settings

PROOF_PHOTOS = 500  # of record files, copied into the run
PROOF = "photos/photos.csv"  # in the run
PNG = b"\x89PNG"  # a file that begins like this; ImageNet has one


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a training learns from and is measured on."""

    labels: tuple[str, ...]
    training: Examples
    validation: Examples
    whole: int  # examples for training, those that are held out among them
    seen: Partition | None  # None: they lie in record files


def is_records(photos: Path) -> bool:
    """Whether record files lie in the folder."""
    return files.is_dir(photos) and holds_records(photos, "train")


def open_training_data(
    photos: DatasetPlace, settings: Settings, *, index: Path, workers: int, stage: ShowStage
) -> TrainingData:
    """The examples of a folder, a manifest or a folder of record files.

    Args:
        settings: of the fields of the recipe that were set `holdout_shards` counts here.
        index: a folder for where records begin in their files, so that they are looked for once.

    Raises:
        UnusableInput, UnusableDataset: there is nothing to learn from.
        UsageError: shards are to be held out, and there are none.
    """
    holdout = Recipe.from_settings(settings.set).holdout_shards
    if not isinstance(photos, Frame) and is_records(photos):
        return _of_records(photos, holdout, index, workers)
    if holdout:
        raise UsageError(
            f"{holdout} shards are to be held out, and these are no record files",
            where=str(photos),
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
        PhotoFiles(dataset.rows, dataset.labels, partition.assignment.positions(split))
        for split in ("train", "validation")
    )
    return TrainingData(dataset.labels, training, validation, len(training), partition)


def _of_records(folder: Path, holdout: int, index: Path, workers: int) -> TrainingData:
    labels = labels_of_records(folder)
    classes = len(labels)
    others: RecordPart = "holdout" if holdout else "validation"
    parts: tuple[RecordPart, RecordPart] = ("train", others)
    training, validation = (
        open_records(
            folder, part, classes=classes, holdout=holdout, index=index / f"{part}.npz", workers=workers
        )
        for part in parts
    )
    whole = len(training) + (len(validation) if holdout else 0)
    return TrainingData(labels, training, validation, whole, None)


def copy_photos(found: TrainingData, folder: Path, calibration: int, *, workers: int) -> Partition:
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
    source: Examples, split: str, count: int, labels: Sequence[str], folder: Path
) -> Iterator[tuple[str, str, str]]:
    """`count` examples from all over the source, as files; path, label and split of each."""
    count = min(count, len(source))
    for number in range(count):
        data, class_index, _ = source[number * len(source) // count]
        name = f"{split}-{number:05d}.{'png' if data.startswith(PNG) else 'jpg'}"
        files.publish(folder / name, data)
        yield name, labels[class_index], split
