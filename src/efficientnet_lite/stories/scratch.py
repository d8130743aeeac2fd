"""What a run says of a training by the reference's recipe: its log, its part of the card and of the config."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.doors import files
from efficientnet_lite.stories.finetune import LOG
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


def publish_log(path: Path, rows: Sequence[Mapping[str, float | int | None]]) -> None:
    """Write a row for each epoch. It holds no time of the clock: a training that was interrupted writes the same."""
    table = [["" if value is None else value for value in row.values()] for row in rows]
    files.publish_csv(path, list(rows[0]) if rows else ["epoch"], table)


def on_card(scratch: Scratch) -> dict[str, Any]:
    """What the card says of it."""
    return {
        "recipe": NAME,
        **asdict(scratch.recipe),
        "images": scratch.images,
        "best": dict(scratch.best),
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
