"""Photos that could not be read when their part was written, for a reason that may pass: asked for again in it.

What they give now takes the place of their rows. All others stay as they are, so a server that is in trouble again
costs nothing that is there, and in the end the part is that of a call to which nothing happened.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.outcomes import Work
from efficientnet_lite.features.part_files import PartFiles
from efficientnet_lite.features.parts import ParquetPart, errors_of, groups_of
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.features.vector_folder import VectorFolder
from efficientnet_lite.photos.accounting import may_have_passed


def ask_again(folder: VectorFolder, work: Work) -> int:
    """Ask for the photos of all parts that are there whose reason may pass; gives how many those are.

    Of a folder of clip-retrieval's none, since its rows without a vector lie apart. Raises OutputFailed.
    """
    asked = 0
    if not folder.passing or folder.made.layout != "parts":
        return asked
    for number in sorted(folder.whole):
        with folder.at_hand(number) as (path,):
            errors = errors_of(path)
            if rows := [row for row, error in enumerate(errors) if may_have_passed(error)]:
                asked += len(rows)
                _ask_in(folder, number, path, rows, work)
    return asked


def _ask_in(folder: VectorFolder, number: int, path: Path, rows: Sequence[int], work: Work) -> None:
    first, start, is_better = folder.made.rows_of(number).start, 0, False
    written = PartFiles(folder, number)
    try:
        assert isinstance(written.part, ParquetPart)
        with closing(groups_of(path)) as groups:
            for table in groups:
                there = [row - start for row in rows if start <= row < start + table.num_rows]
                settled = _settled(work, first + start, there)
                written.part.keep(table, settled)
                is_better = is_better or bool(settled)
                start += table.num_rows
        if is_better:
            folder.reopen()
            written.publish()
    except BaseException:
        written.drop()
        raise
    if not is_better:
        written.drop()


def _settled(work: Work, first: int, places: Sequence[int]) -> dict[int, Extracted[PhotoEntry]]:
    """Place -> what became of the photo, of those for which there is an answer now."""
    spans = [range(first + place, first + place + 1) for place in places]
    with closing(work.outcomes(spans)) as outcomes:
        found = dict(zip(places, outcomes, strict=True))
    return {place: each for place, each in found.items() if not may_have_passed(each.error)}
