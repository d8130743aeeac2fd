"""`evaluate`: how good a model is on labelled photos, as phones and other apps see them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from efficientnet_lite.cli.common import (
    AnyJson,
    Folders,
    NoEma,
    NoLinks,
    Quiet,
    RunFile,
    Verbose,
    WeightsName,
    console_of,
)
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.photos.contract import View

if TYPE_CHECKING:
    from efficientnet_lite.proof.evaluate import Evaluation, Measured

MOST_IN_CONFUSION = 20  # classes; with more, the largest confusions are listed instead
MOST_CONFUSIONS = 10


def evaluate(
    model: str,
    data: Path | None = None,
    /,
    *,
    view: Annotated[tuple[View, ...], Parameter(name="--as", negative=())] = (),
    split: Literal["train", "validation", "test", "all"] | None = None,
    images: str | None = None,
    labels: Path | None = None,
    no_links: NoLinks = False,
    class_folders: Folders = None,
    num_images: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    weights: WeightsName = "imagenet",
    no_ema: NoEma = False,
    precision: RunFile = None,
    json: AnyJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Measure a model on labelled photos: top-1, top-5, macro-F1, balanced accuracy, each class, confusions.

    Args:
        model: a .tflite file, a run folder, a checkpoint, or a model such as lite1.
        data: a data set, as `train` takes it, whose classes the model knows.
        view: how photos are looked at; may be given again. Without it the model's own way, or reference with --images.
        split: of the data set; without it test where there is one, else validation, else all.
        images: instead of a data set, a glob of photos, in the manner of the reference's eval_ckpt_main.py.
        labels: for --images, a file with one class index a line, in the sorted order of the photos' names.
        num_images: for --images, only the first so many.
        json: print one JSON document instead of the tables: one object, or a list for several --as.
    """
    from efficientnet_lite.cli.counted import show_accounting
    from efficientnet_lite.commands.evaluate import evaluate as evaluate_model

    console = console_of(json, verbose, quiet)
    measured = evaluate_model(
        model,
        data,
        view=view,
        split=split,
        images=images,
        labels=labels,
        links=not no_links,
        class_folders=class_folders,
        num_images=num_images,
        weights=weights,
        ema=not no_ema,
        precision=precision,
        progress=console.progress,
    )
    if json:
        documents = [_document(each, measured) for each in measured.evaluations]
        console.json(documents if len(documents) > 1 else documents[0])
    else:
        _show(console, measured)
    show_accounting(console, measured.accounting)
    _say_what_is_missing(console, measured)
    if measured.trained_on:
        console.warn(
            f"the model was trained on {measured.trained_on:,} of these photos, and gets fewer of new ones right: "
            f"`info {model}` says how many",
            keep=[model],
        )


def _document(evaluation: "Evaluation", measured: "Measured") -> dict[str, Any]:
    from efficientnet_lite.metrics import too_few_to_judge

    names, document = measured.names, evaluation.to_json(measured.names)
    for row, synset in zip(document["classes"], measured.synsets or (), strict=False):
        row["synset"] = synset
    return {
        **document,
        "split": measured.split,
        "too_few_to_judge": bool(too_few_to_judge(evaluation.count)),
        **measured.accounting.to_json(),
        "absent_classes": [names[index] for index in measured.absent],
        "unjudged_classes": [names[index] for index in measured.unjudged],
        "unknown_classes": dict(measured.unknown),
        "trained_on": measured.trained_on,
        "refused": [{"path": Path(refused.where), "error": refused.reason} for refused in measured.refused],
    }


def _say_what_is_missing(console: Console, measured: "Measured") -> None:
    """Which classes these figures say nothing of."""
    from efficientnet_lite.photos.classes import some

    names = measured.names
    if measured.unknown:
        console.warn(
            f"{sum(measured.unknown.values())} photos were not judged, of {len(measured.unknown)} classes that the "
            f"model does not know: {some(list(measured.unknown))}"
        )
    if measured.unjudged:
        lost = some([names[index] for index in measured.unjudged])
        console.warn(f"of {len(measured.unjudged)} classes none of the photos could be used: {lost}")
    if measured.absent:
        absent = some([names[index] for index in measured.absent])
        console.note(
            f"no photos of {len(measured.absent)} of the model's {len(names)} classes, of which these figures say "
            f"nothing: {absent}"
        )


def _show(console: Console, measured: "Measured") -> None:
    from efficientnet_lite.metrics import too_few_to_judge

    names = measured.names
    rows = [
        [
            each.view,
            each.count,
            percent(each.top1, each.interval),
            percent(each.top5),
            percent(each.macro_f1),
            percent(each.balanced_accuracy),
        ]
        for each in measured.evaluations
    ]
    columns = ["photos as", "photos", "top-1", "top-5", "macro-F1", "balanced accuracy"]
    least = ["balanced accuracy", "macro-F1", "top-5"]
    console.table(f"split: {measured.split}", columns, rows, right=columns[1:], drop=least)
    if few := too_few_to_judge(measured.evaluations[0].count):
        console.line(f"That is {few}.")
    for each in measured.evaluations:
        occurring = [(name, row) for name, row in zip(names, each.classes, strict=True) if row.support]
        columns = ["class", "photos", "precision", "recall", "F1"]
        rows = [
            [name, row.support, percent(row.precision), percent(row.recall), percent(row.f1)]
            for name, row in occurring
        ]
        console.table(f"each class, as {each.view}", columns, rows, right=columns[1:], prose="class")
        _show_confusion(console, each, names)


def _show_confusion(console: Console, evaluation: "Evaluation", names: tuple[str, ...]) -> None:
    import numpy as np

    matrix = evaluation.confusion
    numbers = [str(number) for number in range(1, len(names) + 1)]
    numbered = [f"{number} {name}" for number, name in zip(numbers, names, strict=True)]
    for of_row, of_column in ((names, names), (numbered, numbers)) if len(names) <= MOST_IN_CONFUSION else ():
        columns = ["true \\ named", *of_column]
        rows = [[name, *row] for name, row in zip(of_row, matrix.tolist(), strict=True)]
        if console.fits(columns, rows):
            console.table(f"confusion, as {evaluation.view}", columns, rows, right=columns[1:])
            return
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    rows = [
        [names[true], names[named], int(wrong[true, named])]
        for true, named in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[true, named]
    ]
    console.table(
        f"largest confusions, as {evaluation.view}", ["true", "named", "photos"], rows, right=["photos"]
    )
