"""`check`: look at a data set without training."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from efficientnet_lite.cli.common import (
    COMMAND_LINE,
    AnyJson,
    AnyVerbose,
    Folders,
    NoLinks,
    Quiet,
    Switch,
    WeightsName,
    console_of,
    shown,
)
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import EXIT_INPUT, UsageError
from efficientnet_lite.shell import command_line, operand
from efficientnet_lite.vocabulary import TRAINED_MODEL

if TYPE_CHECKING:
    from efficientnet_lite.photos.doubtful import DoubtfulLabel
    from efficientnet_lite.photos.findings import Findings

MOST_ROWS = 20  # of each list, unless --verbose
SKIPPED = "skipped"
VAL = 0.2  # fraction that is kept back where nothing else is said


def check(
    photos: Annotated[Path | None, shown("none, with --vectors")] = None,
    /,
    *,
    val: float = VAL,
    seed: int = 0,
    no_links: NoLinks = False,
    class_folders: Folders = None,
    labels: Switch = False,
    model: str = TRAINED_MODEL,
    weights: WeightsName = "imagenet",
    vectors: Annotated[Path | None, shown("none")] = None,
    csv: Annotated[Path | None, shown("none")] = None,
    overwrite: Switch = False,
    json: AnyJson = False,
    verbose: AnyVerbose = 0,
    quiet: Quiet = False,
) -> None:
    """Look at a data set without training: counts, bad files, duplicates, leaks, odd sizes, wrong labels.

    Exit code 3 where training would refuse it.

    Args:
        photos: a folder of photos or a manifest, as `train` takes it.
        val: fraction that training would keep back, where the data set does not say.
        seed: of that split.
        labels: look for wrong labels too: for photos whose nearest others, or a classifier that has not learned from
            them, say another class. Features come from the cache that train fills, and go into it.
        model: whose features are compared: a model, a run or a checkpoint.
        vectors: a folder that embed wrote of the same photos: near-duplicates and leaks are looked for by them too,
            which finds cropped and mirrored copies, and wrong labels by them alone. Without PHOTOS the folder itself is
            looked at, with the labels in it.
        csv: a file for the table of doubtful labels, all of them.
        overwrite: replace that file.
        json: print one JSON document instead of the tables.
        verbose: print lists whole.
    """
    from efficientnet_lite.commands.check import check as check_photos
    from efficientnet_lite.photos.doubtful import CSV_COLUMNS
    from efficientnet_lite.storage.tables import publish_csv

    console = console_of(json, verbose, quiet)
    if csv is not None:
        _check_table(csv, photos, vectors, labels=labels, overwrite=overwrite)
    found = check_photos(
        photos,
        val=val,
        seed=seed,
        links=not no_links,
        class_folders=class_folders,
        labels=labels,
        model=model,
        weights=weights,
        vectors=vectors,
        progress=console.progress,
    )
    if csv is not None and found.doubtful is not None:
        publish_csv(csv, CSV_COLUMNS, found.doubtful.csv_rows())
    if json:
        console.json(found.to_json())
    else:
        _show(console, found, most=None if verbose else MOST_ROWS)
        if not (found.problem or quiet or photos is None):
            _show_next(console, photos, val, seed, no_links, class_folders)
    if found.problem:
        raise SystemExit(EXIT_INPUT)


def _check_table(
    csv: Path, photos: Path | None, vectors: Path | None, *, labels: bool, overwrite: bool
) -> None:
    """Refuse the place of the table before any work is done; raises UsageError."""
    from efficientnet_lite.photos.dataset import dataset_apart
    from efficientnet_lite.storage.targets import Apart, check_file

    if photos is not None and not labels:
        raise UsageError("--csv is for doubtful labels", where=COMMAND_LINE, fix="give --labels too")
    apart = [] if photos is None else dataset_apart(photos)
    if vectors is not None:
        apart.append(Apart(vectors, "the folder of vectors"))
    check_file(csv, overwrite=overwrite, example="labels.csv", apart=apart, argument="csv")


def _show_next(
    console: Console, photos: Path, val: float, seed: int, no_links: bool, class_folders: str | None
) -> None:
    """The command that trains on what was looked at, as a line to copy."""
    from efficientnet_lite.cli.spellings import PROGRAM

    given = [
        *(["--val", f"{val:g}"] if val != VAL else []),
        *(["--seed", str(seed)] if seed else []),
        *(["--no-links"] if no_links else []),
        *(["--class-folders", class_folders] if class_folders else []),
    ]
    line = command_line([PROGRAM, "train", operand(photos), *given], windows=os.name == "nt")
    console.line(f"next: {line}", keep=[line])


def _doubt(row: "DoubtfulLabel") -> str:
    """What is wrong with a label, in words."""
    return f"{row.label}, perhaps {row.suspected}: {row.evidence}; like {row.example}"


def _show(console: Console, found: "Findings", most: int | None) -> None:
    columns = ["class", "train", "validation", "test", "all"]
    rows = [
        [row.label, row.train, row.validation, row.test, row.train + row.validation + row.test]
        for row in found.classes
    ]
    console.table("", columns, rows, right=columns[1:])
    imbalance = "-" if found.imbalance is None else f"{found.imbalance:.1f} to 1"
    split = "validation split given"
    if not found.split_given:
        split = (
            f"validation split planned, {found.fraction:g} with seed {found.seed}"
            if found.fraction
            else "no split"
        )
    console.line(f"{found.photos} photos in {len(found.classes)} classes ({found.kind}); {split}")
    console.line(f"largest class to smallest: {imbalance}")
    console.line(str(found.accounting))
    if text := found.accounting.not_photos():
        console.line(text)
    leaks = [(leak.name, f"{leak.split}; also {leak.other_split}: {leak.other}") for leak in found.leaks]
    odd = [(each.name, f"{each.height} x {each.width}: {each.reason}") for each in found.odd_sizes]
    lists = {
        SKIPPED: found.accounting.rows(),
        "groups of equal files": [(" = ".join(group), "") for group in found.exact_duplicates],
        "groups of near duplicates": [(" ~ ".join(group), "") for group in found.near_duplicates],
        "same photo under two labels": [(", ".join(group), "") for group in found.two_labels],
        "leaks between splits": leaks,
        "odd sizes": odd,
    }
    if found.doubtful is not None:
        title = f"labels to look at, of {found.doubtful.judged:,} compared by {found.doubtful.model}"
        lists[title] = [(row.name, _doubt(row)) for row in found.doubtful.rows]
    for title, items in lists.items():
        if items or title != SKIPPED:  # else the line above says so
            console.line(f"{title}: {len(items)}")
        for name, reason in items[:most]:
            console.line(f"  {name}{'  (' + reason + ')' if reason else ''}", keep=[name])
        if most is not None and len(items) > most:
            console.line(f"  ... and {len(items) - most} more (--verbose)")
    for note, count in found.photo_notes:
        console.line(f"note on {count} photos: {note}")
    for text in (*found.notes, *(found.doubtful.notes if found.doubtful else ())):
        console.line(f"note: {text}")
    if found.problem:
        console.line(f"training would refuse this: {found.problem}")
