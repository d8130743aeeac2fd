"""The photos that a caller names: files, folders with all below, and patterns, one or several."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from efficientnet_lite.arguments import OPEN
from efficientnet_lite.errors import UnusableInput, wrong_type
from efficientnet_lite.photos.accounting import Skipped
from efficientnet_lite.photos.dataset import FoundPhotos, list_photos
from efficientnet_lite.storage import files

FIX = "give files, folders or globs"
MOST_NAMED = 5  # of what was given, in an error


class Verbatim(NamedTuple):
    """A path, or to `embed` an address, that is no pattern; what is not there is refused later like any photo."""

    path: Path | str


PhotoPaths = Annotated[str | Path | Iterable[str | Path | Verbatim], OPEN]  # one or several


def find_photos(photos: object, *, links: bool = True) -> FoundPhotos:
    """The photos that `photos` names, each once, as path and the name to show, and what is skipped.

    Args:
        photos: a path or a pattern, or several, each text, path-like or `Verbatim`; see `list_photos`.
        links: False skips links.

    Raises:
        WrongType: it is something else, such as an array.
        UnusableInput: a path neither exists nor matches, or there is no photo at all.
    """
    given = list(_paths(photos))
    found: dict[str, Path] = {}
    skipped: dict[str, Skipped] = {}
    passed_over: Counter[str] = Counter()
    for each in given:
        path = Path(each.path) if isinstance(each, Verbatim) else each
        if isinstance(each, Verbatim) and not files.lexists(path):
            found.setdefault(path.as_posix(), path)
            continue
        listing = list_photos([path], links=links)
        for photo, name in listing.photos:
            found.setdefault(name, photo)
        for lost in listing.skipped:
            skipped.setdefault(lost.name, lost)
        passed_over += listing.passed_over
    if not found:
        raise _none(given, list(skipped.values()))
    return FoundPhotos(
        [(path, name) for name, path in found.items()],
        [each for name, each in skipped.items() if name not in found],
        passed_over,
    )


def _paths(photos: object) -> Iterator[Path | Verbatim]:
    """One after another; arrays, tables and pictures are none."""
    if (path := _path(photos)) is not None:
        yield path
        return
    if not isinstance(photos, Iterable) or isinstance(photos, Mapping | bytes) or hasattr(photos, "columns"):
        raise _no_paths(photos)
    for each in photos:
        if (path := _path(each)) is None:
            raise _no_paths(each)
        yield path


def _path(value: object) -> Path | Verbatim | None:
    if isinstance(value, Verbatim):
        return value
    return Path(value) if isinstance(value, str) or hasattr(value, "__fspath__") else None


def _no_paths(value: object) -> Exception:
    return wrong_type("photos", value, fix=f"{FIX}; for pixels there is `load(model).predict`")


def _none(given: list[Path | Verbatim], skipped: list[Skipped]) -> UnusableInput:
    why = f": {len(skipped)} skipped, the first, {skipped[0].name!r}: {skipped[0].reason}" if skipped else ""
    named = [str(each.path if isinstance(each, Verbatim) else each) for each in given[:MOST_NAMED]]
    where = ", ".join([*named, *["..."] * (len(given) > MOST_NAMED)]) or "an empty list"
    return UnusableInput(f"no photos found{why}", where=where, fix=FIX)
