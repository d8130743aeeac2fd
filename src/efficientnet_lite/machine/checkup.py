"""What `doctor` finds: one value that may be published, since it names neither its user nor his machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from efficientnet_lite.extras import GIVES
from efficientnet_lite.machine.discreet import Discretion
from efficientnet_lite.machine.imports import Trial
from efficientnet_lite.machine.kernel_speed import KernelSpeed
from efficientnet_lite.machine.libraries import Library
from efficientnet_lite.machine.processor import Processor
from efficientnet_lite.storage import files

State = Literal["good", "missing", "other version", "broken"]
ExtraState = Literal["installed", "missing", "incomplete", "broken", "not for this system"]
NOTABLE = 1.05  # times as fast; less is noise


@dataclass(frozen=True, slots=True)
class LibraryState:
    """One library: what is asked for, what is there, and whether that works."""

    name: str
    package: str  # that is imported
    asked: str  # versions, as ">=2.0"
    version: str | None
    state: State
    why: str = ""  # where it is broken, in the library's own words
    through: str = ""  # the package by which it is broken, where that is another one
    instead: str = ""  # the file that is imported in its place, which is not of the installed library


@dataclass(frozen=True, slots=True)
class Extra:
    """One extra: what it gives, and which of its libraries are there."""

    name: str
    gives: str
    state: ExtraState
    lacks: tuple[str, ...]  # libraries that are missing or of another version
    install: str  # a command
    libraries: tuple[LibraryState, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that does not work, or may not, and what to do about it."""

    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class CacheState:
    """Where the cache lies; None: there is no place, or the system does not say."""

    folder: str | None
    bytes: int
    free_bytes: int | None
    is_writable: bool


@dataclass(frozen=True, slots=True)
class Int8Speed:
    """Whether int8 is faster than float32 on this machine, and how that is known."""

    is_faster: bool | None  # None: not known
    known_by: Literal["measured", "predicted"] | None
    measured: KernelSpeed | None


@dataclass(frozen=True, slots=True)
class Cores:
    """Processor cores; None: the system does not say, or sets no limit."""

    usable: int
    of_machine: int | None
    of_container: float | None
    load: float | None  # programs that wanted one in the last minute, on average


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; None: the system does not say, or sets no limit."""

    of_machine: int | None
    free: int | None
    of_container: int | None
    of_process: int | None


@dataclass(frozen=True, slots=True)
class Checkup:
    """What `doctor` finds."""

    version: str  # of this package
    python: str
    system: str
    processor: Processor
    cores: Cores
    memory: Memory
    cache: CacheState
    int8: Int8Speed
    libraries: tuple[LibraryState, ...]  # of the base install
    extras: tuple[Extra, ...]
    variables: Mapping[str, str]  # of the environment, those that change how libraries work
    remarks: tuple[Remark, ...]
    is_tried: bool  # libraries were imported, and not looked up alone

    def every_library(self) -> list[LibraryState]:
        """Of the base install and of all extras, each once."""
        every = (*self.libraries, *(each for extra in self.extras for each in extra.libraries))
        return list({library.name: library for library in every}.values())

    @property
    def is_sound(self) -> bool:
        """Whether all that the base install asks for is known to be there, and none of it to be broken."""
        return bool(self.libraries) and all(each.state == "good" for each in self.libraries)


def library_state(library: Library, trial: Trial | None, said: Discretion) -> LibraryState:
    """What is known of a library by its record and, where one was made, by a trial to import it."""
    state: State = "good"
    if not library.is_there:
        state = "missing"
    elif not library.fits:
        state = "other version"
    wrong = trial.wrong if trial is not None and library.is_there else ""
    package = library.module.partition(".")[0]
    return LibraryState(
        library.name,
        package,
        library.asked,
        library.version or library.instead or None,
        "broken" if wrong else state,
        said(wrong),
        "" if trial is None or trial.through == package else trial.through,
        said(_strayed(library, trial)),
    )


def extra_state(name: str, libraries: Sequence[LibraryState], *, elsewhere: bool = False) -> Extra:
    """What is known of an extra by its libraries; `elsewhere` where those are for other systems alone."""
    lacks = tuple(each.name for each in libraries if each.state in ("missing", "other version"))
    state: ExtraState = "not for this system" if elsewhere else "installed"
    if any(each.state == "broken" for each in libraries):
        state = "broken"
    elif lacks:
        state = "missing" if all(each.state == "missing" for each in libraries) else "incomplete"
    install = f"pip install 'efficientnet-lite[{name}]'"
    return Extra(name, GIVES.get(name, ""), state, lacks, install, tuple(libraries))


def int8_speed(processor: Processor, measured: KernelSpeed | None) -> Int8Speed:
    """Whether int8 is faster here: as measured, else as the instructions of the processor let expect.

    Source: docs/numbers.md: on AVX2 alone both take the same time (0.99), with VNNI int8 takes less than half.
    """
    if measured is not None:
        return Int8Speed(measured.gain > NOTABLE, "measured", measured)
    expected = processor.has_integer_instructions
    return Int8Speed(expected, None if expected is None else "predicted", None)


def _strayed(library: Library, trial: Trial | None) -> str:
    """The file that a library is imported from where that is not the one that was installed, else ""."""
    if library.folder is None or trial is None or trial.file is None:
        return ""
    top = library.module.partition(".")[0]
    own = [library.folder / top, library.folder / f"{top}.py"]
    if not any(map(files.exists, own)):  # of an editable install the modules lie elsewhere
        return ""
    place = files.real(trial.file)
    return "" if place.is_relative_to(files.real(library.folder)) else str(trial.file)
