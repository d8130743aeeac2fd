"""`predict`: name what is in each photo."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from efficientnet_lite.arrays import Array
from efficientnet_lite.cli.common import (
    COMMAND_LINE,
    Json,
    Jsonl,
    NoLinks,
    Photos,
    Precision,
    Quiet,
    Verbose,
    console_of,
    exit_with,
    one_form,
    photos_given,
)
from efficientnet_lite.cli.console import percent
from efficientnet_lite.cli.results import show_accounting
from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import EXIT_INPUT, UnusableInput, UsageError
from efficientnet_lite.photos.accounting import Skipped, account
from efficientnet_lite.photos.contract import View
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.model import Model, Refused
from efficientnet_lite.storage import files
from efficientnet_lite.stories.source import open_source

MAX_MAP_BYTES = 16 * 2**20


def predict(
    model: str,
    photos: Photos,
    /,
    *,
    top_k: Annotated[int, Parameter(name=["--top-k", "-k"], validator=Number(gte=1))] = 1,
    view: Annotated[View | None, Parameter(name="--as")] = None,
    weights: str = "imagenet",
    no_ema: Annotated[bool, Parameter(negative=())] = False,
    precision: Precision = None,
    labels_map: Path | None = None,
    locale: str | None = None,
    no_links: NoLinks = False,
    csv: Annotated[bool, Parameter(negative=())] = False,
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
        weights: for a model name: imagenet, hub, or the path of a checkpoint.
        no_ema: of a checkpoint that has both, read the raw weights instead of the moving averages.
        precision: of a run, which file to use (int8 where not given).
        labels_map: class names as JSON, {"0": "tench", ...}, instead of the file's own.
        locale: language of the class names, where the file has several.
        no_links: skip every link instead of following it.
        csv: print CSV instead of the table: path, rank, label, index, probability.
        json: print one JSON document instead of the table.
        jsonl: print one JSON object a line, each as soon as it is known.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    one_form(json=json, jsonl=jsonl, csv=csv)
    console = console_of(json or jsonl or csv, verbose, quiet)
    given = photos_given(photos, links=not no_links)
    listed = given.photos
    opened = open_source(
        model, precision=precision, weights=weights, ema=not no_ema, workers=min(cores(), len(listed))
    )
    names = _names(opened, labels_map, locale)
    if csv:
        console.csv_line(["path", "rank", "label", "index", "probability"])
    rows: list[list[object]] = []
    documents, skipped = [], []
    with console.progress("Predicting") as on_progress:
        predicted = opened.predict_each((path for path, _ in listed), view=view)
        not_opened = [(Path(name), name) for name, _, _ in given.skipped]
        outcomes = chain(predicted, (Refused(name, reason) for name, reason, _ in given.skipped))
        for number, ((path, name), outcome) in enumerate(zip(listed + not_opened, outcomes, strict=True), 1):
            on_progress(min(number, len(listed)), len(listed))
            document = _document(path, outcome, names, top_k)
            if isinstance(outcome, Refused):
                skipped.append(Skipped(name, outcome.reason))
            if jsonl:
                console.json_line(document)
            elif csv:
                for cells in _cells(document):
                    console.csv_line(cells)
            elif json:
                documents.append(document)
            else:
                rows += _rows(name, document)
    if json:
        console.json(documents)
    elif not (jsonl or csv):
        console.table("", ["photo", "label", "index", "probability"], rows, right=["index", "probability"])
    accounting = account(len(listed) + len(given.skipped) - len(skipped), skipped, given.passed_over)
    show_accounting(console, accounting)
    if not accounting.used:
        exit_with(EXIT_INPUT)


def _names(model: Model, labels_map: Path | None, locale: str | None) -> Sequence[str]:
    """A name for every class: from the map, the file's translation, the file, or the index itself."""
    if labels_map is not None and locale is not None:
        raise UsageError(
            "--labels-map and --locale exclude each other", where=COMMAND_LINE, fix="give one of them"
        )
    if labels_map is not None:
        return _mapped(labels_map, model.classes)
    if locale is not None:
        if locale not in model.translations:
            known = ", ".join(model.translations) or "none"
            raise UsageError(
                f"the file has no class names in {locale!r}", where=model.where, fix=f"known: {known}"
            )
        return model.translations[locale]
    return model.labels or [str(index) for index in range(model.classes)]


def _mapped(path: Path, classes: int) -> list[str]:
    """Names from the reference's labels_map.txt; a model with a background class has its names one later."""
    content = files.read_bytes(path, limit=MAX_MAP_BYTES, what="a map of class names")
    try:
        found = {int(index): str(name) for index, name in json_value(content).items()}
    except (ValueError, AttributeError) as error:
        raise UnusableInput(
            f"it is no map of class names: {error}", where=path, fix='give JSON such as {"0": "tench"}'
        ) from error
    shift = 1 if classes == len(found) + 1 else 0
    return [found.get(index - shift, str(index)) for index in range(classes)]


def _document(path: Path, outcome: Array | Refused, names: Sequence[str], top_k: int) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        return {"path": path.absolute(), "error": outcome.reason}
    best = np.argsort(-outcome, kind="stable")[:top_k]
    predictions = [
        {"label": names[index], "index": int(index), "probability": float(outcome[index])} for index in best
    ]
    return {"path": path.absolute(), "predictions": predictions}


def _rows(name: str, document: dict[str, Any]) -> list[list[object]]:
    if "error" in document:
        return [[name, f"({document['error']})", "", ""]]
    return [
        [name if rank == 0 else "", found["label"], found["index"], percent(found["probability"])]
        for rank, found in enumerate(document["predictions"])
    ]


def _cells(document: dict[str, Any]) -> list[list[object]]:
    path = str(document["path"])
    if "error" in document:
        return [[path, "", "", "", ""]]
    return [
        [path, rank, found["label"], found["index"], found["probability"]]
        for rank, found in enumerate(document["predictions"], 1)
    ]
