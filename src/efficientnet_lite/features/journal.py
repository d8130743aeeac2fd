"""Which parts of a folder are written, while not all of them are: a line a part, on the disk before the part's name is.

A line of which a kill left a beginning counts as none.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import Entry, entry_from

JOURNAL = "_parts.jsonl"
MAX_BYTES, MAX_LINES = 16 * 2**20, 30_000  # as many as a folder has parts

Announced = dict[str, Entry]  # name within the folder -> what the file is


def line_of(announced: Mapping[str, Entry]) -> bytes:
    """What is appended for one part."""
    document = {name: asdict(entry) for name, entry in announced.items()}
    return json.dumps(document).encode() + b"\n"


def read_journal(folder: Path, is_part: Callable[[str], bool]) -> Announced:
    """The files of parts that the journal of `folder` announces, a later line for a name counting.

    `is_part` says whether a name is one of ours; others, and lines that are none, do not count.
    """
    path = folder / JOURNAL
    if not files.is_file(path, follow=False):
        return {}
    try:
        data = files.read_bytes(path, limit=MAX_BYTES, what="a journal of ours")
    except EfficientNetLiteError:
        return {}
    announced: Announced = {}
    if data.count(b"\n") > MAX_LINES:
        return announced
    for line in data.split(b"\n")[:-1]:  # behind the last line break is nothing, or a beginning
        try:
            found = _entries(json_value(line), is_part)
        except ValueError:
            continue
        for name in found:
            announced.pop(name, None)  # so that the last line is the last
        announced |= found
    return announced


def write_journal(folder: Path, parts: Iterable[Mapping[str, Entry]]) -> None:
    """A new journal in place of any other."""
    files.publish(folder / JOURNAL, b"".join(map(line_of, parts)))


def _entries(document: object, is_part: Callable[[str], bool]) -> Announced:
    if not isinstance(document, dict):
        raise ValueError("no line of ours")
    found = {}
    for name, value in document.items():
        if is_part(name) and (entry := entry_from(value)) is not None:
            found[name] = entry
    return found
