"""The run folder: what lies in it, how it comes into being whole, and how it is opened again.

    card.json             everything about the run, for programs
    README.md             the same for people: the model card
    config.toml           what reproduces the run
    labels.txt  split.csv  skipped.csv
    photos.jsonl          the rows of the DataFrame, where the photos were given as one
    weights.safetensors   backbone and head, float32
    exports/              the .tflite files and golden.npz
    report.html           the same as a page to look at, with pictures
    log.csv  curves.png   the epochs of a training, where more than the head learned; the picture with matplotlib

A run comes into being whole, and its card lists the files that are ours: see `storage.folders`.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CALL, ArtifactError, UnusableInput, UsageError
from efficientnet_lite.labels import fault
from efficientnet_lite.photos.dataset import METADATA_NAMES, DatasetPlace
from efficientnet_lite.photos.frames import Frame
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import (
    WRITTEN,
    FolderKind,
    entry_of,
    inside,
    listing,
    own_files,
    tree,
    written,
)

SCHEMA = 1
RUNS = Path("runs")  # where runs lie when nobody says
METADATA_STEMS = {Path(name).stem for name in METADATA_NAMES}
MAX_NAME_BYTES = 200  # of 255: names of files in a run and of the stage beside it are longer than the run's
CARD, WEIGHTS, LABELS, GOLDEN = "card.json", "weights.safetensors", "labels.txt", "exports/golden.npz"
REPORT = "report.html"
FRAME = "photos.jsonl"
MAX_CARD_BYTES = 32 * 2**20  # a card of 1,000 classes and 10,000 photos to judge by has 6 MB
REPORT_START_BYTES = 2048
LAYOUT = {
    *(CARD, "README.md", "config.toml", LABELS, "split.csv", "skipped.csv", WEIGHTS, REPORT),
    *("log.csv", "curves.png"),
}
# Below folders of the run: model files, and photos that were taken out of record files.
_LAYOUT_BELOW = re.compile(r"exports/.+|photos/(?:photos\.csv|(?:train|validation)-\d{5}\.(?:png|jpg))")


@dataclass(frozen=True, slots=True)
class Export:
    """One model file of a run."""

    path: Path
    precision: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """An opened run folder."""

    folder: Path
    card: Mapping[str, Any]
    labels: tuple[str, ...]
    exports: tuple[Export, ...]

    def export(self, precision: str) -> Path:
        """Path of the file of that precision.

        Raises:
            ArtifactError: the run has none, or the file is gone.
        """
        for export in self.exports:
            if export.precision == precision and files.is_file(export.path):
                return export.path
        raise ArtifactError(
            f"the run has no {precision} file",
            where=self.folder,
            fix=f"known: {', '.join(export.precision for export in self.exports) or 'none'}; or train it again",
        )


def default_out(photos: DatasetPlace) -> Path:
    """Where the run of these photos lies when nobody says: runs/NAME, NAME that of the folder or the manifest.

    A name that only says which part of the photos it is, such as photos/train, is that of the folder above.

    Raises UsageError where there is no such name, or the run would lie in the photos' own folder.
    """
    if isinstance(photos, Frame):
        raise UsageError("a DataFrame has no name that a run could have", where=CALL, fix="give `out=`")
    given = Path(os.path.abspath(photos))  # noqa: PTH100 - the name that the user gave, not that of a link's goal
    name = given.stem if files.is_file(photos) else given.name
    if split_of(name) or (files.is_file(photos) and name in METADATA_STEMS):
        name = given.parent.name or name
    name = _usable(name)
    if not name:
        raise UsageError(
            "these photos have no name that a run could have",
            where=photos,
            fix="give `out=`, such as runs/clothing",
        )
    out = RUNS / name
    if not files.is_file(photos) and files.real(out).is_relative_to(files.real(photos)):
        raise UsageError(
            f"the run would lie in {out}, which is inside of the photos' own folder",
            where=photos,
            fix=f"give `out={os.path.relpath(given.parent / out)}`, or another folder outside of it",
        )
    return out


def _usable(name: str) -> str:
    """`name` without what a terminal cannot show, not hidden, and short enough for what is made of it."""
    shown = "".join(c if c.isprintable() else "_" for c in name).lstrip(".").strip()
    return shown.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def is_run(path: Path) -> bool:
    """Whether `path` looks like a run folder; `open_run` looks closer."""
    return files.is_file(path / CARD)


def open_run(folder: Path) -> Run:
    """The run in `folder`, its card checked as a stranger's: paths that leave the folder are refused.

    Raises:
        UnusableInput: there is no run.
        ArtifactError: the card is damaged, or of a newer version of this package.
    """
    if not is_run(folder):
        what = f"no run here: it has no {CARD}" if files.exists(folder) else files.missing(folder)
        raise UnusableInput(what, where=folder, fix="give a folder made by `train`")
    path = folder / CARD
    content = files.read_bytes(path, limit=MAX_CARD_BYTES, what="a card")
    try:
        card = json_value(content)
        schema = _field(card, "schema", int)
        if schema < 1:
            raise ValueError(f"its schema is {schema}")
        if schema > SCHEMA:
            raise ArtifactError(
                f"the card has schema {schema}, this version knows {SCHEMA}",
                where=path,
                fix="upgrade efficientnet-lite",
            )
        labels = tuple(_labels(card))
        for part in ("contract", "metrics", "verification"):
            _field(card, part, dict)
        exports = tuple(
            Export(
                inside(folder, _field(item, "path", str)),
                _field(item, "precision", str),
                _field(item, "sha256", str),
            )
            for item in _field(card, "exports", list)
        )
        check_once(export.path for export in exports)
    except ValueError as error:
        raise ArtifactError(
            f"the card cannot be read: {str(error)[:200]}", where=path, fix="train the run again"
        ) from error
    return Run(folder, card, labels, exports)


def check_once(paths: Iterable[Path]) -> None:
    """Raise ValueError where a card names a file twice: a short one could make us read it thousands of times."""
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            raise ValueError(f"it names {path.name!r} twice")
        seen.add(path)


def _field(fields: object, name: str, kind: type) -> Any:
    """The value of `name`; raises ValueError where there is none of that kind."""
    if not isinstance(fields, dict) or type(fields.get(name)) is not kind:
        raise ValueError(f"it has no {name!r} of type {kind.__name__}")
    return fields[name]


def _labels(card: object) -> Iterator[str]:
    for label in _field(card, "labels", list):
        if not isinstance(label, str) or fault(label):
            raise ValueError(f"the label {label!r} cannot be used")
        yield label


def _check(folder: Path, card: Mapping[str, Any]) -> None:
    """Raises where the card is none; see `storage.listing.FolderKind`."""
    open_run(folder)


def _layout(folder: Path, card: Mapping[str, Any]) -> list[str]:
    """The files of a run whose card has no list of what was written: those it names that a run can have."""
    names = card.get("files", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its 'files' is no list of names")
    own = [name for name in names if name in LAYOUT or _LAYOUT_BELOW.fullmatch(name)]
    return [*own, REPORT] if _is_our_report(folder / REPORT) else own


def _is_our_report(path: Path) -> bool:
    """Earlier versions did not list a page that was made later than its run."""
    beginning = files.beginning(path, REPORT_START_BYTES)
    return beginning.startswith(b"<!DOCTYPE html>") and b": EfficientNet-" in beginning


RUN = FolderKind("run", CARD, MAX_CARD_BYTES, _check, _layout)


def check_own(folder: Path, path: Path) -> None:
    """Refuse a place in the run that nobody named, where a file lies that is not ours, or no longer.

    Raises UsageError.
    """
    if not files.is_file(path, follow=False):  # nothing, or a folder with a marker of its own
        return
    try:
        name = name_in(folder, path)
        ours = name in own_files(folder, listing(folder, RUN))
    except (ValueError, OSError):
        ours = False
    if not ours:
        raise UsageError(
            "the target exists and is no file that we wrote into the run, so it is never replaced",
            where=path,
            fix="give `out=`, or move it away",
        )


def seal(folder: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the card, which lists all that lies in the folder; gives it as it was written."""
    names = sorted({*tree(folder).files, CARD})
    whole = {**card, "files": names, WRITTEN: written(folder, RUN)}
    files.publish_json(folder / CARD, whole)
    return whole


def relist(folder: Path, paths: Collection[Path]) -> None:
    """List `paths`, files that came to the run or were written anew, in its card."""
    with files.locked(folder):
        files.publish_json(folder / CARD, listed(open_run(folder), paths))


def listed(
    run: Run, paths: Collection[Path], *, gone: Callable[[str], bool] = lambda name: False
) -> dict[str, Any]:
    """The card of `run` with `paths` among its files, and without the names that are `gone`."""
    card = dict(run.card)
    names, entries = card.get("files"), card.get(WRITTEN, {})
    if not isinstance(names, list) or not isinstance(entries, dict):
        raise ArtifactError(
            "the card's list of files cannot be read", where=run.folder / CARD, fix="train the run again"
        )
    new = {name_in(run.folder, path): entry_of(path) for path in paths}
    stay = {name for name in map(str, names) if not gone(name)}
    card["files"] = sorted({*stay, *new})
    if WRITTEN in card:
        kept = {name: entry for name, entry in entries.items() if name in stay}
        card[WRITTEN] = dict(sorted((kept | new).items()))
    return card


def export_name(run: str, parts: Sequence[str], ending: str) -> str:
    """What a model of the run of that name is called within it, as a card has it; `parts` tell it from the others."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in run)
    return f"exports/{'_'.join([safe, *parts])}{ending}"


def name_in(folder: Path, path: Path) -> str:
    """The name of `path`, which lies in `folder`, as a card has it."""
    return files.real(path).relative_to(files.real(folder)).as_posix()
