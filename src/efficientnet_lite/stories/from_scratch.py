"""Training by the recipe: a network learns by the reference's recipe, and leaves by the way of every other.

While it learns, its states lie beside the target, in `OUT.training/`, where a resumed training finds them; the
target comes into being whole, at the end.
"""

import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from efficientnet_lite.classifier.features import Backbone, FeatureStore
from efficientnet_lite.errors import CALL, UnusableInput, UsageError, wrong_argument
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import Plan, make_plan
from efficientnet_lite.notices import Say
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.places import dataset_apart
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.targets import Apart, check_apart, check_folder
from efficientnet_lite.stories.examples import PROOF, Examples, Seen, open_examples, unpack
from efficientnet_lite.stories.finetune import require_tensorboard_library
from efficientnet_lite.stories.finish import Finished, Trained, publish_run
from efficientnet_lite.stories.keeper import FRESH, Keeper, began_with
from efficientnet_lite.stories.material import Material, Settings
from efficientnet_lite.stories.translations import read_translations
from efficientnet_lite.stories.workplace import board_apart, check_place, clear, mark, working_folder
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.training.learned import Learned, of_recipe
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.weights.published import sources_apart
from efficientnet_lite.weights.read import load_weights

IMAGENET = 1_281_167


def train_from_scratch(
    photos: Path,
    out: Path,
    settings: Settings,
    given: Mapping[str, str],
    *,
    resume: bool = False,
    devices: int | None = None,
    processes: int = 0,
    tensorboard: Path | None = None,
    overwrite: bool = False,
    labels_locale: Mapping[str, Path] | None = None,
    workers: int | None = None,
    stage: ShowStage = silent,
    say: Say = lambda line: None,
    warn: Say = lambda line: None,
) -> Trained | None:
    """Train by the reference's recipe, evaluate the averages, export the best of them and prove both files.

    Gives None on every host but the first of several.

    Args:
        photos: a folder, a manifest, or a folder of record files (train-*, validation-*).
        settings: `weights` is "none" for random ones.
        given: fields of the recipe -> values as text. What is not given and depends on the data follows from them.
        devices: of JAX, how many work on each batch; None: all. With several hosts, see `training.devices.connect`,
            each process calls this; the first one writes, and the others need to see only its states.
        processes: that prepare images, each with `workers` threads; 0: the threads are of this process.
        tensorboard: a folder that gets the figures of the log as event files.
        resume: go on from the newest state of an earlier training into the same `out`.
        overwrite: replace a run, and forget states that lie there; what is not ours stays.
        say, warn: take a line each.

    Raises:
        UsageError: a field makes no sense, Keras is missing, another training is under way or was begun with
            other settings, the loss is no number any more.
        UnusableInput, UnusableDataset, CheckpointError: the data or the states are damaged.
        KeyboardInterrupt: a signal came; what was done is saved.
        VerificationFailed: a file is too far from its parent; nothing is published.
    """
    Recipe.from_settings(given)
    _check(photos, settings)
    workers, place = workers or cores(), working_folder(out)
    apart = [*dataset_apart(photos), *sources_apart(settings.weights), *board_apart(tensorboard)]
    check_folder(out, run_folder.RUN, overwrite=overwrite, apart=apart)
    check_place(place, resume=True, overwrite=overwrite, apart=[*apart, Apart(out, "the target")])
    pretrain, placing = _require_training()
    this, hosts = placing.host()
    with files.locked(place) if this == 0 else nullcontext(), Cache() as cache:
        if this == 0:
            check_place(place, resume=resume, overwrite=overwrite, apart=apart)
            if not resume:
                clear(place)
            mark(place)
        place.mkdir(parents=True, exist_ok=True)
        examples = open_examples(photos, settings, given, index=place, workers=workers, stage=stage)
        if examples.seen:
            apart += dataset_apart(photos, examples.seen.dataset.rows)
            for target in (out, place):
                check_apart(target, apart)
        translations = read_translations(labels_locale or {}, examples.labels)
        recipe = complete(given, examples, settings.seed)
        plan = make_plan(settings.model.variant, size=settings.model.size, classes=len(examples.labels))
        placement = placing.place(devices, batches={"batch": recipe.batch, "eval_batch": recipe.eval_batch})
        origin = None
        if settings.weights != FRESH:
            origin = load_weights(settings.model.variant, settings.weights, ema=settings.ema)
        begun = began_with(settings, examples, origin, recipe)
        keeper = Keeper(place, recipe, begun, origin, writes=this == 0, say=say, warn=warn)
        state, journal = keeper.begin(plan)
        if tensorboard is not None:
            keeper.board = _board(tensorboard)
        if placement.devices > 1:
            say(f"{placement.devices} devices on {hosts} hosts share each batch of {recipe.batch:,}")
        with stage("Training") as on_progress:
            keeper.progress = lambda done: on_progress(done, recipe.total_steps)
            training = pretrain.Pretraining(
                plan, recipe, examples.training, examples.validation, workers, placement, processes
            )
            try:
                training.run(state, journal, keeper, time.monotonic)
            except pretrain.Stopped:
                say(
                    f"interrupted; saved: the same command with `resume=True` goes on from step {keeper.saved:,}"
                )
                raise KeyboardInterrupt from None
        if this:
            return None
        weights, best = keeper.best(journal, plan)
        proof = None if examples.seen else PROOF
        learned = of_recipe(
            weights,
            recipe,
            journal.rows,
            best,
            given=given,
            images=len(examples.training),
            backend=begun["backend"],
            proof=proof,
        )
        with run_folder.building(out, overwrite=overwrite, apart=apart) as folder:
            seen = examples.seen or unpack(examples, folder, settings.calibration, workers=workers)
            finished = _finished(out, photos, settings, seen, plan, translations, learned, cache, workers)
            result = publish_run(folder, finished, cache, stage)
        clear(place)
    return result


def _finished(
    out: Path,
    photos: Path,
    settings: Settings,
    seen: Seen,
    plan: Plan,
    translations: Mapping[str, tuple[str, ...]],
    learned: Learned,
    cache: Cache,
    workers: int,
) -> Finished:
    """The trained network as any other that leaves, with photos to prove it on."""
    contract = Contract(settings.model.size, view=settings.base_views[0])
    layers = fold(plan, learned.weights.parameters)
    backbone = Backbone(str(settings.model), write_float(plan, layers, outputs=("features",)), contract)
    refused = list(seen.survey.refused)
    store = FeatureStore(backbone, seen.dataset.rows, cache, workers, seen.survey.looks, refused)
    material = Material(seen.dataset, store, seen.assignment)
    return Finished(out, photos, settings, contract, material, learned, plan, translations)


def _board(folder: Path) -> Any:
    require_tensorboard_library()
    from efficientnet_lite.training.tensorboard import TensorBoard

    return TensorBoard(folder)


def _check(photos: Path, settings: Settings) -> None:
    """Refuse what makes no sense together."""
    for wrong, what, fix in (
        (settings.fine_tuning is not None, "`recipe=` and `fine_tuning=` exclude each other", "give one"),
        (settings.class_weights != "none", "the recipe has no class weights", "leave `class_weights=` out"),
    ):
        if wrong:
            raise UsageError(what, where=CALL, fix=fix)
    rules: tuple[tuple[str, object, bool, str], ...] = (
        ("val", settings.fraction, 0 < settings.fraction < 1, "give a fraction between 0 and 1"),
        ("calibration_photos", settings.calibration, settings.calibration >= 1, "give at least 1 photo"),
        ("views", list(settings.views), bool(settings.base_views), "keep crop or squash among them"),
    )
    for argument, value, holds, fix in rules:
        if not holds:
            raise wrong_argument(argument, value, fix=fix)
    settings.bars.check()
    if not files.exists(photos):
        raise UnusableInput(
            files.missing(photos, "folder or file"),
            where=photos,
            fix="give photos, a manifest, or record files",
        )


def complete(given: Mapping[str, str], examples: Examples, seed: int) -> Recipe:
    """The recipe with what follows from the data where it was not given.

    For a data set of ImageNet's size nothing does. Else an epoch is one of the data, evaluated and saved at its end.
    """
    values = {"seed": str(seed), **given}
    if examples.whole == IMAGENET:
        return Recipe.from_settings(values)
    count = len(examples.training)
    values = {"train_images": str(count), "eval_images": str(len(examples.validation)), **values}
    values["holdout_shards"] = "0"  # counted already: the reference's formula is one of 1024 files
    recipe = Recipe.from_settings(values)
    an_epoch = str(max(1, recipe.images // recipe.batch))
    return Recipe.from_settings({"eval_every": an_epoch, "save_every": an_epoch, **values})


def _require_training() -> Any:
    """The modules `training.pretrain` and `training.devices`, with the other hosts joined where there are some.

    Raises UsageError where Keras, its backend or Grain is not installed.
    """
    try:
        from efficientnet_lite.training import devices, pretrain
    except ImportError as error:
        raise UsageError(
            f"`recipe=` needs Keras, TensorFlow or JAX, and Grain: {error}",
            where=CALL,
            fix="pip install 'efficientnet-lite[train]'",
        ) from error
    devices.connect(environment=os.environ)
    return pretrain, devices
