"""`check`: look at a data set without training."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from efficientnet_lite.cli.common import (
    AnyJson,
    AnyVerbose,
    Folders,
    NoLinks,
    Quiet,
    console_of,
    shown,
)
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import EXIT_INPUT
from efficientnet_lite.shell import command_line, operand

if TYPE_CHECKING:
    from efficientnet_lite.photos.findings import Findings

MOST_ROWS = 20  # of each list, unless --verbose
SKIPPED = "skipped"
VAL = 0.2  # fraction that is kept back where nothing else is said


def check(
    photos: Path,
    /,
    *,
    val: float = VAL,
    seed: int = 0,
    no_links: NoLinks = False,
    class_folders: Folders = None,
    vectors: Annotated[Path | None, shown("none")] = None,
    json: AnyJson = False,
    verbose: AnyVerbose = 0,
    quiet: Quiet = False,
) -> None:
    """Look at a data set without training: counts, bad files, duplicates, leaks between splits, odd sizes.

    Exit code 3 where training would refuse it.

    Args:
        photos: a folder of photos or a manifest, as `train` takes it.
        val: fraction that training would keep back, where the data set does not say.
        seed: of that split.
        vectors: a folder that embed wrote of the same photos: near-duplicates and leaks are looked for by them too,
            which finds cropped and mirrored copies.
        json: print one JSON document instead of the tables.
        verbose: print lists whole.
    """
    from efficientnet_lite.commands.check import check as check_photos

    console = console_of(json, verbose, quiet)
    found = check_photos(
        photos,
        val=val,
        seed=seed,
        links=not no_links,
        class_folders=class_folders,
        vectors=vectors,
        progress=console.progress,
    )
    if json:
        console.json(found.to_json())
    else:
        _show(console, found, most=None if verbose else MOST_ROWS)
        if not (found.problem or quiet):
            _show_next(console, photos, val, seed, no_links, class_folders)
    if found.problem:
        raise SystemExit(EXIT_INPUT)


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


def _show(console: Console, found: "Findings", most: int | None) -> None:
    columns = ["class", "train", "validation", "test", "all"]
    rows = [
        [row.label, row.train, row.validation, row.test, row.train + row.validation + row.test]
        for row in found.classes
    ]
    console.table("", columns, rows, right=columns[1:])
    imbalance = "-" if found.imbalance is None else f"{found.imbalance:.1f} to 1"
    given = "given" if found.split_given else f"planned, {found.fraction:g} with seed {found.seed}"
    console.line(
        f"{found.photos} photos in {len(found.classes)} classes ({found.kind}); validation split {given}"
    )
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
    for title, items in lists.items():
        if items or title != SKIPPED:  # else the line above says so
            console.line(f"{title}: {len(items)}")
        for name, reason in items[:most]:
            console.line(f"  {name}{'  (' + reason + ')' if reason else ''}", keep=[name])
        if most is not None and len(items) > most:
            console.line(f"  ... and {len(items) - most} more (--verbose)")
    for note, count in found.photo_notes:
        console.line(f"note on {count} photos: {note}")
    for text in found.notes:
        console.line(f"note: {text}")
    if found.problem:
        console.line(f"training would refuse this: {found.problem}")
