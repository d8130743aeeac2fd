"""What becomes of the photos of a list, one after another, and what no list of photos may name."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.extract import WAITING_READERS, Extracted, KnownVectors, extract
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.features.sources.photo_list import Listed
from efficientnet_lite.photos.accounting import Accounting, Tally
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.found import Verbatim
from efficientnet_lite.photos.header import AS_FORMATS
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart, check_apart

Outcomes = Generator[Extracted[PhotoEntry], None, None]
NOT_FINITE = "the model gives numbers for it that are not finite"


@dataclass(frozen=True, slots=True)
class Work:
    """Photos of a list, and the model that looks at them."""

    model: Model
    listed: Listed
    view: View | None = None  # the contract's own where None
    known: KnownVectors | None = None

    def outcomes(self, ranges: Iterable[range] | None = None) -> Outcomes:
        """What becomes of the photos in these ranges of the list, or of all, in order; see `extract`."""
        return outcomes_of(
            self.model,
            self.entries(ranges),
            self.listed.read,
            view=self.view,
            known=self.known,
            is_remote=self.listed.is_remote,
        )

    def entries(self, ranges: Iterable[range] | None = None) -> Iterator[PhotoEntry]:
        """The photos in these ranges of the list, or all."""
        spans = [range(len(self.listed))] if ranges is None else ranges
        return chain.from_iterable(self.listed.entries(rows.start, rows.stop) for rows in spans)


def outcomes_of(
    model: Model,
    entries: Iterable[PhotoEntry],
    read: Callable[[PhotoEntry], bytes],
    *,
    view: View | None = None,
    known: KnownVectors | None = None,
    is_remote: bool = False,
) -> Outcomes:
    """What becomes of these photos, in order; `is_remote`: some of them are read from the network."""
    readers = WAITING_READERS if is_remote else 1
    for each in extract(model, entries, read, view=view, known=known, readers=readers):
        finite = each.vector is None or np.isfinite(each.vector).all()
        yield each if finite else replace(each, vector=None, error=NOT_FINITE)


def none_used(tally: Tally | Accounting, where: Path | str) -> UnusableInput:
    """The error for photos of which none can be used."""
    return UnusableInput(
        f"none of the {tally.found:,} photos can be used; {tally.reasons()}", where=where, fix=AS_FORMATS
    )


def kept_apart(photos: object, out: Path | str | None) -> object:
    """`photos` as a caller names them, for a list; one that is a folder must not have `out` on, above or inside it.

    What can be read once only is checked as it is read. Raises UsageError.
    """
    if out is None or isinstance(out, str):  # nowhere, or in a store
        return photos
    if isinstance(photos, str | Path) or not isinstance(photos, Iterable):
        return _checked(photos, out)
    if isinstance(photos, Iterator):
        return (_checked(each, out) for each in photos)
    return [_checked(each, out) for each in photos] if isinstance(photos, list | tuple) else photos


def _checked(given: object, out: Path) -> object:
    path = given.path if isinstance(given, Verbatim) else given
    if isinstance(path, str | Path) and files.is_dir(path):
        check_apart(out, [Apart(Path(path))])
    return given
