"""What was computed once and can be computed again: kept on disk by content, in one SQLite file.

An entry is found by a space (all that its value depends on besides one photo) and a key (the photo).
SQLite gives what a cache needs and a folder of files does not: a commit that survives a kill, several
processes at once, and one place to measure and empty. Each entry carries a checksum; a damaged entry
counts as absent, a damaged file is begun anew. Nothing here is ever needed to be there.
"""

import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import platformdirs

from efficientnet_lite.doors.files import output_failed
from efficientnet_lite.errors import OutputFailed

DEFAULT_LIMIT_BYTES = 10 * 10**9
FILE_NAME = "cache-1.sqlite"  # the number counts layouts; an older one is simply not read
_BATCH = 500  # SQLite takes 999 variables in a statement on old systems
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spaces (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, about TEXT NOT NULL, used REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    space INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (space, key)
);
"""


@dataclass(frozen=True, slots=True)
class Held:
    """One space: what it is about, how much it holds, and when it was last used (seconds since 1970)."""

    about: str
    entries: int
    bytes: int
    used: float


def cache_folder() -> Path:
    """`EFFICIENTNET_LITE_CACHE` where it is set, else the platform's own place for caches."""
    named = os.environ.get("EFFICIENTNET_LITE_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("efficientnet-lite", appauthor=False))


class Cache:
    """The open cache. For one thread at a time; several processes may have it open."""

    def __init__(self, folder: Path | None = None, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        """Open the cache in `folder`, making what is missing, readable by its owner only.

        Raises:
            OutputFailed: the folder cannot be made or written to.
        """
        self.folder = cache_folder() if folder is None else folder
        self.path = self.folder / FILE_NAME
        self.limit_bytes = limit_bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(OSError):  # a folder of somebody else's stays as it is
                self.folder.chmod(0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise output_failed(self.folder, error) from error
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            connection.close()
            raise OutputFailed(
                f"the cache cannot be used: {error}",
                where=self.path,
                fix="set EFFICIENTNET_LITE_CACHE to a folder that you may write to",
            ) from error
        except sqlite3.DatabaseError:  # no SQLite file any more: begin anew
            connection.close()
            self._forget()
            connection = self._connect()
            connection.executescript(_SCHEMA)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        with suppress(sqlite3.DatabaseError):  # a damaged file says so at the first real statement
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _forget(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, space: str, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """(key, value) of those `keys` that are there and whole, in no particular order."""
        found: list[tuple[str, bytes, int]]
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            try:
                found = self._connection.execute(
                    "SELECT key, value, crc FROM entries JOIN spaces ON spaces.id = entries.space "
                    f"WHERE name = ? AND key IN ({marks})",
                    (space, *batch),
                ).fetchall()
            except sqlite3.DatabaseError:
                self._restart()
                return
            for key, value, crc in found:
                if isinstance(value, bytes) and zlib.crc32(value) == crc:
                    yield key, value

    def keys(self, space: str) -> set[str]:
        """All keys of `space`; whether their values are whole shows in `get`."""
        try:
            rows = self._connection.execute(
                "SELECT key FROM entries JOIN spaces ON spaces.id = entries.space WHERE name = ?", (space,)
            ).fetchall()
        except sqlite3.DatabaseError:
            self._restart()
            return set()
        return {key for (key,) in rows}

    def put(self, space: str, entries: Mapping[str, bytes], *, about: str) -> None:
        """Keep `entries`, all or none; `about` describes the space to a person.

        A cache that cannot be written to (a full disk) costs time, not the run: the error is dropped.
        """
        try:
            with self._transaction():
                self._connection.execute(
                    "INSERT INTO spaces (name, about, used) VALUES (?, ?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET used = excluded.used",
                    (space, about, time.time()),
                )
                (identity,) = self._connection.execute(
                    "SELECT id FROM spaces WHERE name = ?", (space,)
                ).fetchone()
                self._connection.executemany(
                    "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
                    [(identity, key, value, zlib.crc32(value)) for key, value in entries.items()],
                )
        except sqlite3.OperationalError:
            return
        except sqlite3.DatabaseError:
            self._restart()

    def touch(self, spaces: Iterable[str]) -> None:
        """Note that `spaces` were used, so that `prune` takes others first."""
        with suppress(sqlite3.DatabaseError):
            self._connection.executemany(
                "UPDATE spaces SET used = ? WHERE name = ?", [(time.time(), space) for space in spaces]
            )

    def held(self) -> list[Held]:
        """Every space, the most recently used first."""
        try:
            rows = self._connection.execute(
                "SELECT about, COUNT(key), COALESCE(SUM(LENGTH(value)), 0), used FROM spaces "
                "LEFT JOIN entries ON spaces.id = entries.space GROUP BY spaces.id ORDER BY used DESC"
            ).fetchall()
        except sqlite3.DatabaseError:
            self._restart()
            return []
        return [Held(*row) for row in rows]

    def size_bytes(self) -> int:
        """What the cache takes on disk."""
        files = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def prune(self) -> None:
        """Shrink to the limit: whole spaces go, the least recently used first."""
        total = sum(held.bytes for held in self.held())
        if total <= self.limit_bytes:
            return
        with suppress(sqlite3.DatabaseError):
            oldest = self._connection.execute("SELECT id FROM spaces ORDER BY used").fetchall()
            for (identity,) in oldest:
                (size,) = self._connection.execute(
                    "SELECT COALESCE(SUM(LENGTH(value)), 0) FROM entries WHERE space = ?", (identity,)
                ).fetchone()
                self._drop(identity)
                total -= size
                if total <= self.limit_bytes:
                    break
            self._connection.execute("VACUUM")

    def _drop(self, identity: int) -> None:
        with self._transaction():
            self._connection.execute("DELETE FROM entries WHERE space = ?", (identity,))
            self._connection.execute("DELETE FROM spaces WHERE id = ?", (identity,))

    def clear(self) -> int:
        """Empty the cache; gives the bytes that it took."""
        size = self.size_bytes()
        try:
            with self._transaction():
                self._connection.execute("DELETE FROM entries")
                self._connection.execute("DELETE FROM spaces")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.DatabaseError:
            self._restart()
        return max(0, size - self.size_bytes())

    def _restart(self) -> None:
        """A damaged file: throw it away and go on with an empty one."""
        self.close()
        with suppress(OSError):
            self._forget()
        self._connection = self._open()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
