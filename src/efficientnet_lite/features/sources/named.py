"""What a caller names, told apart by its name, one or several: each becomes a stream of its items."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from efficientnet_lite.addresses import is_address, public
from efficientnet_lite.errors import UnusableInput, wrong_type
from efficientnet_lite.features.sources.manifest_rows import frame_items, manifest_items
from efficientnet_lite.features.sources.parquet_rows import parquet_items
from efficientnet_lite.features.sources.photo_entry import PhotoPlace, SourceItem
from efficientnet_lite.features.sources.photo_files import file_item, folder_items, remote_items
from efficientnet_lite.features.sources.record_shards import NAME, record_items
from efficientnet_lite.features.sources.remote import path_in
from efficientnet_lite.features.sources.remote_folders import folder_and_size, matching
from efficientnet_lite.features.sources.tar_shards import tar_items
from efficientnet_lite.photos.found import FIX, Verbatim
from efficientnet_lite.photos.frames import WHERE, DataFrame
from efficientnet_lite.photos.patterns import matches, no_match, ranges
from efficientnet_lite.photos.walk import PassedOver
from efficientnet_lite.records.recordfiles import record_files
from efficientnet_lite.storage import files
from efficientnet_lite.storage.spool import Spool

NamedSource = str | Verbatim | DataFrame
ARCHIVES = (".tar", ".tar.gz", ".tgz")
TABLES = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv", ".jsonl", ".ndjson") for packed in ("", ".gz"))
PARQUET = (".parquet", ".pq")
RECORDS = tuple(f"{kind}{packed}" for kind in (".tfrecord", ".tfrecords", ".tfrec") for packed in ("", ".gz"))

HOLDERS = {  # what a walk for photos calls such a file -> the pattern for it
    **{
        kind: f"*{kind}"
        for kinds in (ARCHIVES, PARQUET, RECORDS, TABLES)
        for kind in kinds
        if kind.count(".") == 1
    },
    ".gz": "*.tar.gz",
}


def each_given(photos: object) -> Iterator[NamedSource]:
    """Paths, patterns and addresses one after another, as they come; arrays, tables and pictures are none.

    Raises WrongType, where such a one is met.
    """
    if (one := _one(photos)) is not None:
        yield one
        return
    if not isinstance(photos, Iterable) or isinstance(photos, Mapping | bytes):
        raise _no_paths(photos)
    for each in photos:
        if (one := _one(each)) is None:
            raise _no_paths(each)
        yield one


def shown(given: NamedSource) -> str:
    """What messages call it."""
    if isinstance(given, Verbatim):
        return str(given.path)
    return given if isinstance(given, str) else WHERE


def held_elsewhere(named: Iterable[str], passed_over: Mapping[str, int]) -> tuple[str, str] | None:
    """Of folders without photos: which files in them may hold some, and the pattern that names those; else None.

    `passed_over` is what a walk through them found instead, by kind.
    """
    kinds = [kind for kind in passed_over if kind in HOLDERS]
    folder = next((each.rstrip("/") for each in named if is_address(each) or files.is_dir(each)), None)
    if not kinds or folder is None:
        return None
    kind = max(kinds, key=lambda kind: (passed_over[kind], kind))
    count, ending = passed_over[kind], HOLDERS[kind].removeprefix("*")
    return f"{count:,} file{'s' * (count > 1)} {ending}", public(f"{folder}/**/{HOLDERS[kind]}")


def items_of(given: NamedSource, spool: Spool, *, links: bool) -> Iterator[SourceItem | PassedOver]:
    """The photos that one path, pattern, address or DataFrame names.

    Raises UnusableInput where it neither exists nor matches, or what it names cannot be read.
    """
    if isinstance(given, Verbatim):
        path = os.fspath(given.path)
        yield from _at_address(path, spool) if is_address(path) else _at(path, spool, links)
    elif not isinstance(given, str):
        yield from frame_items(given, links=links)
    elif is_address(given):
        for address in _addresses(given):
            yield from _at_address(address, spool)
    else:
        for path in [given] if files.lexists(given) else _matches(given, spool):
            yield from _at(path, spool, links)


def _at(path: str, spool: Spool, links: bool) -> Iterator[SourceItem | PassedOver]:
    if files.is_dir(path):
        if records := _records_in(path):
            for each in records:
                yield from record_items(Path(each).as_posix(), each)
        else:
            yield from folder_items(path, spool, links=links)
    elif (reader := _reader(path)) is not None and files.is_file(path):
        yield from reader(str(Path(path)), links)
    else:
        yield file_item(path, links=links)


def _at_address(address: str, spool: Spool) -> Iterator[SourceItem | PassedOver]:
    if (reader := _reader(path_in(address))) is not None:
        yield from reader(address, False)
        return
    is_folder, size = folder_and_size(address)
    if is_folder:
        yield from remote_items(address, spool)
    else:
        yield SourceItem(public(address), PhotoPlace("url", address), size=size)


def _reader(path: str) -> Callable[[str, bool], Iterator[SourceItem | PassedOver]] | None:
    """What reads a file of this name; None for what is a photo, or nothing that is known."""
    name = PurePosixPath(path.replace("\\", "/")).name.lower()
    if name.endswith(ARCHIVES):
        return lambda where, links: tar_items(_shown(where), where)
    if name.endswith(TABLES):
        return lambda where, links: manifest_items(where, links=links)
    if name.endswith(PARQUET):
        return lambda where, links: parquet_items(_shown(where), where, links=links)
    if name.endswith(RECORDS) or NAME.fullmatch(name):
        return lambda where, links: record_items(_shown(where), where)
    return None


def _shown(where: str) -> str:
    return public(where) if is_address(where) else Path(where).as_posix()


def _records_in(folder: str) -> list[str]:
    """The record files of the reference, or of ours, in a folder; empty where it holds none."""
    with suppress(UnusableInput):
        found = [record_files(Path(folder), split, "tfrecord") for split in ("train", "validation")]
        return [str(path) for paths in found for path in paths]
    return []


def _addresses(given: str) -> Iterator[str]:
    """The addresses that one with signs of a pattern matches; a question mark may be part of an address itself."""
    for one in ranges(given):
        signs = "*" if one.startswith(("http://", "https://")) else "*?["
        if not any(sign in one for sign in signs):
            yield one
            continue
        found = matching(one)
        if not found:
            raise UnusableInput("nothing matches it", where=one, fix="check its spelling")
        yield from found


def _matches(pattern: str, spool: Spool) -> Iterator[str]:
    """What a pattern matches, sorted by folder and name."""
    for one in ranges(pattern):
        if files.lexists(one):
            yield one
            continue
        found = ((_key(path), b"") for path in matches(Path(one)))
        empty = True
        for key, _ in spool.in_order(found):
            empty = False
            yield str(Path(*key.decode("utf-8", "surrogatepass").split("\0")))
        if empty:
            raise no_match(one)


def _key(path: Path) -> bytes:
    return "\0".join(path.parts).encode("utf-8", "surrogatepass")


def _one(value: object) -> NamedSource | None:
    if isinstance(value, str | Verbatim):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return value if isinstance(value, DataFrame) and not isinstance(value, Mapping) else None


def _no_paths(value: object) -> Exception:
    return wrong_type("photos", value, fix=f"{FIX}; for pixels there is `load(model).predict`")
