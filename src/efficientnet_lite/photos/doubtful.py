"""Labels that the other photos speak against, as values and in words; `neighbors.doubtful_labels` finds them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

CSV_COLUMNS = (
    "rank",
    "path",
    "label",
    "suspected",
    "doubt",
    "nearest_suspected",
    "nearest_label",
    "nearest",
    "probability_suspected",
    "probability_label",
    "example",
    "evidence",
)


@dataclass(frozen=True, slots=True)
class DoubtfulLabel:
    """A photo whose label the photos like it do not bear out."""

    name: str
    label: str  # the class that it was given
    suspected: str  # the class that most speaks for
    doubt: float  # 0 to 1, by which they are ranked: how much of what speaks for either class speaks for `suspected`
    nearest: int  # photos that were asked, the nearest ones
    nearest_label: int  # of them those of the class `label`
    nearest_suspected: int
    probability_label: float  # by a head that has not learned from this photo
    probability_suspected: float
    example: str  # the nearest photo of the class `suspected`

    @property
    def evidence(self) -> str:
        """In words: "9 of 10 nearest are skirt; probability of dress 0.01"; more of them where few of those are."""
        few = 2 * self.nearest_suspected <= self.nearest
        near = f", {self.nearest_label} {self.label}" if few else ""
        likely = f"{self.suspected} {self.probability_suspected:.2f}, " if few else ""
        return (
            f"{self.nearest_suspected} of {self.nearest} nearest are {self.suspected}{near}; "
            f"probability of {likely}{self.label} {self.probability_label:.2f}"
        )

    def to_json(self) -> dict[str, Any]:
        """A document of plain values; fractions with four digits."""
        fields = asdict(self)
        return {
            name: round(value, 4) if isinstance(value, float) else value for name, value in fields.items()
        } | {"evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class DoubtfulLabels:
    """Those of a data set, the most doubtful first."""

    rows: tuple[DoubtfulLabel, ...]
    judged: int  # photos that were compared with others
    model: str  # whose vectors were compared
    notes: tuple[str, ...]  # on what was not judged, and why

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "judged": self.judged,
            "model": self.model,
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
        }

    def csv_rows(self) -> Iterator[tuple[object, ...]]:
        """The cells of each row, see `CSV_COLUMNS`."""
        for rank, row in enumerate(self.rows, 1):
            fields = row.to_json() | {"rank": rank, "path": row.name}
            yield tuple(fields[column] for column in CSV_COLUMNS)
