"""A matrix for as long as somebody holds it: in memory, or a large one in a file without a name.

The file lies in the system's folder for temporary files (`TMPDIR`) and is gone when its process ends, however it does.
Its pages can be given back by the system, which a matrix in memory does not allow.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.storage.files import output_failed

HELD_BYTES = 256 * 2**20


def scratch(rows: int, columns: int) -> Array:
    """An empty matrix, float32. Raises OutputFailed where the disk for temporary files is full."""
    size = 4 * rows * columns
    if size <= HELD_BYTES:
        return np.empty((rows, columns), np.float32)
    place = Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            if hasattr(os, "posix_fallocate"):  # else a full disk ends the process when a page is written
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "r+", shape=(rows, columns))
    except OSError as error:
        raise output_failed(place, error) from error
