"""`shards`: photos as the record files that the reference trains from."""

from pathlib import Path
from typing import Literal

from efficientnet_lite.cli.common import (
    Folders,
    Json,
    NoLinks,
    Quiet,
    Switch,
    Verbose,
    Workers,
    console_of,
)


def shards(
    photos: Path,
    /,
    *,
    out: Path,
    format: Literal["tfrecord", "arrayrecord"] = "tfrecord",
    train_shards: int | None = None,
    validation_shards: int | None = None,
    val: float = 0.2,
    seed: int = 0,
    no_links: NoLinks = False,
    class_folders: Folders = None,
    overwrite: Switch = False,
    workers: Workers = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Write photos as record files: train-00000-of-00008 and so on, labels.txt, shards.json, skipped.csv.

    The files are those of the reference for ImageNet.
    Gray and RGB JPEGs are kept to the byte; any other photo becomes an RGB JPEG of quality 100.

    Args:
        photos: a folder of photos or a manifest, as `train` takes it; a test part is left out.
        out: the folder to write.
        format: tfrecord; or arrayrecord, which needs the extra `train`.
        train_shards: files for training; without it one for every 1,251 photos, as in ImageNet.
        validation_shards: files for validation, likewise.
        val: fraction of the photos that is kept back, where the data set does not say.
        seed: of that split, and of the order in which photos are written.
        overwrite: replace the files of an earlier call; what is not ours beside them stays.
    """
    from efficientnet_lite.cli.counted import show_accounting
    from efficientnet_lite.commands.shards import shards as write_shards

    console = console_of(json, verbose, quiet)
    written = write_shards(
        photos,
        out,
        format=format,
        train_shards=train_shards,
        validation_shards=validation_shards,
        val=val,
        seed=seed,
        links=not no_links,
        class_folders=class_folders,
        overwrite=overwrite,
        workers=workers,
        progress=console.progress,
    )
    for text in written.notes:
        console.note(text)
    show_accounting(console, written.accounting)
    if turned := sum(part.turned for part in written.parts.values()):
        console.warn(
            f"{turned} photos are kept as stored, though EXIF says to turn them: training does not, like the reference"
        )
    if json:
        console.json({"folder": written.folder} | written.to_json())
        return
    columns = ["part", "photos", "files", "bytes", "encoded again"]
    rows = [
        [split, part.photos, part.files, f"{part.bytes:,}", part.encoded_again]
        for split, part in written.parts.items()
    ]
    console.table("", columns, rows, right=columns[1:], drop=["encoded again"])
    console.line(f"{len(written.labels)} classes in {written.folder}", keep=[written.folder])
