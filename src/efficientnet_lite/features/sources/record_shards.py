"""Photos in TFRecord files: those of the reference, and any `tf.train.Example` with one encoded image.

Of a file on this machine each photo is read where it lies, of any other in passing. A record with a wrong checksum is
an item with that reason; where a length is wrong nothing behind it can be found, and that is one, too.

Source: tensorflow, core/lib/io/record_writer.h (layout), core/example/feature.proto (features); tensorflow/tpu,
tools/datasets/imagenet_to_gcs.py (keys).
"""

import re
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from typing import BinaryIO

from efficientnet_lite.addresses import is_address
from efficientnet_lite.features.sources.columns import column_value, text_value
from efficientnet_lite.features.sources.passages import Passing
from efficientnet_lite.features.sources.photo_entry import ColumnValue, PhotoPlace, SourceItem
from efficientnet_lite.features.sources.streams import FAULTS, forwards, is_packed, unreadable
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.photos.manifest import LABEL_COLUMNS
from efficientnet_lite.protobuf import Malformed
from efficientnet_lite.records import tfrecord
from efficientnet_lite.records.example import features_of

IMAGE = "image/encoded"
# The first that is there is the label: words before names before numbers.
LABELS = (
    *("image/class/text", "image/class/synset", "image/class/label"),
    *LABEL_COLUMNS,
    *(f"image/{name}" for name in LABEL_COLUMNS),
)
NAMES = ("image/filename", "filename", "file_name", "image/source_id")
NAME = re.compile(r".+-\d{5}-of-\d{5}(\.gz)?")  # of a record file without an ending of its own
MAX_TEXT = 1 << 16  # characters of one feature


def record_items(shown: str, where: str) -> Iterator[SourceItem]:
    """The photos of a record file in its order. Raises UnusableInput where it cannot be opened or read on."""
    plain = not is_address(where) and not is_packed(where)
    with forwards(where) as file:
        try:
            for number, (start, record) in enumerate(tfrecord.records_with_places(file)):
                if record is None:
                    yield _lost(shown, where, number, start, "its checksum is wrong")
                    continue
                try:
                    yield _item(shown, where, number, start, record, plain)
                except Malformed as error:
                    yield _lost(shown, where, number, start, f"no example with one photo: {error}")
        except (Malformed, EOFError, zlib.error, BadGzipFile) as error:
            reason = f"the file is damaged here, and what comes behind cannot be found: {error}"
            yield SourceItem(shown, PhotoPlace("tfrecord", where), lost=reason, is_member=True)
        except OSError as error:
            raise unreadable(where, error) from error


def passing_records(where: str, start: int) -> Passing:
    """The photo of each record as it comes by, from the record at byte `start` on. Raises OSError."""
    with forwards(where) as file:
        try:
            for place, record in tfrecord.records_with_places(file):
                if place >= start and record is not None:
                    yield place, _photo(features_of(record))[1]
        except (Malformed, *FAULTS) as error:
            raise OSError(f"the file cannot be read: {error}") from error


def begins_records(file: BinaryIO) -> bool:
    """Whether a stream begins as a record file does."""
    try:
        next(tfrecord.records_with_places(file), None)
    except (Malformed, *FAULTS):
        return False
    return True


def _item(shown: str, where: str, number: int, start: int, record: bytes, plain: bool) -> SourceItem:
    features = features_of(record)
    key, photo = _photo(features)
    values = {
        name: value for name, each in features.items() if name != key and (value := _value(each)) is not None
    }
    label_key = next((name for name in LABELS if name in values), None)
    label = None if label_key is None else str(values.pop(label_key)).strip() or None
    name = next((found for key in NAMES if (found := values.get(key)) and isinstance(found, str)), None)
    place = PhotoPlace("tfrecord", where, start)
    if plain:
        # The photo lies in the record as it is, behind its header of 12 bytes.
        place = PhotoPlace("span", where, start + tfrecord.HEADER_BYTES + record.find(photo), len(photo))
    path = f"{shown}/{name.lstrip('/')}" if name else f"{shown}/{number:06d}"
    return SourceItem(path, place, label=label, more=values, size=len(photo), is_member=True)


def _lost(shown: str, where: str, number: int, start: int, reason: str) -> SourceItem:
    path = f"{shown}/{number:06d}"
    return SourceItem(path, PhotoPlace("tfrecord", where, start), lost=reason, is_member=True)


def _photo(features: dict[str, list[bytes] | list[int] | list[float]]) -> tuple[str, bytes]:
    """Name and bytes of the one feature that is a photo's file. Raises Malformed where there is none, or several."""
    named = features.get(IMAGE)
    if named is not None and len(named) == 1 and isinstance(named[0], bytes):
        return IMAGE, named[0]
    found = [
        (name, each[0])
        for name, each in features.items()
        if len(each) == 1 and isinstance(each[0], bytes) and format_of(each[0][:MAGIC_BYTES]) is not None
    ]
    if len(found) != 1:
        raise Malformed("it has no photo" if not found else f"it has {len(found)} photos")
    return found[0]


def _value(values: list[bytes] | list[int] | list[float]) -> ColumnValue:
    """A feature as the value of a column: alone as it is, several as a list in JSON; None for what is no text."""
    plain: list[str | int | float] = []
    size = 0
    for each in values:
        if isinstance(each, bytes):
            size += len(each)
            if size > MAX_TEXT:
                return None
            try:
                plain.append(text_value(each.decode()))
            except UnicodeDecodeError:
                return None
        else:
            plain.append(each)
    if not plain:
        return None
    return plain[0] if len(plain) == 1 else column_value(plain)
