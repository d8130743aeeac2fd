"""What the other end of a stream can show: how wide it is, whether it has colors, whether a line can be drawn anew."""

import codecs
import os
from typing import TextIO

USUAL_WIDTH = 80  # cells, of a terminal that does not say


def columns(stream: TextIO) -> int | None:
    """The width in cells of the terminal behind `stream`, as COLUMNS or else itself says; None where there is none."""
    if not stream.isatty():
        return None
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    except (OSError, ValueError):  # a stream in memory has no number
        return USUAL_WIDTH


def has_colors(stream: TextIO) -> bool:
    """Whether colors and bold may be written to `stream`.

    NO_COLOR (https://no-color.org) forbids them; FORCE_COLOR (https://force-color.org) asks for them where there is
    no terminal, as in the logs of a build server. A terminal that calls itself dumb has none.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_notebook(stream) or can_redraw(stream)


def can_redraw(stream: TextIO) -> bool:
    """Whether a line that was written to `stream` can be written over: on a terminal and in a notebook."""
    return is_notebook(stream) or (stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"))


def is_notebook(stream: TextIO) -> bool:
    """Whether `stream` ends in a cell of a notebook."""
    return type(stream).__module__.partition(".")[0] == "ipykernel"


def is_utf8(stream: TextIO) -> bool:
    """Whether `stream` takes every character."""
    return codecs.lookup(stream.encoding or "utf-8").name == "utf-8"


def cells(text: str) -> int:
    """How many cells of a terminal `text` takes: two for a Chinese character, none for a combining mark."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
