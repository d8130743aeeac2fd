"""A long list kept on the disk instead of in memory: in a database without a name, which ends with its process.

SQLite unlinks the file of such a database when it opens it, so nothing is left of it, whatever ends the process. It
lies in the system's folder for temporary files (`TMPDIR`). For one list at a time; safe in many threads.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count, islice
from typing import Self

from efficientnet_lite.errors import OutputFailed

CACHE_KIB = 2048  # of pages in memory, whatever the length of the list
AT_ONCE = 500  # rows that are read or written together
_ITEMS = """
CREATE TABLE items (number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, instead BLOB, item BLOB NOT NULL)
"""
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -{CACHE_KIB};
{_ITEMS};
"""


class Spool:
    """A list of items, each with a key that counts once: an item with the key of an earlier one is left out.

    An item may take the place of another: see `leave_out_replaced`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names = count()
        with _full_disk():
            self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._base.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk back."""
        with self._lock:
            self._base.close()

    def __len__(self) -> int:
        with self._lock, _full_disk():
            return int(self._base.execute("SELECT coalesce(max(number), 0) FROM items").fetchone()[0])

    def append(self, items: Iterable[tuple[bytes, bytes | None, bytes]]) -> None:
        """Put items at the end, as they come: key, key of an item whose place it takes, item.

        Raises OutputFailed where the disk is full.
        """
        # A number is one more than the largest so far, and an item that is ignored takes none.
        self._insert("INSERT OR IGNORE INTO items (key, instead, item) VALUES (?, ?, ?)", items)

    def leave_out_replaced(self) -> None:
        """Take out the items whose place others take, wherever those stand."""
        with self._lock, _full_disk():
            gone = self._base.execute(
                "DELETE FROM items WHERE key IN (SELECT instead FROM items WHERE instead IS NOT NULL)"
            ).rowcount
            if gone:  # numbers are to be without gaps
                self._base.executescript(
                    f"ALTER TABLE items RENAME TO gapped; {_ITEMS};"
                    "INSERT INTO items (key, item) SELECT key, item FROM gapped ORDER BY number; DROP TABLE gapped"
                )

    def items(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Items `start` to `stop`, both from 0, in order."""
        end = len(self) if stop is None else stop
        while start < end:
            with self._lock, _full_disk():
                found = self._base.execute(
                    "SELECT item FROM items WHERE number > ? AND number <= ? ORDER BY number",
                    (start, min(end, start + AT_ONCE)),
                ).fetchall()
            if not found:
                return
            yield from (item for (item,) in found)
            start += len(found)

    def in_order(self, pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """All of `pairs`, sorted by their first, byte by byte, on the disk."""
        table = f"sorted{next(self._names)}"
        self._run(f"CREATE TABLE {table} (key BLOB NOT NULL, item BLOB NOT NULL)")
        try:
            self._insert(f"INSERT INTO {table} VALUES (?, ?)", pairs)
            self._run(f"CREATE INDEX by_key_{table} ON {table} (key)")
            last = b"", 0
            while True:
                with self._lock, _full_disk():
                    found = self._base.execute(
                        f"SELECT key, item, rowid FROM {table} WHERE (key, rowid) > (?, ?) ORDER BY key, rowid LIMIT ?",
                        (*last, AT_ONCE),
                    ).fetchall()
                if not found:
                    return
                yield from ((key, item) for key, item, _ in found)
                last = found[-1][0], found[-1][2]
        finally:
            with suppress(sqlite3.ProgrammingError):  # the list was closed meanwhile
                self._run(f"DROP TABLE {table}")

    def _run(self, statement: str) -> None:
        with self._lock, _full_disk():
            self._base.execute(statement)

    def _insert(self, statement: str, items: Iterable[tuple[bytes | None, ...]]) -> None:
        waiting = iter(items)
        while batch := list(islice(waiting, AT_ONCE)):
            with self._lock, _full_disk():
                self._base.execute("BEGIN")
                self._base.executemany(statement, batch)
                self._base.execute("COMMIT")


@contextmanager
def _full_disk() -> Iterator[None]:
    """One error of ours for what SQLite says of the disk."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputFailed(
            f"the list of photos cannot be kept: {error}",
            where="the folder for temporary files",
            fix="free space there, or set TMPDIR to a folder with space",
        ) from error
