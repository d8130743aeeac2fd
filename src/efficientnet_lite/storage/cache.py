"""What was computed once and can be computed again: kept on disk by content, in one SQLite file.

An entry is found by a space (all that its value depends on besides one photo) and a key (the photo).
SQLite gives what a cache needs and a folder of files does not: a commit that survives a kill, several
processes at once, and one place to measure and empty. Each entry carries a checksum; a damaged entry
counts as absent, a damaged file is begun anew. Nothing here is ever needed to be there: where the file
cannot serve (a full disk, a damaged file that Windows will not delete), a temporary one does.
"""

import errno
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache_place import cache_folder, tell, tell_unusable

PATIENCE_S, SILENCE_S = 60.0, 2.0  # how long a lock is waited for, and how long without a word
DEFAULT_LIMIT_BYTES = 10 * 10**9
FILE_NAME = "cache-2.sqlite"  # the number counts layouts; an older one is simply not read
_MAGIC = b"SQLite format 3\0"
_BATCH = 500  # SQLite takes 999 variables in a statement on old systems
# Troubles of the disk or of other processes, which say nothing against the file itself.
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
}
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


class _Patient(sqlite3.Connection):
    """Waits for a lock that another process holds, as SQLite does, but says so once it takes long."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        with _saying_that_it_waits():
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        with _saying_that_it_waits():
            return super().executemany(*arguments)

    def executescript(self, *arguments: Any) -> sqlite3.Cursor:
        with _saying_that_it_waits():
            return super().executescript(*arguments)


class Cache:
    """The open cache. For one thread at a time, whichever it is; several processes may have it open."""

    def __init__(self, folder: Path | None = None, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        """Open the cache in `folder`, making what is missing, readable by its owner only.

        Where that cannot be, a temporary one serves, and a notice says so once.
        """
        self.folder = cache_folder() if folder is None else folder
        self.path = (self.folder or Path()) / FILE_NAME
        self.limit_bytes = limit_bytes
        self._file: tuple[int, int] | None = None  # device and number of the file that is open
        self._connection = self._open() if self._is_usable() else self._connect("")

    @staticmethod
    def is_there() -> bool:
        """Whether anything was ever kept on this machine; to open a cache makes one."""
        folder = cache_folder()
        return folder is not None and files.is_file(folder / FILE_NAME)

    def _is_usable(self) -> bool:
        """Whether there is a folder with a file of ours that can be written, which are made where missing."""
        if self.folder is None:
            tell_unusable(None, None)
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(OSError):  # a folder of somebody else's stays as it is
                self.folder.chmod(self.folder.stat().st_mode & 0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            tell_unusable(self.folder, error)
            return False
        return True

    def _open(self) -> sqlite3.Connection:
        """The file's connection; where it is damaged a new file's, and at worst one of a temporary file."""
        for damaged in (False, True):
            try:
                if damaged:
                    self._forget()
                return self._connect(self.path)
            except sqlite3.Error as error:
                fault: Exception = error
                if _is_passing(error):
                    break
            except OSError as error:
                fault = error
                break
        tell_unusable(self.folder, fault)
        self._file = None
        return self._connect("")  # SQLite's own temporary file, gone when it is closed

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=PATIENCE_S, isolation_level=None, factory=_Patient, check_same_thread=False
        )
        try:
            if path and not _is_ours(self.path, connection):
                raise FileExistsError(errno.EEXIST, f"{FILE_NAME} in it is a file of somebody else's")
            self._file = _identity(self.path) if path else None
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            for columns in ("id, name, about, used FROM spaces", "space, key, value, crc FROM entries"):
                connection.execute(f"SELECT {columns} LIMIT 1").fetchall()  # a damaged schema lacks some
        except BaseException:
            connection.close()
            raise
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
            except sqlite3.Error as error:
                self._failed(error)
                return
            for key, value, crc in found:
                if isinstance(key, str) and isinstance(value, bytes) and _checksum(space, key, value) == crc:
                    yield key, value

    def has(self, space: str) -> bool:
        """Whether anything was ever kept in `space`."""
        try:
            found = self._connection.execute("SELECT 1 FROM spaces WHERE name = ?", (space,)).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
            return False
        return found is not None

    def keys(self, space: str) -> set[str]:
        """All keys of `space`; whether their values are whole shows in `get`."""
        try:
            rows = self._connection.execute(
                "SELECT key FROM entries JOIN spaces ON spaces.id = entries.space WHERE name = ?", (space,)
            ).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return set()
        return {key for (key,) in rows if isinstance(key, str)}

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
                    [(identity, key, value, _checksum(space, key, value)) for key, value in entries.items()],
                )
        except sqlite3.Error as error:
            self._failed(error)

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
        except sqlite3.Error as error:
            self._failed(error)
            return []
        return [Held(*row) for row in rows if isinstance(row[0], str) and isinstance(row[3], float)]

    def size_bytes(self) -> int:
        """What the cache takes on disk; of a temporary one nothing is known."""
        if self._file is None:
            return 0
        return sum(files.size(self.path.with_name(self.path.name + suffix)) for suffix in ("", "-wal"))

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
        except sqlite3.Error as error:
            self._failed(error)
        return max(0, size - self.size_bytes())

    def _failed(self, error: sqlite3.Error) -> None:
        """Begin anew where `error` says that the file is damaged; any other trouble costs time only.

        Where another process has begun anew already, its file is opened and not thrown away.
        """
        if _code(error) & 0xFF == sqlite3.SQLITE_BUSY:
            tell("another process still holds the cache, so what this run computes may not be kept")
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")  # not waited for at every step again
        if _is_passing(error):
            return
        mine = self._file is not None and self._file == _identity(self.path)
        self.close()
        with suppress(OSError):  # Windows deletes no open file; `_open` knows what to do then
            if mine:
                self._forget()
        self._connection = self._open()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")  # on a full disk this fails, and leaves the transaction open
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def _saying_that_it_waits() -> Iterator[None]:
    words = f"another process holds the cache, which is waited for, at most {PATIENCE_S:.0f} s"
    timer = threading.Timer(SILENCE_S, tell, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_ours(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether a file may be a cache, a damaged one too: what looks like anything else is left alone.

    Its first bytes are SQLite's, as far as there are any, or differ in a few; and its tables, where they can be
    listed, are ours.
    """
    with path.open("rb") as file:
        beginning = file.read(len(_MAGIC))
    differing = sum(found != wanted for found, wanted in zip(beginning, _MAGIC, strict=False))
    if 4 * differing > len(beginning):
        return False
    try:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    except sqlite3.Error:
        return True  # damaged, or held by another process
    return not tables or not tables.isdisjoint({"spaces", "entries"})


def _is_passing(error: sqlite3.Error) -> bool:
    """Whether `error` is of the disk or of other processes; a file that ends too early is damage."""
    code = _code(error)
    return code & 0xFF in _PASSING and code != sqlite3.SQLITE_IOERR_SHORT_READ


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT))


def _checksum(space: str, key: str, value: bytes) -> int:
    """Of the value and of where it belongs: a damaged index gives whole values of other photos."""
    return zlib.crc32(value, zlib.crc32(f"{space}\0{key}".encode()))


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at `path` now: its device and number."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
