"""A matrix in NumPy's format that is written row by row, before it is known how many rows there will be."""

from typing import BinaryIO

import numpy as np


def write_header(file: BinaryIO, rows: int, columns: int, dtype: str) -> None:
    """The header of a matrix, at the front; `dtype` as NumPy spells it, such as "<f4".

    NumPy pads it so that a growing first axis leaves its length as it is, so it can be written again.
    """
    file.seek(0)
    header = {"descr": dtype, "fortran_order": False, "shape": (rows, columns)}
    np.lib.format.write_array_header_1_0(file, header)
