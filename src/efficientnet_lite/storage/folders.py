"""What we write beside its target: whole under its name or not there, and nothing of the user's lost on the way.

The one rule: we delete and replace only what we made. A new folder, or a file with one beside it, is built in a stage
next to its target, a hidden folder with a marker of its own, and renamed into place. Where it replaces an old one, that
is set aside first; what the user had put into an old folder moves over to the new one, with `.kept` behind a name that
is taken, and only the files that we listed are removed. A process that is killed on the way leaves a stage or a folder
set aside; the next one for the same target, which holds its lock, sweeps a stage that was being built, finishes one
that was complete, and puts back or finishes what was set aside. Folders that merely have such names are left alone.
"""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.storage import files, tables
from efficientnet_lite.storage.listing import FolderKind, is_own, listing, own_files, tree
from efficientnet_lite.storage.targets import Apart, check_apart, check_folder, check_reachable, previous
from efficientnet_lite.version import MADE_BY

KEPT_SUFFIX = ".kept"  # for a user's own file whose name a new folder needs
# In a stage: its marker, what gets the target's name, the file that goes beside it, and what those two replace.
STAGE_MARKER, CONTENT, COMPANION, OLD, OLD_COMPANION = (
    ".efficientnet-lite.json",
    "content",
    "companion",
    "old",
    "old-companion",
)
UNWANTED = "unwanted"  # the content of a stage that is being taken away
MAX_STAGE_MARKER_BYTES = 4096
_PART = re.compile(rf"\..+\.[0-9a-f]{{8}}{re.escape(files.PART_SUFFIX)}")


@dataclass(frozen=True, slots=True)
class Staged:
    """Where a file or folder is built that is to become `target`, in a hidden folder beside it."""

    place: Path
    target: Path
    kind: FolderKind | None  # None: the target is a file
    companion_target: Path | None = None  # of the file that comes and goes with the target, beside it

    @property
    def content(self) -> Path:
        """What gets the target's name: an empty folder, or the place of a file that is to be written."""
        return self.place / CONTENT

    @property
    def companion(self) -> Path:
        """The place of the file that goes beside the target."""
        return self.place / COMPANION

    def commit(self) -> None:
        """Give what was built its name. A kill on the way is made good by the next one for this target.

        The companion gets its name while the target has none: nowhere do the two not belong together.
        """
        with _failures(self.target):
            if self.kind is not None:
                _sync(self.content)
            beside = self.companion_target
            _mark_stage(
                self.place,
                self.target,
                {
                    "replaces": mark(self.target, self.kind),
                    "beside": tables.escaped(beside.name) if beside else "",
                    "beside_replaces": mark(beside, None) if beside else "",
                },
            )
            _swap(self)
            if self.kind is not None:
                _mend_aside(self.target, self.kind)


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
    with staging(target, kind, lambda: check_folder(target, kind, overwrite=overwrite, apart=apart)) as stage:
        yield stage.content
        stage.commit()


@contextmanager
def staging(
    target: Path, kind: FolderKind | None, check: Callable[[], None], *, companion: Path | None = None
) -> Iterator[Staged]:
    """A stage for `target`, a folder or (where `kind` is None) a file; it vanishes where it is not committed.

    A link to a folder stays one, a link to a file is replaced. What a killed process left is mended before.

    Args:
        check: refuses a target that may not be replaced; see `targets`.
        companion: where the stage's companion goes, beside the target.

    Raises as `replacing`.
    """
    check_reachable(target)  # the lock would say so as of a disk
    here = _place_of(target, kind)
    with files.locked(target):
        mend(here, kind)
        check()
        with _stage(here) as place, _failures(here):
            stage = Staged(place, here, kind, here.with_name(companion.name) if companion else None)
            if kind is not None:
                stage.content.mkdir()
            yield stage
        mend(here, kind)


def mend(target: Path, kind: FolderKind | None) -> None:
    """Sweep, finish or undo what a process left that was killed while it wrote `target`; nothing where there is none.

    The caller holds the target's lock, so none of those processes is alive.
    """
    target = _place_of(target, kind)
    with _failures(target):
        for path in _entries(target.parent):
            if _stage_name(target).fullmatch(path.name) and _is_stage(path, target):
                _finish_stage(path, target, kind)
        if kind is not None:
            _mend_aside(target, kind)


def _place_of(target: Path, kind: FolderKind | None) -> Path:
    """Where it is built: a link to a folder stays one, a link to a file is replaced."""
    return files.real(target) if kind is not None else files.real(target.absolute().parent) / target.name


def mark(path: Path, kind: FolderKind | None) -> str:
    """By which what lies at `path` is known again: a digest of the file, or of a folder's marker, which lists the rest.

    Empty where nothing lies there, or no such thing.
    """
    known = path if kind is None else path / kind.marker
    return files.sha256_file(known) if files.is_file(known) else ""


def remove(folder: Path, kind: FolderKind) -> bool:
    """Take away a folder of ours, in one step, so that no half of it is ever found under its name.

    False, and nothing happens, where it is not ours or not all of it is.
    """
    if files.is_link(folder):
        return False
    folder = files.real(folder)
    with files.locked(folder), _failures(folder):
        mend(folder, kind)
        if not is_own(folder, kind) or own_files(folder, listing(folder, kind)) != set(tree(folder).files):
            return False
        with _stage(folder) as place:
            folder.replace(place / CONTENT)
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


def remove_named(folder: Path, names: Iterable[str]) -> None:
    """Remove these files of `folder`, in this order, and the folders within it that held them and nothing else."""
    with _failures(folder):
        found = set(tree(folder).files)
        ours = [name for name in names if name in found]
        for name in ours:
            (folder / name).unlink(missing_ok=True)
        for above in {name.rpartition("/")[0] for name in ours} - {""}:
            if files.is_empty_dir(folder / above):
                (folder / above).rmdir()


def make(folder: Path) -> None:
    """Make a folder and those above it; nothing where it is there."""
    with _failures(folder):
        folder.mkdir(parents=True, exist_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder of ours that holds nothing, where it may be removed."""
    with suppress(OSError):
        if files.is_empty_dir(folder) and not files.is_mount(folder):
            folder.rmdir()


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
    """A folder beside `target` that is known as ours, with nothing in it yet."""
    stage = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}{files.PART_SUFFIX}")
    try:
        with _failures(stage):
            stage.mkdir()
            _mark_stage(stage, target)
        yield stage
    finally:
        with suppress(OSError):  # the error that brought us here says more
            _remove_stage(stage, target)


def _stage_name(target: Path) -> re.Pattern[str]:
    return re.compile(rf"\.{re.escape(target.name[:50])}\.[0-9a-f]{{8}}{re.escape(files.PART_SUFFIX)}")


def _mark_stage(stage: Path, target: Path, ready: dict[str, str] | None = None) -> None:
    """`ready`: all of it is there, and only the renames are left; what lay at the target then, as by `mark`."""
    about = {"made_by": MADE_BY, "stage_of": tables.escaped(target.name)}
    files.publish_json(stage / STAGE_MARKER, about | ({"ready": ready} if ready is not None else {}))


def _remove_stage(stage: Path, target: Path) -> None:
    """Take away what we put into it, and the stage where nothing else is in it. The marker goes last.

    No file is written, since the disk may be full.
    """
    if files.lexists(stage / CONTENT):
        if files.lexists(stage / OLD) and not files.lexists(target):  # what was to replace it never does
            (stage / OLD).replace(target)
        (stage / CONTENT).replace(stage / UNWANTED)  # half of it must not be taken for what is ready
    for path in _entries(stage):
        if path.name == UNWANTED and files.is_dir(path, follow=False):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name in (UNWANTED, COMPANION, OLD, OLD_COMPANION) or _PART.fullmatch(path.name):
            path.unlink(missing_ok=True)
    if [path.name for path in _entries(stage)] == [STAGE_MARKER]:
        (stage / STAGE_MARKER).unlink(missing_ok=True)
    if not tree(stage).files:
        _remove_empty(stage)


def _is_stage(path: Path, target: Path) -> bool:
    """Whether a process of ours made `path` for `target`; without a file there is nothing to lose in it."""
    if not files.is_dir(path, follow=False):
        return False
    try:
        if not files.is_file(path / STAGE_MARKER, follow=False):
            return not [name for name in tree(path).files if not _PART.fullmatch(name)]
        document = _marker(path)
        return bool(document["stage_of"] == tables.escaped(target.name) and document["made_by"])
    except (EfficientNetLiteError, ValueError, TypeError, KeyError, OSError):
        return False


def _marker(stage: Path) -> Any:
    content = files.read_bytes(stage / STAGE_MARKER, limit=MAX_STAGE_MARKER_BYTES, what="a marker of ours")
    return json_value(content)


def _finish_stage(path: Path, target: Path, kind: FolderKind | None) -> None:
    """Carry out the renames that are left where it was complete, unless somebody has changed the target since."""
    if files.is_file(path / STAGE_MARKER, follow=False) and files.lexists(path / CONTENT):
        ready = _marker(path).get("ready")
        with suppress(
            ValueError, TypeError, KeyError, OverflowError
        ):  # it is not ready, or no marker of ours
            stage = Staged(path, target, kind, _beside(target, ready["beside"]))
            if _is_as_it_was(stage, ready):
                _swap(stage)
    _remove_stage(path, target)


def _beside(target: Path, escaped: str) -> Path | None:
    """The place of the companion that a marker names, if any; raises ValueError for what is no name."""
    name = tables.unescaped(escaped)
    if name == ".." or Path(name).name != name:
        raise ValueError(f"{name[:50]!r} is no name of a file")
    return target.with_name(name) if name else None


def _is_as_it_was(stage: Staged, ready: Mapping[str, Any]) -> bool:
    """Whether what is to be replaced is what it was, or has been set aside already."""
    places = [(stage.target, stage.kind, ready["replaces"])]
    if stage.companion_target is not None and files.lexists(stage.companion):
        places.append((stage.companion_target, None, ready["beside_replaces"]))
    return all(
        not files.lexists(place) or (mark(place, kind) == known and (known != "" or kind is not None))
        for place, kind, known in places
    )


def _mend_aside(target: Path, kind: FolderKind) -> None:
    """Put an old folder back whose successor never came, or finish taking it away."""
    aside = previous(target)
    if not files.is_dir(aside, follow=False) or not is_own(aside, kind):
        return
    if files.is_empty_dir(target):
        target.rmdir()
    if not files.lexists(target):
        aside.replace(target)
    elif is_own(target, kind):
        _finish(aside, target, kind)


def _swap(stage: Staged) -> None:
    """Give the content of `stage` its name; what lay there is set aside, but for an empty folder."""
    target, beside = stage.target, stage.companion_target
    moved: list[tuple[Path, Path]] = []  # from, to
    empty = False

    def move(source: Path, place: Path) -> None:
        source.replace(place)
        moved.append((source, place))

    try:
        if stage.kind is not None and files.is_empty_dir(target):
            target.rmdir()
            empty = True
        elif files.lexists(target):
            move(target, stage.place / OLD if stage.kind is None else previous(target))
        if beside is not None and files.lexists(stage.companion):
            if files.lexists(beside):
                move(beside, stage.place / OLD_COMPANION)
            move(stage.companion, beside)
        move(stage.content, target)
        files.sync_folder(target.parent)
    except BaseException:  # Ctrl-C too: what lay there comes back
        for source, place in reversed(moved):
            if files.lexists(place) and not files.lexists(source):
                place.replace(source)
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
    for name in tree(aside).folders:
        _remove_stage_below(aside / name)
    listed = listing(aside, kind)
    ours, found = own_files(aside, listed), tree(aside)
    for name in found.files:
        if name not in ours:
            (aside / name).replace(_free_place(target, name))
    for name in found.folders:  # an empty one that we did not make is the user's, too
        if files.is_empty_dir(aside / name) and not any(each.startswith(f"{name}/") for each in listed):
            _folder_at(target, name.split("/"))
    if ours.issuperset(tree(aside).files):
        with _stage(target) as place:
            aside.replace(place / CONTENT)


def _remove_stage_below(folder: Path) -> None:
    """Of an artifact of the old folder that was killed while it was built."""
    with suppress(EfficientNetLiteError, ValueError, TypeError, KeyError):
        if files.is_file(folder / STAGE_MARKER, follow=False):
            target = folder.with_name(tables.unescaped(_marker(folder)["stage_of"]))
            if _stage_name(target).fullmatch(folder.name) and _is_stage(folder, target):
                _remove_stage(folder, target)


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
