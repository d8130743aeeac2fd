"""A network learns by the reference's recipe from labelled photos; its states lie in a working folder meanwhile."""

import os
from collections.abc import Mapping
from pathlib import Path

from efficientnet_lite.training.job import Job
from efficientnet_lite.training.learned import Learned
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.settings import Settings
from efficientnet_lite.training.training_data import PROOF, TrainingData
from efficientnet_lite.weights.read import Weights

IMAGENET = 1_281_167


def learn_by_recipe(
    origin: Weights | None,
    data: TrainingData,
    settings: Settings,
    job: Job,
    place: Path,
) -> Learned | None:
    """Train from the newest state in `place` on, evaluate the averages, and give the best of them.

    Gives None on every host but the first of several.

    Args:
        origin: None for random weights.
        place: the working folder.

    Raises:
        UsageError: the training was begun with other settings, or the loss is no number any more.
        UnusableInput, CheckpointError: the data or the states are damaged.
        KeyboardInterrupt: a signal came; what was done is saved.
    """
    from efficientnet_lite.training import devices as placing
    from efficientnet_lite.training import pretraining

    recipe = complete(settings.set, data, settings.seed)
    placement = placing.place(job.devices, batches={"batch": recipe.batch, "eval_batch": recipe.eval_batch})
    return pretraining.pretrain(
        settings.plan(len(data.labels)),
        recipe,
        data.training,
        data.validation,
        data.labels,
        origin,
        settings,
        job,
        proof=None if data.seen else PROOF,
        place=place,
        placement=placement,
    )


def join_hosts() -> bool:
    """Join the other hosts of a training where there are some; gives whether this is the first one, which writes."""
    from efficientnet_lite.training import devices

    devices.connect(environment=os.environ)
    number, _ = devices.host()
    return number == 0


def complete(given: Mapping[str, str], data: TrainingData, seed: int) -> Recipe:
    """The recipe with what follows from the data where it was not given.

    For a data set of ImageNet's size nothing does. Else an epoch is one of the data, evaluated and saved at its end.
    """
    values = {"seed": str(seed), **given}
    if data.whole == IMAGENET:
        return Recipe.from_settings(values)
    count = len(data.training)
    values = {"train_images": str(count), "eval_images": str(len(data.validation)), **values}
    values["holdout_shards"] = "0"  # counted already: the reference's formula is one of 1024 files
    recipe = Recipe.from_settings(values)
    an_epoch = str(max(1, recipe.images // recipe.batch))
    return Recipe.from_settings({"eval_every": an_epoch, "save_every": an_epoch, **values})
