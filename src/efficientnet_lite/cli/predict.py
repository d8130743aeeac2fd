"""`predict`: name what is in each photo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from efficientnet_lite.cli.common import (
    AnyLinks,
    Json,
    Jsonl,
    NoEma,
    Photos,
    Quiet,
    RunFile,
    Switch,
    Verbose,
    WeightsName,
    console_of,
    one_form,
    photos_given,
)
from efficientnet_lite.cli.console import percent
from efficientnet_lite.errors import EXIT_INPUT
from efficientnet_lite.photos.accounting import Skipped, account
from efficientnet_lite.photos.contract import View

if TYPE_CHECKING:
    from efficientnet_lite.commands.predict import NamedPhoto

CSV_COLUMNS = ["path", "rank", "label", "index", "probability"]


def predict(
    model: str,
    photos: Photos,
    /,
    *,
    top_k: Annotated[int, Parameter(name=["--top-k", "-k"], validator=Number(gte=1))] = 1,
    view: Annotated[View | None, Parameter(name="--as")] = None,
    weights: WeightsName = "imagenet",
    no_ema: NoEma = False,
    precision: RunFile = None,
    labels_map: Path | None = None,
    locale: str | None = None,
    no_links: AnyLinks = False,
    csv: Switch = False,
    json: Json = False,
    jsonl: Jsonl = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Name what is in each photo.

    Exit code 0 where at least one photo could be used, else 3.

    Args:
        model: a .tflite file, a run folder, a checkpoint, or a model such as lite1.
        photos: files, folders (searched recursively), globs; - reads paths from stdin, one a line.
        top_k: how many classes to name for each photo.
        view: how the photo is looked at, instead of the model's own way.
        labels_map: class names instead of the file's own: one a line, or JSON such as {"0": "tench", ...}.
        locale: language of the class names, where the file has several.
        no_links: skip every link instead of following it.
        csv: print CSV instead of the table: path, rank, label, index, probability; of ImageNet's classes synset.
        jsonl: print one JSON object a line, each as soon as it is known.
    """
    from efficientnet_lite.cli.counted import show_accounting
    from efficientnet_lite.commands.predict import predict_each
    from efficientnet_lite.photos.found import find_photos

    one_form(json=json, jsonl=jsonl, csv=csv)
    console = console_of(json or jsonl or csv, verbose, quiet)
    given = find_photos(photos_given(photos), links=not no_links)
    named = predict_each(
        model,
        given,
        top_k=top_k,
        view=view,
        weights=weights,
        ema=not no_ema,
        precision=precision,
        labels_map=labels_map,
        locale=locale,
        stage=console.progress,
    )
    kept, skipped = [], []
    for number, photo in enumerate(named):
        if csv and not number:
            console.csv_line([*CSV_COLUMNS, "synset"] if photo.with_synsets else CSV_COLUMNS)
        if photo.reason is not None:
            skipped.append(Skipped(photo.name, photo.reason))
        if jsonl:
            console.json_line(_document(photo))
        elif csv:
            for cells in _cells(photo):
                console.csv_line(cells)
        else:
            kept.append(photo)
    if json:
        console.json(list(map(_document, kept)))
    elif not (jsonl or csv):
        rows = [row for photo in kept for row in _rows(photo)]
        columns = ["photo", "label", "index", "probability"]
        console.table("", columns, rows, right=columns[2:], drop=["index"], prose="label")
    used = len(given.photos) + len(given.skipped) - len(skipped)
    accounting = account(used, skipped, given.passed_over)
    show_accounting(console, accounting)
    if not accounting.used:
        raise SystemExit(EXIT_INPUT)


def _document(photo: "NamedPhoto") -> dict[str, Any]:
    if photo.reason is not None:
        return {"path": photo.path.absolute(), "error": photo.reason}
    return {"path": photo.path.absolute(), "predictions": [each.to_json() for each in photo.predictions]}


def _rows(photo: "NamedPhoto") -> list[list[object]]:
    if photo.reason is not None:
        return [[photo.name, f"({photo.reason})", "", ""]]
    return [
        [photo.name if rank == 0 else "", found.name, found.index, percent(found.probability)]
        for rank, found in enumerate(photo.predictions)
    ]


def _cells(photo: "NamedPhoto") -> list[list[object]]:
    path = str(photo.path.absolute())
    if photo.reason is not None:
        return [[path, "", "", "", "", *[""] * photo.with_synsets]]
    return [
        [path, rank, found.label, found.index, found.probability, *[found.synset] * photo.with_synsets]
        for rank, found in enumerate(photo.predictions, 1)
    ]
