"""What the user sees. The only module that prints: results on stdout, everything else on stderr.

Text of any origin can be given as it is. Control characters arrive escaped, and so does a character that the stream
cannot encode. A terminal gets lines of its width that break between words alone (`wrapping`, `drawn_table`), colors
in labels of errors and in bars alone; elsewhere one line stays one line, and a table is as wide as its cells need.
"""

import dataclasses
import errno
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from efficientnet_lite import terminal
from efficientnet_lite.bars import Stages
from efficientnet_lite.cli.wording import Spell, option, spelled
from efficientnet_lite.errors import EfficientNetLiteError, OutputFailed, bounded, printable
from efficientnet_lite.progress import OnProgress, silent
from efficientnet_lite.storage.tables import csv_line

if TYPE_CHECKING:
    from efficientnet_lite.cli.drawn_table import Grid
    from efficientnet_lite.metrics import Interval

EXIT_READER_GONE = 141  # what a shell reports for `efficientnet-lite ... | head`: 128 + SIGPIPE
HANG = 2  # cells before what a line of prose goes on with
RED, YELLOW, BOLD, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


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

    @property
    def width(self) -> int | None:
        """Cells of the terminal that shows the result; None where it goes elsewhere."""
        return terminal.columns(self._stdout)

    def line(self, text: str, *, keep: Sequence[object] = (), hang: int = HANG) -> None:
        """One line of the result, on stdout.

        On a terminal it breaks between words, but not in what `keep` names, and goes on behind `hang` spaces.
        """
        if not self.as_json:
            lines = self._wrapped(text, self._stdout, keep, hang=hang)
            self._write_result("".join(f"{line}\n" for line in lines))

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        right: Sequence[str] = (),
        drop: Sequence[str] = (),
        prose: str = "",
    ) -> None:
        """A table on stdout, as wide as its cells need, and folded to the terminal where there is one.

        Args:
            right: the columns that are aligned right, as numbers are read.
            drop: the columns that can be left out where room is short, the least important first.
            prose: the column whose cells may break between words; those of the others never break.
        """
        if self.as_json:
            return
        if title:
            self.line(title)
        table = self._table(columns, rows, right, drop, prose)
        self._write_result("".join(f"{line}\n" for line in table.lines(self.width)))

    def fits(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bool:
        """Whether a table finds room as it is, with nothing left out."""
        return self.width is None or self._table(columns, rows, (), ()).fits(self.width)

    def facts(self, title: object, rows: Sequence[tuple[str, object]]) -> None:
        """What is known of one thing, on stdout: names, and their values beside them.

        A path does not break, and neither does what a tuple or list has, which is shown with commas.
        """
        from efficientnet_lite.cli.drawn_table import facts

        if self.as_json:
            return
        shown = []
        for name, value in rows:
            parts = [self._cell(each) for each in (value if isinstance(value, tuple | list) else [value])]
            whole = parts if isinstance(value, tuple | list | Path) else []
            shown.append((self._cell(name), ", ".join(parts), whole))
        lines = [self._cell(title), *facts(shown, self.width)]
        self._write_result("".join(f"{line}\n" for line in lines))

    def json(self, document: object) -> None:
        """One JSON document on stdout, indented, whether or not the user asked for JSON; see `plain`."""
        self._write_result(self._dumped(document, indent=2))

    def json_line(self, document: object) -> None:
        """One JSON document on one line of stdout, at once, for readers that take one after another."""
        self._write_result(self._dumped(document, indent=None))

    def csv_line(self, cells: Sequence[object]) -> None:
        """One row of CSV on stdout, at once, whether or not the user asked for JSON."""
        self._write_result(csv_line(cells))

    def note(self, text: str, *, verbose: int = 0, keep: Sequence[object] = ()) -> None:
        """A line on stderr, for users who gave at least `verbose` times --verbose and not --quiet."""
        if not self.quiet and self.verbose >= verbose:
            self._tell("", text, keep=keep)

    def warn(self, text: str, *, keep: Sequence[object] = ()) -> None:
        """A line on stderr about something that the user should look at, --quiet or not."""
        self._tell("warning: ", text, YELLOW, keep=keep)

    def error(self, error: EfficientNetLiteError) -> None:
        """What is wrong, where, and what to do, on three lines of stderr."""
        self._tell("error: ", error.what, RED, hang=7, keep=[error.where])
        self._tell("  in:  ", error.where, hang=7, keep=[error.where])
        self._tell("  try: ", error.fix, BOLD, hang=7, keep=[error.where])

    def _tell(
        self, label: str, text: Path | str, color: str = "", *, hang: int = HANG, keep: Sequence[object] = ()
    ) -> None:
        """`text` of any length and origin, its arguments as this command line has them."""
        said = bounded(printable(spelled(text, self.spell) if isinstance(text, str) else text))
        lines = self._wrapped(label + said, self._stderr, keep, hang=hang)
        if color and terminal.has_colors(self._stderr):
            word = label.strip()
            lines[0] = lines[0].replace(word, f"{color}{word}{PLAIN}", 1)
        self._write_aside("\n".join(lines))

    def progress(self, description: str) -> AbstractContextManager[OnProgress]:
        """Show one stage of the work on stderr; gives on_progress(done, total). See `bars`; --quiet shows none."""
        return silent(description) if self.quiet else self._stages.shown(description)

    def _wrapped(
        self, text: str, stream: TextIO, keep: Sequence[object] = (), *, hang: int = HANG
    ) -> list[str]:
        """`text` in lines for a stream, on a terminal of its width; they go on below its own first word."""
        shown, width = _encodable(printable(text), stream), terminal.columns(stream)
        if width is None or (shown.isascii() and len(shown) <= width):
            return [shown]
        from efficientnet_lite.cli.wrapping import wrapped

        whole = [_encodable(printable(str(each)), stream) for each in keep]
        lead = len(shown) - len(shown.lstrip(" ")) if hang == HANG else 0
        return wrapped(shown, width, hang=lead + hang, keep=whole)

    def _cell(self, value: object) -> str:
        return _encodable(printable(str(value)), self._stdout)

    def _table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        right: Sequence[str],
        drop: Sequence[str],
        prose: str = "",
    ) -> "Grid":
        from efficientnet_lite.cli.drawn_table import Grid

        return Grid(
            [self._cell(name) for name in columns],
            [[self._cell(cell) for cell in row] for row in rows],
            frozenset(map(self._cell, right)),
            tuple(map(self._cell, drop)),
            self._cell(prose),
            ascii=not terminal.is_utf8(self._stdout),
        )

    def _dumped(self, document: object, *, indent: int | None) -> str:
        """JSON text that is safe for a terminal: what is not printable comes as \\u escape."""
        text = json.dumps(
            plain(document), indent=indent, ensure_ascii=not terminal.is_utf8(self._stdout), allow_nan=False
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
        if stream.isatty() and self._stages.print_above(_encodable(text, stream)):
            return
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


def _discard(stream: TextIO) -> None:
    """Send what `stream` still holds to nowhere, or the interpreter fails to flush it and exits with 120."""
    with suppress(OSError):  # a stream in memory has no number and needs none
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
