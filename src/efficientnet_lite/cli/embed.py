"""`embed`: write the feature vectors of photos."""

from itertools import chain
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import (
    COMMAND_LINE,
    Json,
    Jsonl,
    NoLinks,
    Photos,
    Quiet,
    Verbose,
    console_of,
    exit_with,
    one_form,
    photos_given,
)
from efficientnet_lite.cli.results import show_accounting
from efficientnet_lite.errors import EXIT_INPUT, UsageError
from efficientnet_lite.photos.accounting import Skipped, account
from efficientnet_lite.photos.contract import BaseView
from efficientnet_lite.runtimes.model import Refused
from efficientnet_lite.storage.targets import check_folder
from efficientnet_lite.stories import embed as story
from efficientnet_lite.stories.source import open_features
from efficientnet_lite.weights.published import sources_apart


def embed(
    model: str,
    photos: Photos,
    /,
    *,
    out: Path | None = None,
    view: Annotated[BaseView, Parameter(name="--as")] = "crop",
    weights: str = "imagenet",
    no_ema: Annotated[bool, Parameter(negative=())] = False,
    no_links: NoLinks = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
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
        weights: for a model name: imagenet, hub, or the path of a checkpoint.
        no_ema: of a checkpoint that has both, read the raw weights instead of the moving averages.
        no_links: skip every link instead of following it.
        overwrite: replace the files of an earlier call; what is not ours beside them stays.
        json: print one JSON document instead of the line.
        jsonl: print one JSON object a photo instead, path and features.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    console = console_of(json or jsonl, verbose, quiet)
    if (out is None) != jsonl:
        raise UsageError("either --out or --jsonl says where vectors go", where=COMMAND_LINE, fix="give one")
    one_form(json=json, jsonl=jsonl)
    apart = sources_apart(model, weights, what="the model")
    if out is not None:
        check_folder(out, story.FOLDER, overwrite=overwrite, apart=apart)
    given = photos_given(photos, links=not no_links)
    paths = [path for path, _ in given.photos]
    opened = open_features(model, weights=weights, ema=not no_ema)
    with console.progress("Embedding") as on_progress:
        if out is not None:
            done = story.embed(
                opened,
                paths,
                out,
                skipped=given.skipped,
                view=view,
                overwrite=overwrite,
                apart=apart,
                on_progress=on_progress,
            )
            skipped = done.skipped
        else:
            lost = [Refused(name, reason) for name, reason, _ in given.skipped]
            skipped = ()
            for number, found in enumerate(chain(story.vectors(opened, paths, view=view), lost), 1):
                if isinstance(found, Refused):
                    skipped += (Skipped(found.where, found.reason),)
                    console.json_line({"path": Path(found.where), "error": found.reason})
                else:
                    console.json_line({"path": found.path, "features": found.features})
                on_progress(min(number, len(paths)), len(paths))
    accounting = account(len(paths) + len(given.skipped) - len(skipped), skipped, given.passed_over)
    show_accounting(console, accounting)
    if out is None:
        if not accounting.used:
            exit_with(EXIT_INPUT)
    elif json:
        console.json({"folder": done.folder, "count": done.count, **accounting.to_json()})
    else:
        console.line(f"{done.count} feature vectors in {done.folder / story.FEATURES}")
