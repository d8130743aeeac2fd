"""The run folder: what lies in it, how it comes into being whole, and how it is opened again.

    card.json             everything about the run, for programs
    README.md             the same for people: the model card
    config.toml           what reproduces the run
    labels.txt  split.csv  skipped.csv
    weights.safetensors   backbone and head, float32
    exports/              the .tflite files and golden.npz

A run is built in a hidden folder beside its target and renamed into place, so a target is either a
complete run or not there. Replacing an old run needs two renames; a kill between them is mended by the
next run, which finds the old one under its hidden name.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from efficientnet_lite.doors import files
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError

SCHEMA = 1
CARD, WEIGHTS, LABELS, GOLDEN = "card.json", "weights.safetensors", "labels.txt", "exports/golden.npz"
MAX_CARD_BYTES = 64 * 2**20


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
            if export.precision == precision and export.path.is_file():
                return export.path
        raise ArtifactError(
            f"the run has no {precision} file",
            where=self.folder,
            fix=f"known: {', '.join(export.precision for export in self.exports) or 'none'}; or train it again",
        )


def is_run(path: Path) -> bool:
    """Whether `path` looks like a run folder."""
    return (path / CARD).is_file()


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
    try:
        card = json.loads(files.read_bytes(path, limit=MAX_CARD_BYTES, what="a card"))
        schema, labels = card["schema"], card["labels"]
        if (
            type(schema) is not int
            or not isinstance(labels, list)
            or not all(isinstance(x, str) for x in labels)
        ):
            raise TypeError("schema or labels")
        exports = tuple(
            Export(inside(folder, str(item["path"])), str(item["precision"]), str(item["sha256"]))
            for item in card["exports"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"the card cannot be read: {type(error).__name__}: {error}", where=path, fix="train the run again"
        ) from error
    if schema > SCHEMA:
        raise ArtifactError(
            f"the card has schema {schema}, this version knows {SCHEMA}",
            where=path,
            fix="upgrade efficientnet-lite",
        )
    return Run(folder, card, tuple(labels), exports)


def inside(folder: Path, name: str) -> Path:
    """`folder / name`; raises ValueError where that would leave the folder."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or not parts.parts or ".." in parts.parts or "\\" in name or ":" in name:
        raise ValueError(f"{name!r} is no path within the run")
    return folder.joinpath(*parts.parts)


def check_target(target: Path, *, photos: Path, overwrite: bool) -> None:
    """Refuse a target before any work is done.

    Raises:
        UsageError: it exists and may not be replaced, is no run of ours, or lies inside, above or on
            the photos.
    """
    here, data = target.resolve(), photos.resolve()
    data = data.parent if data.is_file() else data
    if here == data or here in data.parents or data in here.parents:
        raise UsageError(
            "the target lies inside, above or on the photo folder", where=target, fix="choose another --out"
        )
    if os.path.lexists(target):
        if not target.is_dir() or (any(target.iterdir()) and not is_run(target)):
            raise UsageError(
                "the target exists and is no run of ours, so it is never replaced",
                where=target,
                fix="choose another --out",
            )
        if any(target.iterdir()) and not overwrite:
            raise UsageError(
                "the target exists", where=target, fix="choose another --out, or give --overwrite"
            )


@contextmanager
def building(target: Path, *, photos: Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder to build the run in, which becomes `target` when the block ends well, and vanishes else.

    Only one process at a time builds a target. With `overwrite` an old run is replaced once the new one
    is complete; files in it that its card does not list move over to the new run.

    Raises:
        UsageError: as `check_target`, or another run is writing to this target.
        OutputFailed: the disk is full or cannot be written to.
    """
    target = target.absolute()
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
    try:
        files.sync_folder(stage)
        if target.exists():
            target.replace(_previous(target))
        stage.replace(target)
        files.sync_folder(target.parent)
    except OSError as error:
        if not target.exists() and _previous(target).exists():
            _previous(target).replace(target)
        raise files.output_failed(target, error) from error
    _mend(target)


def _mend(target: Path) -> None:
    """Finish or undo what a killed run left; the caller holds the lock, so nothing of it is alive."""
    for stale in target.parent.glob(f".{_escaped(target.name)}.????????{files.PART_SUFFIX}"):
        shutil.rmtree(stale, ignore_errors=True)
    previous = _previous(target)
    if not previous.exists():
        return
    if not target.exists():
        previous.replace(target)
        return
    listed = _listed(previous)
    for path in sorted(previous.rglob("*")):
        name = path.relative_to(previous)
        if path.is_dir() and not path.is_symlink():
            continue
        if name.as_posix() not in listed and not os.path.lexists(target / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(target / name)
    shutil.rmtree(previous, ignore_errors=True)


def _escaped(name: str) -> str:
    """`name` for `glob`, literally."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _listed(folder: Path) -> set[str]:
    """The files that the card of an old run names as its own."""
    try:
        card = json.loads((folder / CARD).read_bytes())
        return {CARD, *(str(name) for name in card["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {CARD}
