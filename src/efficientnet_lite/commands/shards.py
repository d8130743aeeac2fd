"""`shards`: labelled photos -> record files. The folder appears whole or not at all; a few photos are in memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import UnusableDataset, wrong_argument
from efficientnet_lite.photos.accounting import COLUMNS, account
from efficientnet_lite.photos.dataset import Dataset, dataset_apart, dataset_place, open_dataset
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.photos.header import AS_FORMATS
from efficientnet_lite.photos.partition import divide
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.progress import Progress, ShowStage
from efficientnet_lite.records.record_set import LABELS
from efficientnet_lite.records.recordfiles import RecordFormat
from efficientnet_lite.runtimes.engine import chosen_workers
from efficientnet_lite.storage import files, folders, tables
from efficientnet_lite.storage.listing import seal
from efficientnet_lite.storage.targets import check_folder
from efficientnet_lite.training.shards import (
    FOLDER,
    SKIPPED,
    SPLITS,
    ShardWriter,
    WrittenPart,
    WrittenShards,
    number_of_files,
)
from efficientnet_lite.vocabulary import ClassFolders


@called
def shards(
    photos: str | Path | DataFrame,
    out: str | Path,
    *,
    format: RecordFormat = "tfrecord",
    train_shards: int | None = None,
    validation_shards: int | None = None,
    val: float = 0.2,
    seed: int = 0,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = False,
) -> WrittenShards:
    """Write photos as the record files that the reference trains from.

    The folder appears whole or not at all, and its bytes depend on the
    arguments alone.

    Args:
        photos: a folder of photos, a manifest or a DataFrame, as `train` takes
            it; a test part is left out.
        out: the folder to write.
        format: "tfrecord", or "arrayrecord", which needs the extra `train`.
        train_shards: files for training; None: one for every 1,251 photos, as
            in ImageNet.
        validation_shards: files for validation, likewise.
        val: fraction of the photos that is kept back, where the data set does
            not say.
        seed: of that split, and of the order in which photos are written.
        links: False skips every link in the data set instead of following it.
        class_folders: "outer" or "inner", where the folders can be read in two
            ways.
        overwrite: replace the files of an earlier call; what is not ours beside
            them stays.
        workers: threads; one for each core where None.
        progress: True shows bars.

    Returns:
        What was written: `labels`, `parts` with their `files` and `photos`, the
        `accounting` of all photos, and a `digest` of the files.

    Raises:
        UsageError: `out` exists and may not be replaced, lies in or above the
            photos, or another run is writing to it; more files than photos; or
            array_record is asked for and not installed.
        UnusableInput: there is nothing to write; nothing is published.
        OutputFailed: the disk is full or cannot be written to.

    Example:
        >>> import efficientnet_lite as el
        >>> written = el.shards("photos/", "records", train_shards=2)
        >>> written.labels, written.parts["train"].files
        (('shirt', 'shoes', 'trousers'), 2)
    """
    if not 0 < val < 1:
        raise wrong_argument("val", val, fix="give a fraction between 0 and 1")
    if seed < 0:
        raise wrong_argument("seed", seed, fix="give 0 or more")
    source, out, stage = dataset_place(photos), files.real(out), stages(progress)
    workers = chosen_workers(workers)
    check_folder(out, FOLDER, overwrite=overwrite, apart=dataset_apart(source))
    dataset = open_dataset(source, links=links, class_folders=class_folders)
    apart = dataset_apart(source, dataset.rows)
    with folders.replacing(out, FOLDER, overwrite=overwrite, apart=apart) as folder:
        splits, skipped, notes = _planned(dataset, val, seed, workers, stage)
        places = {split: np.flatnonzero([own == split for own in splits]) for split in SPLITS}
        parts = {
            split: WrittenPart(number_of_files(split, len(places[split]), asked, dataset.root))
            for split, asked in zip(SPLITS, (train_shards, validation_shards), strict=True)
        }
        sums: dict[str, str] = {}
        for number, split in enumerate(SPLITS):
            order = places[split][np.random.default_rng([seed, number]).permutation(len(places[split]))]
            writer = ShardWriter(folder, split, format, dataset.labels, workers)
            with stage(f"Writing the {split} part") as on_progress:
                skipped += writer.write(dataset.rows.at(order), parts[split], sums, on_progress)
            if not parts[split].photos:
                raise UnusableDataset(
                    f"no photo of the {split} part can be used, the first: {skipped[-1][1]}",
                    where=dataset.root,
                    fix=AS_FORMATS,
                )
        written = WrittenShards(
            folder=out,
            format=format,
            labels=dataset.labels,
            seed=seed,
            fraction=None if "validation" in dataset.rows.splits else val,
            parts=parts,
            accounting=account(
                len(dataset.rows) - len(skipped), [*skipped, *dataset.skipped], dataset.passed_over
            ),
            test=splits.count("test"),
            notes=notes,
            digest=files.sha256_bytes(
                "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
            ),
        )
        files.publish(folder / LABELS, "".join(f"{label}\n" for label in dataset.labels).encode())
        tables.publish_csv(folder / SKIPPED, COLUMNS, written.accounting.rows())
        seal(folder, FOLDER, written.to_json(), known=sums)
    return written


def _planned(
    dataset: Dataset, fraction: float, seed: int, workers: int, stage: ShowStage
) -> tuple[Sequence[str | None], list[tuple[str, str]], tuple[str, ...]]:
    """The split of each row, the photos that cannot be read as far as is known, and notes.

    Where the split is given nobody has to look for copies, and only a test part is looked at, which is not written.
    """
    rows = dataset.rows
    given = "validation" in rows.splits
    looked_at = np.flatnonzero([split == "test" or not given for split in rows.splits])
    if given and not len(looked_at):
        return [split or "train" for split in rows.splits], [], dataset.notes
    with stage("Looking at the photos") as on_progress:
        seen = survey(rows.at(looked_at), workers=workers, on_progress=on_progress)
    if given:
        lost = {int(looked_at[place]): reason for place, reason in seen.refused}
        splits = [None if at in lost else split or "train" for at, split in enumerate(rows.splits)]
        return splits, [(rows.name(at), reason) for at, reason in lost.items()], dataset.notes
    assignment = divide(dataset, seen, fraction=fraction, seed=seed).assignment
    refused = [(rows.name(position), reason) for position, reason in seen.refused]
    return assignment.splits, refused, dataset.notes + assignment.notes
