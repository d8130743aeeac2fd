"""The ImageNet recipe of the reference: every constant it trains by, as one value.

Nothing heavy is imported here, so that settings are checked before TensorFlow or JAX is loaded. Each
field names the reference's flag, or the place in its code where the constant stands; docs/training.md has
the table for people.

Source: tensorflow/tpu, models/official/efficientnet: main.py (flags), utils.py (`build_learning_rate`,
`build_optimizer`), lite/efficientnet_lite_builder.py, imagenet_input.py, autoaugment.py.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from efficientnet_lite.errors import UsageError

Schedule = Literal["exponential", "cosine", "constant", "poly"]
Policy = Literal["none", "autoaugment", "randaugment"]
Computation = Literal["auto", "float32", "bfloat16"]

IMAGENET = 1_281_167  # images of its training part
REFERENCE_BATCH = 256  # what `base_rate` is stated for; Source: main.py, `scaled_lr`
MOST = 10**12  # images or steps; beyond, floating point no longer counts them
SHARDS = 1024  # files of ImageNet's training part; Source: main.py, `holdout_images`


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained from scratch; the defaults are the reference's.

    Always valid: raises UsageError, which names the field, for a value that makes no sense.
    """

    # What is learned from, and for how long
    train_images: Annotated[int, "--num_train_images"] = IMAGENET  # before shards are held out
    eval_images: Annotated[int, "--num_eval_images"] = 50_000
    holdout_shards: Annotated[int, "--holdout_shards"] = 0  # of 1024; the reference recommends 20
    batch: Annotated[int, "--train_batch_size"] = 2048  # images a step, of all devices together
    eval_batch: Annotated[int, "--eval_batch_size"] = 64
    epochs: Annotated[float, "main.py, help of --train_steps"] = 350.0
    steps: Annotated[int | None, "--train_steps"] = None  # None: what `epochs` makes, 218,949 at batch 2048
    eval_every: Annotated[int, "--steps_per_eval"] = 6255  # steps; 10 epochs at batch 2048
    save_every: Annotated[int, "--iterations_per_loop"] = 1251  # steps; two epochs at batch 2048

    # The learning rate
    base_rate: Annotated[float, "--base_learning_rate"] = 0.016  # the peak at batch 256; grows with the batch
    schedule: Annotated[Schedule, "--lr_schedule"] = "exponential"
    warmup_epochs: Annotated[float, "--lr_warmup_epochs"] = 5.0  # linear, from 0 in the first step
    decay_factor: Annotated[float, "--lr_decay_factor"] = 0.97
    decay_epochs: Annotated[float, "--lr_decay_epoch"] = 2.4
    # All at once, after each `decay_epochs`.
    staircase: Annotated[bool, "utils.py, build_learning_rate"] = True
    poly_end: Annotated[float, "utils.py, build_learning_rate"] = 0.1  # the last rate of `poly`
    poly_power: Annotated[float, "utils.py, build_learning_rate"] = 2.0

    # RMSProp, as TensorFlow 1 has it
    rms_decay: Annotated[float, "utils.py, build_optimizer"] = 0.9
    momentum: Annotated[float, "utils.py, build_optimizer"] = 0.9
    epsilon: Annotated[float, "utils.py, build_optimizer"] = 1e-3  # inside the root
    weight_decay: Annotated[float, "--weight_decay"] = 1e-5  # L2 in the loss, of all but batch norm
    ema_decay: Annotated[float, "--moving_average_decay"] = 0.9999  # reached by a ramp; 0: no averaging

    # What keeps it from learning by heart
    label_smoothing: Annotated[float, "--label_smoothing"] = 0.1
    dropout: Annotated[float | None, "--dropout_rate"] = None  # before the classifier; None: the variant's
    survival: Annotated[float, "--survival_prob"] = 0.8  # of the last residual branch; 1: nothing is dropped
    mixup: Annotated[float, "--mixup_alpha"] = 0.0  # of the beta distribution; 0: off
    augment: Annotated[Policy, "--augment_name"] = "none"  # autoaugment is v0
    randaugment_layers: Annotated[int, "--randaug_num_layers"] = 2
    randaugment_magnitude: Annotated[int, "--randaug_magnitude"] = 10

    # How it is computed
    # auto: bfloat16 on accelerators, else float32
    precision: Annotated[Computation, "--use_bfloat16"] = "auto"
    seed: Annotated[int, "none: the reference's runs cannot be repeated"] = 0

    def __post_init__(self) -> None:
        for name, kind in _kinds().items():
            if not _is_of(getattr(self, name), kind):
                raise _refused(name, getattr(self, name), f"give {_describe(kind)}")
        for name, holds, fix in self._rules():
            if not holds:
                raise _refused(name, getattr(self, name), f"give {fix}")

    def _rules(self) -> tuple[tuple[str, bool, str], ...]:
        positive, rate = f"1 to {MOST:,}", "a number from 0, below 1"
        held_out = 0 <= self.holdout_shards < SHARDS
        return (
            ("train_images", 1 <= self.train_images <= MOST, positive),
            ("eval_images", 1 <= self.eval_images <= MOST, positive),
            ("holdout_shards", held_out, f"0 (none) to {SHARDS - 1}; 20 is usual"),
            ("batch", 1 <= self.batch <= (self.images if held_out else 0), "1 to the number of images"),
            ("eval_batch", 1 <= self.eval_batch <= MOST, positive),
            ("epochs", 0 < self.epochs <= 1e6, "a number above 0, such as 350"),
            (
                "steps",
                self.steps is None or 1 <= self.steps <= MOST,
                f"{positive}, or none for those of `epochs`",
            ),
            ("eval_every", 1 <= self.eval_every <= MOST, positive),
            ("save_every", 1 <= self.save_every <= MOST, positive),
            ("base_rate", 0 < self.base_rate <= 100, "a number above 0, such as 0.016"),
            ("warmup_epochs", 0 <= self.warmup_epochs <= 1e6, "0 (none) or more, such as 5"),
            ("decay_factor", 0 < self.decay_factor <= 1, "a number above 0, at most 1, such as 0.97"),
            ("decay_epochs", 0 < self.decay_epochs <= 1e6, "a number above 0, such as 2.4"),
            ("poly_end", 0 <= self.poly_end <= 100, "0 or more"),
            ("poly_power", 0 < self.poly_power <= 100, "a number above 0, such as 2"),
            ("rms_decay", 0 <= self.rms_decay < 1, rate),
            ("momentum", 0 <= self.momentum < 1, rate),
            ("epsilon", 0 < self.epsilon <= 1, "a number above 0, such as 1e-3"),
            ("weight_decay", 0 <= self.weight_decay <= 1, "0 (none) or more, such as 1e-5"),
            ("ema_decay", 0 <= self.ema_decay < 1, rate),
            ("label_smoothing", 0 <= self.label_smoothing < 1, rate),
            ("dropout", self.dropout is None or 0 <= self.dropout < 1, f"{rate}, or none for the variant's"),
            ("survival", 0 < self.survival <= 1, "a number above 0, at most 1; 1 drops nothing"),
            ("mixup", 0 <= self.mixup <= 10, "0 (off) to 10"),
            ("randaugment_layers", 1 <= self.randaugment_layers <= 16, "1 to 16"),
            ("randaugment_magnitude", 0 <= self.randaugment_magnitude <= 30, "0 to 30"),
            ("seed", 0 <= self.seed < 2**32, "0 to 4294967295"),
        )

    @property
    def images(self) -> int:
        """Images of the training part, without held-out shards. Source: main.py, `holdout_images`."""
        return self.train_images - int(self.train_images * self.holdout_shards / SHARDS)

    @property
    def steps_per_epoch(self) -> float:
        """Not a whole number, as in the reference: the schedule counts by it."""
        return self.images / self.batch

    @property
    def total_steps(self) -> int:
        return self.steps if self.steps is not None else max(1, int(self.epochs * self.steps_per_epoch))

    @property
    def warmup_steps(self) -> int:
        return int(self.warmup_epochs * self.steps_per_epoch)

    @property
    def peak_rate(self) -> float:
        return self.base_rate * (self.batch / REFERENCE_BATCH)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> "Recipe":
        """The reference's recipe with some fields given as text, such as {"batch": "4096", "dropout": "none"}.

        A dash in a name stands for an underscore. Raises UsageError, with the nearest known name, for a
        field that does not exist, and with an example for a value that cannot be read.
        """
        values = {}
        for given, text in settings.items():
            name = given.strip().replace("-", "_")
            _known(name)
            values[name] = _parsed(name, _kinds()[name], text.strip())
        return cls(**values)


def completed(given: Mapping[str, str], *, seed: int, whole: int, training: int, validation: int) -> Recipe:
    """The recipe with what follows from the data where it was not given.

    For a data set of ImageNet's size nothing does. Else an epoch is one of the data, evaluated and saved at its end.

    Args:
        whole: examples for training, those that are held out among them.
        training, validation: examples that are learned from and evaluated on.
    """
    values = {"seed": str(seed), **given}
    if whole == IMAGENET:
        return Recipe.from_settings(values)
    values = {"train_images": str(training), "eval_images": str(validation), **values}
    values["holdout_shards"] = "0"  # counted already: the reference's formula is one of 1024 files
    recipe = Recipe.from_settings(values)
    an_epoch = str(max(1, recipe.images // recipe.batch))
    return Recipe.from_settings({"eval_every": an_epoch, "save_every": an_epoch, **values})


def sources() -> dict[str, str]:
    """Field -> the reference's flag, such as "--train_steps", or the place in its code."""
    hints = get_type_hints(Recipe, include_extras=True)
    return {entry.name: hints[entry.name].__metadata__[0] for entry in fields(Recipe)}


def _kinds() -> dict[str, Any]:
    """Field -> its type."""
    hints = get_type_hints(Recipe)
    return {entry.name: hints[entry.name] for entry in fields(Recipe)}


def _flags() -> dict[str, str]:
    """Flag of the reference, without dashes -> field."""
    return {source[2:]: name for name, source in sources().items() if source.startswith("--")}


def _known(name: str) -> None:
    """Raise UsageError, with what may have been meant, for a name that is no field."""
    kinds, flags = _kinds(), _flags()
    if name in kinds:
        return
    near = difflib.get_close_matches(name, [*kinds, *flags], n=1, cutoff=0.6)
    meant = flags.get(near[0], near[0]) if near else None
    raise UsageError(
        f"the recipe has no field {name!r}",
        where="the recipe",
        fix=f"did you mean {meant}?" if meant else f"it has {', '.join(kinds)}",
    )


def _refused(name: str, value: object, fix: str) -> UsageError:
    return UsageError(f"the recipe's {name} is {value!r}", where=name, fix=fix)


def _parsed(name: str, kind: Any, text: str) -> Any:
    """`text` as a value of `kind`; the rules of a recipe are not yet applied."""
    if _is_optional(kind) and text.lower() == "none":
        return None
    plain = _plain(kind)
    try:
        if plain is bool:
            return {"true": True, "false": False}[text.lower()]
        return plain(text) if plain in (int, float) else text
    except (ValueError, KeyError) as error:
        raise _refused(name, text, f"give {_describe(kind)}") from error


def _is_of(value: object, kind: Any) -> bool:
    if value is None:
        return _is_optional(kind)
    plain = _plain(kind)
    if get_origin(plain) is Literal:
        return value in get_args(plain)
    if plain is float and type(value) is float:
        return math.isfinite(value)
    return type(value) is plain


def _is_optional(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _plain(kind: Any) -> Any:
    """`int` of `int | None`; everything else as it is."""
    return next(part for part in get_args(kind) if part is not type(None)) if _is_optional(kind) else kind


def _describe(kind: Any) -> str:
    plain = _plain(kind)
    if get_origin(plain) is Literal:
        return f"one of {', '.join(get_args(plain))}"
    words = {int: "a whole number", float: "a number", bool: "true or false"}[plain]
    return f"{words}, or none" if _is_optional(kind) else words
