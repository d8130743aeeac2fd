"""One photo of a list: what it is called, what is known of it, and where its bytes are. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

ColumnValue = str | int | float | bool | None  # of a further column
ColumnType = Literal["string", "int64", "float64", "bool"]

# How bytes are had: a file, a span of one, what an address leads to, or in passing through an archive or a table.
PlaceKind = Literal["file", "span", "url", "tar", "tfrecord", "parquet"]
PLACE_KINDS: tuple[PlaceKind, ...] = ("file", "span", "url", "tar", "tfrecord", "parquet")


class PhotoPlace(NamedTuple):
    """Where the bytes of a photo are."""

    kind: PlaceKind
    where: str  # the file or address that holds them
    start: int = 0  # of a span or of a member of an archive, the first byte; of a table, the row
    length: int = 0  # bytes, 0 where all of it counts; of a table the rows from this one to its group's end


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """One photo of a list, and what its source says of it."""

    id: str  # the source's own, such as a manifest's id or a key of WebDataset, else the path
    path: str  # as it is shown, with slashes; of a member `shards/0001.tar/key.jpg`
    place: PhotoPlace
    label: str | None = None
    more: tuple[ColumnValue, ...] = ()  # of the further columns, in their order
    size: int | None = None  # bytes, where the source says it
    lost: str | None = None  # why it cannot be used, where that is known before it is read; one line


@dataclass(frozen=True, slots=True)
class SourceItem:
    """What a source says of one photo. `more` are its own further columns, by name."""

    path: str
    place: PhotoPlace
    id: str | None = None
    label: str | None = None
    more: Mapping[str, ColumnValue] = field(default_factory=dict)
    size: int | None = None
    lost: str | None = None
    is_member: bool = False  # of an archive, where one name may stand twice
    is_row: bool = False  # of a table, which says more of a photo than a folder does
    holder_sha256: str | None = None  # of what the file that holds it says of all, where there is no `size`
