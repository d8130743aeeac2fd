"""A folder of feature vectors behind an address: `s3://bucket/vectors`, or any other that fsspec can write to.

Its marker, its journal and the parts under way lie in a folder of this machine for temporary files, from which each
goes to the store in the order in which they come into being. So what a kill leaves there is what it leaves on a disk,
and the next call, from any machine, goes on. A store holds nobody off: two runs at once write the same bytes twice.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from efficientnet_lite.errors import UsageError
from efficientnet_lite.features.journal import JOURNAL
from efficientnet_lite.features.journal import MAX_BYTES as MAX_JOURNAL_BYTES
from efficientnet_lite.features.store import Store
from efficientnet_lite.features.vector_folder import MARKER, MAX_MARKER_BYTES, PARTS, VectorFolder
from efficientnet_lite.storage import folders
from efficientnet_lite.storage.listing import Entry
from efficientnet_lite.storage.targets import not_ours


@contextmanager
def growing_in_store(address: str) -> Iterator["StoredFolder"]:
    """The folder at `address`, which need not exist.

    Raises:
        UsageError: nothing can be written there, or it holds something else.
        UnusableInput: the store does not answer.
    """
    store = Store(address)
    with TemporaryDirectory(prefix="efficientnet-lite-") as name:
        place = Path(name)
        for small, limit in ((MARKER, MAX_MARKER_BYTES), (JOURNAL, MAX_JOURNAL_BYTES)):
            store.get(small, place / small, limit)
        try:
            folder = StoredFolder(store, place)
        except ValueError as error:
            raise not_ours(store.address, PARTS, error) from error
        if not folder.is_begun and (others := folder.found()):
            raise UsageError(
                f"the target exists and is no {PARTS.what} of ours, so it is never replaced: it holds {min(others)}",
                where=store.address,
                fix="choose another `out=`, or move it away",
            )
        yield folder


class StoredFolder(VectorFolder):
    """A folder of feature vectors behind an address."""

    def __init__(self, store: Store, place: Path) -> None:
        super().__init__(store.address, place)
        self._store = store

    def found(self) -> set[str]:
        return self._store.names()

    def has(self, name: str) -> bool:
        return name in self._store.names()

    def is_as_written(self, name: str, entry: Entry) -> bool:
        return self._store.is_as(name, entry)

    def is_there(self, name: str, entry: Entry | None = None) -> None:
        self._store.put(name, self.place / name, entry)
        if entry is not None:
            folders.remove_named(self.place, [name])

    def take_away(self, names: Iterable[str]) -> None:
        gone = list(names)
        self._store.remove(gone)
        folders.remove_named(self.place, gone)

    def sweep(self, unfinished: re.Pattern[str]) -> None:
        self._store.remove([name for name in self._store.names() if unfinished.fullmatch(name)])

    @contextmanager
    def at_hand(self, number: int) -> Iterator[list[Path]]:
        with TemporaryDirectory(prefix="efficientnet-lite-") as name:
            paths = [Path(name, each.replace("/", "-")) for each in self.names(number)]
            for each, path in zip(self.names(number), paths, strict=True):
                self._store.get(each, path)
            yield paths
