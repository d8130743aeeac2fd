"""The options of `train` that belong to --fine-tune and to --recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from efficientnet_lite.cli.common import COMMAND_LINE, FINE_TUNING, RECIPE, Switch, shown
from efficientnet_lite.errors import UsageError
from efficientnet_lite.training.fine_tuning import BUDGETED_EPOCHS, Augment, BatchNorm, FineTuning, Optimizer
from efficientnet_lite.vocabulary import RecipeName

_HIDDEN = Parameter(show=False)  # no option to choose by, but a config.toml holds them

_MEASURED = FineTuning()


def measured(field: str, more: str = "") -> Parameter:
    """The help's word for an option that is left out: the default of that field of `FineTuning`."""
    return shown(f"{getattr(_MEASURED, field)}{more}")


@Parameter(name="*", group=FINE_TUNING)
@dataclass(frozen=True, kw_only=True)
class FineTuneOptions:
    """With --fine-tune the upper blocks learn too. An option that is left out has the measured default.

    Attributes:
        fine_tune: let the upper blocks of the network learn too (needs the extra "train").
        fine_tune_blocks: how many of them, or all for the whole network.
        batch_norm: frozen normalizes by the statistics of the weights that training begins with.
        epochs: at most so many.
        learning_rate: the highest, of the head; blocks below learn more slowly.
        rate_decay: rate of a block as a fraction of that of the block above it.
        batch_size: photos in a step.
        augment: how photos are varied: none, light (moved, tinted), or rand (zoomed, distorted by RandAugment).
        label_smoothing: share of a label that is spread over all classes.
        mixup: how strongly two photos are mixed into one, the alpha of mixup; 0 is off.
        ema_decay: of the moving average of the weights, which is what is kept; 0 is off.
        patience: epochs without a better one after which training ends.
        time_budget: plan the epochs to fit, as 90s, 20m or 1.5h.
        quantization_aware: then let the int8 file learn to answer as float32 does, where it loses much.
        tensorboard: folder for event files that TensorBoard shows, of --fine-tune and --recipe.
        optimizer: adamw or sgd.
        warmup: epochs of linearly growing rate.
        weight_decay: decoupled, times the rate.
        draws: random views of a photo that are computed once, where blocks are frozen.
        dropout: before the head.
    """

    fine_tune: Switch = False
    fine_tune_blocks: Annotated[int | Literal["all"] | None, measured("blocks")] = None
    batch_norm: Annotated[BatchNorm | None, measured("batch_norm")] = None
    epochs: Annotated[int | None, measured("epochs", f"; {BUDGETED_EPOCHS} with --time-budget")] = None
    learning_rate: Annotated[float | None, measured("learning_rate")] = None
    rate_decay: Annotated[float | None, measured("rate_decay")] = None
    batch_size: Annotated[int | None, measured("batch")] = None
    augment: Annotated[Augment | None, measured("augment")] = None
    label_smoothing: Annotated[float | None, measured("label_smoothing")] = None
    mixup: Annotated[float | None, measured("mixup")] = None
    ema_decay: Annotated[float | None, measured("ema")] = None
    patience: Annotated[int | None, measured("patience")] = None
    time_budget: Annotated[str | None, shown("none: all of --epochs")] = None
    quantization_aware: Switch = False
    tensorboard: Annotated[Path | None, shown("none")] = None
    optimizer: Annotated[Optimizer | None, _HIDDEN] = None
    warmup: Annotated[float | None, _HIDDEN] = None
    weight_decay: Annotated[float | None, _HIDDEN] = None
    draws: Annotated[int | None, _HIDDEN] = None
    dropout: Annotated[float | None, _HIDDEN] = None


@Parameter(name="*", group=RECIPE)
@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """With --recipe a network learns from random weights, or from those of --weights, as the reference's did.

    Attributes:
        recipe: imagenet, the reference's recipe (needs the extra "train"); PHOTOS may be a folder of record files too.
        set: FIELD=VALUE, a field of the recipe, such as batch=64 or epochs=100; may be given again.
        devices: with the JAX backend, how many of them share each batch.
        data_processes: how many prepare images, for machines with many cores; 0: threads of this one do.
        resume: go on with a training into OUT that did not end, also of --fine-tune; begin where there is none.
    """

    recipe: Annotated[RecipeName | None, shown("none: the head alone learns, or --fine-tune")] = None
    set: Annotated[tuple[str, ...], Parameter(negative=()), shown("the recipe's own")] = ()
    devices: Annotated[int | None, shown("all")] = None
    data_processes: int = 0
    resume: Switch = False


def fields_of(given: Sequence[str]) -> dict[str, str]:
    """Field of the recipe -> its value; raises UsageError for what is no FIELD=VALUE, or given twice."""
    fields: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or name in fields:
            raise UsageError(
                f"--set {text!r} is " + ("given twice" if name in fields else "no FIELD=VALUE"),
                where=COMMAND_LINE,
                fix="give each field once, for example --set batch=64",
            )
        fields[name] = value.strip()
    return fields
