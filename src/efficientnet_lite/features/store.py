"""Files behind an address, written by fsspec: whole under their names or not at all, retried, verified."""

import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from efficientnet_lite.addresses import public
from efficientnet_lite.errors import OutputFailed, UnusableInput, UsageError
from efficientnet_lite.features.sources.remote import (
    CHUNK_BYTES,
    Hopeless,
    Outcome,
    is_http,
    patiently,
    system_of,
)
from efficientnet_lite.storage import files
from efficientnet_lite.storage.files import PART_SUFFIX
from efficientnet_lite.storage.listing import Entry

# Where a file that is put appears whole, and a rename is a copy.
OBJECTS = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "hf", "memory"))
EXAMPLE = "s3://bucket/vectors"


class Store:
    """The files below an address."""

    def __init__(self, address: str) -> None:
        """Raises UsageError where nothing can be written there, or what it needs is not installed."""
        protocol = address.partition("://")[0].lower()
        if is_http(address) or "::" in address:
            raise UsageError(
                f"{protocol}:// cannot be written to",
                where=address,
                fix=f"give a store, such as {EXAMPLE}, or a folder",
            )
        self.address = public(address).rstrip("/")
        self._system, path = system_of(address)
        self._root, self._is_of_objects = path.rstrip("/"), protocol in OBJECTS

    def names(self) -> set[str]:
        """Of all files below it, and of the folders that hold them."""

        def listed() -> set[str]:
            self._system.invalidate_cache()
            root = self._system._strip_protocol(self._root).strip("/")
            try:
                found = [each.strip("/") for each in self._system.find(self._root)]
            except FileNotFoundError:
                return set()
            return {each.removeprefix(root).lstrip("/") for each in found if each.startswith(root)}

        found = self._read(listed)
        return found | {name.rpartition("/")[0] for name in found if "/" in name}

    def get(self, name: str, path: Path, limit: int | None = None) -> bool:
        """Fetch a file to `path`; False where there is none. Raises UnusableInput: unreachable, or above `limit`."""

        def fetched() -> bool:
            try:
                if limit is not None and self._size(name) > limit:
                    raise Hopeless(f"{name} has more than {limit:,} bytes, which it cannot have")
                self._system.get_file(self._place(name), str(path))
            except FileNotFoundError:
                return False
            return True

        return self._read(fetched)

    def put(self, name: str, path: Path, entry: Entry | None = None) -> None:
        """Give a file its name there, and see that it is `entry`. Raises OutputFailed."""
        place = self._place(name)
        entry = entry or Entry(files.size(path), files.sha256_file(path))

        def stored() -> None:
            if self._is_of_objects:
                self._system.put_file(str(path), place)
            else:
                self._renamed(path, place)
            if not self._is(name, entry):
                raise OSError("what is there is not what was written")

        self._write(name, stored)

    def is_as(self, name: str, entry: Entry) -> bool:
        """Whether a file is there with these bytes."""
        return self._read(lambda: self._is(name, entry))

    def remove(self, names: list[str]) -> None:
        """Remove files; what is not there is passed over. Raises OutputFailed."""
        for name in names:
            place = self._place(name)

            def gone(place: str = place) -> None:
                self._system.invalidate_cache()
                with suppress(FileNotFoundError):
                    self._system.rm_file(place)

            self._write(name, gone)

    def _renamed(self, path: Path, place: str) -> None:
        folder, _, base = place.rpartition("/")
        self._system.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{base}.{secrets.token_hex(4)}{PART_SUFFIX}"
        try:
            self._system.put_file(str(path), temporary)
            self._system.mv(temporary, place)
        finally:
            self._system.invalidate_cache()
            with suppress(FileNotFoundError):  # as a rule it has its name
                self._system.rm_file(temporary)

    def _is(self, name: str, entry: Entry) -> bool:
        try:
            if self._size(name) != entry.bytes:
                return False
            digest = hashlib.sha256()
            with self._system.open(self._place(name), "rb") as file:
                while part := file.read(CHUNK_BYTES):
                    digest.update(part)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == entry.sha256

    def _size(self, name: str) -> int:
        self._system.invalidate_cache()
        return int(self._system.info(self._place(name))["size"])

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _where(self, name: str) -> str:
        return f"{self.address}/{name}"

    def _read(self, action: Callable[[], Outcome]) -> Outcome:
        try:
            return patiently(action)
        except OSError as error:
            raise UnusableInput(
                f"the store cannot be read: {error}",
                where=self.address,
                fix="check the address, and what it lets you do",
            ) from error

    def _write(self, name: str, action: Callable[[], None]) -> None:
        try:
            patiently(action)
        except OSError as error:
            raise OutputFailed(
                f"it could not be written: {error}",
                where=self._where(name),
                fix="check that the store can be reached, and that you may write there",
            ) from error
