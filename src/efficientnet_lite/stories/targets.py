"""Where an artifact may go: nowhere that somebody else's folder or no regular file lies."""

import os
from collections.abc import Callable
from pathlib import Path

from efficientnet_lite.doors import files
from efficientnet_lite.errors import UsageError


def check_folder_target(out: Path, *, overwrite: bool, is_own: Callable[[Path], bool], what: str) -> None:
    """Raises UsageError where `out` exists and may not be replaced, or has no folder to lie in.

    Args:
        is_own: whether a folder is one that we wrote, so that `overwrite` may replace it.
        what: "SavedModel", "Hub module".
    """
    check_reachable(out)
    if files.lexists(out) and not overwrite:
        raise UsageError("the target exists", where=out, fix="choose another --out, or give --overwrite")
    if files.lexists(out) and not is_own(out):
        raise UsageError(
            f"the target is no {what} of ours, so it is not replaced",
            where=out,
            fix="choose another --out, or move it away",
        )
    _check_parent(out)


def check_file_target(out: Path, *, overwrite: bool, example: str) -> None:
    """Raises UsageError where the file `out` exists and may not be replaced, or cannot be written.

    Args:
        example: a name to give, such as "model.tflite".
    """
    check_reachable(out)
    if files.is_dir(out):
        raise UsageError(
            "the target is a folder", where=out, fix=f"give the name of a file, such as {example}"
        )
    if files.lexists(out) and not overwrite:
        raise UsageError("the target exists", where=out, fix="choose another --out, or give --overwrite")
    if files.exists(out) and not files.is_file(out):  # a pipe, a socket, a device
        raise UsageError(
            "the target is no regular file, so it is not replaced", where=out, fix="choose another --out"
        )
    _check_parent(out)


def check_reachable(out: Path) -> None:
    """Raises UsageError where the system does not even say whether something lies at `out`."""
    if said := files.obstacle(out):
        raise UsageError(f"the target cannot be reached: {said}", where=out, fix="choose another --out")


def _check_parent(out: Path) -> None:
    folder = out.absolute().parent
    if not files.is_dir(folder):
        raise UsageError("the target's folder does not exist", where=out.parent, fix="make it first")
    if not os.access(folder, os.W_OK):
        raise UsageError(
            "the target's folder may not be written to",
            where=out.parent,
            fix="choose another --out, or change its permissions",
        )
