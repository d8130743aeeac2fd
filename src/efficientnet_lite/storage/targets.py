"""Where something may be written: nowhere that somebody else's things lie, and on no place that is read meanwhile."""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.addresses import of_path
from efficientnet_lite.errors import UsageError
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import FolderKind, is_own, listing, tree

Keys = frozenset[object]  # by which one place is known, however it is spelled


@dataclass(frozen=True, slots=True)
class Apart:
    """A place of the user's from which a target stays apart: never on it or above it."""

    path: Path
    what: str = "the photo folder"
    inside: bool = True  # whether a target inside of it is refused, too


def check_apart(target: Path, apart: Collection[Apart], *, role: str = "the target") -> None:
    """Raise UsageError where `target` lies on or above a place of `apart`, or inside where that counts.

    Links, dots, other spellings on a disk that takes them for one, and a folder mounted twice make no difference.
    """
    seen: dict[Path, Keys] = {}
    here, *above = _lineage(target, seen)
    for each in apart:
        there, *upwards = _lineage(each.path, seen)
        inside = each.inside and any(there & keys for keys in above)
        if here & there or any(here & keys for keys in upwards) or inside:
            how = "inside, above or on" if each.inside else "above or on"
            raise UsageError(
                f"{role} lies {how} {each.what} {each.path}", where=target, fix="choose another `out=`"
            )


def check_folder(target: Path, kind: FolderKind, *, overwrite: bool, apart: Collection[Apart] = ()) -> None:
    """Refuse a target before any work is done: the one rule for all folders that we write.

    Free is what does not exist, and an empty folder. What we wrote needs `overwrite`. Anything else is never replaced.

    Raises UsageError as the rule says, or where `target` does not stay apart or cannot be reached.
    """
    check_apart(target, apart)
    check_reachable(target)
    here = files.real(target)
    _check_above(here)
    _check_mounts(here)
    if not files.lexists(here) or files.is_empty_dir(here):
        return
    try:
        listing(here, kind)
    except ValueError as error:
        raise not_ours(target, kind, error) from error
    if not overwrite:
        raise exists(target)
    for name in tree(here).folders:
        _check_mounts(here / name)
    aside = previous(here)
    if files.lexists(aside) and not is_own(aside, kind):
        raise UsageError(
            f"what lies here is no {kind.what} of ours, and its place is needed while the old one is replaced",
            where=aside,
            fix="move it away, or choose another `out=`",
        )


def check_growing(target: Path, kind: FolderKind, *, apart: Collection[Apart] = ()) -> None:
    """Refuse a target that is filled in place, by one call or several, before any work is done.

    Free is what does not exist, an empty folder, one that a kill left with nothing but the beginning of a marker, and
    one of the kind that we wrote.

    Raises UsageError: it is something else, does not stay apart, cannot be reached or may not be written to.
    """
    check_apart(target, apart)
    check_reachable(target)
    here = files.real(target)
    if not files.lexists(here):
        _check_above(here)
        return
    if files.is_dir(here) and not os.access(here, os.W_OK | os.X_OK):
        raise _not_writable(target)
    if files.is_dir(here) and all(files.is_unfinished(path, kind.marker) for path in files.entries(here)):
        return
    try:
        listing(here, kind)
    except ValueError as error:
        raise not_ours(target, kind, error) from error


def check_file(
    target: Path, *, overwrite: bool, example: str, apart: Collection[Apart] = (), argument: str = "out"
) -> None:
    """Refuse the place of a file before any work is done.

    A file that the user names and says to overwrite is replaced, whatever it is.

    Args:
        example: a name as the user may give it.
        argument: that names the file, for messages.

    Raises UsageError: it is a folder, exists, has no folder to lie in, cannot be reached or does not stay apart.
    """
    try:
        _check_file(target, overwrite, example, apart)
    except UsageError as error:
        error.fix = error.fix.replace("`out=`", f"`{argument}=`")
        raise


def check_own_file(
    target: Path,
    is_ours: Callable[[Path], bool],
    *,
    what: str,
    overwrite: bool,
    example: str,
    apart: Collection[Apart] = (),
) -> None:
    """As `check_file`, of a file beside another one, which nobody names: `overwrite` is for what `is_ours` alone.

    Args:
        what: it is, such as "report", for messages.
    """
    check_file(target, overwrite=overwrite, example=example, apart=apart)
    if files.lexists(target) and not is_ours(target):
        raise UsageError(
            f"what lies here is no {what} of ours, so it is never replaced",
            where=target,
            fix="choose another `out=`, or move it away",
        )


def _check_file(target: Path, overwrite: bool, example: str, apart: Collection[Apart]) -> None:
    check_reachable(target)
    if files.is_dir(target):
        raise UsageError(
            "the target is a folder", where=target, fix=f"give the name of a file, such as {example}"
        )
    check_apart(target, apart)
    if files.lexists(target) and not overwrite:
        raise exists(target)
    if files.exists(target) and not files.is_file(target):  # a pipe, a socket, a device
        raise UsageError(
            "the target is no regular file, so it is not replaced", where=target, fix="choose another `out=`"
        )
    check_parent(target)


def check_reachable(target: Path) -> None:
    """Raises UsageError where `target` is an address, or the system does not even say whether something lies there."""
    address = of_path(str(target))
    if address is not None and not files.lexists(target.parts[0]):
        raise UsageError(
            "an address, and only folders and files of this machine are written",
            where=address,
            fix="choose another `out=`, and copy it there afterwards",
        )
    if said := files.obstacle(target):
        raise UsageError(f"the target cannot be reached: {said}", where=target, fix="choose another `out=`")


def check_parent(target: Path) -> None:
    """Raises UsageError where `target` has no folder to lie in that may be written to."""
    folder = target.absolute().parent
    if not files.is_dir(folder):
        raise UsageError("the target's folder does not exist", where=target.parent, fix="make it first")
    if not os.access(folder, os.W_OK):
        raise _not_writable(target.parent)


def _check_above(target: Path) -> None:
    """Raises UsageError where neither `target` nor the missing folders above it could be made."""
    folder = next((each for each in target.parents if files.is_dir(each)), target)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _not_writable(folder)


def _not_writable(folder: Path) -> UsageError:
    return UsageError(
        "the target's folder may not be written to",
        where=folder,
        fix="choose another `out=`, or change its permissions",
    )


def _check_mounts(folder: Path) -> None:
    """Raises UsageError where a file system is mounted, such as a volume of a container: after hours of work the
    new folder could not get its name, or what is the user's could not move over."""
    if files.is_mount(folder):
        raise UsageError(
            "a file system is mounted here, so no other folder can take its place",
            where=folder,
            fix=f"choose a folder in it as `out=`, such as {folder / 'run'}",
        )


def not_ours(target: Path | str, kind: FolderKind, why: Exception) -> UsageError:
    return UsageError(
        f"the target exists and is no {kind.what} of ours, so it is never replaced: {why}",
        where=target,
        fix="choose another `out=`, or move it away",
    )


def exists(target: Path) -> UsageError:
    return UsageError(
        "the target exists", where=target, fix="choose another `out=`, or give `overwrite=True`"
    )


def previous(target: Path) -> Path:
    """Where an old folder lies for the moment in which a new one takes its place."""
    return target.with_name(f".{target.name}.previous")


def _lineage(path: Path, seen: dict[Path, Keys]) -> Iterator[Keys]:
    """The keys of a place and of every folder above it."""
    place = files.real(path)
    for each in (place, *place.parents):
        if each not in seen:
            seen[each] = _keys(each)
        yield seen[each]


def _keys(place: Path) -> Keys:
    identity = files.identity(place)
    return frozenset([str(place)] if identity is None else [str(place), identity])
