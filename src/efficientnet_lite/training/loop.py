"""The one loop of training: steps, losses that are looked at, evaluations, the best of them kept, states, the log.

Everything that a training does follows from its state, its journal and its data, so one that goes on from a saved
pair is the same to the bit as one that was never interrupted.
"""

import math
import time
from collections.abc import Callable

import numpy as np

from efficientnet_lite.errors import UsageError
from efficientnet_lite.stop_signals import asked_to_end
from efficientnet_lite.training.bookkeeping import Bookkeeping
from efficientnet_lite.training.learner import Journal, Learner, Losses


class Stopped(KeyboardInterrupt):
    """A signal asked the training to end; state and journal are those that were saved."""


def train(
    learner: Learner, journal: Journal, books: Bookkeeping, clock: Callable[[], float] = time.monotonic
) -> None:
    """All steps that are left; `journal`, which belongs to the learner's state, is written on.

    Raises:
        Stopped: SIGINT or SIGTERM came; what can be gone on from is saved.
        UsageError: the loss is no number any more; nothing of it is saved.
        UnusableInput: the data are damaged.
        OutputFailed: the disk is full.
    """
    table, pending, began = learner.timetable, list[Losses](), clock()
    with asked_to_end(table.heeds_signals) as is_asked:
        if table.begins_evaluated and not journal.rows:
            _evaluate(learner, journal, books)
            _close_epoch(learner, journal, books, clock() - began)
            books.save(learner, journal)
            began = clock()
        if _is_settled(learner, journal):
            return
        for batch in learner.batches():
            pending.append(learner.step(batch))
            done, asked = learner.done, is_asked()
            ends = done == table.total
            turns = ends or done % table.per_epoch == 0
            evaluates = ends or done % table.evaluate_every == 0
            saves = ends or done % table.save_every == 0 or (asked and table.saves_within_epochs)
            if evaluates or saves or turns or len(pending) == table.look_every:
                _take(pending, learner, journal)
                books.on_step(done)
            if evaluates:
                _evaluate(learner, journal, books)
            if turns:
                _close_epoch(learner, journal, books, clock() - began)
                began = clock()
            if saves:
                books.save(learner, journal)
            if turns and _is_settled(learner, journal):
                books.say(f"no better epoch in {table.patience}: training ends")
                return
            if asked and not ends:
                raise Stopped


def _is_settled(learner: Learner, journal: Journal) -> bool:
    """Whether too many epochs were no better than the best."""
    table = learner.timetable
    if table.patience is None or journal.best is None:
        return False
    return learner.done - journal.best["step"] >= table.patience * table.per_epoch


def _take(pending: list[Losses], learner: Learner, journal: Journal) -> None:
    """Add the losses of the last steps to the journal; they are waited for here."""
    for step, losses in enumerate(pending, learner.done - len(pending)):
        total = float(np.asarray(losses.total))
        if not math.isfinite(total):
            epoch = step // learner.timetable.per_epoch + 1
            raise UsageError(
                f"the loss is no number any more at step {step + 1}, in epoch {epoch}, "
                f"at a rate of {losses.rate:.3g}",
                where=learner.name,
                fix=f"most likely the rate is too high: {learner.slower()}",
            )
        journal.loss += total
        journal.cross_entropy += float(np.asarray(losses.cross_entropy))
        journal.rate = losses.rate
    journal.steps += len(pending)
    pending.clear()


def _evaluate(learner: Learner, journal: Journal, books: Bookkeeping) -> None:
    score = journal.score = dict(learner.evaluate())
    if journal.best is None or learner.rank(score) > learner.rank(journal.best):
        journal.best = {"step": learner.done, **score}
        books.archive(learner.done, learner.averages(), score)


def _close_epoch(learner: Learner, journal: Journal, books: Bookkeeping, seconds: float) -> None:
    """Make a row of what was summed, and begin the next epoch's."""
    row = learner.row(-(-learner.done // learner.timetable.per_epoch), journal)
    journal.rows.append(row)
    is_best = journal.score is not None and journal.best is not None and journal.best["step"] == learner.done
    journal.steps, journal.loss, journal.cross_entropy, journal.score = 0, 0.0, 0.0, None
    books.row(learner.line(row, is_best=is_best, seconds=seconds), *learner.figures(row))
