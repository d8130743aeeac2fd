"""Tables and lists of facts as lines of text that fit a width, with every number, word and path whole.

A table that is too wide first breaks its headers, and prose in it, between words; then it leaves out the columns that
its author can spare, and says which. Where even that is not enough each row becomes lines: its first cell stands above
the others, or each cell beside the name of its column.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from efficientnet_lite.cli.wrapping import GLUE, atoms, glued, unglued, wrapped

GAP = 2  # cells between columns, and before what stands below the first cell of its row
LEAST_PROSE = 20  # cells; narrower columns of prose read badly
ENDLESS = 100_000  # cells; where nobody looks, nothing is folded
LINE = box.SIMPLE_HEAD
ASCII_LINE = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. All of its text is fit for a terminal already."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()  # columns that are aligned right, as numbers are read
    drop: tuple[str, ...] = ()  # columns that can be left out, the least important first
    prose: str = ""  # the column whose cells may break between words
    ascii: bool = False

    def lines(self, width: int | None) -> list[str]:
        """The table in `width` cells; as wide as it needs to be where that is None."""
        if not self.columns:
            return []
        if width is None:
            return self._drawn(ENDLESS)
        for some, left_out in self._narrower():
            if some.fits(width):
                return [*some._drawn(width), *_said(left_out, width)]
        for some, left_out in replace(self, prose="")._narrower(first=1):
            if some.fits(width - GAP):
                return [*self._first_above(some, width), *_said(left_out, width)]
        return self._as_facts(width)

    def fits(self, width: int) -> bool:
        """Whether all of it finds room, its headers and its prose broken between words."""
        return _least(self._table(narrow=True)) <= width

    def _narrower(self, first: int = 0) -> Iterator[tuple["Grid", tuple[str, ...]]]:
        """This table from its column `first` on, then without ever more of what can be left out."""
        for count in range(len(self.drop) + 1):
            left_out = self.drop[:count]
            keep = [
                place for place, name in enumerate(self.columns) if place >= first and name not in left_out
            ]
            rows = [[row[place] for place in keep] for row in self.rows]
            if keep:
                yield replace(self, columns=[self.columns[place] for place in keep], rows=rows), left_out

    def _table(self, *, narrow: bool) -> Table:
        """The table for rich, whose words are what must not break; narrow, headers are broken already."""
        headed = any(self.columns)
        table = Table(
            box=(ASCII_LINE if self.ascii else LINE) if headed else None,
            show_header=headed,
            show_edge=False,
            pad_edge=False,
            padding=(0, GAP - 1 if headed else GAP, 0, 0),
        )
        for name, header in zip(self.columns, self._headers(narrow=narrow), strict=True):
            prose = name == self.prose
            table.add_column(
                Text(header),
                justify="right" if name in self.right else "left",
                no_wrap=not prose,
                # rich counts characters, not cells, where it takes spaces off a line's end: they are cut instead
                overflow="crop",
                min_width=min(LEAST_PROSE, self._widest(name)) if prose else None,
            )
        for row in self.rows:
            cells = zip(self.columns, row, strict=True)
            table.add_row(
                *(
                    Text(glued(cell) if name == self.prose else cell.replace(" ", GLUE))
                    for name, cell in cells
                )
            )
        return table

    def _headers(self, *, narrow: bool) -> list[str]:
        """The names of the columns; narrow, those that are wider than their cells break, and all end on one line."""
        words = [
            name.split(" ") if narrow and cell_len(name) > self._widest(name) else [name]
            for name in self.columns
        ]
        height = max(map(len, words), default=0)
        return ["\n".join([""] * (height - len(each)) + each).replace(" ", GLUE) for each in words]

    def _widest(self, name: str) -> int:
        place = self.columns.index(name)
        return max((cell_len(row[place]) for row in self.rows), default=0)

    def _drawn(self, width: int) -> list[str]:
        table = self._table(narrow=False)
        if _least(table) > width:
            table = self._table(narrow=True)
        drawer = _drawer(width)
        drawer.print(table)
        text = unglued(drawer.file.getvalue())  # type: ignore[attr-defined]
        return [line.rstrip() for line in text.splitlines()]

    def _first_above(self, others: "Grid", width: int) -> Iterator[str]:
        """Each row as a line with its first cell, where it has one, and below it the others as in a table."""
        indent = " " * GAP
        lines = others._drawn(width - GAP)
        head = len(lines) - len(self.rows)
        yield self.columns[0]
        for line in lines[:head]:
            yield line[:1] * GAP + line if line == lines[head - 1] else indent + line
        for whole, line in zip(self.rows, lines[head:], strict=True):
            if whole[0]:
                yield whole[0]
            yield indent + line

    def _as_facts(self, width: int) -> list[str]:
        """Each row as lines, name and value, an empty line between two of them."""
        found: list[str] = []
        for row in self.rows:
            pairs = [(name, cell) for name, cell in zip(self.columns, row, strict=True) if cell]
            found += [
                "",
                *facts([(name, cell, [] if name == self.prose else [cell]) for name, cell in pairs], width),
            ]
        return found[1:]


def facts(rows: Sequence[tuple[str, str, Sequence[str]]], width: int | None) -> list[str]:
    """Names and their values beside each other; long values break between words, but for the named parts of each."""
    key = max((cell_len(name) for name, _, _ in rows), default=0)
    found = []
    for name, value, keep in rows:
        before = f"{name}{' ' * (key - cell_len(name))}{' ' * GAP}"
        longest = max(map(cell_len, atoms(value, keep)), default=0)
        if width is None or key + GAP + max(longest, min(cell_len(value), LEAST_PROSE)) <= width:
            beside = wrapped(value, None if width is None else width - key - GAP, keep=keep)
            found += [f"{before}{beside[0]}", *(" " * (key + GAP) + line for line in beside[1:])]
        else:
            found += [name, *wrapped(f"{' ' * GAP}{value}", width, hang=GAP, keep=keep)]
    return [line.rstrip() for line in found]


def _said(left_out: Sequence[str], width: int) -> list[str]:
    if not left_out:
        return []
    return wrapped(f"(no room here for {', '.join(left_out)}: --json has all)", width)


def _drawer(width: int) -> Console:
    """A console without colors, so that there is nothing for NO_COLOR to turn off."""
    return Console(
        file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False
    )


def _least(table: Table) -> int:
    """The cells that a table needs when each word stands on a line of its own."""
    drawer = _drawer(ENDLESS)
    return Measurement.get(drawer, drawer.options, table).minimum
