"""`embed`: write the feature vectors of photos."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import (
    COMMAND_LINE,
    AnyJson,
    AnyLinks,
    Jsonl,
    NoEma,
    Photos,
    Quiet,
    Switch,
    Verbose,
    WeightsName,
    console_of,
    one_form,
    photos_given,
)
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import EXIT_INPUT, UsageError
from efficientnet_lite.photos.accounting import Skipped, account
from efficientnet_lite.photos.contract import View

if TYPE_CHECKING:
    from efficientnet_lite.features.npy_folder import Vector
    from efficientnet_lite.photos.dataset import FoundPhotos
    from efficientnet_lite.photos.images import Refused


def embed(
    model: str,
    photos: Photos,
    /,
    *,
    out: Path | None = None,
    view: Annotated[View, Parameter(name="--as")] = "crop",
    weights: WeightsName = "imagenet",
    no_ema: NoEma = False,
    no_links: AnyLinks = False,
    overwrite: Switch = False,
    json: AnyJson = False,
    jsonl: Jsonl = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Write the feature vectors of photos: features.npy, index.csv and skipped.csv.

    Args:
        model: a model such as lite1, a run folder, a checkpoint, or a file exported with --output features.
        photos: files, folders (searched recursively), globs; - reads paths from stdin, one a line.
        out: the folder to write; with --jsonl nothing is written.
        view: how photos are looked at.
        no_links: skip every link instead of following it.
        overwrite: replace the files of an earlier call; what is not ours beside them stays.
        json: print one JSON document instead of the line.
        jsonl: print one JSON object a photo instead, path and features.
    """
    from efficientnet_lite.cli.results import show_accounting
    from efficientnet_lite.commands.embed import embed as embed_photos
    from efficientnet_lite.commands.embed import embed_each
    from efficientnet_lite.features.npy_folder import FEATURES
    from efficientnet_lite.photos.found import find_photos

    console = console_of(json or jsonl, verbose, quiet)
    if (out is None) != jsonl:
        raise UsageError("either --out or --jsonl says where vectors go", where=COMMAND_LINE, fix="give one")
    one_form(json=json, jsonl=jsonl)
    if out is None:
        given = find_photos(photos_given(photos), links=not no_links)
        found = embed_each(model, given, view=view, weights=weights, ema=not no_ema, stage=console.progress)
        _print_each(console, found, given)
        return
    embedded = embed_photos(
        model,
        photos_given(photos),
        out,
        view=view,
        weights=weights,
        ema=not no_ema,
        links=not no_links,
        overwrite=overwrite,
        progress=console.progress,
    )
    show_accounting(console, embedded.accounting)
    if json:
        counts = embedded.accounting.to_json()
        console.json({"folder": embedded.folder, "count": embedded.count, **counts})
    else:
        written = out.absolute() / FEATURES
        console.line(f"{embedded.count} feature vectors in {written}", keep=[written])


def _print_each(console: Console, vectors: "Iterable[Vector | Refused]", given: "FoundPhotos") -> None:
    """One JSON object a photo, each as soon as it is known; ends with the exit code where none could be used."""
    from efficientnet_lite.cli.results import show_accounting
    from efficientnet_lite.photos.images import Refused

    count, skipped = 0, []
    for found in vectors:
        if isinstance(found, Refused):
            skipped.append(Skipped(found.where, found.reason))
            console.json_line({"path": Path(found.where), "error": found.reason})
        else:
            count += 1
            console.json_line({"path": found.path, "features": found.features})
    accounting = account(count, skipped, given.passed_over)
    show_accounting(console, accounting)
    if not accounting.used:
        raise SystemExit(EXIT_INPUT)
