"""The working folder of a training beside its target, `OUT.training`, from which a training is resumed.

    training.json   the marker that makes it ours
    states/  best/  what `training.saved_states` writes
    log.csv  curves.png
    train.npz ...   where records begin in their files
    integers/       the same of a quantization-aware tuning, which follows a fine-tuning

It is written in place. What is ours in it is known by these names alone, and nothing else is ever removed.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import UsageError
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import FolderKind, is_own
from efficientnet_lite.storage.targets import Apart, check_apart
from efficientnet_lite.training import saved_states
from efficientnet_lite.version import MADE_BY, is_made_by_us

SUFFIX = ".training"
STATES, BEST = "states", "best"
INTEGERS = "integers"
MARKER, MAX_MARKER_BYTES = "training.json", 4096
_OWN = re.compile(
    rf"(?:{INTEGERS}/)?(?:(?:{STATES}|{BEST})/{saved_states.NAME.pattern}|training\.json)|log\.csv|curves\.png|(?:train|holdout|validation)\.npz"
)
_PART = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")  # of a file that was being written when a process was killed


def working_folder(out: Path) -> Path:
    """Where the states of a training into `out` lie until it ends."""
    target = files.real(out) if out.name in ("", "..") else out.absolute()
    return target.with_name(target.name + SUFFIX)


def integers_folder(place: Path) -> Path:
    """Where those of its quantization-aware tuning lie."""
    return place / INTEGERS


def check_place(place: Path, *, resume: bool, overwrite: bool, apart: Collection[Apart]) -> None:
    """Refuse a working folder before any work is done.

    Raises UsageError where it is none of ours, lies on or about a place of `apart`, or holds states of a training
    and nobody said what to do with them.
    """
    check_apart(place, apart, role="the working folder")
    here = files.real(place)
    if not files.lexists(here) or files.is_empty_dir(here):
        return
    if not is_own(here, WORKPLACE):
        raise UsageError(
            "the working folder exists and is none that a training of ours made, so nothing in it is touched",
            where=place,
            fix="choose another `out=`, or move it away",
        )
    if not resume and not overwrite and holds_states(here):
        raise UsageError(
            "a training that did not end lies here",
            where=place,
            fix="give `resume=True` to go on with it, or `overwrite=True` to begin anew",
        )


def holds_states(place: Path) -> bool:
    return bool(saved_states.journals(place / STATES))


def mark(place: Path) -> None:
    """Make the folder where it is missing, and make it ours."""
    here = files.real(place)
    try:
        here.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.output_failed(place, error) from error
    if not files.lexists(here / MARKER):
        about = {"made_by": MADE_BY, "work": "states of a training, removed when it ends"}
        files.publish_json(here / MARKER, about)


def clear(place: Path) -> None:
    """Remove what is ours, and the folder where nothing else lies in it."""
    here = files.real(place)
    if files.is_dir(here) and is_own(here, WORKPLACE):
        folders.remove_files(here, is_own_name, last=MARKER)


def is_own_name(name: str) -> bool:
    """Whether a file of this name within a working folder is ours."""
    above, slash, last = name.rpartition("/")
    part = _PART.fullmatch(last)
    return _OWN.fullmatch(above + slash + (part[1] if part else last)) is not None


def _check_marker(place: Path, marker: Mapping[str, Any]) -> None:
    if not is_made_by_us(marker["made_by"]) or not isinstance(marker["work"], str):
        raise ValueError(f"its {MARKER} is not ours")


def _unmarked(place: Path) -> list[str] | None:
    """The working folder of an earlier version, which had no marker, is known by a state that reads as ours."""
    return [] if any(map(saved_states.is_journal, saved_states.journals(place / STATES))) else None


WORKPLACE = FolderKind(
    "working folder", MARKER, MAX_MARKER_BYTES, _check_marker, lambda place, marker: [], _unmarked
)


def board_apart(folder: str | Path | None) -> list[Apart]:
    """The folder for TensorBoard, in which files are open while the target is replaced."""
    return [] if folder is None else [Apart(Path(folder), "the folder of `tensorboard=`", inside=False)]
