"""What is kept of a training while it runs, in its working folder, and what is said of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import CheckpointError, UsageError
from efficientnet_lite.notices import Say
from efficientnet_lite.training import saved_states
from efficientnet_lite.training.curves import publish_log
from efficientnet_lite.training.learned import Cell
from efficientnet_lite.training.learner import Journal, Learner, Scores
from efficientnet_lite.training.working_folder import BEST, STATES, mark

if TYPE_CHECKING:  # a library that not everybody has
    from efficientnet_lite.training.tensorboard import TensorBoard


class Bookkeeping:
    """States, the best averages, the log, lines and figures of one training."""

    def __init__(
        self,
        place: Path,
        begun: Mapping[str, Any],
        *,
        say: Say,
        warn: Say,
        on_step: Callable[[int], None] = lambda done: None,
        board: "TensorBoard | None" = None,
        shows_log: bool = False,
        writes: bool = True,
    ) -> None:
        """Of several hosts the first one `writes` and speaks.

        Args:
            place: the working folder.
            begun: what a training must find as it was when it goes on: name -> plain value.
            on_step: told how many steps are done.
            shows_log: whether the log lies in the working folder too.
        """
        self._place, self._begun, self._writes = place, dict(begun), writes
        self.say: Say = say if writes else lambda line: None
        self.on_step = on_step
        self.warn: Say = warn if writes else lambda line: None
        self._board, self._shows_log = board if writes else None, shows_log
        self.saved = 0  # the step of the newest state

    def newest(self) -> saved_states.Saved | None:
        """The newest state that is whole, or None.

        Raises UsageError, which names the first field, where it was begun otherwise, CheckpointError where it is
        damaged.
        """
        found = saved_states.newest(self._place / STATES, warn=self.warn)
        if found is None:
            return None
        begun = found.journal.get("begun")
        before = begun if isinstance(begun, dict) else {}
        for name, value in self._begun.items():
            if before.get(name) != value:
                raise self._begun_otherwise(name, before.get(name), value)
        self.saved = found.step
        return found

    @contextmanager
    def taking(self, found: saved_states.Saved) -> Iterator[None]:
        """A block that takes a state over; raises CheckpointError where it does not fit."""
        try:
            yield
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the state of step {found.step} does not fit: {error}",
                where=self._place,
                fix="begin anew: `overwrite=True`",
            ) from error

    def save(self, learner: Learner, journal: Journal) -> None:
        """Keep both, so that a training can go on from them. Raises OutputFailed where the disk is full."""
        self.saved = learner.done
        if not self._writes:
            return
        mark(self._place)
        content = {"begun": self._begun, "training": journal.to_json()}
        saved_states.save(self._place / STATES, learner.done, learner.to_arrays(), content)
        if self._shows_log and journal.rows:
            best = journal.best_epoch(learner.timetable.per_epoch)
            publish_log(self._place, journal.rows, best)

    def archive(self, step: int, averages: Mapping[str, Array], scores: Scores) -> None:
        """Keep the averages, which are the best so far."""
        if self._writes:
            mark(self._place)
            saved_states.save(self._place / BEST, step, averages, scores, kept=1)

    def best(self, journal: Journal) -> dict[str, Array]:
        """The averages of the best evaluation. Raises CheckpointError where they are gone."""
        step = int((journal.best or {})["step"])
        found = saved_states.newest(self._place / BEST, warn=self.warn)
        if found is None or found.step != step:
            raise CheckpointError(
                f"the weights of step {step:,}, the best, are gone",
                where=self._place / BEST,
                fix="give `resume=True` with an earlier state, or begin anew",
            )
        return found.arrays

    def row(self, line: str, at: int, figures: Mapping[str, Cell]) -> None:
        """The log has one row more."""
        if self._board is not None:
            self._board.scalars(at, figures)
        self.say(line)

    def _begun_otherwise(self, name: str, was: object, now: object) -> UsageError:
        long = isinstance(now, list) or len(str(now)) == 64
        change = "is another one" if long else f"was {was!r}, now it is {now!r}"
        return UsageError(
            f"the training cannot go on: {name} {change}",
            where=self._place,
            fix="give what it was begun with, or another `out=`, or `overwrite=True` to begin anew",
        )


@contextmanager
def board_in(folder: Path | None) -> "Iterator[TensorBoard | None]":
    """TensorBoard's file in `folder`, where one is given. Raises OutputFailed where it cannot be written."""
    if folder is None:
        yield None
        return
    from efficientnet_lite.training.tensorboard import TensorBoard

    board = TensorBoard(folder)
    try:
        yield board
    finally:
        board.close()
