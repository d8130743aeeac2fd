"""What the loop drives: anything that learns in steps, see `loop.train`. Nothing heavy is imported here."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.training.learned import Cell, LogRow

Scores = Mapping[str, float]  # figure of an evaluation -> its value


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one step, before its update; scalars of the backend, which become numbers when they are looked at."""

    total: Any
    cross_entropy: Any  # with smoothed labels, mean of the batch
    rate: float  # the step's learning rate


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a training does what, in steps."""

    total: int
    per_epoch: int  # an epoch is a row of the log
    evaluate_every: int
    save_every: int
    look_every: int = 1  # losses are looked at; each look waits for the device
    patience: int | None = None  # epochs without a better one, after which training ends
    begins_evaluated: bool = False  # the network before the first step is epoch 0 of the log
    saves_within_epochs: bool = True  # where a signal ends it; else the end of the last epoch is gone on from
    heeds_signals: bool = True  # False of several hosts: the others would wait for one that stops alone


@dataclass(slots=True)
class Journal:
    """What a training remembers beside its tensors; `to_json` and `of_json` are exact."""

    rows: list[dict[str, Cell]] = field(default_factory=list)  # of the log
    steps: int = 0  # of the epoch under way whose losses are in the sums
    loss: float = 0.0  # sums
    cross_entropy: float = 0.0
    rate: float = 0.0  # of the last step
    score: dict[str, float] | None = None  # of the last evaluation in this epoch
    best: dict[str, float] | None = None  # the best evaluation, with its "step"
    planned: int | None = None  # epochs, where a time budget planned them

    def best_epoch(self, per_epoch: int) -> int | None:
        """The epoch, of so many steps, in which the best evaluation was; None where the log does not have it yet."""
        if self.best is None or not self.rows:
            return None
        epoch = -(-int(self.best["step"]) // per_epoch)
        return epoch if epoch <= (self.rows[-1]["epoch"] or 0) else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Journal":
        """Raises ValueError for values that `to_json` did not make."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"no journal of a training: {error}") from error


class Learner(Protocol):
    """A network, or a part of one, that learns from its data; all its chance follows from a seed and the step."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def timetable(self) -> Timetable: ...

    @property
    def done(self) -> int:
        """Steps behind it."""

    def batches(self) -> Iterator[Any]:
        """Those of the steps that are left."""

    def step(self, batch: Any) -> Losses:
        """Update the weights by a batch, and move their averages towards them."""

    def evaluate(self) -> Scores:
        """How good the averaged weights are."""

    def rank(self, scores: Scores) -> tuple[float, ...]:
        """What evaluations are compared by; more is better."""

    def averages(self) -> dict[str, Array]:
        """The averaged weights, moving statistics among them, by the plan's names, on this host."""

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that the next step goes on from, copied to this host."""

    def row(self, epoch: int, journal: Journal) -> dict[str, Cell]:
        """What the log says of an epoch that has just ended. No time of the clock is in it."""

    def line(self, row: LogRow, *, is_best: bool, seconds: float) -> str:
        """A row in words."""

    def figures(self, row: LogRow) -> tuple[int, Mapping[str, Cell]]:
        """A row as TensorBoard shows it: the place on its axis, and name -> value."""

    def slower(self) -> str:
        """What to do where the rate is too high."""
