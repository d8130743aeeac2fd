"""What became of every photo: found = used + skipped. One record for every command, on the screen and in files.

A photo is found where a folder, manifest or list has it. It is skipped where it cannot be used, for a reason that is
told. What is plainly no photo, such as `@eaDir` or a sidecar file, is passed over: counted, but never found.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

COLUMNS = ("path", "reason")  # of skipped.csv
OTHER_NAME = re.compile(r"but '.*'(?= lies there)|but \".*\"(?= lies there)")
MOST_KINDS = 8  # of what was passed over, in one line
MOST_CAUSES = 100  # for skipping that are counted apart
OTHER_CAUSES = "other reasons"
MAY_PASS = (
    "; this may pass"  # ends the reason of a photo that could not be read, and perhaps can another time
)


def may_have_passed(reason: str | None) -> bool:
    """Whether a photo was skipped for a reason that may pass, so that it is asked for again; None where it was used."""
    return reason is not None and reason.endswith(MAY_PASS)


class Skipped(NamedTuple):
    """A photo or a row of a manifest that is not used."""

    name: str
    reason: str  # one line
    stops: bool = True  # whether a training that skips none ends at it


@dataclass(frozen=True, slots=True)
class Accounting:
    """The photos of one command."""

    used: int  # those of a test part, which is kept apart, among them
    skipped: tuple[Skipped, ...]  # sorted by name
    passed_over: Mapping[str, int] = field(default_factory=dict)  # kind -> how many

    @property
    def found(self) -> int:
        return self.used + len(self.skipped)

    def to_json(self) -> dict[str, Any]:
        """`found`, `used` and `skipped` as numbers, and what was passed over, by kind."""
        return self._tally.to_json()

    def rows(self) -> list[tuple[str, str]]:
        """Name and reason of each skipped photo: the rows of skipped.csv."""
        return [(name, reason) for name, reason, _ in self.skipped]

    def __str__(self) -> str:
        return str(self._tally)

    def reasons(self) -> str:
        """The commonest reason for skipping, how often, and the first photo; empty where nothing was skipped."""
        return self._tally.reasons()

    def not_photos(self) -> str:
        """What was passed over in one line; empty where nothing was."""
        return self._tally.not_photos()

    @property
    def _tally(self) -> "Tally":
        tally = Tally(self.used, passed_over=self.passed_over)
        for name, reason, _ in self.skipped:
            tally.skip(name, reason)
        return tally


@dataclass(slots=True)
class Tally:
    """The photos of a command that may be given any number of them: counted, and none of them kept."""

    used: int = 0
    skipped: int = 0
    passed_over: Mapping[str, int] = field(default_factory=dict)
    passing: int = 0  # of those skipped, how many for a reason that may pass
    _causes: Counter[str] = field(default_factory=Counter)
    _first: dict[str, str] = field(default_factory=dict)  # reason -> the first photo

    def skip(self, name: str, reason: str, often: int = 1) -> None:
        """Count a photo that is not used."""
        self.passing += often * may_have_passed(reason)
        self._count(name, reason, often)

    def _count(self, name: str, reason: str, often: int) -> None:
        bare = plain(reason)
        if bare not in self._causes and len(self._causes) >= MOST_CAUSES:
            bare = OTHER_CAUSES
        self.skipped += often
        self._causes[bare] += often
        self._first.setdefault(bare, name)

    def add(self, other: "Tally") -> None:
        """Count what another one has counted."""
        self.used += other.used
        self.passing += other.passing
        for reason, often in other._causes.items():
            self._count(other._first[reason], reason, often)

    @property
    def found(self) -> int:
        return self.used + self.skipped

    def to_json(self) -> dict[str, Any]:
        """As `Accounting.to_json`."""
        return {
            "found": self.found,
            "used": self.used,
            "skipped": self.skipped,
            "passed_over": dict(self.passed_over),
        }

    def __str__(self) -> str:
        return f"photos found: {self.found}, used: {self.used}, skipped: {self.skipped}"

    def reasons(self) -> str:
        """The commonest reason for skipping, how often, and the first photo; empty where nothing was skipped."""
        if not self.skipped:
            return ""
        reason, often = self._causes.most_common(1)[0]
        others = self.skipped - often
        return (
            f"{often} x {reason}: {self._first[reason]!r}"
            + (" and others" if often > 1 else "")
            + (f"; {others} for other reasons" if others else "")
        )

    def not_photos(self) -> str:
        """What was passed over in one line; empty where nothing was."""
        ordered = sorted(self.passed_over.items(), key=lambda item: (-item[1], item[0]))
        more = sum(count for _, count in ordered[MOST_KINDS:])
        parts = [f"{count} {kind}" for kind, count in ordered[:MOST_KINDS]] + (
            [f"{more} more"] if more else []
        )
        return "passed over, no photos: " + ", ".join(parts) if parts else ""


def account(
    used: int, skipped: Iterable[Skipped | tuple[str, str]], passed_over: Mapping[str, int] | None = None
) -> Accounting:
    """The record of a command, from what was used and what was not, in any order."""
    rows = sorted(each if isinstance(each, Skipped) else Skipped(*each) for each in skipped)
    return Accounting(used, tuple(rows), dict(sorted((passed_over or {}).items())))


def plain(reason: str) -> str:
    """A reason without what it says of one photo: the line of its row, the other photo."""
    bare = reason.split(" (line ")[0].split(" (row ")[0].split("; the first is ")[0]
    return OTHER_NAME.sub("but another name", bare)
