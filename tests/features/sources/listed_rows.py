"""What a list says of its photos, in the forms that tests compare."""

import io
import tarfile

from PIL import Image

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.features.sources.photo_list import list_sources

JPEG = b"\xff\xd8\xff"  # what a photo begins with


def photo(seed: int) -> bytes:
    """A small JPEG, another for each seed."""
    stream = io.BytesIO()
    Image.new("RGB", (8 + seed % 7, 9), (seed * 37 % 256, seed % 256, 90)).save(stream, "JPEG")
    return stream.getvalue()


def read(photos, **options):
    """(path, bytes or the reason why there are none) of every entry, in order."""
    found = []
    with list_sources(photos, **options) as listed:
        for entry in listed.entries():
            try:
                found.append((entry.path, listed.read(entry)))
            except UnreadablePhoto as error:
                found.append((entry.path, error.what))
    return found


def table(photos, **options):
    """Columns and rows: id, path, label and the further columns, each by its name."""
    with list_sources(photos, **options) as listed:
        names = list(listed.columns)
        rows = [
            {"id": e.id, "path": e.path, "label": e.label, **dict(zip(names, e.more, strict=True))}
            for e in listed.entries()
        ]
        return dict(listed.columns), rows


def tar_bytes(members, mode="w", **options):
    """An archive of (name, bytes) or TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, **options) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, data = member
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return stream.getvalue()


def link_in_tar(name, target, kind=tarfile.SYMTYPE):
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, target
    return about
