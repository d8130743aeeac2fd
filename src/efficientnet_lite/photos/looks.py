"""What is kept of each photo that was looked at, once for equal files.

A photo takes four bytes, and 40 more where no other has its content; fingerprints lie in a file without a name.
"""

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.duplicates import FINGERPRINT_BYTES

NONE = -1  # instead of a content: the photo was not looked at, or cannot be used
SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a photo."""

    sha256: str  # of the file's bytes, hex
    fingerprint: bytes  # `duplicates.fingerprint`, 216 bytes
    height: int  # of the upright photo as stored, pixels
    width: int
    notes: tuple[str, ...]  # of the photo door: "first of 2 frames"


class Looks(Mapping[int, Look]):
    """Looks by the position of a photo, in the order of positions. To be filled by one thread."""

    def __init__(self) -> None:
        self._content = array("i")  # of each position: the number of what it holds, or NONE
        self._numbers: dict[bytes, int] = {}  # SHA-256 -> number; empty once nothing is expected any more
        self._sha256 = bytearray()
        self._sizes = array("i")  # height and width
        self._notes: dict[int, tuple[str, ...]] = {}  # by number, where there are some
        self._fingerprints = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as this lives
        weakref.finalize(self, self._fingerprints.close)

    def add(self, position: int, look: Look) -> None:
        """Keep what was seen of the photo at `position`."""
        digest = bytes.fromhex(look.sha256)
        if self._sizes and not self._numbers:  # it was complete
            self._numbers = {self._digest(known): known for known in range(len(self._sizes) // 2)}
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._sizes) // 2
            self._sha256 += digest
            self._sizes.extend((look.height, look.width))
            self._fingerprints.seek(0, os.SEEK_END)
            self._fingerprints.write(look.fingerprint)
            if look.notes:
                self._notes[number] = look.notes
        self._put(position, number)

    def add_equal(self, position: int, sha256: str) -> None:
        """Keep that the photo at `position` has a content that is there."""
        self._put(position, self._numbers[bytes.fromhex(sha256)])

    def _put(self, position: int, number: int) -> None:
        if position >= len(self._content):
            self._content.extend([NONE] * (position + 1 - len(self._content)))
        self._content[position] = number

    def holds(self, sha256: str) -> bool:
        """Whether a photo of this content was added; for any thread."""
        return bytes.fromhex(sha256) in self._numbers

    def complete(self) -> None:
        """Nothing is added any more: what finds contents again is dropped."""
        self._numbers = {}

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[int]:
        return iter(self.positions.tolist())

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, int | np.integer) or not 0 <= position < len(self._content):
            return False
        return self._content[int(position)] != NONE

    def __getitem__(self, position: int) -> Look:
        number = self._number(position)
        self._fingerprints.seek(number * FINGERPRINT_BYTES)
        height, width = self._sizes[2 * number : 2 * number + 2]
        fingerprint = self._fingerprints.read(FINGERPRINT_BYTES)
        return Look(self._digest(number).hex(), fingerprint, height, width, self._notes.get(number, ()))

    def sha256(self, position: int) -> str:
        """Of the photo at `position`. Raises KeyError."""
        return self._digest(self._number(position)).hex()

    def _number(self, position: int) -> int:
        if position not in self:
            raise KeyError(position)
        return self._content[position]

    def _digest(self, number: int) -> bytes:
        return bytes(self._sha256[SHA256_BYTES * number : SHA256_BYTES * (number + 1)])

    @property
    def positions(self) -> npt.NDArray[np.intp]:
        """Of the photos that were looked at, in order."""
        return np.flatnonzero(np.array(self._content) != NONE)

    def contents(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
        """For each of `positions` the number of what the photo holds: equal for equal bytes, see `distinct`."""
        return np.array(self._content, np.int32)[positions]

    def ranks(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
        """For each of `positions` the place of the photo's SHA-256 among all: equal for equal bytes."""
        ranks = np.empty(len(self._sizes) // 2, np.int32)
        ranks[sorted(range(len(ranks)), key=self._digest)] = np.arange(len(ranks))
        return ranks[self.contents(positions)]

    def distinct(self) -> tuple[list[str], npt.NDArray[np.uint8]]:
        """SHA-256 and fingerprint (M, 216) of each content, by number."""
        self._fingerprints.seek(0)
        cells = np.frombuffer(self._fingerprints.read(), np.uint8).reshape(-1, FINGERPRINT_BYTES)
        return [self._digest(number).hex() for number in range(len(cells))], cells
