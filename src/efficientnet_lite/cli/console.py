"""What the user sees. The only module that prints: results on stdout, everything else on stderr.

Text of any origin can be given as it is. Control characters arrive escaped, one line stays one line,
markup is never interpreted, and a character that the stream cannot encode arrives as an escape. rich is
imported with the first table or progress bar, so that `--help` does not pay for it.
"""

import codecs
import dataclasses
import errno
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TextIO

from efficientnet_lite.bars import Stages
from efficientnet_lite.cli.wording import Spell, option, spelled
from efficientnet_lite.errors import EfficientNetLiteError, OutputFailed, bounded, printable
from efficientnet_lite.progress import OnProgress, silent
from efficientnet_lite.storage.tables import csv_line

if TYPE_CHECKING:
    from efficientnet_lite.metrics import Interval

EXIT_READER_GONE = 141  # what a shell reports for `efficientnet-lite ... | head`: 128 + SIGPIPE
PIPED_WIDTH = 10_000  # columns; where nobody looks, a cell is never wrapped


class Console:
    """One command's way to its user.

    Args:
        json: stdout belongs to one JSON document: `line` and `table` write nothing.
        quiet: no notes and no progress; warnings and errors stay.
        verbose: how many times the user asked for more; see `note`.
        spell: how an argument that a note, a warning or an error names is written.
        stdout, stderr: other streams than the process's own, for tests.

    Writing to stdout raises SystemExit(141) once its reader is gone, and OutputFailed where it cannot
    be written for another reason (a full disk). Trouble with stderr is ignored: there is nobody to tell.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        verbose: int = 0,
        spell: Spell = option,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.as_json, self.quiet, self.verbose, self.spell = json, quiet, verbose, spell
        self._stdout = stdout or sys.stdout or io.StringIO()  # sys.stdout is None where the shell closed it
        self._stderr = stderr or sys.stderr or io.StringIO()
        self._stages = Stages(self._stderr)

    def line(self, text: str) -> None:
        """One line of the result, on stdout."""
        if not self.as_json:
            self._write_result(printable(text) + "\n")

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        right: Sequence[str] = (),
    ) -> None:
        """A table on stdout; the columns named in `right` are aligned right, as numbers are read.

        It is as wide as its cells need, and folded to the terminal where there is one.
        """
        if not self.as_json:
            self._write_result(self._drawn(title, columns, rows, right))

    def json(self, document: object) -> None:
        """One JSON document on stdout, indented, whether or not the user asked for JSON; see `plain`."""
        self._write_result(self._dumped(document, indent=2))

    def json_line(self, document: object) -> None:
        """One JSON document on one line of stdout, at once, for readers that take one after another."""
        self._write_result(self._dumped(document, indent=None))

    def csv_line(self, cells: Sequence[object]) -> None:
        """One row of CSV on stdout, at once, whether or not the user asked for JSON."""
        self._write_result(csv_line(cells))

    def note(self, text: str, *, verbose: int = 0) -> None:
        """A line on stderr, for users who gave at least `verbose` times --verbose and not --quiet."""
        if not self.quiet and self.verbose >= verbose:
            self._write_aside(self._told(text))

    def warn(self, text: str) -> None:
        """A line on stderr about something that the user should look at, --quiet or not."""
        self._write_aside(f"warning: {self._told(text)}")

    def error(self, error: EfficientNetLiteError) -> None:
        """What is wrong, where, and what to do, on three lines of stderr."""
        self._write_aside(f"error: {self._told(error.what)}")
        self._write_aside(f"  in:  {self._told(error.where)}")
        self._write_aside(f"  try: {self._told(error.fix)}")

    def _told(self, text: Path | str) -> str:
        """`text` of any length and origin on one line, its arguments as this command line has them."""
        return bounded(printable(spelled(text, self.spell) if isinstance(text, str) else text))

    def progress(self, description: str) -> AbstractContextManager[OnProgress]:
        """Show one stage of the work on stderr; gives on_progress(done, total). See `bars`; --quiet shows none."""
        return silent(description) if self.quiet else self._stages.shown(description)

    def _drawn(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str]
    ) -> str:
        """The table as plain text: without colors or bold there is nothing for NO_COLOR to turn off."""
        from rich import box
        from rich.console import Console as RichConsole
        from rich.table import Table
        from rich.text import Text

        def cell_text(cell: object) -> Text:  # a Text is never markup
            return Text(_encodable(printable(str(cell)), self._stdout))

        table = Table(
            title=cell_text(title) if title else None,
            title_justify="left",
            box=box.SIMPLE_HEAD if _is_utf8(self._stdout) else box.ASCII,
            show_edge=False,
            pad_edge=False,
        )
        for column in columns:
            justify: Literal["left", "right"] = "right" if column in right else "left"
            table.add_column(cell_text(column), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*map(cell_text, row))
        text = io.StringIO()
        drawer = RichConsole(
            file=text,
            width=None if self._stdout.isatty() else PIPED_WIDTH,
            color_system=None,
            force_terminal=False,
            legacy_windows=False,
        )
        drawer.print(table)
        return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())

    def _dumped(self, document: object, *, indent: int | None) -> str:
        """JSON text that is safe for a terminal: what is not printable comes as \\u escape."""
        text = json.dumps(
            plain(document), indent=indent, ensure_ascii=not _is_utf8(self._stdout), allow_nan=False
        )
        return "".join(
            line + "\n"
            if line.isprintable()
            else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line) + "\n"
            for line in text.split("\n")
        )

    def _write_result(self, text: str) -> None:
        try:
            self._write(self._stdout, text)
        except OSError as error:
            self.result_lost(error)

    def result_lost(self, error: OSError) -> NoReturn:
        """What it means that standard output takes no more: nobody reads it, or OutputFailed."""
        _discard(self._stdout)
        if error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL):
            raise SystemExit(EXIT_READER_GONE) from None
        raise OutputFailed(
            f"the result could not be written: {error.strerror or error}",
            where="standard output",
            fix="free some space on that disk, or send the output elsewhere",
        ) from error

    def _write_aside(self, text: str) -> None:
        try:
            self._write(self._stderr, text + "\n")
        except OSError:
            _discard(self._stderr)

    def _write(self, stream: TextIO, text: str) -> None:
        with self._stages.above() if stream.isatty() else nullcontext():
            stream.write(_encodable(text, stream))
            stream.flush()


def percent(fraction: float | None, interval: "Interval | None" = None) -> str:
    """A fraction for people: "91.2 %", or "91.2 % (88.0-93.7)"; "-" where there is none."""
    if fraction is None or math.isnan(fraction):
        return "-"
    text = f"{100 * fraction:.1f} %"
    return text if interval is None else f"{text} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def plain(value: object) -> Any:
    """`value` as JSON knows it.

    Dataclasses and named tuples become objects, other sequences and arrays become lists. A path becomes
    its absolute string, what is no finite number null. Bytes of a path that are no UTF-8 become
    backslash escapes, so that every parser accepts the text. Raises TypeError for anything else.
    """
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case Path():
            return plain(str(value.absolute()))
        case Mapping():
            return {plain(str(key)): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and numbers, without importing numpy
        return plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _encodable(text: str, stream: TextIO) -> str:
    """`text` with an escape for every character that `stream` cannot encode."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _is_utf8(stream: TextIO) -> bool:
    return codecs.lookup(stream.encoding or "utf-8").name == "utf-8"


def _discard(stream: TextIO) -> None:
    """Send what `stream` still holds to nowhere, or the interpreter fails to flush it and exits with 120."""
    with suppress(OSError):  # a stream in memory has no number and needs none
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
