"""What a fine-tuning is asked for, and what follows from it by arithmetic: which steps learn, and how fast.

Nothing heavy is imported here, so a command line is checked before TensorFlow is loaded.
"""

import re
from dataclasses import dataclass
from typing import Literal

from efficientnet_lite.errors import CALL, UsageError, wrong_argument
from efficientnet_lite.network.plan import DENSE, INPUT, Conv, Dense, Plan, Softmax, Step

BatchNorm = Literal["frozen", "train"]
Optimizer = Literal["adamw", "sgd"]
Augment = Literal["none", "light", "rand"]
# Fields of `FineTuning` that `train` calls otherwise.
OPTIONS = {
    "batch": "batch_size",
    "ema": "ema_decay",
    "blocks": "fine_tune_blocks",
    "time_budget_s": "time_budget",
}
# Where only a time is given. Training ends by its patience, which long plans with their slow cosine do not survive.
BUDGETED_EPOCHS = 30
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h)")


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What the upper part of a network learns by, from a head that is fitted already."""

    blocks: int | None = 5  # how many of the uppermost learn, with what is above them; None: everything
    batch_norm: BatchNorm = "frozen"  # of the part that learns; its scales and offsets learn either way
    epochs: int = 8
    optimizer: Optimizer = "adamw"
    learning_rate: float = 3e-4  # the peak, of the head
    rate_decay: float = 0.8  # a block's rate as a fraction of the rate of the block above it
    warmup: float = 1.0  # epochs of linearly growing rate
    weight_decay: float = 0.0  # decoupled, times the rate
    batch: int = 32
    augment: Augment = "light"
    draws: int = 6  # random views of a photo that are computed once, where the lower blocks are frozen
    label_smoothing: float = 0.1
    mixup: float = 0.0  # alpha of the beta distribution; 0: off
    dropout: float = 0.2
    ema: float = 0.99  # decay of the moving average of the weights, which is what is measured and kept
    patience: int = 5  # epochs without a better one after which training ends
    time_budget_s: float | None = None  # plans the epochs from the measured time of a step
    quantization_aware: bool = False  # the integers of the int8 file learn too, when all this is done

    def check(self, plan: Plan) -> None:
        """Raise UsageError for a value that makes no sense."""
        count = count_blocks(plan)
        rules = (
            ("blocks", self.blocks is None or 0 <= self.blocks <= count, f"0 to {count}, or all"),
            ("epochs", self.epochs >= 1, "1 or more"),
            ("learning_rate", 0 < self.learning_rate < 1, "a number between 0 and 1, such as 1e-4"),
            ("rate_decay", 0 < self.rate_decay <= 1, "a number above 0, at most 1"),
            ("warmup", 0 <= self.warmup <= 1000, "epochs, 0 or more"),
            ("weight_decay", 0 <= self.weight_decay < 1, "0 (off), or a fraction below 1"),
            ("batch", 1 <= self.batch <= 4096, "1 to 4096"),
            ("draws", 0 <= self.draws <= 1000, "0 to 1000"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0, or a fraction below 1"),
            ("mixup", 0 <= self.mixup <= 10, "0 (off) to 10"),
            ("dropout", 0 <= self.dropout < 1, "0, or a fraction below 1"),
            ("ema", 0 <= self.ema < 1, "0 (off), or a fraction below 1"),
            ("patience", self.patience >= 1, "1 or more"),
            ("time_budget_s", self.time_budget_s is None or self.time_budget_s > 0, "for example 20m"),
        )
        for name, holds, fix in rules:
            if not holds:
                raise wrong_argument(OPTIONS.get(name, name), getattr(self, name), fix=f"give {fix}")


def asked_for(fine_tune: bool, **given: object) -> FineTuning | None:
    """The fine-tuning that a call asks for, or None; `given` are its options, None where one is left out.

    Raises UsageError for an option that means nothing without `fine_tune`, or cannot be read.
    """
    values = {name: value for name, value in given.items() if value is not None}
    if not fine_tune:
        if values:
            raise UsageError(
                f"`{next(iter(values))}=` is given without `fine_tune=True`",
                where=CALL,
                fix="give `fine_tune=True` too, or leave it out",
            )
        return None
    fields = {option: field for field, option in OPTIONS.items()}
    values = {fields.get(name, name): value for name, value in values.items()}
    if values.get("blocks") == "all":
        values["blocks"] = None
    if "time_budget_s" in values:
        values["time_budget_s"] = _seconds(values["time_budget_s"])
        values.setdefault("epochs", BUDGETED_EPOCHS)
    return FineTuning(**values)  # type: ignore[arg-type]  # `train` has their types


def _seconds(given: object) -> float:
    """`90s`, `20m`, `1.5h` or a number, in seconds."""
    if isinstance(given, float):
        return given
    found = _DURATION.fullmatch(str(given).strip().lower())
    if found is None or float(found[1]) == 0:
        raise wrong_argument("time_budget", given, fix="give a time such as 90s, 20m or 1.5h")
    return float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class LearningPart:
    """The part of a plan that learns, and what lies below it."""

    source: str  # the tensor that the part reads; `spec.INPUT` where everything learns
    shape: tuple[int, int, int]  # height, width and channels of `source`
    below: tuple[Step, ...]  # from the input to `source`; they stay as they are
    steps: tuple[Step, ...]  # from `source` to the logits


def count_blocks(plan: Plan) -> int:
    return sum(step.name.endswith("/project") for step in plan.convs)


def upper_part(plan: Plan, blocks: int | None) -> LearningPart:
    """The uppermost `blocks` blocks of a plan with classes and all above them; None is all of it.

    With 0, the last convolution and the head alone. Raises ValueError where there are not so many.
    """
    steps = tuple(step for step in plan.steps if not isinstance(step, Softmax))
    if blocks is None:
        return LearningPart(INPUT, (plan.size, plan.size, 3), (), steps)
    lowest = count_blocks(plan) - blocks
    if not 0 <= lowest <= count_blocks(plan):
        raise ValueError(f"{plan.variant.name} has {count_blocks(plan)} blocks, not {blocks}")
    begins = f"blocks_{lowest}/" if blocks else "head/conv"
    cut = next(number for number, step in enumerate(steps) if step.name.startswith(begins))
    source = steps[cut].source
    side = plan.sides()[source]
    return LearningPart(source, (side, side, _channels(steps, source)), steps[:cut], steps[cut:])


def _channels(steps: tuple[Step, ...], tensor: str) -> int:
    """Of a tensor, known from a convolution that reads it."""
    return next(step.inputs for step in steps if isinstance(step, Conv) and step.source == tensor)


def rate_factors(part: LearningPart, decay: float) -> dict[str, float]:
    """Step with parameters -> its rate as a fraction of the head's: `decay` once for each block below.

    The dense layer has 1, the last convolution and the last block have `decay`, the block below its square.
    """
    blocks = [int(step.name.split("/")[0].removeprefix("blocks_")) for step in part.steps if _is_block(step)]
    top = max(blocks, default=0)
    factors = {}
    for step in part.steps:
        if _is_block(step):
            depth = top - int(step.name.split("/")[0].removeprefix("blocks_")) + 1
        elif step.name == DENSE:
            depth = 0
        else:
            depth = top + 2 if step.name.startswith("stem") else 1
        if isinstance(step, Conv | Dense):
            factors[step.name] = decay**depth
    return factors


def _is_block(step: Step) -> bool:
    return step.name.startswith("blocks_")
