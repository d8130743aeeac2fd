"""The states of a fine-tuning beside its target, one behind each epoch, from which it is resumed."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.stories.keeper import check_same
from efficientnet_lite.stories.workplace import STATES, mark
from efficientnet_lite.training import states
from efficientnet_lite.training.finetune import FineTuning

if TYPE_CHECKING:  # Keras, and TensorFlow with it, is loaded where it is needed
    from efficientnet_lite.training import loop


BEST = "best/"  # before the names of the best epoch's parameters


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a fine-tuning came."""

    planned: int  # epochs
    epochs: "list[loop.Epoch]"  # those that are done, the network before them first
    best: int
    parameters: dict[str, Array]  # of the part, behind the best epoch
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)  # of the trainer, where it was read


def begun_of(start: Mapping[str, Array], photos: Partition, recipe: FineTuning) -> dict[str, Any]:
    """What a fine-tuning must find as it was when it goes on: name -> plain value."""
    weights, contents = hashlib.sha256(), hashlib.sha256()
    for name in sorted(start):
        weights.update(name.encode() + start[name].tobytes())
    for split in ("train", "validation"):
        for at in photos.positions(split):
            contents.update(
                f"{split} {photos.survey.looks.sha256(at)} {photos.dataset.rows[at].label}\n".encode()
            )
    return {"weights or head": weights.hexdigest(), "photos": contents.hexdigest(), **asdict(recipe)}


class EpochStates:
    """Writes and reads the states of one fine-tuning."""

    def __init__(self, place: Path, begun: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        self._place, self._begun, self._warn = place, dict(begun), warn

    def save(self, trainer: "loop.Trainer", reached: Reached) -> None:
        """Keep the state behind the last epoch of `reached`. Raises OutputFailed where the disk is full."""
        arrays = trainer.to_arrays() | {BEST + name: value for name, value in reached.parameters.items()}
        journal = {
            "begun": self._begun,
            "planned": reached.planned,
            "best": reached.best,
            # the loss of epoch 0 is none, and JSON has no word for it
            "epochs": [
                asdict(epoch) | {"loss": epoch.loss if epoch.number else None} for epoch in reached.epochs
            ],
        }
        mark(self._place)
        states.save(self._place / STATES, reached.epochs[-1].number, arrays, journal)

    def newest(self) -> Reached | None:
        """The newest state that is whole, or None.

        Raises UsageError where it was begun otherwise, CheckpointError where it is damaged.
        """
        from efficientnet_lite.training import loop

        found = states.newest(self._place / STATES, warn=self._warn)
        if found is None:
            return None
        check_same(self._place, self._begun, found.journal.get("begun"))
        try:
            epochs = [
                loop.Epoch(**{**row, "loss": float("nan") if row["loss"] is None else row["loss"]})
                for row in found.journal["epochs"]
            ]
            best = {name.removeprefix(BEST): a for name, a in found.arrays.items() if name.startswith(BEST)}
            trained = {name: a for name, a in found.arrays.items() if not name.startswith(BEST)}
            return Reached(found.journal["planned"], epochs, found.journal["best"], best, trained)
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def restore(self, trainer: "loop.Trainer", reached: Reached) -> None:
        """Raises CheckpointError where the arrays are of another part or optimizer."""
        try:
            trainer.restore(reached.arrays)
        except ValueError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"its state does not fit: {error}", where=self._place, fix="begin anew: `overwrite=True`"
        )
