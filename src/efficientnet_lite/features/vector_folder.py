"""A folder of feature vectors of any number of photos, filled part by part: what is whole stays, so it can be resumed.

    _dataset.json     what it was made of (`provenance`), and whether it is complete; then each part with its SHA-256
    _parts.jsonl      while it is not complete, the parts that are written (`journal`)
    part-00000.parquet, ...

Part k holds rows k * part_rows to (k + 1) * part_rows of the list. It is written beside the others under a hidden name,
announced in the journal, and renamed. So whatever moment a kill comes at, the next call finds the parts that are whole
by their checksums and makes the others, and the folder is the same to the byte as if nothing had come between. What is
somebody else's stays: a name that neither journal nor `_dataset.json` has is never replaced or removed.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import UsageError
from efficientnet_lite.features.clip_retrieval import ClipRetrievalParts
from efficientnet_lite.features.journal import JOURNAL, Announced, line_of, read_journal, write_journal
from efficientnet_lite.features.parts import FilesOfPart, ParquetParts
from efficientnet_lite.features.provenance import Provenance
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.accounting import Tally
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import WRITTEN, Entry, FolderKind, is_as_written, marker_of, tree
from efficientnet_lite.storage.targets import Apart, check_growing
from efficientnet_lite.threads import in_threads
from efficientnet_lite.version import MADE_BY, is_made_by_us
from efficientnet_lite.vocabulary import VectorLayout

MARKER = "_dataset.json"
PASSING = "may_pass"  # of the marker: of those skipped, how many for a reason that may pass
MAX_PARTS = 30_000  # the list of them is read as a whole, and their names have five digits
MAX_MARKER_BYTES = 16 * 2**20  # so many parts of three files have 14 MB
MOST_NAMED = 3  # parts in a message
LONG_CHECK = 20  # parts; fewer are checked before anybody has read that they are

_PART = re.compile(
    r"part-\d{5}\.parquet|img_emb/img_emb_\d{1,6}\.npy|(metadata|skipped)/\1_\d{1,6}\.parquet", re.ASCII
)
UNFINISHED = re.compile(
    r"\.(part-\d{5}\.parquet|img_emb_\d+\.npy|(metadata|skipped)_\d+\.parquet|_dataset\.json|_parts\.jsonl)"
    r"\.[0-9a-f]{8}\.part",
    re.ASCII,
)
LAYOUTS: Mapping[VectorLayout, FilesOfPart] = {
    "parts": ParquetParts(),
    "clip-retrieval": ClipRetrievalParts(),
}


def is_part(name: str) -> bool:
    """Whether a file within the folder has the name of a part's."""
    return _PART.fullmatch(name) is not None


def _check_marker(folder: Path, document: Mapping[str, Any]) -> None:
    kinds = (("complete", bool, None), (PASSING, int, 0))
    if not is_made_by_us(document.get("made_by")) or any(
        type(document.get(name, default)) is not kind for name, kind, default in kinds
    ):
        raise ValueError(f"its {MARKER} is not ours")
    try:
        Provenance.from_json(document.get("provenance"))
    except ValueError as error:
        raise ValueError(f"its {MARKER} is not ours: {error}") from error
    for name in document.get(WRITTEN, {}):
        if not is_part(name):
            raise ValueError(f"its {MARKER} lists {name[:50]!r}, which is no part")


def _announced(folder: Path, document: Mapping[str, Any]) -> Collection[str]:
    return [*read_journal(folder, is_part), JOURNAL]


PARTS = FolderKind("folder of feature vectors", MARKER, MAX_MARKER_BYTES, _check_marker, _announced)


@contextmanager
def growing(out: Path, *, apart: Collection[Apart] = ()) -> Iterator["VectorFolder"]:
    """The folder `out`, which need not exist, held against every other run while the block lasts.

    Raises:
        UsageError: it is none of ours, does not stay apart, or another run is writing to it.
        OutputFailed: the disk is full or cannot be written to.
    """
    check_growing(out, PARTS, apart=apart)
    with files.locked(out):
        check_growing(out, PARTS, apart=apart)
        yield VectorFolder(out)


class VectorFolder:
    """A folder of feature vectors that this process holds."""

    def __init__(self, out: Path | str, place: Path | None = None) -> None:
        """The folder `out`, as messages call it, whose small files and parts under way lie in `place`, or in itself."""
        self.out, self.place = out, files.real(out) if place is None else place
        self.again = "the same command"  # that goes on with it
        self.whole: dict[int, Announced] = {}  # the parts that are there as they were written
        self.is_complete = False
        self.passing = 0  # photos that could not be read, and are to be asked for again
        self._announced: Announced = {}
        self._is_journaled = False  # whether the journal is of this process
        self._made: Provenance | None = None
        if (marker := marker_of(self.place, PARTS)) is not None:
            document, listed = marker
            self._made = Provenance.from_json(document["provenance"])
            self.is_complete = WRITTEN in document
            self.passing = document.get(PASSING, 0)
            known = {name: entry for name, entry in listed.items() if entry is not None}
            self._announced = known if self.is_complete else read_journal(self.place, is_part)

    @property
    def is_begun(self) -> bool:
        """Whether there is a marker of an earlier call."""
        return self._made is not None

    @property
    def made(self) -> Provenance:
        """What it is made of, once it is begun."""
        assert self._made is not None
        return self._made

    @property
    def layout(self) -> FilesOfPart:
        return LAYOUTS[self.made.layout]

    def names(self, number: int) -> tuple[str, ...]:
        """The files of a part."""
        return self.layout.names(number, self.made.parts)

    def begin(self, made: Provenance, *, overwrite: bool, stage: ShowStage = silent) -> None:
        """Find out what is there already of the folder that `made` describes, and sweep what a kill left.

        With `overwrite` all of it begins anew: what was written here is removed.

        Raises UsageError: it was made otherwise, has more parts than can be listed, or needs the name of a file that is
        somebody else's.
        """
        _check_count(made, self.out)
        found, self._made = self._made, made
        if found is not None and not overwrite:
            if differences := made.differences(found):
                raise UsageError(
                    "its vectors were made otherwise: " + "; ".join(differences),
                    where=self.out,
                    fix="give what was given then, choose another `out=`, or begin anew by `overwrite=True`",
                )
            self._made = replace(made, model=found.model)
        self._check_names(is_begun=found is not None)
        self.sweep(UNFINISHED)
        if overwrite and found is not None:
            self.again = "the same command without `overwrite=True`"
            self.take_away([*self._announced, JOURNAL])
            self._announced, self.is_complete, self.passing = {}, False, 0
        self._look(stage)
        if 0 < len(self.whole) < made.parts:
            LOG.info(f"going on: {len(self.whole):,} of {made.parts:,} parts are there")
        if found is None:
            self._publish_marker()
        elif len(self.whole) < made.parts or not self.is_complete:
            self.reopen()
        elif self.has(JOURNAL):  # a kill came after the last marker
            self.take_away([JOURNAL])

    def reopen(self) -> None:
        """Say that parts are to come or to be replaced; those that are there stay known as ours."""
        if not self.is_complete and self._is_journaled:
            return
        there = self._announced.keys() & self.found()
        known = [
            {name: self._announced[name] for name in names if name in there}
            for names in map(self.names, range(self.made.parts))
        ]
        write_journal(self.place, filter(None, known))  # before the marker, whose list it takes over
        self.is_there(JOURNAL)
        self.is_complete, self._is_journaled = False, True
        self._publish_marker()

    def announce(self, entries: Announced) -> None:
        """Say of a part that its files, which are on the disk, are about to get their names."""
        files.append(self.place / JOURNAL, line_of(entries))
        self.is_there(JOURNAL)

    def complete(self, tally: Tally) -> None:
        """Say that every part is there."""
        self._publish_marker(tally)
        self.is_complete = True
        self.take_away([JOURNAL])

    def remove(self) -> None:
        """Take away all that was written here, and the folder where nothing else is in it."""
        names = [name for entries in self.whole.values() for name in entries]
        self.take_away([*names, JOURNAL, MARKER])
        folders.remove_if_empty(self.place)

    # What differs where the folder lies elsewhere: see `StoredFolder`.

    def found(self) -> set[str]:
        """The names of all that lies in it."""
        if not files.is_dir(self.place):
            return set()
        lying = tree(self.place)
        return {*lying.files, *lying.folders}

    def has(self, name: str) -> bool:
        """Whether something lies there under this name."""
        return files.lexists(self.place / name)

    def is_as_written(self, name: str, entry: Entry) -> bool:
        """Whether a file is there as it was written, by its checksum."""
        return is_as_written(self.place / name, entry)

    def is_there(self, name: str, entry: Entry | None = None) -> None:
        """Told of each file once it has its name in `place`; `entry` is what a file of a part is."""

    def take_away(self, names: Iterable[str]) -> None:
        """Remove files of ours."""
        folders.remove_named(self.place, names)

    def sweep(self, unfinished: re.Pattern[str]) -> None:
        """Remove the files of such names, which a kill left."""
        if files.is_dir(self.place):
            folders.remove_matching(self.place, unfinished)

    @contextmanager
    def at_hand(self, number: int) -> Iterator[list[Path]]:
        """The files of a part that is there, to be read in the block."""
        yield [self.place / name for name in self.names(number)]

    def _publish_marker(self, tally: Tally | None = None) -> None:
        made = self.made
        document: dict[str, Any] = {"made_by": MADE_BY, "complete": tally is not None}
        document |= {"rows": made.rows, "parts": made.parts}
        if tally is not None:
            document["skipped"] = tally.skipped
        if passing := self.passing if tally is None else tally.passing:
            document[PASSING] = passing
        document["provenance"] = made.to_json()
        if tally is not None:
            written = document[WRITTEN] = dict[str, Any]()
            for number in range(made.parts):
                written |= {name: asdict(self.whole[number][name]) for name in self.names(number)}
        if not files.is_dir(self.place):
            folders.make(self.place)
        files.publish_json(self.place / MARKER, document)
        self.is_there(MARKER)

    def _check_names(self, *, is_begun: bool) -> None:
        """Raises UsageError where something lies under the name of a part that was not written here."""
        others = self.found() - set(self._announced)
        needed = {name for number in range(self.made.parts) for name in self.names(number)}
        taken = others & (needed if is_begun else {JOURNAL, *needed})
        if taken:
            raise UsageError(
                "a file that was not written here has the name that a part needs",
                where=f"{self.out}/{min(taken)}",
                fix="move it away, or choose another `out=`",
            )

    def _look(self, stage: ShowStage) -> None:
        """Find the parts that are there as they were written, and say which are not."""
        parts = range(self.made.parts)
        known = [each for each in parts if all(name in self._announced for name in self.names(each))]
        lost: list[str] = []
        with (stage if len(known) > LONG_CHECK else silent)("Checking parts") as on_progress:
            for number, is_whole in zip(
                known, in_threads(self._is_whole, known, workers=cores()), strict=True
            ):
                if is_whole:
                    self.whole[number] = {name: self._announced[name] for name in self.names(number)}
                elif not self._was_to_come(self.names(number)):
                    lost += self.names(number)[:1]
                on_progress(number + 1, self.made.parts)
        if lost:
            more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
            verb = "are" if len(lost) > 1 else "is"
            LOG.warning(f"{', '.join(lost[:MOST_NAMED])}{more} {verb} missing or changed, and made again")

    def _is_whole(self, number: int) -> bool:
        return all(self.is_as_written(name, self._announced[name]) for name in self.names(number))

    def _was_to_come(self, names: Sequence[str]) -> bool:
        """Whether these are the last of the journal, which a kill may leave without their files."""
        last = next(reversed(self._announced), "")
        return not self.is_complete and last in names and not self.has(last)


def _check_count(made: Provenance, out: Path | str) -> None:
    if made.parts > MAX_PARTS:
        raise UsageError(
            f"{made.rows:,} photos make {made.parts:,} parts, and a folder has at most {MAX_PARTS:,}",
            where=out,
            fix=f"give `part_rows={-(-made.rows // MAX_PARTS)}` or more",
        )
