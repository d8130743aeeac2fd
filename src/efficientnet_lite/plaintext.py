"""Text that people and other programs write: what editors and systems put around it is taken off. Pure.

A byte order mark, carriage returns before line feeds, and NULs at the end of a line or of the whole say nothing.
Other NULs are an error, and so is UTF-16, which some programs of Windows write where they say Unicode.
"""

import re

from efficientnet_lite.errors import printable

BOM = b"\xef\xbb\xbf"  # of UTF-8
UTF16 = (b"\xff\xfe", b"\xfe\xff")
TRACEBACK = "Traceback (most recent call last):"
COLORS = rb"\x1b\[[0-?]*[ -/]*[@-~]"  # and all else that a terminal is told by ECMA-48's control sequences


def plain_text(data: bytes) -> str:
    r"""`data` in UTF-8 as text whose lines end with `\n`. Raises ValueError, which names the line."""
    lines = plain_lines(data)
    try:
        return _decoded(b"\n".join(lines), 0)  # at once, as nearly always nothing is wrong with it
    except ValueError:
        return "\n".join(_decoded(line, number) for number, line in enumerate(lines, 1))


def plain_lines(data: bytes) -> list[bytes]:
    """The lines of `data`, in whatever encoding; the last is empty where the text ends with a line feed.

    Raises ValueError for UTF-16, whose bytes are no lines.
    """
    if data.startswith(UTF16) and b"\0" in data[:4]:
        raise ValueError("it is UTF-16, as Windows saves text, and not UTF-8")
    body = data.rstrip(b"\0").replace(b"\r\n", b"\n")
    return [line.removeprefix(BOM).rstrip(b"\0") for line in body.split(b"\n")]  # files are also joined


def _decoded(line: bytes, number: int) -> str:
    if b"\0" in line:
        raise ValueError(f"line {number} has a NUL character")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"line {number}: byte {error.start + 1} is not UTF-8") from error


def printed(data: bytes) -> str:
    """What another program printed, safe to show: colors taken off, blank lines left out, all else odd as escapes."""
    text = re.sub(COLORS, b"", data).decode(errors="replace")
    lines = (printable(line.rstrip()) for line in re.split("[\r\n]+", text.replace("\t", " ")))
    return "\n".join(line for line in lines if line)


def without_traceback(text: str) -> str:
    """What a Python program printed, with the exception that ended it, and without where in its code that was."""
    lines = text.split("\n")
    if TRACEBACK not in lines:
        return text
    start = len(lines) - 1 - lines[::-1].index(TRACEBACK)
    end = next(
        (place for place in range(start + 1, len(lines)) if not lines[place].startswith(" ")), len(lines)
    )
    return "\n".join([*lines[:start], *lines[end:]])


def shortened(text: str, *, lines: int = 5, width: int = 200) -> str:
    """The last lines of `text`, each cut to `width` characters; an ellipsis says what is left out."""
    whole = text.split("\n")
    kept = [line if len(line) <= width else f"{line[:width]}…" for line in whole[-lines:]]
    return "\n".join(["…", *kept] if len(whole) > lines else kept)
