"""The bytes of a listed photo: of a file, a span of one, an address, or in passing through an archive."""

from collections.abc import Mapping
from pathlib import Path

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import EfficientNetLiteError, UnreadablePhoto
from efficientnet_lite.features.sources.parquet_rows import passing_rows
from efficientnet_lite.features.sources.passages import Passages
from efficientnet_lite.features.sources.photo_entry import PhotoEntry, PlaceKind
from efficientnet_lite.features.sources.record_shards import passing_records
from efficientnet_lite.features.sources.remote import may_pass, read_photo
from efficientnet_lite.features.sources.streams import span
from efficientnet_lite.features.sources.tar_shards import passing_tar
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.accounting import MAY_PASS
from efficientnet_lite.storage import files
from efficientnet_lite.storage.confined_pieces import end_idle

Stamps = Mapping[str, tuple[int, int]]  # file -> bytes and time of change, as `files.stamp`


class PhotoReader:
    """Reads photos of a list. Safe in many threads."""

    def __init__(self, stamps: Stamps) -> None:
        """`stamps`: of each file on this machine that holds several photos, what it was when it was listed."""
        self.stamps = dict(stamps)
        self._passages: Mapping[PlaceKind, Passages] = {
            "tar": Passages(passing_tar),
            "tfrecord": Passages(passing_records),
            "parquet": Passages(passing_rows),
        }

    def close(self) -> None:
        """Close what is being read."""
        for each in self._passages.values():
            each.close()
        end_idle()

    def read(self, entry: PhotoEntry) -> bytes:
        """The bytes of a photo. Raises UnreadablePhoto, whose reason ends with MAY_PASS where it may."""
        try:
            return self._read(entry)
        except UnreadablePhoto as error:
            if may_pass(error):
                error.what += MAY_PASS
            raise

    def _read(self, entry: PhotoEntry) -> bytes:
        if entry.lost is not None:
            raise UnreadablePhoto(entry.lost, where=entry.path, fix="mend it, or leave it out")
        kind, where, start, length = entry.place
        if kind == "file":
            return photo_door.read_bytes(Path(where))
        if kind == "url":
            return photo_door.bounded_bytes(read_photo(where), where)
        if not is_address(where) and files.stamp(where) != self.stamps.get(where):
            raise UnreadablePhoto(
                "the file that holds it has changed since it was listed", where=entry.path, fix="start again"
            )
        try:
            if kind == "span":
                return span(where, start, length)
            # A page that cannot be unfolded takes all photos of its group with it.
            until = start + length if kind == "parquet" and not is_address(where) else start
            return self._passages[kind].read(where, start, until)
        except (EfficientNetLiteError, OSError, LookupError) as error:
            said = getattr(error, "what", None) or getattr(error, "strerror", None) or error
            raise UnreadablePhoto(
                f"it cannot be read: {said}", where=entry.path, fix="mend it, or leave it out"
            ) from error
