"""The one place that asks about files and writes them: whole under the final name, or not at all.

Also hashes and locks, since everyone needs them and only here may a file be opened for writing.
"""

import errno
import hashlib
import io
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from efficientnet_lite.errors import OutputFailed, UnusableInput, UsageError, printable

AnyPath = str | os.PathLike[str]

PART_SUFFIX = ".part"


def exists(path: AnyPath, *, follow: bool = True) -> bool:
    """Whether something lies at `path`; `follow=False` asks about a link itself, a broken one too.

    This and its siblings never raise, where Python 3.11's `Path.exists` does. A path that cannot be asked
    about (a folder that may not be entered, a name of 300 bytes) gives False, as nothing can be read or
    replaced there: `obstacle` says why, and belongs before a message that something is missing.
    """
    return _status(path, follow) is not None


def lexists(path: AnyPath) -> bool:
    """Whether a name is taken, by a broken link too."""
    return exists(path, follow=False)


def is_file(path: AnyPath, *, follow: bool = True) -> bool:
    """Whether `path` is a regular file: no folder, pipe, socket or device. Free for an `os.DirEntry` as a rule."""
    if isinstance(path, os.DirEntry):
        with suppress(OSError):
            return path.is_file(follow_symlinks=follow)
        return False
    status = _status(path, follow)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_dir(path: AnyPath, *, follow: bool = True) -> bool:
    if isinstance(path, os.DirEntry):
        with suppress(OSError):
            return path.is_dir(follow_symlinks=follow)
        return False
    status = _status(path, follow)
    return status is not None and stat.S_ISDIR(status.st_mode)


def is_link(path: AnyPath) -> bool:
    if isinstance(path, os.DirEntry):
        with suppress(OSError):
            return path.is_symlink()
        return False
    status = _status(path, False)
    return status is not None and stat.S_ISLNK(status.st_mode)


def is_mount(path: AnyPath) -> bool:
    """Whether another file system begins here: such a folder can be neither renamed nor removed."""
    try:
        return os.path.ismount(path)
    except (OSError, ValueError):
        return False


def is_empty_dir(path: AnyPath) -> bool:
    """Whether `path` is a folder that can be listed and holds nothing."""
    try:
        with os.scandir(path) as listing:
            return next(listing, None) is None
    except (OSError, ValueError):
        return False


def size(path: AnyPath) -> int:
    """Bytes of a file; 0 where it cannot be asked."""
    status = _status(path, True)
    return status.st_size if status is not None else 0


def stamp(path: AnyPath) -> tuple[int, int]:
    """Bytes and time of change (ns since 1970) of a file; zeros where it cannot be asked."""
    status = _status(path, True)
    return (status.st_size, status.st_mtime_ns) if status is not None else (0, 0)


def identity(path: AnyPath) -> tuple[int, int] | None:
    """Device and number of what lies at `path`, equal for all its names; None where the system has none."""
    status = _status(path, True)
    return (status.st_dev, status.st_ino) if status is not None and status.st_ino else None


def folder_size(folder: Path) -> int:
    """Bytes of the files below `folder`."""
    return sum(size(path) for path in folder.rglob("*") if is_file(path))


def entries(folder: Path, named: re.Pattern[str] | None = None) -> list[Path]:
    """What lies in `folder`, sorted by name; with `named` only what has such a name, of however many others.

    Raises:
        UnusableInput: it is missing, no folder, or may not be listed.
    """
    try:
        with os.scandir(folder) as listing:
            names = [entry.name for entry in listing if named is None or named.fullmatch(entry.name)]
        return sorted(folder / name for name in names)
    except (OSError, ValueError) as error:
        said = obstacle(folder) or getattr(error, "strerror", None) or str(error)
        raise UnusableInput(
            f"the folder cannot be read: {said}", where=folder, fix="check the path and its permissions"
        ) from error


def obstacle(path: AnyPath) -> str | None:
    """Why the system does not say what lies at `path`, as words for a user; None where it does say.

    That nothing lies there is an answer, and so is a broken link.
    """
    try:
        Path(path).lstat()
        Path(path).stat()
    except UnicodeEncodeError:
        return "it has a character that this system cannot write"
    except ValueError:
        return "it has a NUL character"
    except OSError as error:
        return _obstacle(Path(path), error)
    return None


def missing(path: AnyPath, kind: str = "file or folder") -> str:
    """What to say of a path where nothing was found: that there is none, or why the system does not say."""
    said = obstacle(path)
    return f"it cannot be reached: {said}" if said else f"no such {kind}"


def _obstacle(path: Path, error: OSError) -> str | None:
    if error.errno == errno.ENOENT:
        return None
    if error.errno == errno.ENAMETOOLONG:
        return "a name in it is longer than the file system allows"
    if error.errno == errno.ELOOP:
        return "a link in it leads back to itself"
    if error.errno in (errno.EACCES, errno.ENOTDIR):
        above = next((folder for folder in path.absolute().parents if exists(folder)), path)
        if error.errno == errno.ENOTDIR:
            return f"{printable(above)} is a file, not a folder"
        return f"the folder {printable(above)} may not be entered"
    return error.strerror or str(error)


def stands_somewhere() -> bool:
    """Whether this process has a current folder, without which a relative path means nothing."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def real(path: AnyPath) -> Path:
    """`path` without links and dots, so that places can be compared; it need not exist, and nothing is raised."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # it cannot be asked about, so nothing lies there
        return Path(path).absolute()


def _status(path: AnyPath, follow: bool) -> os.stat_result | None:
    try:
        return Path(path).stat(follow_symlinks=follow)
    except (OSError, ValueError):  # ValueError: a NUL, or a character that the system cannot write
        return None


@contextmanager
def replacing(path: Path, *, within: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at `path` whole, or not at all.

    If the block raises (full disk, Ctrl-C), the previous file stays as it was. The temporary file
    lies beside it, since a rename is atomic only within one file system, and is made by `open`
    rather than `tempfile`, so that it gets the user's usual permissions and not 0600. `within` is a folder
    of ours where it may lie instead, and is swept with it.

    Raises:
        OutputFailed: the disk is full, the folder is missing or read-only.
    """
    if path.name in ("", ".."):
        raise output_failed(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    # a name of 255 bytes is allowed, and a character has up to four
    place = within if within is not None and _one_file_system(within, path.parent) else path.parent
    temporary = place / f".{path.name[:50]}.{secrets.token_hex(4)}{PART_SUFFIX}"
    try:
        with _made(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise output_failed(path, error) from error
    finally:
        with suppress(OSError):  # the folder may have gone or become read-only; the error above says so
            temporary.unlink(missing_ok=True)  # already gone after a successful replace


def is_unfinished(path: Path, name: str = "") -> bool:
    """Whether a kill while `replacing` wrote a file of this name, or of any, may have left `path`."""
    stem = re.escape(f".{name[:50]}.") if name else r"\..+\."
    return bool(re.fullmatch(rf"{stem}[0-9a-f]{{8}}{re.escape(PART_SUFFIX)}", path.name)) and is_file(
        path, follow=False
    )


def _one_file_system(*folders: Path) -> bool:
    return len({status.st_dev if (status := _status(each, True)) else None for each in folders}) == 1


def _made(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except ValueError as error:  # a NUL, or a character that the system cannot write
        raise output_failed(path, error) from error


def publish(path: Path, data: bytes, *, within: Path | None = None) -> None:
    """Write `data` to `path`, whole or not at all; `within`: see `replacing`."""
    with replacing(path, within=within) as file:
        file.write(data)


def append(path: Path, data: bytes) -> None:
    """Add `data` to the end of a file, which is made where it is missing; it is on the disk when this returns.

    A kill leaves a beginning of `data` at most. Raises OutputFailed as `replacing`.
    """
    try:
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise output_failed(path, error) from error


def settled(file: BinaryIO) -> tuple[int, str]:
    """Bring what was written into a file of `replacing` to the disk; gives its bytes and SHA-256."""
    file.flush()
    os.fsync(file.fileno())
    return size(file.name), sha256_file(Path(file.name))


def publish_json(path: Path, value: Any, *, within: Path | None = None) -> None:
    """Write `value` as indented UTF-8 JSON with a final newline; NaN is refused (ValueError).

    Bytes of a file name that are no UTF-8 become JSON escapes, which Python reads back as they were.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    publish(path, text.encode("utf-8", "backslashreplace"), within=within)


def sha256_bytes(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Of a regular file, whatever its size; raises UnusableInput where it is none or cannot be read."""
    with _reading(path, "a file") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_folder(folder: Path) -> str:
    """Of the files in `folder`, their names included: of the sorted lines `<sha256>  <name>`, as sha256sum writes."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if is_file(path))
    return sha256_bytes("".join(f"{sha256_file(folder / name)}  {name}\n" for name in names).encode())


def measured(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of what lies at `path`, a file or a folder; see `sha256_folder`."""
    if is_dir(path):
        return folder_size(path), sha256_folder(path)
    return size(path), sha256_file(path)


def read_bytes(path: Path, *, limit: int, what: str) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises UnusableInput where it is missing, no regular file, unreadable or larger; `what` names
    the kind of file in the message ("a checkpoint").
    """
    with _reading(path, what) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(limit + 1) if size <= limit else b""
        if max(size, len(data)) > limit:  # it may have grown meanwhile
            raise UnusableInput(
                f"{max(size, len(data)):,} bytes are more than {what} can have ({limit:,})",
                where=path,
                fix=f"check that it is {what}",
            )
        return data


def beginning(path: Path, count: int) -> bytes:
    """The first `count` bytes of a regular file, fewer where it is shorter; none where it cannot be read."""
    try:
        with _reading(path, "a file") as file:
            return file.read(count)
    except UnusableInput:
        return b""


@contextmanager
def _reading(path: Path, what: str) -> Iterator[io.BufferedReader]:
    """Open a regular file; a named pipe is refused before it could block."""
    try:
        if not exists(path):
            raise UnusableInput(missing(path, "file"), where=path, fix=f"give the path of {what}")
        if not is_file(path):
            raise UnusableInput("this is no regular file", where=path, fix=f"give the path of {what}")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UnusableInput(
            f"it cannot be read: {error.strerror or error}", where=path, fix="check its permissions"
        ) from error


def _cannot_make(path: Path) -> OSError | None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        return error
    return None


def output_failed(path: Path, error: OSError | ValueError) -> OutputFailed:
    """`error` as the message a user can act on."""
    fixes = {
        errno.ENOSPC: "free some space on that disk, or choose another place",
        errno.EROFS: "choose a place that can be written to",
        errno.EACCES: "choose a place that you may write to, or change its permissions",
        errno.ENOENT: "make the folder first, or check its spelling",
        errno.ENOTDIR: "a part of this path is a file; choose another place",
        errno.EISDIR: "give the name of a file, not of a folder",
    }
    said = obstacle(path) or getattr(error, "strerror", None) or error
    if getattr(error, "errno", None) == errno.EEXIST and is_file(path):
        said = "it is a file, not a folder"
    return OutputFailed(
        f"it could not be written: {said}",
        where=path,
        fix=fixes.get(getattr(error, "errno", None) or 0, "choose another place"),
    )


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system can (not on Windows)."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems refuse; the rename itself has happened
    finally:
        os.close(handle)


@contextmanager
def locked(target: Path, *, wait: float = 0) -> Iterator[None]:
    """Hold `target`, a file or folder, against a second run, by a lock of the operating system beside it.

    The folders above it are made. A killed process leaves no lock behind, at most the empty file. For another run
    that holds it there are `wait` seconds.

    Raises:
        UsageError: another process holds it, it is the root of the file system, or somebody else's file has the
            name of the lock, which would be emptied and deleted.
        OutputFailed: the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    place = real(target)  # one lock for all spellings; `.` and `..` have no name of their own
    if not place.name:
        raise UsageError("this place cannot be locked", where=target, fix="choose a folder below it")
    path = place.with_name(f".{place.name}.lock")
    if lexists(path) and not (is_file(path, follow=False) and size(path) == 0):
        raise UsageError("a file of somebody else's has the name of the lock", where=path, fix="move it away")
    lock = FileLock(path, timeout=wait)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        if (fault := _cannot_make(path)) is not None:  # which the lock takes for one that is held
            raise output_failed(target, fault) from None
        raise UsageError(
            "another run is writing to this target", where=target, fix="wait for it, or choose another `out=`"
        ) from None
    except (OSError, ValueError) as error:
        raise output_failed(target, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes no open file, and the folder may have gone
            path.unlink()  # while still held; a late comer finds the finished target instead
        lock.release()
