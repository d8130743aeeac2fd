"""The photos of a data set beside a folder of vectors: the same bytes are the same photo, wherever they lie."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnusableInput, printable
from efficientnet_lite.neighbors.near_vectors import Pairs, near_vectors
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.looks import Looks
from efficientnet_lite.progress import ShowStage, silent


@dataclass(frozen=True, slots=True)
class MatchedVectors:
    """Which contents of a data set have a vector. Contents are numbered as in `Looks.contents`."""

    rows: npt.NDArray[np.intp]  # of each content its row in the folder, -1 where it has none, (M,)

    @property
    def contents(self) -> npt.NDArray[np.intp]:
        """The contents that have a vector, in order."""
        return np.flatnonzero(self.rows >= 0)

    @property
    def missing(self) -> int:
        """How many contents have none."""
        return int((self.rows < 0).sum())


def matched(vectors: StoredVectors, looks: Looks) -> MatchedVectors:
    """Says how many photos have none. Raises UnusableInput where no photo has a vector in the folder."""
    places = {row.sha256: place for place, row in enumerate(vectors.rows) if row.sha256}
    sha256, _ = looks.distinct()
    found = MatchedVectors(np.array([places.get(each, -1) for each in sha256], np.intp))
    if len(sha256) and not len(found.contents):
        raise UnusableInput(
            f"none of the {len(sha256):,} photos has a vector here: they are told by their bytes",
            where=vectors.folder,
            fix="give the folder that `embed` wrote of the same photos",
        )
    if found.missing:
        LOG.warning(f"{found.missing:,} photos have no vector in {printable(vectors.folder)}")
    return found


def near_contents(
    vectors: StoredVectors, found: MatchedVectors, threshold: float, show: ShowStage = silent
) -> Pairs:
    """Contents of a data set that are near-duplicates by their vectors, (P, 2): what `plan_split` takes beside its own.

    Raises UnusableInput where a part is damaged.
    """
    with show("Reading vectors") as on_progress:
        unit = vectors.matrix(on_progress)
    rows = found.rows[found.contents]
    if not np.array_equal(rows, np.arange(len(unit))):
        unit = unit[rows]
    with show("Comparing photos") as on_progress:
        return found.contents[near_vectors(unit, threshold, on_progress=on_progress)]
