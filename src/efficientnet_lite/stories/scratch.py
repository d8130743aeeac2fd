"""What a run says of a training by the reference's recipe: its log, its part of the card and of the config."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from efficientnet_lite.stories.log import LOG
from efficientnet_lite.training.recipe import Recipe

NAME = "imagenet"  # of the recipe


@dataclass(frozen=True, slots=True)
class Scratch:
    """A training that has ended."""

    recipe: Recipe  # complete: with what follows from the data
    given: Mapping[str, str]  # the fields that were set, as they were given
    images: int  # that it learned from
    rows: Sequence[Mapping[str, float | int | None]]  # of the log, one an epoch
    best: Mapping[str, float]  # the evaluation whose averages are kept, with its step
    backend: str  # of Keras
    proof: str | None  # a manifest in the run, of the photos that prove it; None: they are in the data set

    @property
    def best_epoch(self) -> int | None:
        return best_epoch(self.rows, self.best)


def best_epoch(rows: Sequence[Mapping[str, float | int | None]], best: Mapping[str, float]) -> int | None:
    """The epoch in which the best evaluation was, or None where that epoch has no row yet."""
    found = (row["epoch"] for row in rows if (row["step"] or 0) >= best["step"])
    return next((int(epoch) for epoch in found if epoch is not None), None)


def on_card(scratch: Scratch) -> dict[str, Any]:
    """What the card says of it."""
    return {
        "recipe": NAME,
        **asdict(scratch.recipe),
        "images": scratch.images,
        "best": dict(scratch.best),
        "best_epoch": scratch.best_epoch,
        "backend": scratch.backend,
        "log": LOG,
    }


def config_values(scratch: Scratch) -> dict[str, object]:
    """What config.toml says of it: the recipe and the fields that were set."""
    return {
        "recipe": NAME,
        "set": [f"{name}={value}" for name, value in sorted(scratch.given.items())],
        "backend": scratch.backend,
        **({} if scratch.proof is None else {"proof_photos": scratch.proof}),
    }
