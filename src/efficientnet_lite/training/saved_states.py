"""States of a training on disk, from which it goes on bit for bit: the newest that is whole, one before, no more.

A state is two files: `step-00000001251.safetensors` with the arrays, and after it `step-00000001251.json` with
the step, the digest of the first and what else belongs to the state. Without the second the first is no state, so
a process that is killed while it writes leaves the state before as the newest.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from efficientnet_lite.errors import CheckpointError, EfficientNetLiteError
from efficientnet_lite.storage import files, folders

Arrays = Mapping[str, npt.NDArray[Any]]

SCHEMA = 1
KEPT = 2  # the newest, and one to fall back to
MAX_STATE_BYTES, MAX_JOURNAL_BYTES = 4 * 2**30, 64 * 2**20  # four times lite4's; 350 epochs have 0.1 MB
JOURNAL, ARRAYS = ".json", ".safetensors"
NAME = re.compile(r"step-\d{11}\.(?:json|safetensors)")  # of both files of a state


@dataclass(frozen=True, slots=True)
class Saved:
    """What `save` was given."""

    step: int
    arrays: dict[str, npt.NDArray[Any]]
    journal: dict[str, Any]  # what is no array: plain values of JSON, floats exact


def save(folder: Path, step: int, arrays: Arrays, journal: Mapping[str, Any], *, kept: int = KEPT) -> None:
    """Write a state, whole or not at all, and take away all but the newest `kept`.

    The folder is made where it is missing; only one process at a time may write to it.
    Raises OutputFailed where the disk is full or cannot be written to; older states stay then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.output_failed(folder, error) from error
    data = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    name = f"step-{step:011d}"
    files.publish(folder / (name + ARRAYS), data)
    described = {
        "schema": SCHEMA,
        "step": step,
        "bytes": len(data),
        "sha256": files.sha256_bytes(data),
        "journal": dict(journal),
    }
    files.publish_json(folder / (name + JOURNAL), described)
    _tidy(folder, kept)


def newest(folder: Path, *, warn: Callable[[str], None]) -> Saved | None:
    """The newest state that is whole, or None where there never was one; `warn` takes a line for each that is not.

    Raises CheckpointError where there are states and none of them is whole.
    """
    found = journals(folder)
    for path in found:
        try:
            return _read(path)
        except EfficientNetLiteError as error:
            warn(f"{path}: {error.what}; the state before it is taken")
    if found:
        raise CheckpointError(
            f"none of its {len(found)} saved states can be read",
            where=folder,
            fix="begin anew: give `overwrite=True` instead of `resume=True`",
        )
    return None


def _read(path: Path) -> Saved:
    described = _described(path)
    data = files.read_bytes(
        path.with_suffix(ARRAYS), limit=min(MAX_STATE_BYTES, described["bytes"]), what="a state"
    )
    if files.sha256_bytes(data) != described["sha256"]:
        raise CheckpointError("its numbers are not those that were saved", where=path, fix="begin anew")
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"it is damaged: {error}", where=path, fix="begin anew") from error
    return Saved(described["step"], arrays, described["journal"])


def _described(path: Path) -> dict[str, Any]:
    try:
        described = json.loads(files.read_bytes(path, limit=MAX_JOURNAL_BYTES, what="a state"))
        kinds = {"schema": int, "step": int, "bytes": int, "sha256": str, "journal": dict}
        for name, kind in kinds.items():
            if type(described[name]) is not kind:
                raise ValueError(f"its {name} is no {kind.__name__}")
        if described["schema"] != SCHEMA or min(described["step"], described["bytes"]) < 0:
            raise ValueError(f"its schema is {described['schema']}, its step {described['step']}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"it is damaged: {error!r:.200}", where=path, fix="begin anew") from error
    return dict(described)


def journals(folder: Path) -> list[Path]:
    """The second files of the states in `folder`, the newest first; what merely lies there too is not among them."""
    if not files.is_dir(folder):
        return []
    found = [path for path in files.entries(folder) if NAME.fullmatch(path.name) and path.suffix == JOURNAL]
    return sorted(found, reverse=True)


def is_journal(path: Path) -> bool:
    """Whether the file is one that `save` wrote."""
    try:
        _described(path)
    except EfficientNetLiteError:
        return False
    return True


def _tidy(folder: Path, kept: int) -> None:
    """Take away old states, a state's numbers last, and what killed processes left."""
    names = [path.stem for path in journals(folder)]
    for name in names[kept:]:
        folders.remove_matching(folder, re.compile(re.escape(name + JOURNAL)))
    stay = "|".join(map(re.escape, names[:kept])) or "none"
    folders.remove_matching(folder, re.compile(rf"(?!(?:{stay})\.){NAME.pattern}"))
    folders.remove_matching(folder, re.compile(rf"\.{NAME.pattern}\.[0-9a-f]{{8}}\.part"))
