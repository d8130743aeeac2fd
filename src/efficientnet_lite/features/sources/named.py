"""What a caller names, told apart: photos, folders and patterns, one or several, each a stream of its items."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from efficientnet_lite.errors import wrong_type
from efficientnet_lite.features.photo_entry import SourceItem
from efficientnet_lite.features.sources.photo_files import file_item, folder_items
from efficientnet_lite.photos.found import FIX, Verbatim
from efficientnet_lite.photos.patterns import matches, no_match, ranges
from efficientnet_lite.photos.walk import PassedOver
from efficientnet_lite.storage import files
from efficientnet_lite.storage.spool import Spool

NamedSource = str | Verbatim


def each_given(photos: object) -> Iterator[NamedSource]:
    """Paths, patterns and addresses one after another, as they come; arrays, tables and pictures are none.

    Raises WrongType, where such a one is met.
    """
    if (one := _one(photos)) is not None:
        yield one
        return
    if not isinstance(photos, Iterable) or isinstance(photos, Mapping | bytes) or hasattr(photos, "columns"):
        raise _no_paths(photos)
    for each in photos:
        if (one := _one(each)) is None:
            raise _no_paths(each)
        yield one


def items_of(given: NamedSource, spool: Spool, *, links: bool) -> Iterator[SourceItem | PassedOver]:
    """The photos that one path or pattern names.

    Raises UnusableInput where it neither exists nor matches.
    """
    if isinstance(given, Verbatim):
        yield from _at(os.fspath(given.path), spool, links)
        return
    for path in [given] if files.lexists(given) else _matches(given, spool):
        yield from _at(path, spool, links)


def _at(path: str, spool: Spool, links: bool) -> Iterator[SourceItem | PassedOver]:
    if files.is_dir(path):
        yield from folder_items(path, spool, links=links)
    else:
        yield file_item(path, links=links)


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
    return os.fspath(value) if isinstance(value, os.PathLike) else None


def _no_paths(value: object) -> Exception:
    return wrong_type("photos", value, fix=f"{FIX}; for pixels there is `load(model).predict`")
