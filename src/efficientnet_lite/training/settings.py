"""What `train` is asked for, whether by a command line, a config or a call; checked in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from efficientnet_lite.errors import CALL, UnusableInput, UsageError, wrong_argument
from efficientnet_lite.network.plan import ModelName, Plan, make_plan
from efficientnet_lite.photos.contract import FIT_VIEWS, BaseView, Contract, FitView, base_views
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.training.fine_tuning import FineTuning
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.vocabulary import (
    CALIBRATION_PHOTOS,
    ClassFolders,
    ClassWeights,
    Effort,
    OnBad,
    RecipeName,
)
from efficientnet_lite.weights.read import Weights, load_weights

FRESH = "none"  # weights: random ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What reproduces a run; its config.toml holds all of it.

    Attributes:
        model: the variant, and the size of its input.
        weights: "imagenet", "hub", the path of a checkpoint, or "none" for random ones, which a recipe begins with.
        weights_sha256: refuse weights of another content.
        ema: of a checkpoint that has both, read the moving averages rather than the raw weights.
        val: fraction of the photos that is kept back for choosing, where the data set does not say.
        seed: of the split, and of all chance in a training.
        views: the views of each photo that the head is fitted on; "crop" or "squash" is among them.
        class_weights: "balanced" gives every class the same say.
        calibration: training photos that set the int8 ranges.
        calibration_seed: of the choice of those; 0 takes them by their contents.
        effort: of the int8 file: "best" learns biases, scales and roundings by gradients.
        bars: what the int8 file may lose.
        on_bad: "fail" stops at the first photo that would be skipped.
        links: whether links in the data set are followed.
        class_folders: "outer" or "inner", where the folders can be read in two ways.
        labels_locale: locale ("de") -> a text file with the class names in that language, one a line.
        fine_tuning: let the upper blocks learn too, from the fitted head on.
        recipe: let the whole network learn by the reference's recipe instead.
        set: fields of the recipe -> values, numbers or as text. What is not set and depends on the data follows from
            them.
    """

    model: ModelName
    weights: str
    weights_sha256: str | None = None
    ema: bool = True
    val: float = 0.2
    seed: int = 0
    views: tuple[FitView, ...] = FIT_VIEWS
    class_weights: ClassWeights = "none"
    calibration: int = CALIBRATION_PHOTOS
    calibration_seed: int = 0
    effort: Effort = "standard"
    bars: Bars = field(default_factory=Bars)
    on_bad: OnBad = "skip"
    links: bool = True
    class_folders: ClassFolders | None = None
    labels_locale: Mapping[str, Path] = field(default_factory=dict)
    fine_tuning: FineTuning | None = None
    recipe: RecipeName | None = None
    set: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_views(self) -> list[BaseView]:
        """Those that consumers have: the head is chosen and proven on these."""
        return base_views(self.views)

    def plan(self, classes: int | None) -> Plan:
        """Of the network; None: without a last layer."""
        return make_plan(self.model.variant, size=self.model.size, classes=classes)

    @property
    def contract(self) -> Contract:
        """Of the files that are written."""
        return Contract(self.model.size, view=self.base_views[0])

    def check(self) -> None:
        """Raise UsageError, which names the argument, for what makes no sense, alone or beside another."""
        views, classes = self.views, self.class_weights
        rules: tuple[tuple[str, object, bool, str], ...] = (
            (
                "recipe",
                self.recipe,
                self.recipe in (None, *get_args(RecipeName)),
                f"give {_either(RecipeName)}",
            ),
            ("views", list(views), set(views) <= set(FIT_VIEWS), f"choose from {', '.join(FIT_VIEWS)}"),
            ("views", list(views), bool(self.base_views), "keep crop or squash among them"),
            ("val", self.val, 0 < self.val < 1, "give a fraction between 0 and 1"),
            (
                "seed",
                self.seed,
                self.fine_tuning is None or 0 <= self.seed < 2**32,
                f"give 0 to {2**32 - 1}, with fine-tuning",
            ),
            (
                "calibration",
                self.calibration,
                self.calibration >= 1,
                "give at least 1 photo",
            ),
            ("class_weights", classes, classes in get_args(ClassWeights), f"give {_either(ClassWeights)}"),
            ("effort", self.effort, self.effort in get_args(Effort), f"give {_either(Effort)}"),
            ("on_bad", self.on_bad, self.on_bad in get_args(OnBad), f"give {_either(OnBad)}"),
        )
        for argument, value, holds, fix in rules:
            if not holds:
                raise wrong_argument(argument, value, fix=fix)
        self.bars.check()
        self._check_recipe()
        if self.fine_tuning is not None:
            self.fine_tuning.check(make_plan(self.model.variant))

    def _check_recipe(self) -> None:
        if self.recipe is None:
            if self.set:
                raise without_recipe("set")
            return
        Recipe.from_settings(self.set)
        for wrong, what, fix in (
            (self.fine_tuning, "`recipe=` and `fine_tune=True` exclude each other", "give one"),
            (self.class_weights != "none", "the recipe has no class weights", "leave `class_weights=` out"),
        ):
            if wrong:
                raise UsageError(what, where=CALL, fix=fix)


def starting_weights(settings: Settings) -> Weights:
    """The weights that a training begins with.

    Raises UnusableInput where they are not those that a config was written with, else as `load_weights`.
    """
    weights = load_weights(settings.model.variant, settings.weights, ema=settings.ema)
    wanted = settings.weights_sha256
    if wanted not in (None, weights.sha256):
        raise UnusableInput(
            f"the weights have the SHA-256 {weights.sha256}, but weights_sha256 in the config is {wanted}",
            where=settings.weights,
            fix="give those that the run was made with, or others with `weights=`",
        )
    return weights


def without_recipe(argument: str, *, or_fine_tuning: bool = False) -> UsageError:
    """The error for an argument that means nothing without a recipe."""
    also = " or `fine_tune=True`" if or_fine_tuning else ""
    return UsageError(
        f"`{argument}=` is given without `recipe=`",
        where=CALL,
        fix=f"give `recipe=imagenet` too{also}, or leave it out",
    )


def _either(kind: object) -> str:
    return " or ".join(get_args(kind))
