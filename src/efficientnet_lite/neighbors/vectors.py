"""`StoredVectors`: a folder that `embed` wrote, opened as rows and numbers. Nothing is read before it is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UnusableInput, UsageError, printable
from efficientnet_lite.features.provenance import MadeWith
from efficientnet_lite.neighbors.stored_parts import StoredLayout, StoredPart, VectorRow, open_layout
from efficientnet_lite.notices import LOG
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files
from efficientnet_lite.storage.scratch import scratch
from efficientnet_lite.threads import in_threads

BATCH_ROWS = 4096  # 20 MB of 1280 numbers
AHEAD_BYTES = 32 * 2**20  # of a part, whole in memory; larger ones are read piece by piece
MOST_READERS = 4  # processes that read parts
MOST_NEAR = 3  # ids in a message


class StoredVectors:
    """A folder of vectors: `vectors.parquet` parts, clip-retrieval's layout, or one matrix in NumPy's format.

    Rows and vectors are those of photos that could be used, in the order of the folder. Safe in many threads once its
    properties were asked for.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open a folder. One that is still growing counts with the parts that are whole, and that is said.

        Raises:
            UnusableInput: it is no folder of vectors of ours, or has no part yet.
            UsageError: it has Parquet parts, and pyarrow is not installed.
        """
        self.folder = Path(folder)
        self._layout: StoredLayout = open_layout(self.folder)
        self._checked = set[str]()
        self._counts = dict[str, int]()  # rows of each part, once they were read
        self._matrix: Array | None = None
        if self._layout.missing:
            parts = len(self._layout.parts)
            whole = f"{parts:,} of {parts + self._layout.missing:,} parts are there"
            LOG.warning(f"{printable(self.folder)} is not complete: {whole}")
        if not self._layout.parts:
            raise UnusableInput(
                "no part of it is written yet", where=self.folder, fix="wait for `embed`, or start it again"
            )

    def __repr__(self) -> str:
        made = f" by {printable(self.provenance.model)}" if self.provenance else ""
        return f"<Vectors {printable(self.folder)}: {len(self):,} of {self.size:,} numbers{made}>"

    @property
    def provenance(self) -> MadeWith | None:
        """What they were made with: `model`, `model_sha256`, `contract`; None where the folder does not say."""
        return self._layout.provenance

    @property
    def model(self) -> str:
        """What they were made with, in words."""
        return self.provenance.model if self.provenance else "a model that the folder does not name"

    @property
    def size(self) -> int:
        """Numbers of a vector."""
        return self._layout.size

    @property
    def digest(self) -> str:
        """SHA-256 of what the folder says of its parts, hex: the same for the same vectors."""
        return files.sha256_bytes("\n".join(part.digest for part in self._layout.parts).encode())

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        if self._layout.used is not None:
            return self._layout.used
        return sum(self._count(part) for part in self._parts())

    @cached_property
    def rows(self) -> Sequence[VectorRow]:
        """What is known of each photo, in memory: some 500 bytes each."""
        return [row for part in self._parts() for row in part.rows()]

    def rows_at(self, places: Iterable[int]) -> list[VectorRow]:
        """What is known of some photos, by their places in `rows`, most of which need not be read for it."""
        wanted = list(places)
        if "rows" in self.__dict__:
            return [self.rows[place] for place in wanted]
        found, start = dict[int, VectorRow](), 0
        for part in self._parts():
            stop = start + self._count(part)
            here = {place for place in wanted if start <= place < stop}
            if here:
                found |= {place: row for place, row in enumerate(part.rows(), start) if place in here}
            if stop > max(wanted, default=-1):
                break
            start = stop
        return [found[place] for place in wanted]

    def place_of(self, id: str) -> int:
        """The place of the first photo with this id. Raises UsageError where none has it."""
        near = list[str]()
        for place, row in enumerate(row for part in self._parts() for row in part.rows()):
            if row.id == id:
                return place
            if len(near) < MOST_NEAR and row.id.endswith(id):
                near.append(printable(row.id))
        fix = f"did you mean {' or '.join(near)}?" if near else "give it as the column `id` has it"
        raise UsageError(f"no photo there has the id {id!r}", where=self.folder, fix=fix)

    def vector_at(self, place: int) -> Array:
        """The vector of one photo at length one, float32 (size,)."""
        if self._matrix is not None:
            return np.asarray(self._matrix[place])
        start = 0
        for part in self._parts():
            stop = start + self._count(part)
            if place < stop:
                for vectors in part.vectors():
                    if place < start + len(vectors):
                        return np.asarray(at_length_one(vectors[place - start][None])[0])
                    start += len(vectors)
            start = stop
        raise self._changed()

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[tuple[int, Array]]:
        """All vectors as they were written, float32 (n, size), n at most `rows`, each time read from the disk.

        Each comes with the place of its first in `rows`. Memory does not grow with their number.

        Raises UnusableInput where a part is damaged.
        """
        start = 0
        for matrix in self._pieces(rows):
            yield start, matrix
            start += len(matrix)

    def matrix(self, on_progress: OnProgress | None = None) -> Array:
        """All vectors at length one, float32 (N, size), made once; zeros stay zeros.

        A large one is mapped from a file without a name, which is gone when the process ends.
        """
        if self._matrix is None:
            self._matrix = self._filled(on_progress)
        return self._matrix

    def in_memory(self) -> tuple[Array, Array | None] | None:
        """A matrix that is at hand and the lengths of its rows, None where each is one: made before, or mapped."""
        if self._matrix is not None:
            return self._matrix, None
        return None if self._layout.matrix is None else (self._layout.matrix(), self._lengths)

    @cached_property
    def _lengths(self) -> Array:
        return np.concatenate([lengths_of(batch) for _, batch in self.batches()])

    def _filled(self, on_progress: OnProgress | None) -> Array:
        matrix, stop = scratch(len(self), self.size), 0
        for start, batch in self.batches():
            stop = start + len(batch)
            if stop > len(matrix):
                raise self._changed()
            matrix[start:stop] = at_length_one(batch)
            if on_progress:
                on_progress(stop, len(matrix))
        if stop != len(matrix):
            raise self._changed()
        matrix.flags.writeable = False
        return matrix

    def _changed(self) -> UnusableInput:
        return UnusableInput(
            f"it does not have the {len(self):,} vectors that it says",
            where=self.folder,
            fix="wait until nothing writes to it, or make it anew with `embed`",
        )

    def _parts(self) -> Iterator[StoredPart]:
        """Each, held against what the folder says of it when it is first used."""
        for part in self._layout.parts:
            self._check(part)
            yield part

    def _read(self) -> Iterator[tuple[StoredPart, Iterable[Array]]]:
        """Each part and its vectors; of small parts the next ones are read by other cores meanwhile."""
        if self._layout.part_bytes > AHEAD_BYTES:
            yield from ((part, part.vectors()) for part in self._parts())
            return

        def whole(part: StoredPart) -> tuple[StoredPart, Iterable[Array]]:
            self._check(part)
            return part, list(part.vectors())

        yield from in_threads(whole, self._layout.parts, workers=min(cores(), MOST_READERS), ahead=2)

    def _check(self, part: StoredPart) -> None:
        if part.name not in self._checked:
            part.check()
            self._checked.add(part.name)

    def _count(self, part: StoredPart) -> int:
        if part.name not in self._counts:
            self._counts[part.name] = part.count()
        return self._counts[part.name]

    def _pieces(self, rows: int) -> Iterator[Array]:
        waiting: list[Array] = []
        count = 0
        for part, vectors in self._read():
            of_part = 0
            for matrix in vectors:
                of_part += len(matrix)
                for start in range(0, len(matrix), rows):
                    piece = matrix[start : start + rows]
                    if count + len(piece) > rows:
                        yield _joined(waiting)
                        waiting, count = [], 0
                    waiting.append(piece)
                    count += len(piece)
            self._counts[part.name] = of_part
        if waiting:
            yield _joined(waiting)


def _joined(pieces: Sequence[Array]) -> Array:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def at_length_one(vectors: Array) -> Array:
    """Each row (N, C) divided by its length; zeros stay zeros. Raises as `lengths_of`."""
    return vectors / lengths_of(vectors)[:, None]


def lengths_of(vectors: Array) -> Array:
    """Euclidean length of each row, float32 (N,); 1 for zeros. Raises UnusableInput where a number is not finite."""
    lengths: Array = np.sqrt(np.vecdot(vectors, vectors))
    if not np.isfinite(lengths).all():
        raise UnusableInput(
            "a vector has numbers that are not finite", where="the vectors", fix="make them anew with `embed`"
        )
    return np.where(lengths > 0, lengths, np.float32(1))
