"""What lies behind the address of a folder, and what patterns of addresses match; of HTTP by the links of its pages."""

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any, NamedTuple

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources.remote import (
    CHUNK_BYTES,
    FIX,
    RemoteFile,
    is_http,
    joined,
    path_in,
    patiently,
    system_of,
)

MAX_PAGE_BYTES = 64 * 2**20  # of links
MAX_DEPTH = 50  # folders within each other; a server can make them up


class RemoteFolderEntry(NamedTuple):
    """A file below a remote folder."""

    name: str  # relative to the folder
    size: int | None


def folder_and_size(address: str) -> tuple[bool, int | None]:
    """Whether an address leads to a folder, and else how many bytes a file has, where that is known.

    HTTP is not asked: an address with a slash at its end is a folder. Raises UnusableInput where asking fails.
    """
    if is_http(address):
        return not path_in(address) or path_in(address).endswith("/"), None
    system, path = system_of(address)

    def asked() -> tuple[bool, int | None]:
        try:
            about = system.info(path)
        except FileNotFoundError:  # reading it will say so
            return False, None
        return about.get("type") == "directory", about.get("size")

    with _failing(address):
        return patiently(asked)


def files_below(address: str, most_depth: int = MAX_DEPTH) -> Iterator[RemoteFolderEntry]:
    """Every file below a remote folder, one folder of it after another. Raises UnusableInput."""
    pending = [("", 0)]
    with _failing(address):
        while pending:
            folder, depth = pending.pop()
            for name, is_folder, size in _inside(address, folder):
                whole = f"{folder}{name}"
                if not is_folder:
                    yield RemoteFolderEntry(whole, size)
                elif depth + 1 == MAX_DEPTH:
                    raise OSError(f"folders lie more than {MAX_DEPTH} deep within each other")
                elif depth + 1 < most_depth:
                    pending.append((f"{whole}/", depth + 1))


def matching(pattern: str) -> list[str]:
    """The addresses of the files that match a pattern, sorted. Raises UnusableInput."""
    if is_http(pattern):
        return _matching_links(pattern)
    system, path = system_of(pattern)
    protocol = pattern.partition("://")[0]
    with _failing(pattern):
        found = sorted(map(str, patiently(lambda: system.glob(path))))
    return [each if is_address(each) else f"{protocol}://{each.lstrip('/')}" for each in found]


def _matching_links(pattern: str) -> list[str]:
    from fsspec.utils import glob_translate

    base = f"{pattern[: pattern.index('*')].rpartition('/')[0]}/"
    rest = pattern[len(base) :]
    fits = re.compile(glob_translate(rest)).match
    depth = MAX_DEPTH if "**" in rest else rest.count("/") + 1
    return sorted(f"{base}{name}" for name, _ in files_below(base, depth) if fits(name))


def _inside(address: str, folder: str) -> list[tuple[str, bool, int | None]]:
    """Name, whether it is a folder, and size, of what lies in one, sorted. Raises OSError."""
    here = f"{address.rstrip('/')}/{folder}"
    if is_http(address):
        return _links(here)
    system, path = system_of(here)
    found: list[dict[str, Any]] = patiently(lambda: system.ls(path, detail=True))
    rows = (
        (posixpath.basename(each["name"].rstrip("/")), each.get("type") == "directory", each.get("size"))
        for each in found
        if each["name"].strip("/") != path.strip("/")
    )
    return sorted(rows, key=lambda row: row[:2])


def _links(address: str) -> list[tuple[str, bool, int | None]]:
    """What the links of a page lead to within its own folder."""
    data = b""
    with RemoteFile(address) as file:
        while part := file.read(CHUNK_BYTES):
            data += part
            if len(data) > MAX_PAGE_BYTES:
                raise OSError(f"a page of links has more than {MAX_PAGE_BYTES:,} bytes")
    page = _Page()
    page.feed(data.decode("utf-8", "replace"))
    found = set()
    for link in page.links:
        whole = joined(address, link) or ""
        name = whole.removeprefix(address)
        bare = name.removesuffix("/")
        if whole.startswith(address) and bare and not set(bare) & set("/?#"):
            found.add((bare, name.endswith("/"), None))
    return sorted(found, key=lambda row: row[:2])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


@contextmanager
def _failing(address: str) -> Iterator[None]:
    """A block that asks a file system; raises UnusableInput for what it says."""
    try:
        yield
    except OSError as error:
        said = error.strerror or error
        raise UnusableInput(f"it cannot be read: {said}", where=address, fix=FIX) from error
