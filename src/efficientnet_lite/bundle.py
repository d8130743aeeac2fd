"""The run folder: what lies in it, how it comes into being whole, and how it is opened again.

    card.json             everything about the run, for programs
    README.md             the same for people: the model card
    config.toml           what reproduces the run
    labels.txt  split.csv  skipped.csv
    weights.safetensors   backbone and head, float32
    exports/              the .tflite files and golden.npz
    report.html           the same as a page with pictures, where the extra `report` is installed
    log.csv  curves.png   the epochs of a training, where more than the head learned; the picture as report.html

A run is built in a hidden folder beside its target and renamed into place, so a target is either a
complete run or not there. Replacing an old run needs two renames; a kill between them is mended by the
next run, which finds the old one under its hidden name.
"""

import glob
import json
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from efficientnet_lite.documents import json_value
from efficientnet_lite.doors import files
from efficientnet_lite.errors import ArtifactError, EfficientNetLiteError, UnusableInput, UsageError
from efficientnet_lite.labels import fault

SCHEMA = 1
CARD, WEIGHTS, LABELS, GOLDEN = "card.json", "weights.safetensors", "labels.txt", "exports/golden.npz"
REPORT = "report.html"
MAX_CARD_BYTES, MAX_NAME_BYTES = 4 * 2**20, 255  # a card of a thousand classes has 0.4 MB
KEPT_SUFFIX = ".kept"  # for a user's own file whose name a new run needs


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
        raise UnusableInput(
            f"no run here: it has no {CARD}", where=folder, fix="give a folder made by `train`"
        )
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
    except ValueError as error:
        raise ArtifactError(
            f"the card cannot be read: {str(error)[:200]}", where=path, fix="train the run again"
        ) from error
    return Run(folder, card, labels, exports)


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


def inside(folder: Path, name: str) -> Path:
    """`folder / name`; raises ValueError where that would leave the folder."""
    parts = PurePosixPath(name)
    leaves = parts.is_absolute() or not parts.parts or ".." in parts.parts
    odd = not name.isprintable() or not set(name).isdisjoint(":\\") or len(name.encode()) > MAX_NAME_BYTES
    if leaves or odd:
        raise ValueError(f"{name[:50]!r} is no path within the run")
    return folder.joinpath(*parts.parts)


def check_target(target: Path, *, photos: Collection[Path], overwrite: bool) -> None:
    """Refuse a target before any work is done.

    Args:
        photos: the folders that hold the photos.

    Raises:
        UsageError: it exists and may not be replaced, is no run of ours, or lies inside, above or on
            the photos.
        OutputFailed: it cannot be looked at.
    """
    _check_place(target, photos)
    here = files.real(target)
    try:
        if not files.lexists(here) or files.is_empty_dir(here):
            return
    except OSError as error:
        raise files.output_failed(target, error) from error
    try:
        open_run(here)
    except EfficientNetLiteError as error:
        raise UsageError(
            f"the target exists and is no run of ours, so it is never replaced: {error.what}",
            where=target,
            fix="choose another --out",
        ) from error
    if not overwrite:
        raise UsageError("the target exists", where=target, fix="choose another --out, or give --overwrite")


def _check_place(target: Path, photos: Collection[Path]) -> None:
    here = files.real(target)
    for folder in map(files.real, photos):
        if here == folder or here in folder.parents or folder in here.parents:
            raise UsageError(
                f"the target lies inside, above or on the photo folder {folder}",
                where=target,
                fix="choose another --out",
            )


@contextmanager
def building(target: Path, *, photos: Collection[Path], overwrite: bool = False) -> Iterator[Path]:
    """A folder to build the run in, which becomes `target` when the block ends well, and vanishes else.

    Only one process at a time builds a target. With `overwrite` an old run is replaced once the new one
    is complete. Files in it that its card does not list move over to the new run; where that has a file
    of the same name, `.kept` is appended. A `target` that is a link stays one: what it leads to is replaced.

    Raises:
        UsageError: as `check_target`, or another run is writing to this target.
        OutputFailed: the disk is full or cannot be written to.
    """
    _check_place(target, photos)
    target = files.real(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.output_failed(target.parent, error) from error
    with files.locked(target):
        _mend(target)
        check_target(target, photos=photos, overwrite=overwrite)
        stage = target.with_name(f".{target.name}.{secrets.token_hex(4)}{files.PART_SUFFIX}")
        try:
            try:
                (stage / "exports").mkdir(parents=True)
            except OSError as error:
                raise files.output_failed(stage, error) from error
            yield stage
            _swap(stage, target)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _swap(stage: Path, target: Path) -> None:
    previous = _previous(target)
    try:
        files.sync_folder(stage)
        if files.exists(target):
            target.replace(previous)
        stage.replace(target)
        files.sync_folder(target.parent)
    except BaseException as error:  # Ctrl-C too: the old run goes back to its place
        if not files.exists(target) and files.exists(previous):
            previous.replace(target)
        if isinstance(error, OSError):
            raise files.output_failed(target, error) from error
        raise
    _mend(target)


def _mend(target: Path) -> None:
    """Finish or undo what a killed run left; the caller holds the lock, so nothing of it is alive."""
    for stale in target.parent.glob(f".{glob.escape(target.name)}.????????{files.PART_SUFFIX}"):
        shutil.rmtree(stale, ignore_errors=True)
    previous = _previous(target)
    if not files.exists(previous):
        return
    try:
        if not files.exists(target):
            previous.replace(target)
        else:
            _carry_over(previous, target)
            shutil.rmtree(previous, ignore_errors=True)
    except OSError as error:
        raise files.output_failed(target, error) from error


def _carry_over(previous: Path, target: Path) -> None:
    """Move what the old run's card does not list, the user's own, to the new run."""
    listed = _listed(previous)
    for path in sorted(previous.rglob("*")):
        name = path.relative_to(previous)
        if name.as_posix() in listed or files.is_dir(path, follow=False):
            continue
        place = target / name
        while files.lexists(place):
            place = place.with_name(place.name + KEPT_SUFFIX)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def _listed(folder: Path) -> set[str]:
    """The files that the card of an old run names as its own, and the report, which may have come later."""
    try:
        names = json.loads((folder / CARD).read_bytes())["files"]
        return {CARD, REPORT, *map(str, names)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {CARD, REPORT}
