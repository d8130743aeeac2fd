"""`doctor`: one screen about this installation and this machine."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from efficientnet_lite.cli.common import AnyJson, Quiet, Switch, Verbose, console_of
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import EXIT_VERIFICATION

if TYPE_CHECKING:
    from efficientnet_lite.machine.checkup import Checkup, Extra, LibraryState

GIGABYTE = 1e9
BUSY = 1.5  # programs a core


def doctor(
    *, quick: Switch = False, json: AnyJson = False, verbose: Verbose = 0, quiet: Quiet = False
) -> None:
    """Say what is installed, what works, and what this machine is good for: one screen for a bug report.

    Every library that is installed is imported, and lite0 is run in float32 and in int8, in other processes.
    Neither the user's name nor the machine's is shown, and the home folder is "~".

    The exit code is 5 where what every command needs is missing, broken or of another version.
    It is 0 otherwise, also where extras are missing.

    Args:
        quick: import and measure nothing, and answer in less than a second.
        json: print one JSON document instead of the screen.
    """
    from efficientnet_lite.commands.doctor import doctor as examine

    console = console_of(json, verbose, quiet)
    found = examine(quick=quick, progress=console.progress)
    if json or not _is_drawn():
        console.json(found)
    else:
        _show(console, found)
    if not found.is_sound:
        raise SystemExit(EXIT_VERIFICATION)


def _is_drawn() -> bool:
    """Whether what draws tables can be imported; it may be just that which is broken."""
    try:
        from efficientnet_lite.cli import drawn_table  # noqa: F401
    except Exception:
        return False
    return True


def _show(console: Console, found: "Checkup") -> None:
    console.facts(f"efficientnet-lite {found.version}", list(_facts(found)))
    if console.verbose:
        rows = [[each.name, each.asked, each.version or "", each.state] for each in found.every_library()]
        console.table("", ["library", "asked for", "installed", "state"], rows)
    if found.extras:
        rows = [[each.name, _extra(each), each.gives] for each in found.extras]
        console.table("", ["extra", "state", "gives"], rows, prose="gives")
    if any(each.lacks for each in found.extras):
        console.line("an extra is installed by: pip install 'efficientnet-lite[NAME]'")
    for remark in found.remarks:
        console.line(f"! {remark.what}; try: {remark.fix}")
    if not found.remarks:
        console.line(
            "nothing is wrong" if found.is_tried else "nothing is wrong by the records; none was tried"
        )


def _facts(found: "Checkup") -> Iterator[tuple[str, object]]:
    """What is shown above the extras."""
    base = {each.name for each in found.libraries}
    added = [each for each in found.every_library() if each.name not in base and _is_shown(each)]
    yield "Python", found.python
    yield "system", found.system
    yield "processor", _processor(found)
    yield "memory", _memory(found)
    yield "int8", _int8(found)
    yield "cache", _cache(found)
    if found.variables:
        yield "variables", [f"{name}={value}" for name, value in found.variables.items()]
    yield "libraries", list(map(_library, found.libraries)) or "not known"
    if added:
        yield "of extras", list(map(_library, added))


def _is_shown(library: "LibraryState") -> bool:
    """Whether a library of an extra is worth its place: not what is missing, nor what has the one version asked for."""
    return library.version is not None and (library.state != "good" or not library.asked.startswith("=="))


def _library(library: "LibraryState") -> str:
    marks = {"missing": "MISSING", "other version": f"but {library.asked} is asked for", "broken": "BROKEN"}
    return " ".join(filter(None, (library.name, library.version, marks.get(library.state))))


def _extra(extra: "Extra") -> str:
    if extra.state == "broken":
        return f"BROKEN: {', '.join(each.name for each in extra.libraries if each.state == 'broken')}"
    if extra.state != "incomplete":
        return extra.state
    only = len(extra.lacks) == 1
    return f"lacks {extra.lacks[0]}" if only else f"lacks {len(extra.lacks)} of {len(extra.libraries)}"


def _processor(found: "Checkup") -> str:
    processor, cores = found.processor, found.cores
    count = f"{cores.usable} core" if cores.usable == 1 else f"{cores.usable} cores"
    if cores.of_machine not in (None, cores.usable):
        count = f"{cores.usable} of {cores.of_machine} cores"
    if cores.of_container is not None:
        count += f", {cores.of_container:g} by the container"
    if cores.load is not None and cores.load >= BUSY * cores.usable:
        count += f", busy with {cores.load:.0f} programs"
    return "; ".join(filter(None, (processor.name, count, _instructions(found))))


def _instructions(found: "Checkup") -> str:
    processor = found.processor
    if processor.instructions is None:
        return "instructions not known"
    there = ", ".join(processor.instructions) or "none of note"
    return f"{there}; not {', '.join(processor.absent)}" if processor.absent else there


def _memory(found: "Checkup") -> str:
    memory = found.memory
    if memory.of_machine is None:
        return "not known"
    parts = [f"{memory.of_machine / GIGABYTE:.1f} GB"]
    if memory.free is not None:
        parts.append(f"{memory.free / GIGABYTE:.1f} GB free")
    limits = {"container": memory.of_container, "process": memory.of_process}
    parts += [
        f"at most {limit / GIGABYTE:.1f} GB for the {who}"
        for who, limit in limits.items()
        if limit is not None
    ]
    return ", ".join(parts)


def _int8(found: "Checkup") -> str:
    speed = found.int8.measured
    if speed is None:
        expected = {
            True: "two to three times as fast as float32",
            False: "about as fast as float32",
            None: "",
        }
        said = expected[found.int8.is_faster]
        return f"{said}, by the instructions; not measured" if said else "not measured"
    from efficientnet_lite.figures import milliseconds  # it needs numpy, as the measurement did

    times = f"{milliseconds(speed.int8_ms)} against {milliseconds(speed.float32_ms)}"
    how = f"{speed.gain:.1f} times as fast as float32" if found.int8.is_faster else "no faster than float32"
    return f"{how}: {times}, {speed.model} at {speed.size} pixels, one thread"


def _cache(found: "Checkup") -> str:
    cache = found.cache
    parts = [cache.folder or "no folder", f"{cache.bytes / 1e6:,.1f} MB"]
    if cache.free_bytes is not None:
        parts.append(f"{cache.free_bytes / GIGABYTE:,.0f} GB free")
    return ", ".join([*parts, "writable" if cache.is_writable else "NOT WRITABLE"])
