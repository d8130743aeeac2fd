"""Photos in a tar, packed by gzip or not: those of WebDataset with what lies beside each, and any others.

Nothing is unpacked: of a plain tar on this machine each photo is read where it lies, of any other in passing. Members
whose names agree up to the first dot are one sample of WebDataset: its `.json`, `.txt` and other texts become columns,
its `.cls` the label.

Source: WebDataset, "The WebDataset Format" (samples, keys); img2dataset, README (what its shards hold).
"""

import os
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from pathlib import PurePosixPath
from typing import BinaryIO

from efficientnet_lite.addresses import is_address
from efficientnet_lite.documents import json_value
from efficientnet_lite.features.sources.columns import column_value, text_value
from efficientnet_lite.features.sources.passages import Passing
from efficientnet_lite.features.sources.photo_entry import ColumnValue, PhotoPlace, SourceItem
from efficientnet_lite.features.sources.streams import FAULTS, forwards, is_packed, unreadable
from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.decode import MAX_BYTES
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.photos.walk import PassedOver
from efficientnet_lite.storage import files
from efficientnet_lite.tarred import BROKEN_OFF, DamagedTar, Tar, TarMember

MAX_TEXT_BYTES = 1 << 20  # of what lies beside a photo
MAX_BESIDE = 100  # texts of one sample
TEXTS = frozenset(
    (".json", ".txt", ".text", ".transcript", ".cls", ".cls2", ".index", ".inx", ".id", ".url", ".caption")
)
LABEL = ".cls"
LEADS_OUT = "its path leads out of the archive"
NO_FILE = "a link, a device or a sparse file in an archive, which is not followed"
TOO_LARGE = f"it has more than {MAX_BYTES:,} bytes"
NO_END = "the archive has no end, so that what came behind may be lost"
DAMAGED = "the archive is damaged here, and what comes behind cannot be found"


def tar_items(shown: str, where: str) -> Iterator[SourceItem | PassedOver]:
    """The photos of an archive in its order. A damaged tail is an item with that reason; what came before it counts.

    Raises UnusableInput where it cannot be opened or read on.
    """
    plain = not is_address(where) and not is_packed(where)
    with forwards(where) as file:
        yield from _Listing(shown, where, _tar(file, where if plain else None), plain).items()


def passing_tar(where: str, start: int) -> Passing:
    """Every member of an archive that may be a photo, as it comes by, from byte `start` of its content on.

    Raises OSError.
    """
    with forwards(where) as file:
        archive = Tar(file.read)
        try:
            for member in archive:
                if member.start >= start and member.kind == "file" and member.size <= MAX_BYTES:
                    yield member.start, archive.content()
        except (DamagedTar, *FAULTS) as error:
            raise OSError(f"the archive cannot be read: {error}") from error


def _tar(file: BinaryIO, path: str | None) -> Tar:
    if path is None:
        return Tar(file.read)
    size = files.size(path)

    def skip(count: int) -> None:
        if file.tell() + count > size:
            raise DamagedTar(BROKEN_OFF)
        file.seek(count, os.SEEK_CUR)

    return Tar(file.read, skip)


class _Sample:
    """Members in a row that share a key."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.photos: list[tuple[str, PhotoPlace, int, str | None]] = []  # path, place, size, lost
        self.more: dict[str, ColumnValue] = {}
        self.label: str | None = None
        self.beside: list[str] = []  # endings of what lies beside


class _Listing:
    def __init__(self, shown: str, where: str, archive: Tar, plain: bool) -> None:
        self.shown, self.where, self.archive, self.plain = shown, where, archive, plain
        self.sample: _Sample | None = None
        self.current = ""  # the member that is being looked at
        self.count = 0

    def items(self) -> Iterator[SourceItem | PassedOver]:
        reason = None
        try:
            for member in self.archive:
                self.count += 1
                self.current = member.name
                yield from self._member(member)
                self.archive.finish()
                self.current = ""
            if not self.archive.has_end:
                reason = NO_END
        except OSError as error:
            if not isinstance(error, BadGzipFile):  # nothing says that the archive itself is at fault
                raise unreadable(self.where, error) from error
            reason = f"{DAMAGED}: {error}"
        except (DamagedTar, EOFError, zlib.error) as error:
            reason = f"{DAMAGED}: {error}"
        if reason is not None and self.current and self.sample is not None:
            cut = f"{self.shown}/{self.current}"
            self.sample.photos = [each for each in self.sample.photos if each[0] != cut]
        yield from self._flush()
        if reason is not None:
            cut = self.current if self.current and not _leads_out(self.current) else ""
            path = f"{self.shown}/{cut}" if cut else self.shown
            yield self._item(path, PhotoPlace("tar", self.where), None, reason)

    def _member(self, member: TarMember) -> Iterator[SourceItem | PassedOver]:
        name = member.name.removeprefix("./")
        path = PurePosixPath(name)
        if member.kind == "folder":
            return
        key, ending = _key(name)
        leads_out = _leads_out(name)
        kind = next((found for part in path.parts[:-1] if (found := rubbish.folder_kind(part))), None)
        if leads_out:
            kind = None
        elif kind is None:
            kind = rubbish.file_kind(path.name)
            is_file = member.kind == "file"
            if is_file and ending in TEXTS and kind in (None, ending):
                yield from self._beside(key, ending, member)
                return
            if kind and is_file and format_of(self.archive.content(MAGIC_BYTES)) is not None:
                kind = None
        if kind is not None:
            yield PassedOver(kind)
            return
        lost = None
        if leads_out:
            lost = LEADS_OUT
        elif member.kind != "file":
            lost = NO_FILE
        elif member.size > MAX_BYTES:
            lost = TOO_LARGE
        yield from self._begun(key)
        assert self.sample is not None
        place = PhotoPlace("span" if self.plain else "tar", self.where, member.start, member.size)
        self.sample.photos.append((f"{self.shown}/{name}", place, member.size, lost))

    def _begun(self, key: str) -> Iterator[SourceItem | PassedOver]:
        """The sample before, where `key` begins another."""
        if self.sample is None or self.sample.key != key:
            yield from self._flush()
            self.sample = _Sample(key)

    def _beside(self, key: str, ending: str, member: TarMember) -> Iterator[SourceItem | PassedOver]:
        yield from self._begun(key)
        sample = self.sample
        assert sample is not None
        sample.beside.append(ending)
        if member.size > MAX_TEXT_BYTES or len(sample.beside) > MAX_BESIDE:
            return
        text = text_value(self.archive.content().decode("utf-8", "replace").strip("\r\n\0"))
        if ending == LABEL:
            sample.label = text.strip() or None
            return
        if ending == ".json":
            try:
                about = json_value(text)
            except ValueError:
                about = None
            if isinstance(about, dict):
                sample.more |= {text_value(str(name)): column_value(value) for name, value in about.items()}
                return
        sample.more[ending.removeprefix(".")] = text

    def _flush(self) -> Iterator[SourceItem | PassedOver]:
        sample, self.sample = self.sample, None
        if sample is None:
            return
        if not sample.photos:
            yield from map(PassedOver, sample.beside)
        for path, place, size, lost in sample.photos:
            yield SourceItem(
                path,
                place,
                id=sample.key,
                label=sample.label,
                more=sample.more,
                size=size,
                lost=lost,
                is_member=True,
            )

    def _item(self, path: str, place: PhotoPlace, size: int | None, lost: str) -> SourceItem:
        return SourceItem(path, place, size=size, lost=lost, is_member=True)


def _key(name: str) -> tuple[str, str]:
    """The key of a member's sample, and the last ending of its name: `a/b.seg.png` is of `a/b`, a `.png`."""
    folder, slash, base = name.rpartition("/")
    stem = base.lstrip(".")
    hidden = base[: len(base) - len(stem)]
    return f"{folder}{slash}{hidden}{stem.partition('.')[0]}", PurePosixPath(stem.lower()).suffix


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":"
