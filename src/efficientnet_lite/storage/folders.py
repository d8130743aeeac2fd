"""Folders that we write: whole under their name or not there, and nothing of the user's lost on the way.

The one rule: we delete and replace only what we made. A new folder is built in a stage beside its target, a hidden
folder with a marker of its own, and renamed into place. Where it replaces an old one, that is set aside first; what the
user had put into it moves over to the new one, with `.kept` behind a name that is taken, and only the files that we
listed are removed. A process that is killed on the way leaves a stage or a folder set aside; the next one for the same
target, which holds its lock, sweeps the one and puts back or finishes the other. Folders that merely have such names
are left alone.
"""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.storage import files, tables
from efficientnet_lite.storage.listing import FolderKind, is_own, listing, own_files, tree
from efficientnet_lite.storage.targets import Apart, check_apart, check_folder, check_reachable, previous
from efficientnet_lite.version import __version__

KEPT_SUFFIX = ".kept"  # for a user's own file whose name a new folder needs
STAGE_MARKER, CONTENT = ".efficientnet-lite.json", "content"  # in a stage
MAX_STAGE_MARKER_BYTES = 4096


@contextmanager
def replacing(
    target: Path, kind: FolderKind, *, overwrite: bool = False, apart: Collection[Apart] = ()
) -> Iterator[Path]:
    """An empty folder that becomes `target` when the block ends well, and vanishes else.

    The block seals it: see `listing.seal`. Only one process at a time builds a target. A `target` that is a link
    stays one: what it leads to is replaced.

    Raises:
        UsageError: as `check_folder`, or another process is writing to this target.
        OutputFailed: the disk is full or cannot be written to.
    """
    check_apart(target, apart)
    check_reachable(target)  # the lock would say so as of a disk
    here = files.real(target)
    with files.locked(here):
        with _failures(here):
            _mend(here, kind)
        check_folder(target, kind, overwrite=overwrite, apart=apart)
        with _stage(here) as content, _failures(here):
            content.mkdir()
            yield content
            _swap(content, here)
        with _failures(here):
            _mend(here, kind)


def remove(folder: Path, kind: FolderKind) -> bool:
    """Take away a folder of ours, in one step, so that no half of it is ever found under its name.

    False, and nothing happens, where it is not ours or not all of it is.
    """
    if files.is_link(folder):
        return False
    folder = files.real(folder)
    with files.locked(folder), _failures(folder):
        _mend(folder, kind)
        if not is_own(folder, kind) or own_files(folder, listing(folder, kind)) != set(tree(folder).files):
            return False
        with _stage(folder) as content:
            folder.replace(content)
    return True


def remove_files(folder: Path, is_ours: Callable[[str], bool], *, last: str = "") -> None:
    """Remove the files below `folder` whose name within it `is_ours`, then the folders that are empty, itself too.

    `last` is the marker, which goes when the others have gone: what a kill leaves is still ours.
    """
    with _failures(folder):
        ours = [name for name in tree(folder).files if is_ours(name) and not files.is_link(folder / name)]
        for name in sorted(ours, key=lambda name: name == last):
            (folder / name).unlink(missing_ok=True)
        _remove_empty(folder)


def remove_matching(folder: Path, pattern: re.Pattern[str]) -> None:
    """Remove the files of `folder`, none below it, whose whole name matches."""
    with _failures(folder):
        for path in _entries(folder):
            if pattern.fullmatch(path.name) and files.is_file(path, follow=False):
                path.unlink(missing_ok=True)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise files.output_failed(path, error) from error


@contextmanager
def _stage(target: Path) -> Iterator[Path]:
    """A place for the content of `target`, not yet made, in a folder of its own that is known as ours."""
    stage = target.with_name(f".{target.name}.{secrets.token_hex(4)}{files.PART_SUFFIX}")
    try:
        with _failures(stage):
            stage.mkdir()
            files.publish_json(
                stage / STAGE_MARKER,
                {"made_by": f"efficientnet-lite {__version__}", "stage_of": tables.escaped(target.name)},
            )
        yield stage / CONTENT
    finally:
        with suppress(OSError):  # the error that brought us here says more
            _remove_stage(stage)


def _remove_stage(stage: Path) -> None:
    """All of it is ours. The marker goes last."""
    shutil.rmtree(stage / CONTENT, ignore_errors=True)
    (stage / STAGE_MARKER).unlink(missing_ok=True)
    stage.rmdir()


def _is_stage(path: Path, target: Path) -> bool:
    """Whether a process of ours made `path` for `target`; without a file there is nothing to lose in it."""
    if not files.is_dir(path, follow=False):
        return False
    marker = path / STAGE_MARKER
    try:
        if not files.is_file(marker, follow=False):
            return not [name for name in tree(path).files if not _is_part(name)]
        content = files.read_bytes(marker, limit=MAX_STAGE_MARKER_BYTES, what="a marker of ours")
        document = json_value(content)
        return bool(document["stage_of"] == tables.escaped(target.name) and document["made_by"])
    except (EfficientNetLiteError, ValueError, TypeError, KeyError, OSError):
        return False


def _is_part(name: str) -> bool:
    """Whether it is the marker of a stage that was about to be written."""
    return re.fullmatch(rf"\.{re.escape(STAGE_MARKER)}\.[0-9a-f]{{8}}\.part", name) is not None


def _mend(target: Path, kind: FolderKind) -> None:
    """Sweep, finish or undo what a killed process left; the caller holds the lock, so none of them is alive."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}{re.escape(files.PART_SUFFIX)}")
    for path in _entries(target.parent):
        if name.fullmatch(path.name) and _is_stage(path, target):
            shutil.rmtree(path / CONTENT, ignore_errors=True)
            remove_files(path, lambda name: name == STAGE_MARKER or _is_part(name), last=STAGE_MARKER)
    aside = previous(target)
    if not files.is_dir(aside, follow=False) or not is_own(aside, kind):
        return
    if files.is_empty_dir(target):
        target.rmdir()
    if not files.lexists(target):
        aside.replace(target)
    elif is_own(target, kind):
        _finish(aside, target, kind)


def _swap(content: Path, target: Path) -> None:
    """Give `content` the name `target`; what lay there is set aside, but for an empty folder."""
    aside, moved, empty = previous(target), False, False
    try:
        _sync(content)
        if files.is_empty_dir(target):
            target.rmdir()
            empty = True
        elif files.lexists(target):
            target.replace(aside)
            moved = True
        content.replace(target)
        files.sync_folder(target.parent)
    except BaseException:  # Ctrl-C too: what lay there comes back
        if moved and not files.lexists(target):
            aside.replace(target)
        if empty and not files.lexists(target):
            target.mkdir()
        raise


def _sync(folder: Path) -> None:
    """Bring all of it to the disk before it gets its name, where the system can (Windows syncs no file for reading)."""
    if os.name != "posix":
        return
    found = tree(folder)
    for name in found.files:
        if files.is_file(folder / name, follow=False):
            with (folder / name).open("rb") as file:
                os.fsync(file.fileno())
    for name in (*found.folders, "."):
        files.sync_folder(folder / name)


def _finish(aside: Path, target: Path, kind: FolderKind) -> None:
    """Move what is the user's from the old folder to the new one, and remove the rest of the old one in one step."""
    listed = listing(aside, kind)
    ours, found = own_files(aside, listed), tree(aside)
    for name in found.files:
        if name not in ours:
            (aside / name).replace(_free_place(target, name))
    for name in found.folders:  # an empty one that we did not make is the user's, too
        if files.is_empty_dir(aside / name) and not any(each.startswith(f"{name}/") for each in listed):
            _folder_at(target, name.split("/"))
    if ours.issuperset(tree(aside).files):
        with _stage(target) as content:
            aside.replace(content)


def _free_place(target: Path, name: str) -> Path:
    """A path below `target` that is free; as `name` says, or with KEPT_SUFFIX where that is taken."""
    *above, last = name.split("/")
    place = _folder_at(target, above) / last
    while files.lexists(place):
        place = place.with_name(place.name + KEPT_SUFFIX)
    return place


def _folder_at(target: Path, parts: Sequence[str]) -> Path:
    """The folder below `target` that has these names above it and its own last, made where it is missing."""
    place = target
    for part in parts:
        place /= part
        while files.lexists(place) and not files.is_dir(place, follow=False):
            place = place.with_name(place.name + KEPT_SUFFIX)
        place.mkdir(exist_ok=True)
    return place


def _entries(folder: Path) -> list[Path]:
    """What lies in `folder`; nothing where it may not be listed, since then nothing of it can be swept."""
    try:
        return files.entries(folder)
    except EfficientNetLiteError:
        return []


def _remove_empty(folder: Path) -> None:
    """Remove the folders below `folder` that hold nothing, and itself."""
    for name in (*tree(folder).folders, "."):
        if files.is_empty_dir(folder / name):
            (folder / name).rmdir()
