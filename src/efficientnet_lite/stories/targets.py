"""Where an artifact that is a folder may go: nowhere that somebody else's folder lies."""

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
    if files.lexists(out) and not overwrite:
        raise UsageError("the target exists", where=out, fix="choose another --out, or give --overwrite")
    if files.lexists(out) and not is_own(out):
        raise UsageError(
            f"the target is no {what} of ours, so it is not replaced",
            where=out,
            fix="choose another --out, or move it away",
        )
    if not files.is_dir(out.absolute().parent):
        raise UsageError("the target's folder does not exist", where=out.parent, fix="make it first")
