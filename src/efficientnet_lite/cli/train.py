"""`train`: make a run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import (
    DATA,
    HEAD,
    INT8,
    OUTPUT,
    Folders,
    Json,
    Locales,
    NoEma,
    NoLinks,
    Quiet,
    Switch,
    Verbose,
    Workers,
    console_of,
    locales_of,
    shown,
)
from efficientnet_lite.cli.config import photos_of
from efficientnet_lite.cli.learning import FineTuneOptions, RecipeOptions, fields_of
from efficientnet_lite.photos.contract import FIT_VIEWS, FitView
from efficientnet_lite.vocabulary import (
    CALIBRATION_PHOTOS,
    MAX_DROP,
    MIN_AGREEMENT,
    TRAINED_MODEL,
    ClassWeights,
    Effort,
    OnBad,
)


def train(
    photos: Annotated[Path | None, shown("those of --config")] = None,
    /,
    *,
    config: Annotated[Path | None, Parameter(group=DATA), shown("none")] = None,
    val: Annotated[float, Parameter(group=DATA)] = 0.2,
    seed: Annotated[int, Parameter(group=DATA)] = 0,
    on_bad: Annotated[OnBad, Parameter(group=DATA)] = "skip",
    no_links: Annotated[NoLinks, Parameter(group=DATA)] = False,
    class_folders: Annotated[Folders, Parameter(group=DATA)] = None,
    labels_locale: Annotated[Locales, Parameter(group=DATA)] = (),
    model: Annotated[str, Parameter(group=HEAD)] = TRAINED_MODEL,
    weights: Annotated[str | None, Parameter(group=HEAD), shown("imagenet; none with --recipe")] = None,
    weights_sha256: Annotated[str | None, Parameter(show=False)] = None,
    no_ema: Annotated[NoEma, Parameter(group=HEAD)] = False,
    views: Annotated[
        tuple[FitView, ...],
        Parameter(group=HEAD, consume_multiple=True, negative=()),
        shown(" ".join(FIT_VIEWS)),
    ] = FIT_VIEWS,
    class_weights: Annotated[ClassWeights, Parameter(group=HEAD)] = "none",
    calibration: Annotated[int, Parameter(group=INT8)] = CALIBRATION_PHOTOS,
    calibration_seed: Annotated[int, Parameter(group=INT8)] = 0,
    effort: Annotated[Effort, Parameter(group=INT8)] = "standard",
    max_drop: Annotated[float, Parameter(group=INT8)] = MAX_DROP,
    min_agreement: Annotated[float, Parameter(group=INT8)] = MIN_AGREEMENT,
    tuning: FineTuneOptions | None = None,
    by_recipe: RecipeOptions | None = None,
    out: Annotated[Path | None, Parameter(group=OUTPUT), shown("runs/NAME, NAME that of PHOTOS")] = None,
    overwrite: Annotated[Switch, Parameter(group=OUTPUT)] = False,
    workers: Annotated[Workers, Parameter(group=OUTPUT)] = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make a classifier from photos: float32 and int8 files, proven on the real runtime.

    Args:
        photos: a folder with a folder per class, one with train/ and validation/ folders of such, or a manifest.
        config: the config.toml of a run; what is not given here is as it stands in it, the photos too.
        val: fraction of the photos that is kept back to judge by, where the data set does not say which.
        seed: of the choice of those, and of all chance in a training.
        on_bad: what to do about a photo that cannot be used: skip it and list it, or fail.
        model: lite0 to lite4, small and fast to large and accurate; lite4@300 for another input size than its own.
        weights: imagenet (installed), hub (download), or the path of a checkpoint; none (random) with --recipe.
        weights_sha256: what they must be, to the bit.
        views: how the head sees each photo while it is fitted; at least crop or squash.
        class_weights: balanced gives every class the same say, however few its photos.
        calibration: how many training photos set the ranges of numbers in the int8 file, of every class in turn.
        calibration_seed: of the choice of those; another number takes others.
        effort: standard, or best: the int8 file learns for up to ten minutes more, which needs the extra "train".
        max_drop: fraction of top-1 accuracy that the int8 file may lose; beyond it nothing is published.
        min_agreement: fraction of photos on which int8 and float32 must name the same class.
        out: the run folder to make.
        overwrite: replace an earlier run; what is not ours in it stays.
    """
    from efficientnet_lite.cli.results import trained_json
    from efficientnet_lite.cli.run_summary import show_trained
    from efficientnet_lite.commands.train import train as train_classifier
    from efficientnet_lite.run.folder import default_out

    console = console_of(json, verbose, quiet)
    photos = photos_of(photos)
    tuning, by_recipe = tuning or FineTuneOptions(), by_recipe or RecipeOptions()
    trained = train_classifier(
        photos,
        out,
        model=model,
        weights=weights,
        weights_sha256=weights_sha256,
        ema=not no_ema,
        val=val,
        seed=seed,
        views=views,
        class_weights=class_weights,
        calibration=calibration,
        calibration_seed=calibration_seed,
        effort=effort,
        max_drop=max_drop,
        min_agreement=min_agreement,
        on_bad=on_bad,
        links=not no_links,
        class_folders=class_folders,
        labels_locale=locales_of(labels_locale),
        **vars(tuning),
        **vars(by_recipe) | {"set": fields_of(by_recipe.set)},
        overwrite=overwrite,
        workers=workers,
        progress=console.progress,
    )
    if trained is None:
        console.note("this host's part is done; the first host writes the run")
    elif json:
        console.json(trained_json(trained))
    else:
        show_trained(console, trained, default_out(photos) if out is None else out)
