"""Tables and lists of facts as lines of text that fit a width, with every number, word and path whole. Pure.

A table that is too wide first breaks its headers, and the prose in it, between words; then it leaves out the columns
that its author can spare, and says which. Where even that is not enough each row becomes lines: its first cell stands
above the others, or each cell beside the name of its column.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from efficientnet_lite.cli.wrapping import atoms, wrapped
from efficientnet_lite.terminal import cells

GAP = 2  # cells between columns, and before what stands below the first cell of its row
LEAST_PROSE = 20  # cells; narrower columns of prose read badly


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. All of its text is fit for a terminal already."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()  # columns that are aligned right, as numbers are read
    drop: tuple[str, ...] = ()  # columns that can be left out, the least important first
    prose: frozenset[str] = frozenset()  # columns whose cells may break between words
    rule: str = "\u2500"  # what the line below the headers is made of

    def lines(self, width: int | None) -> list[str]:
        """The table in `width` cells; as wide as it needs to be where that is None."""
        if width is None:
            return list(self._grid(self._natural()))
        for table, left_out in self._narrower():
            if widths := table.widths(width):
                return [*table._grid(widths), *_said(left_out, width)]
        for table, left_out in self._narrower(first=1):
            if widths := table.widths(width - GAP):
                return [*self._first_above(table, widths), *_said(left_out, width)]
        return self._as_facts(width)

    def widths(self, width: int) -> list[int] | None:
        """The cells of each column where all of them find room in `width`."""
        natural, spare = self._natural(), width - GAP * (len(self.columns) - 1)
        if sum(natural) <= spare:
            return natural
        found = [self._least(place) for place in range(len(self.columns))]
        spare -= sum(found)
        if not found or spare < 0:
            return None
        for place in sorted(range(len(found)), key=lambda each: self.columns[each] not in self.prose):
            more = natural[place] - found[place]
            if more <= spare or self.columns[place] in self.prose:  # half a header more is no use
                found[place] += min(more, spare)
                spare -= min(more, spare)
        return found

    def _natural(self) -> list[int]:
        return [
            max(cells(name), *(cells(row[place]) for row in self.rows), 0)
            for place, name in enumerate(self.columns)
        ]

    def _least(self, place: int) -> int:
        """The cells that a column needs when its header, and prose in it, break between words."""
        name = self.columns[place]
        needed = (
            min(cells(row[place]), max(_longest(row[place]), LEAST_PROSE))
            if name in self.prose
            else cells(row[place])
            for row in self.rows
        )
        return max(_longest(name), *needed, 0)

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

    def _grid(self, widths: Sequence[int]) -> Iterator[str]:
        if any(self.columns):
            yield from self._header(widths)
            yield self.rule * (sum(widths) + GAP * (len(widths) - 1))
        for row in self.rows:
            yield from self._row(row, widths)

    def _header(self, widths: Sequence[int]) -> list[str]:
        """The names of the columns; of those that take several lines the last one stands on the rule."""
        broken = [wrapped(name, width) for name, width in zip(self.columns, widths, strict=True)]
        height = max(map(len, broken))
        return self._lines([[""] * (height - len(each)) + each for each in broken], widths)

    def _row(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        return self._lines([wrapped(cell, width) for cell, width in zip(row, widths, strict=True)], widths)

    def _lines(self, parts: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
        """One row, whose cells have so many lines each, beside each other."""
        found = []
        for number in range(max(map(len, parts))):
            line = []
            for name, cell, width in zip(self.columns, parts, widths, strict=True):
                text = cell[number] if number < len(cell) else ""
                blank = " " * (width - cells(text))
                line.append(blank + text if name in self.right else text + blank)
            found.append((" " * GAP).join(line).rstrip())
        return found

    def _first_above(self, others: "Grid", widths: Sequence[int]) -> Iterator[str]:
        """Each row as a line with its first cell, where it has one, and below it the others as in a table."""
        indent = " " * GAP
        yield self.columns[0]
        for line in others._header(widths):
            yield indent + line
        yield self.rule * (GAP + sum(widths) + GAP * (len(widths) - 1))
        for whole, row in zip(self.rows, others.rows, strict=True):
            if whole[0]:
                yield whole[0]
            for line in others._row(row, widths):
                yield indent + line

    def _as_facts(self, width: int) -> list[str]:
        """Each row as lines, name and value, an empty line between two of them."""
        found: list[str] = []
        for row in self.rows:
            pairs = [(name, cell) for name, cell in zip(self.columns, row, strict=True) if cell]
            found += [
                "",
                *facts([(name, cell, [] if name in self.prose else [cell]) for name, cell in pairs], width),
            ]
        return found[1:]


def facts(rows: Sequence[tuple[str, str, Sequence[str]]], width: int | None) -> list[str]:
    """Names and their values beside each other; long values break between words, but for the named parts of each."""
    key = max((cells(name) for name, _, _ in rows), default=0)
    found = []
    for name, value, keep in rows:
        before = f"{name}{' ' * (key - cells(name))}{' ' * GAP}"
        if width is None or key + GAP + max(_longest(value, keep), min(cells(value), LEAST_PROSE)) <= width:
            beside = wrapped(value, None if width is None else width - key - GAP, keep=keep)
            found += [f"{before}{beside[0]}", *(" " * (key + GAP) + line for line in beside[1:])]
        else:
            found += [name, *wrapped(f"{' ' * GAP}{value}", width, hang=GAP, keep=keep)]
    return [line.rstrip() for line in found]


def _longest(text: str, keep: Sequence[str] = ()) -> int:
    return max(map(cells, atoms(text, keep)), default=0)


def _said(left_out: Sequence[str], width: int) -> list[str]:
    if not left_out:
        return []
    return wrapped(f"(no room here for {', '.join(left_out)}: --json has all)", width)
