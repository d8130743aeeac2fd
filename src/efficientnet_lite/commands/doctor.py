"""`doctor`: what is installed, what of it works, and what this machine is good for."""

import platform
from collections.abc import Iterator, Mapping

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.extras import GIVES
from efficientnet_lite.machine import remarks, surroundings
from efficientnet_lite.machine.allowance import allowance
from efficientnet_lite.machine.checkup import (
    CacheState,
    Checkup,
    Cores,
    Extra,
    LibraryState,
    Memory,
    Remark,
    extra_state,
    int8_speed,
    library_state,
)
from efficientnet_lite.machine.imports import Trial, trials_of
from efficientnet_lite.machine.kernel_speed import KernelSpeed, NotMeasured, kernel_speed
from efficientnet_lite.machine.libraries import NOTHING, NoMetadata, Wanted, wanted
from efficientnet_lite.progress import Progress, ShowStage
from efficientnet_lite.version import __version__


@called
def doctor(*, quick: bool = False, progress: Progress = False) -> Checkup:
    """Say what is installed, what works, and what this machine is good for.

    Every library that is installed is imported, and lite0 is run in float32 and
    in int8, in other processes, which a broken one may take with it. What is
    found names neither the user nor the machine, and the home folder is "~": it
    can go into a bug report as it is.

    Args:
        quick: import and measure nothing, and answer in less than a second.
        progress: True shows bars.

    Example:
        >>> import efficientnet_lite as el
        >>> found = el.doctor(quick=True)
        >>> found.is_sound, found.cores.usable > 0
        (True, True)
    """
    show, said = stages(progress), surroundings.discretion()
    asked, unknown = _asked()
    allowed = allowance()
    trials, beside = ({}, []) if quick else _tried(asked, show)
    measured, fault = (None, "") if quick else _measured(show)
    libraries = tuple(library_state(each, trials.get(each.module), said) for each in asked.base)
    extras = tuple(
        extra_state(
            name,
            [library_state(each, trials.get(each.module), said) for each in added],
            elsewhere=name in asked.elsewhere,
        )
        for name, added in sorted(asked.extras.items(), key=lambda each: _place(each[0]))
    )
    place, variables = surroundings.cache_place(), surroundings.variables()
    cores = Cores(allowed.cores, allowed.cores_of_machine, allowed.cores_of_container, surroundings.load())
    memory = Memory(
        allowed.memory_bytes,
        allowed.memory_free_bytes,
        allowed.memory_of_container_bytes,
        allowed.memory_of_process_bytes,
    )
    sound = all(each.state == "good" for each in libraries)
    found: list[Remark] = [
        *remarks.of_metadata(unknown),
        *_of_installation(asked, libraries, extras),
        *remarks.of_runtime(
            fault if sound else "", [(each.module, each.wrong) for each in beside if each.wrong]
        ),
        *remarks.of_standard_library([each for each in trials.values() if each.wrong]),
        *remarks.of_cache(place.fault, place.free_bytes),
        *remarks.of_memory(memory, trains=any(each.name == "train" and not each.lacks for each in extras)),
        *remarks.of_cores(cores),
        *remarks.of_encodings(surroundings.encodings()),
        *remarks.of_variables(variables),
    ]
    return Checkup(
        version=__version__,
        python=surroundings.python(),
        system=surroundings.system(),
        processor=allowed.processor,
        cores=cores,
        memory=memory,
        cache=CacheState(
            None if place.folder is None else said(str(place.folder)),
            place.bytes,
            place.free_bytes,
            not place.fault,
        ),
        int8=int8_speed(allowed.processor, measured),
        libraries=libraries,
        extras=extras,
        variables=variables,
        remarks=tuple(Remark(said(each.what), said(each.fix)) for each in dict.fromkeys(found)),
        is_tried=not quick,
    )


def _place(extra: str) -> int:
    """Where an extra stands in the table of what each gives; one that it does not have comes last."""
    return list(GIVES).index(extra) if extra in GIVES else len(GIVES)


def _asked() -> tuple[Wanted, str]:
    """What our metadata asks for, and why that is not known."""
    try:
        return wanted(), ""
    except NoMetadata as error:
        return NOTHING, str(error)


def _tried(asked: Wanted, show: ShowStage) -> tuple[Mapping[str, Trial], list[Trial]]:
    with show("Importing libraries") as on_progress:
        return trials_of(asked, on_progress)


def _measured(show: ShowStage) -> tuple[KernelSpeed | None, str]:
    """Both times, and why there are none."""
    with show("Measuring float32 and int8") as on_progress:
        try:
            return kernel_speed(), ""
        except NotMeasured as error:
            return None, str(error)
        finally:
            on_progress(1, 1)


def _of_installation(
    asked: Wanted, libraries: tuple[LibraryState, ...], extras: tuple[Extra, ...]
) -> Iterator[Remark]:
    """What is to be said of the libraries, and of the package itself."""
    if asked is not NOTHING:
        yield from remarks.of_package(
            __version__, asked.version, [each for each in GIVES if each not in asked.extras]
        )
    python = ".".join(platform.python_version_tuple()[:2])
    yield from remarks.of_tested(python, asked.pythons, platform.system(), asked.systems)
    yield from remarks.of_folders(asked.everything(), python)
    yield from remarks.of_libraries(libraries, extras)
    for each in asked.everything():
        yield from remarks.of_record(each)
