"""The commands that make and prove files: train, export, verify."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from efficientnet_lite.cli.common import Json, Quiet, Verbose, console_of, exit_with
from efficientnet_lite.cli.results import show_exported, show_trained, show_verified, trained_json
from efficientnet_lite.contract import FIT_VIEWS, FitView
from efficientnet_lite.errors import EXIT_VERIFICATION, UsageError
from efficientnet_lite.inference.verify import MAX_DROP, MIN_AGREEMENT
from efficientnet_lite.stories import classify
from efficientnet_lite.stories.calibration import PHOTOS
from efficientnet_lite.stories.export import export as export_file
from efficientnet_lite.stories.verify import verify as verify_target

Flag = Parameter(negative=())
Locales = Annotated[tuple[str, ...], Parameter(name="--labels-locale", negative=())]


def train(
    photos: Path,
    /,
    *,
    out: Path,
    model: str = "lite1",
    weights: str = "imagenet",
    no_ema: Annotated[bool, Flag] = False,
    val: float = 0.2,
    seed: int = 0,
    views: Annotated[tuple[FitView, ...], Parameter(consume_multiple=True, negative=())] = FIT_VIEWS,
    class_weights: Literal["none", "balanced"] = "none",
    calibration: int = PHOTOS,
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    on_bad: Literal["skip", "fail"] = "skip",
    labels_locale: Locales = (),
    overwrite: Annotated[bool, Flag] = False,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make a classifier from photos: float32 and int8 files, proven on the real runtime.

    Args:
        photos: a folder with a folder per class, one with train/ and validation/ (and test/) folders of such,
            or a CSV or JSONL manifest (path, label, split).
        out: the run folder to make.
        model: lite0 to lite4; with @SIZE for another input size than its own, as lite4@300.
        weights: imagenet (installed packages), hub (download), or the path of a checkpoint.
        no_ema: of a TF1 checkpoint, read the raw weights instead of the moving averages.
        val: fraction of the photos that is kept back for choosing, where the data set does not say.
        seed: of the split.
        views: how the head sees each photo; at least crop or squash.
        class_weights: balanced gives every class the same say, however few its photos.
        calibration: how many training photos set the ranges of the int8 file.
        max_drop: fraction of top-1 accuracy that the int8 file may lose.
        min_agreement: fraction of photos on which int8 and float must name the same class.
        on_bad: what to do about a photo that cannot be used: skip and list it, or fail.
        labels_locale: LOCALE=FILE, class names in another language, one a line; may be given again.
        overwrite: replace an earlier run.
        json: print one JSON document instead of the table.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    console = console_of(json, verbose, quiet)
    trained = classify.train(
        photos,
        out,
        model=model,
        weights=weights,
        ema=not no_ema,
        val=val,
        seed=seed,
        views=views,
        class_weights=class_weights,
        calibration_photos=calibration,
        max_drop=max_drop,
        min_agreement=min_agreement,
        on_bad=on_bad,
        overwrite=overwrite,
        labels_locale=_locales(labels_locale),
        stage=console.progress,
    )
    if json:
        console.json(trained_json(trained))
    else:
        show_trained(console, trained)


def export(
    source: str,
    /,
    *,
    out: Path,
    precision: Literal["float32", "float16", "dynamic", "int8"] = "float32",
    io: Literal["uint8", "int8", "float32"] | None = None,
    batch: Literal["1", "dynamic"] = "1",
    dense: Literal["per-tensor", "per-channel"] = "per-tensor",
    output: Annotated[
        tuple[Literal["probabilities", "logits", "features"], ...], Parameter(negative=())
    ] = (),
    endpoint: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    data: Path | None = None,
    model: str | None = None,
    weights: str = "imagenet",
    no_ema: Annotated[bool, Flag] = False,
    calibration: int = PHOTOS,
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    labels_locale: Locales = (),
    overwrite: Annotated[bool, Flag] = False,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Write one .tflite file from a run, a checkpoint or published weights, and prove it.

    Args:
        source: a run folder, a checkpoint, or a model such as lite1.
        out: the file to write; beside it comes NAME.golden.npz, inputs and outputs for an app's own tests.
        precision: float32; float16 or dynamic, smaller files of float arithmetic; int8, integers throughout.
        io: type of an int8 file's input and outputs; uint8 (raw pixels) where not given.
        batch: dynamic lets the caller change it.
        dense: scales of the dense layer's int8 kernel; per-channel needs a runtime of 2022 or newer.
        output: probabilities (the default), logits or features (the 1280 pooled values); may be given again.
        endpoint: one of the reference's, such as reduction_4, as an output; may be given again. There
            `features` is the feature map of the last block.
        data: a folder of photos like those that the model will see; labels are not needed. For int8 it sets
            the ranges; what a smaller precision loses is measured on it.
        model: for a checkpoint, the variant that it must be and its input size, as lite4@300.
        weights: for a model name: imagenet, hub, or the path of a checkpoint.
        no_ema: of a TF1 checkpoint, read the raw weights instead of the moving averages.
        calibration: how many of the photos set the ranges; the others prove the file.
        max_drop: fraction of top-1 accuracy that a smaller precision may lose, where --data has the classes.
        min_agreement: fraction of photos on which it must name the same class as float32.
        labels_locale: LOCALE=FILE, class names in another language, one a line; may be given again.
        overwrite: replace an existing file.
        json: print one JSON document instead of the table.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    console = console_of(json, verbose, quiet)
    exported = export_file(
        source,
        out,
        precision=precision,
        io=io,
        batch=batch,
        dense=dense,
        outputs=output or (() if endpoint else ("probabilities",)),
        endpoints=endpoint,
        data=data,
        model=model,
        weights=weights,
        ema=not no_ema,
        calibration_photos=calibration,
        max_drop=max_drop,
        min_agreement=min_agreement,
        labels_locale=_locales(labels_locale),
        overwrite=overwrite,
        stage=console.progress,
    )
    for note in exported.notes:
        console.warn(note)
    if json:
        console.json(exported.to_json())
    else:
        show_exported(console, exported)


def verify(
    target: Path,
    /,
    *,
    data: Path | None = None,
    parent: Path | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Replay a run's files, or a file against its parent, and say whether all still holds.

    Args:
        target: a run folder, or a .tflite file.
        data: photos to replay, instead of those that proved the run.
        parent: for a .tflite file, the one that it came from.
        max_drop: another bar than the run's.
        min_agreement: another bar than the run's.
        json: print one JSON document instead of the table.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    console = console_of(json, verbose, quiet)
    verified = verify_target(
        target,
        data=data,
        parent=parent,
        max_drop=max_drop,
        min_agreement=min_agreement,
        stage=console.progress,
    )
    if json:
        console.json(verified.to_json())
    else:
        show_verified(console, verified)
    if not verified.passed:
        exit_with(EXIT_VERIFICATION)


def _locales(given: tuple[str, ...]) -> dict[str, Path]:
    """`de=FILE` each."""
    found = {}
    for text in given:
        locale, equals, file = text.partition("=")
        if not equals or not locale or not file:
            raise UsageError(
                "this is no LOCALE=FILE", where=text, fix="give for example --labels-locale de=de.txt"
            )
        found[locale] = Path(file)
    return found
