"""Patterns of paths, such as `photos/**/*.jpg` and `shards/{0000..0099}.tar`: what they match, one after another."""

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from efficientnet_lite.addresses import of_path
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.storage import files

_MAGIC = re.compile(r"[*?[]")
_RANGE = re.compile(r"\{(\d{1,12})\.\.(\d{1,12})\}")  # as shells and WebDataset write a run of numbers


def ranges(pattern: str) -> Iterator[str]:
    """`pattern` with the numbers of each `{000..099}` put in; itself where it has none."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last = found.groups()
    step = 1 if int(first) <= int(last) else -1
    for number in range(int(first), int(last) + step, step):
        filled = f"{number:0{len(first)}d}"
        yield from ranges(f"{pattern[: found.start()]}{filled}{pattern[found.end() :]}")


def is_pattern(text: str) -> bool:
    """Whether a name has signs of a pattern."""
    return bool(_MAGIC.search(text))


def matches(pattern: Path) -> Iterator[Path]:
    """The files and folders that match `*`, `?`, `[...]` and `**`, in no order, some perhaps twice.

    Hidden ones match only where the pattern names the dot. A folder that cannot be read matches nothing.
    """
    base = Path(pattern.anchor)
    parts = pattern.parts[1:] if pattern.anchor else pattern.parts
    for path in _below(str(base) if pattern.anchor else "", parts):
        name = os.path.basename(path)  # noqa: PTH119 - a Path for each of a million files takes seconds
        if not name.startswith(".") or pattern.name.startswith("."):
            yield Path(path)


def no_match(pattern: Path | str) -> UnusableInput:
    """The error for what neither exists nor matches."""
    if (address := of_path(str(pattern))) is not None:
        return UnusableInput(
            "an address, and no path",
            where=address,
            fix="give addresses to `embed`, as text; else download it first",
        )
    said = files.obstacle(Path(pattern))
    return UnusableInput(
        f"no such file or folder, and no pattern that matches one{f': {said}' if said else ''}",
        where=pattern,
        fix="check its spelling",
    )


def _below(base: str, parts: tuple[str, ...]) -> Iterator[str]:
    """What lies below `base` by one name or pattern after the other."""
    if not parts:
        yield base or "."
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _below(base, rest)
        for entry in _listed(base):
            if files.is_dir(entry, follow=False):
                yield from _below(_join(base, entry.name), parts)
    elif is_pattern(first):
        fits = re.compile(fnmatch.translate(os.path.normcase(first))).match
        for entry in _listed(base):
            if fits(os.path.normcase(entry.name)) and (not rest or files.is_dir(entry)):
                yield from _below(_join(base, entry.name), rest)
    elif files.lexists(path := _join(base, first)):
        yield from _below(path, rest)


def _listed(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder or ".") as listing:
            yield from listing
    except (OSError, ValueError):
        return


def _join(base: str, name: str) -> str:
    return os.path.join(base, name)  # noqa: PTH118
