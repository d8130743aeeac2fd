"""The further columns of a list: which there are, by name, and of which type, told from the values as they come."""

import json
from collections.abc import Mapping, Sequence

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources.photo_entry import ColumnType, ColumnValue

MAX_COLUMNS = 1000
# What every table of feature vectors has itself; a column of one of these names is called `source_...` there.
OWN = frozenset(("id", "path", "label", "width", "height", "sha256", "error", "vector", "scale"))
PREFIX = "source_"


class Columns:
    """Columns in the order in which they were first seen; a column that holds two kinds of values becomes text."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._kinds: list[set[type]] = []

    def packed(self, values: Mapping[str, ColumnValue], where: str) -> list[int | ColumnValue]:
        """Places and values of one photo, one behind the other. Raises UnusableInput for too many columns."""
        found: list[int | ColumnValue] = []
        for name, value in values.items():
            if value is None:
                self._place(name, where)
                continue
            place = self._place(name, where)
            if type(value) is int and not -(2**63) <= value < 2**63:
                value = str(value)
            self._kinds[place].add(type(value))
            found += (place, value)
        return found

    def unpacked(self, packed: Sequence[int | ColumnValue]) -> tuple[ColumnValue, ...]:
        """The values of one photo, one for each column."""
        found: list[ColumnValue] = [None] * len(self._kinds)
        for place, value in zip(packed[::2], packed[1::2], strict=True):
            assert isinstance(place, int)
            found[place] = _as(self._type(place), value)
        return tuple(found)

    def named(self) -> dict[str, ColumnType]:
        """Name -> type, no name twice and none that the table has itself."""
        named: dict[str, ColumnType] = {}
        for own, place in self._places.items():
            name = own
            while name.casefold() in OWN or name in named:
                name = PREFIX + name
            named[name] = self._type(place)
        return named

    def _place(self, name: str, where: str) -> int:
        place = self._places.get(name)
        if place is None:
            place = len(self._places)
            if place == MAX_COLUMNS:
                raise UnusableInput(
                    f"more than {MAX_COLUMNS:,} columns",
                    where=where,
                    fix="leave out those that are not needed",
                )
            self._places[name] = place
            self._kinds.append(set())
        return place

    def _type(self, place: int) -> ColumnType:
        kinds = self._kinds[place]
        if kinds == {bool}:
            return "bool"
        if kinds == {int}:
            return "int64"
        return "float64" if kinds and kinds <= {int, float} else "string"


def _as(kind: ColumnType, value: ColumnValue) -> ColumnValue:
    if kind == "float64":
        return float(value) if value is not None else None
    if kind == "string" and not isinstance(value, str):
        return json.dumps(value)
    return value


def text_value(text: str) -> str:
    """A text that every table can hold: halves of characters, which JSON may have, as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def column_value(value: object) -> ColumnValue:
    """A value of JSON for a column: texts, numbers and truth as they are, lists and objects as JSON."""
    if isinstance(value, str):
        return text_value(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return text_value(json.dumps(value, ensure_ascii=False, default=str))
