"""In which form feature vectors are written, and which forms there are not."""

from dataclasses import dataclass
from importlib.util import find_spec

from efficientnet_lite.errors import CALL, UsageError, wrong_argument
from efficientnet_lite.extras import EMBED
from efficientnet_lite.vocabulary import VectorDtype, VectorFormat, VectorLayout

MAX_PART_ROWS = 1_000_000  # a kill costs a part; one of float32 has 5 KB a row


@dataclass(frozen=True, slots=True)
class VectorForm:
    """A form that can be written here."""

    format: VectorFormat
    layout: VectorLayout
    dtype: VectorDtype
    part_rows: int


def form_of(
    format: VectorFormat, layout: VectorLayout, dtype: VectorDtype | None, part_rows: int
) -> VectorForm:
    """The form that these arguments of a call mean; None stands for the layout's own type.

    Raises UsageError: they do not go together, or its library is not installed.
    """
    if not 1 <= part_rows <= MAX_PART_ROWS:
        raise wrong_argument("part_rows", part_rows, fix=f"give a number from 1 to {MAX_PART_ROWS}")
    if format == "npy":
        if layout != "parts":
            raise wrong_argument("layout", layout, fix="it has Parquet files: leave out `format='npy'`")
        if dtype not in (None, "float32"):
            raise wrong_argument("dtype", dtype, fix="`format='npy'` is float32; leave one of them out")
    elif find_spec("pyarrow") is None:
        raise no_pyarrow()
    if layout == "clip-retrieval" and dtype == "int8":
        raise wrong_argument(
            "dtype", dtype, fix="that layout has no place for scales: give float16 or float32"
        )
    return VectorForm(
        format, layout, dtype or ("float16" if layout == "clip-retrieval" else "float32"), part_rows
    )


def no_pyarrow() -> UsageError:
    """The error where Parquet cannot be written."""
    return UsageError("vectors as Parquet need pyarrow", where=CALL, fix=f"{EMBED}, or give `format='npy'`")
