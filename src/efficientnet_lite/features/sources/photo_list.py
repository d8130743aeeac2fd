"""Photos that a caller names -> a list on the disk: in a fixed order, each once, however many there are.

The list never stands in memory. Its order is that in which the sources were given; within a folder it is that of the
names, within a table or an archive its own.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources.columns import Columns
from efficientnet_lite.features.sources.named import each_given, held_elsewhere, items_of, shown
from efficientnet_lite.features.sources.one_spelling import Spellings
from efficientnet_lite.features.sources.photo_entry import (
    PLACE_KINDS,
    ColumnType,
    PhotoEntry,
    PhotoPlace,
    SourceItem,
)
from efficientnet_lite.features.sources.photo_reader import PhotoReader, Stamps
from efficientnet_lite.photos.found import FIX, MOST_NAMED
from efficientnet_lite.photos.walk import PassedOver
from efficientnet_lite.storage import files
from efficientnet_lite.storage.confined_pieces import end_idle
from efficientnet_lite.storage.spool import Spool

KEY_BYTES = 16
OnFound = Callable[[int], None]  # how many there are so far


class Listed:
    """The photos of a list, which ends with its context. Safe in many threads."""

    def __init__(
        self,
        spool: Spool,
        columns: Columns,
        holders: Mapping[str, str | None],
        passed_over: Counter[str],
        *,
        is_remote: bool,
    ) -> None:
        self.is_remote = is_remote  # whether some of them are read from the network
        self._spool, self._columns = spool, columns
        self._holders, self._checksums = list(holders), list(holders.values())
        self._reader = PhotoReader({where: files.stamp(where) for where in holders if not is_address(where)})
        self.passed_over: Mapping[str, int] = dict(sorted(passed_over.items()))  # plainly no photos, by kind

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk back, and close what is being read."""
        self._reader.close()
        self._spool.close()

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return len(self._spool)

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """The further columns, name -> type, in the order of an entry's `more`."""
        return self._columns.named()

    @cached_property
    def digest(self) -> str:
        """SHA-256, hex, over all entries in order: id, path, label, further columns, size or what stands for it."""
        checksum = hashlib.sha256(json.dumps(list(self.columns.items())).encode())
        if any(self._checksums):
            checksum.update(json.dumps(self._checksums).encode())
        for each in self.entries():
            known = (each.id, each.path, each.label, each.more, each.size)
            checksum.update(json.dumps(known).encode() + b"\n")
        return checksum.hexdigest()

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[PhotoEntry]:
        """Entries `start` to `stop`, both from 0, in order."""
        return map(self._entry, self._spool.items(start, stop))

    def read(self, entry: PhotoEntry) -> bytes:
        """The bytes of a photo; see `PhotoReader`."""
        return self._reader.read(entry)

    def stamps_of(self, entries: Iterable[PhotoEntry]) -> Stamps:
        """Of the files on this machine that hold these photos among others, what they were when they were listed."""
        held = {each.place.where for each in entries if each.place.kind not in ("file", "url")}
        return {where: self._reader.stamps[where] for where in held if where in self._reader.stamps}

    def _entry(self, packed: bytes) -> PhotoEntry:
        path, own, label, kind, holder, start, length, size, lost, more = json.loads(packed)
        where = path if holder is None else self._holders[holder] if isinstance(holder, int) else holder
        return PhotoEntry(
            id=path if own is None else own,
            path=path,
            place=PhotoPlace(PLACE_KINDS[kind], where, start, length),
            label=label,
            more=self._columns.unpacked(more),
            size=size,
            lost=lost,
        )


def list_sources(photos: object, *, links: bool = True, on_found: OnFound | None = None) -> Listed:
    """The photos that `photos` names, each once, in order.

    Args:
        photos: a path, a pattern, an address or a DataFrame, or several, each text, path-like or `Verbatim`; an
            iterable is read once, as it comes.
        links: False skips every link.
        on_found: told how many there are, now and then.

    Raises:
        WrongType: it is something else, such as an array.
        UnusableInput: a path neither exists nor matches, or there is no photo at all.
        OutputFailed: the disk has no room for the list.
    """
    spool = Spool()
    try:
        return _Lister(spool, links, on_found or (lambda count: None)).run(photos)
    except BaseException:
        end_idle()
        spool.close()
        raise


def _digest(*said: object) -> bytes:
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=KEY_BYTES).digest()


class _Lister:
    def __init__(self, spool: Spool, links: bool, on_found: OnFound) -> None:
        self.spool, self.links, self.on_found = spool, links, on_found
        self.columns, self.passed_over = Columns(), Counter[str]()
        self.holders: dict[str, int] = {}  # files that hold several photos
        self.checksums: dict[str, str | None] = {}  # of each of them, where its photos have no sizes
        self.named: list[str] = []  # the first of what was given, for messages
        self.usable = self.lost = self.found = 0
        self.is_remote = False
        self.spellings = Spellings()
        self.kinds = set[bool]()  # whether there are rows, and other photos
        self.first_lost: SourceItem | None = None

    def run(self, photos: object) -> Listed:
        self.spool.append(self._packed(self._items(photos)))
        if self.kinds == {False, True}:
            self.spool.leave_out_replaced()
        listed = Listed(self.spool, self.columns, self.checksums, self.passed_over, is_remote=self.is_remote)
        self.on_found(len(listed))
        if not self.usable:
            raise self._nothing()
        return listed

    def _items(self, photos: object) -> Iterator[SourceItem]:
        for given in each_given(photos):
            if len(self.named) <= MOST_NAMED:
                self.named.append(shown(given))
            for item in items_of(given, self.spool, links=self.links):
                if isinstance(item, PassedOver):
                    self.passed_over[item.kind] += 1
                else:
                    yield item

    def _packed(self, items: Iterable[SourceItem]) -> Iterator[tuple[bytes, bytes | None, bytes]]:
        for item in items:
            self.found += 1
            if item.lost is None:
                self.usable += 1
            else:
                self.first_lost = self.first_lost or item
                self.lost += 1
            if not self.found % 1000:
                self.on_found(self.found)
            more = self.columns.packed(item.more, item.path)
            yield *self._keys(item, more), self._body(item, more)

    def _keys(self, item: SourceItem, more: list[Any]) -> tuple[bytes, bytes | None]:
        """What counts once, and what it takes the place of.

        A path counts once, however it is spelled, a place in an archive, and a row of a table with all that it says.
        A row takes the place of a photo that is named or in a folder.
        """
        if item.is_member:
            return _digest(item.path, item.place.start), None
        photo = self.spellings.one_of(item.path) if item.place.kind == "file" else item.path
        self.kinds.add(item.is_row)
        if not item.is_row:
            return _digest(photo), None
        says_more = (item.id, item.label, more) if more or item.id is not None else ()
        return _digest("row", photo, *says_more), _digest(photo)

    def _body(self, item: SourceItem, more: list[Any]) -> bytes:
        kind, where, start, length = item.place
        self.is_remote = self.is_remote or is_address(where)
        holder: int | str | None = where
        if where == item.path:
            holder = None
        elif kind not in ("file", "url"):
            holder = self.holders.setdefault(where, len(self.holders))
            self.checksums.setdefault(where, item.holder_sha256)
        own = None if item.id == item.path else item.id
        fields = (item.path, own, item.label, PLACE_KINDS.index(kind), holder, start, length, item.size)
        return json.dumps((*fields, item.lost, more), separators=(",", ":")).encode()

    def _nothing(self) -> UnusableInput:
        why = ""
        if self.first_lost is not None:
            why = f": {self.lost} skipped, the first, {self.first_lost.path!r}: {self.first_lost.lost}"
        named = [*self.named[:MOST_NAMED], *["..."] * (len(self.named) > MOST_NAMED)]
        fix = FIX
        if held := held_elsewhere(self.named, self.passed_over):
            what, pattern = held
            why = f"{why}; it holds {what}, and folders are searched for photos alone"
            fix = f"give {pattern!r}"
        return UnusableInput(f"no photos found{why}", where=", ".join(named) or "an empty list", fix=fix)
