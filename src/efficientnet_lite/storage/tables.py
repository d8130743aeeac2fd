"""Tables as CSV whose every cell is one line, comes back as it was, and does nothing in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from numbers import Real
from pathlib import Path

from efficientnet_lite.storage.files import replacing

FORMULA_STARTS = ("=", "+", "-", "@")
WIDE_STARTS = ("\uff1d", "\uff0b", "\uff0d", "\uff20")  # the same as East Asian keyboards write them
ANY_STARTS = (*FORMULA_STARTS, *WIDE_STARTS)
_INNER_START = re.compile(f""";(?=[ "]*[{"".join(map(re.escape, ANY_STARTS))}])""")
ESCAPED = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(
    r"\\([\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})"  # up to U+10FFFF
)


def publish_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as UTF-8 CSV. Every cell is one line and harmless in a spreadsheet, see `csv_cell`."""
    with replacing(path) as file:
        for row in chain([header], rows):
            file.write(csv_line(row).encode())


def csv_line(cells: Sequence[object]) -> str:
    """One row of a table with its line break; see `csv_cell`."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow([csv_cell(cell) for cell in cells])
    return text.getvalue()


def csv_cell(value: object) -> str:
    """`value` as a cell that no spreadsheet executes: a leading = + - or @ gets a quote in front.

    So does such a cell with quotes in front already, or `csv_text` could not tell them apart. Control
    characters, tabs and line breaks among them, and bytes that are no UTF-8 are backslash-escaped, so
    that a row stays a line. A spreadsheet that separates at semicolons would find cells of its own in a
    text: a semicolon before such a sign is escaped, and so is white space or a full-width sign at the
    beginning, which some take for nothing and for the sign. Numbers stay numbers.
    """
    if isinstance(value, Real):
        return str(value)
    text = _INNER_START.sub(r"\\x3b", escaped(str(value)))
    if text[:1] not in FORMULA_STARTS and text.lstrip(" ")[:1] in ANY_STARTS:
        text = f"\\u{ord(text[0]):04x}{text[1:]}"
    return f"'{text}" if text.lstrip("'")[:1] in FORMULA_STARTS else text


def csv_text(cell: str) -> str:
    """The inverse of `csv_cell` for a text."""
    quoted = cell[:1] == "'" and cell.lstrip("'")[:1] in FORMULA_STARTS
    return unescaped(cell[1:] if quoted else cell)


def escaped(text: str) -> str:
    r"""`text` on one line and as valid UTF-8: control characters, undecodable bytes and `\` as escapes."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        c if c.isprintable() and c != "\\" else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )


def unescaped(text: str) -> str:
    """The inverse of `escaped`. A backslash that `escaped` does not write stays as it is."""
    return _ESCAPE.sub(lambda found: ESCAPED.get(found[1]) or chr(int(found[1][1:], 16)), text)
