"""`train`: make a run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import (
    Folders,
    Json,
    Locales,
    NoEma,
    NoLinks,
    Quiet,
    Switch,
    Verbose,
    console_of,
    locales_of,
)
from efficientnet_lite.cli.config import photos_of
from efficientnet_lite.cli.learning import FineTuneOptions, RecipeOptions, fields_of, recipe_of
from efficientnet_lite.photos.contract import FIT_VIEWS, FitView
from efficientnet_lite.vocabulary import CALIBRATION_PHOTOS, MAX_DROP, MIN_AGREEMENT, ClassWeights, OnBad


def train(
    photos: Path | None = None,
    /,
    *,
    out: Path,
    config: Path | None = None,
    model: str = "lite1",
    weights: str | None = None,
    weights_sha256: Annotated[str | None, Parameter(show=False)] = None,
    no_ema: NoEma = False,
    val: float = 0.2,
    seed: int = 0,
    views: Annotated[tuple[FitView, ...], Parameter(consume_multiple=True, negative=())] = FIT_VIEWS,
    class_weights: ClassWeights = "none",
    calibration: int = CALIBRATION_PHOTOS,
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    on_bad: OnBad = "skip",
    no_links: NoLinks = False,
    class_folders: Folders = None,
    labels_locale: Locales = (),
    overwrite: Switch = False,
    tuning: FineTuneOptions | None = None,
    by_recipe: RecipeOptions | None = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make a classifier from photos: float32 and int8 files, proven on the real runtime.

    Args:
        photos: a folder with a folder per class, one with train/ and validation/ (and test/) folders of such,
            or a CSV or JSONL manifest (path, label, split). With --config it may be left out.
        out: the run folder to make.
        config: the config.toml of a run: every option, and the photos, that are not given here are as they stand in it.
        model: lite0 to lite4; with @SIZE for another input size than its own, as lite4@300.
        weights: imagenet (installed packages; the default), hub (download), or the path of a checkpoint. With
            --recipe the default is none: random ones.
        weights_sha256: what they must be, to the bit.
        val: fraction of the photos that is kept back for choosing, where the data set does not say.
        seed: of the split.
        views: how the head sees each photo; at least crop or squash.
        class_weights: balanced gives every class the same say, however few its photos.
        calibration: how many training photos set the ranges of the int8 file.
        max_drop: fraction of top-1 accuracy that the int8 file may lose.
        min_agreement: fraction of photos on which int8 and float must name the same class.
        on_bad: what to do about a photo that cannot be used, or is not, for whatever reason: skip and list it, or fail.
        overwrite: replace an earlier run; what is not ours in it stays.
    """
    from efficientnet_lite.cli.results import show_trained, trained_json
    from efficientnet_lite.commands.train import train as train_classifier

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
        calibration_photos=calibration,
        max_drop=max_drop,
        min_agreement=min_agreement,
        on_bad=on_bad,
        links=not no_links,
        class_folders=class_folders,
        labels_locale=locales_of(labels_locale),
        fine_tuning=recipe_of(tuning),
        recipe=by_recipe.recipe,
        set=fields_of(by_recipe.set),
        resume=by_recipe.resume,
        overwrite=overwrite,
        tensorboard=tuning.tensorboard,
        devices=by_recipe.devices,
        data_processes=by_recipe.data_processes,
        stage=console.progress,
        say=console.note,
        warn=console.warn,
    )
    if trained is None:
        console.note("this host's part is done; the first host writes the run")
    elif json:
        console.json(trained_json(trained))
    else:
        show_trained(console, trained)
