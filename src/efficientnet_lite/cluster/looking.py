"""What a node of a cluster does: photos of a list, as they come, through a model that its process keeps open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.addresses import is_address
from efficientnet_lite.cluster.versions import Versions, told_differences, versions_here
from efficientnet_lite.errors import UsageError
from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.outcomes import outcomes_of
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.features.sources.photo_list import Listed
from efficientnet_lite.features.sources.photo_reader import PhotoReader, Stamps
from efficientnet_lite.photos.contract import View
from efficientnet_lite.runtimes.model import Model

SAME = "install the same versions on every node: the same image, or the same lock file"


@dataclass(frozen=True, slots=True)
class SentRun:
    """What all calls of one run share."""

    model_sha256: str
    model: tuple[Any]  # a reference to the model, in a tuple so that only a process that lacks it fetches it
    view: View | None
    is_remote: bool
    versions: Versions  # of the machine that began the run
    runtime: str
    threads: int


@dataclass(frozen=True, slots=True)
class Portion:
    """Photos for one call, with their places as any machine finds them."""

    entries: tuple[PhotoEntry, ...]
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of a portion."""

    node: str  # where
    facts: tuple[Extracted[Any], ...]  # a photo each, without the photo itself and its vector
    vectors: npt.NDArray[np.float32]  # (photos without an error, C)

    def outcomes(self, entries: Sequence[PhotoEntry]) -> list[Extracted[PhotoEntry]]:
        """The same, for the entries as the list has them."""
        vectors = iter(self.vectors)
        return [
            replace(fact, item=entry, vector=next(vectors) if fact.error is None else None)
            for entry, fact in zip(entries, self.facts, strict=True)
        ]


def portion_of(listed: Listed, entries: Sequence[PhotoEntry]) -> Portion:
    """A portion of a list of this machine, for any: paths that begin nowhere begin at its current folder."""
    here = Path.cwd()

    def placed(where: str) -> str:
        return where if is_address(where) else str(here / where)

    located = (
        replace(each, label=None, more=(), place=each.place._replace(where=placed(each.place.where)))
        for each in entries
    )
    stamps = {placed(where): stamp for where, stamp in listed.stamps_of(entries).items()}
    return Portion(tuple(located), stamps)


class OpenHere:
    """What a process keeps between two calls."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.reader = PhotoReader({})


_OPEN = OpenHere()


def look_at(run: SentRun, portion: Portion, *, node: str, fetch: Any) -> Looked:
    """Make the vectors of a portion. `fetch` gives what a reference stands for.

    Raises UsageError where what is installed here is not what the run began with.
    """
    if differing := told_differences(run.versions, versions_here(run.runtime)):
        raise UsageError(f"the node {node} has {differing}", where=node, fix=SAME)
    if run.model_sha256 not in _OPEN.models:
        _OPEN.models = {run.model_sha256: fetch(run.model[0])}
    model = _OPEN.models[run.model_sha256]
    if model.workers != run.threads:
        model = _OPEN.models[run.model_sha256] = replace(model, workers=run.threads)
    _OPEN.reader.stamps |= portion.stamps
    found: Iterable[Extracted[Any]] = outcomes_of(
        model, portion.entries, _OPEN.reader.read, view=run.view, is_remote=run.is_remote
    )
    facts, vectors = list[Extracted[Any]](), []
    for each in found:
        facts.append(replace(each, item=None, vector=None))
        if each.vector is not None:
            vectors.append(each.vector)
    stacked = np.stack(vectors) if vectors else np.empty((0, model.vector_size), np.float32)
    return Looked(node, tuple(facts), stacked.astype(np.float32, copy=False))
