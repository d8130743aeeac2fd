"""`duplicates`: near-duplicates and leaks, by feature vectors."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from efficientnet_lite.cli.common import AnyVerbose, Json, Quiet, Switch, console_of, shown
from efficientnet_lite.cli.console import Console
from efficientnet_lite.cli.wording import spelled
from efficientnet_lite.shell import command_line, operand
from efficientnet_lite.vocabulary import NEAR_DUPLICATE

if TYPE_CHECKING:
    from efficientnet_lite.neighbors.near_duplicates import AlikePhoto, Duplicates

MOST_GROUPS = 10  # unless --verbose
MOST_LEAKS = 10
MOST_NAMED = 3  # photos of a group


def duplicates(
    vectors: Path,
    /,
    *,
    threshold: float = NEAR_DUPLICATE,
    csv: Annotated[Path | None, shown("none")] = None,
    overwrite: Switch = False,
    json: Json = False,
    verbose: AnyVerbose = 0,
    quiet: Quiet = False,
) -> None:
    """Find near-duplicates by feature vectors, and leaks between training, validation and test.

    Parts are told by the words in paths (train/, val/, test/) or by the column split of the manifest that embed got.

    Args:
        vectors: a folder that embed wrote.
        threshold: the least cosine of two photos that are taken for the same, above 0, at most 1.
        csv: a file to write, with a row for each photo in a group.
        overwrite: replace that file.
        verbose: name every group, every photo of it, and every leak.
    """
    from efficientnet_lite.commands.duplicates import duplicates as find
    from efficientnet_lite.neighbors.near_duplicates import CSV_COLUMNS
    from efficientnet_lite.storage.tables import publish_csv
    from efficientnet_lite.storage.targets import Apart, check_file

    console = console_of(json, verbose, quiet)
    if csv is not None:
        apart = [Apart(vectors, "the folder of vectors")]
        check_file(csv, overwrite=overwrite, example="duplicates.csv", apart=apart, argument="csv")
    found = find(vectors, threshold=threshold, progress=console.progress)
    if csv is not None:
        publish_csv(csv, CSV_COLUMNS, found.csv_rows())
    if json:
        console.json(found.to_json())
        return
    _show(console, found, bool(verbose))
    for text in found.notes:
        console.line(f"note: {spelled(text)}")
    if not quiet:
        _show_next(console, found, vectors, csv, threshold)


def _show(console: Console, found: "Duplicates", everything: bool) -> None:
    groups, leaks = (
        (found.groups, found.leaks)
        if everything
        else (
            found.groups[:MOST_GROUPS],
            found.leaks[:MOST_LEAKS],
        )
    )
    same = f"cosine {found.threshold:g} or more"
    if not groups:
        console.line(f"{found.photos:,} photos, no near-duplicates ({same})")
    else:
        several = "s" * (len(found.groups) > 1)
        console.line(
            f"{found.photos:,} photos: {len(found.groups):,} group{several} of near-duplicates with {found.grouped:,} "
            f"photos ({same})"
        )
    parts = ", ".join(f"{count:,} {split}" for split, count in found.splits.items())
    if len(found.splits) > 1:
        console.line(f"leaks between {parts}: {len(found.leaks):,}")
    if groups:
        _show_groups(console, groups, None if everything else MOST_NAMED)
    if len(groups) < len(found.groups):
        console.line(f"... and {len(found.groups) - len(groups):,} smaller groups (--verbose)")
    if leaks:
        console.line("leaks:")
    for leak in leaks:
        how = "same bytes" if leak.same_bytes else f"cosine {leak.cosine:.3f}"
        console.line(
            f"  {leak.split}: {leak.path}  ({how}; also {leak.other_split}: {leak.other})",
            keep=[leak.path, leak.other],
        )
    if len(leaks) < len(found.leaks):
        console.line(f"  ... and {len(found.leaks) - len(leaks):,} more (--verbose)")


def _show_groups(console: Console, groups: "Sequence[Sequence[AlikePhoto]]", most: int | None) -> None:
    rows: list[list[object]] = []
    for number, group in enumerate(groups, 1):
        for place, photo in enumerate(group[:most]):
            head = [number, f"{len(group):,}"] if place == 0 else ["", ""]
            near = "same bytes" if place and photo.same_bytes and photo.cosine == 1 else f"{photo.cosine:.3f}"
            rows.append([*head, near if place else "", photo.split or "", photo.path])
        if most is not None and len(group) > most:
            rows.append(["", "", "", "", f"... and {len(group) - most:,} more"])
    console.table(
        "",
        ["group", "photos", "cosine", "part", "photo"],
        rows,
        right=["group", "photos", "cosine"],
        drop=["photos", "part"],
    )


def _show_next(
    console: Console, found: "Duplicates", vectors: Path, csv: Path | None, threshold: float
) -> None:
    """What to do with what was found, and the line that lists it."""
    from efficientnet_lite.cli.spellings import PROGRAM

    if not found.groups:
        return
    if csv is None:
        given = ["--threshold", f"{threshold:g}"] if threshold != NEAR_DUPLICATE else []
        line = command_line(
            [PROGRAM, "duplicates", operand(vectors), *given, "--csv", "duplicates.csv"],
            windows=os.name == "nt",
        )
        console.line(f"next: {line}", keep=[line])
    else:
        console.line(f"{found.grouped:,} photos in {csv}", keep=[csv])
    leaked = ", and take the leaks out of validation and test" if found.leaks else ""
    console.line(
        f"then: look at the pairs, keep one photo of each group (its first has the most pixels){leaked}"
    )
