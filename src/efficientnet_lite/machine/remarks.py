"""What of a machine and its libraries does not work, or may not, each with what to do about it. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence

from efficientnet_lite.machine.checkup import Cores, Extra, LibraryState, Memory, Remark
from efficientnet_lite.machine.imports import STANDARD, Trial
from efficientnet_lite.machine.libraries import Library

# Peaks that were measured. Source: docs/numbers.md, "Memory: decoding and features" and "the whole of `train`".
BASE_BYTES, TRAINING_BYTES = 400 * 10**6, 1_500 * 10**6
FULL_DISK_BYTES = 500 * 10**6  # free
TAKE_OUT = "take that folder out of PYTHONPATH, or give the file another name"
BACKENDS = ("tensorflow", "jax")


def of_libraries(libraries: Sequence[LibraryState], extras: Sequence[Extra]) -> Iterator[Remark]:
    """Of the base install whatever is not good; of extras what is there and does not work."""
    added = [each for extra in extras for each in extra.libraries if each.state != "missing"]
    every = [*libraries, *added]
    at_fault = {each.package for each in every if each.state == "broken" and not each.through}
    for each in every:
        if each.through not in at_fault:  # else it works once that one does
            yield from _of_library(each)


def _of_library(library: LibraryState) -> Iterator[Remark]:
    wanted = f"{library.name}{library.asked}"
    if library.state == "missing":
        yield Remark(f"{library.name} is not installed", f"pip install '{wanted}'")
    elif library.state == "other version":
        asked = f"{library.asked} is asked for"
        yield Remark(f"{library.name} {library.version} is installed, and {asked}", f"pip install '{wanted}'")
    what = f"{library.name} {library.version}"
    if library.state == "broken":
        said = f"{what} cannot be imported: {library.why}"
        fix = TAKE_OUT if library.instead else f"pip install --force-reinstall '{wanted}'"
        yield Remark(f"{said} ({library.instead})" if library.instead else said, fix)
    elif library.instead:
        yield Remark(f"{what} is installed, but {library.instead} is imported", TAKE_OUT)


def of_metadata(unknown: str) -> Iterator[Remark]:
    if unknown:
        yield Remark(f"which libraries are asked for is not known: {unknown}", "install the package again")


def of_runtime(fault: str, at_odds: Sequence[tuple[str, str]]) -> Iterator[Remark]:
    """LiteRT, where it cannot run a file, or not in one process with the libraries of an extra."""
    if fault:
        yield Remark(f"LiteRT could not run lite0: {fault}", "pip install --force-reinstall ai-edge-litert")
    for others, why in at_odds:
        yield Remark(
            f"LiteRT cannot be imported in one process with {others}: {why}",
            "install other versions of them, or use each in an environment of its own",
        )


def of_standard_library(broken: Sequence[Trial]) -> Iterator[Remark]:
    """Parts of Python itself that it was built without."""
    for trial in broken:
        if trial.module in STANDARD:
            yield Remark(
                f"this Python has no {trial.module}: {trial.wrong}",
                "use one that was built with all its parts",
            )


def of_record(library: Library) -> Iterator[Remark]:
    """A library of which two versions lie in one folder, as an interrupted installation leaves it."""
    if library.also:
        others = ", ".join(library.also)
        yield Remark(
            f"{library.name} {library.version} lies in one folder with the remains of {others}",
            f"pip uninstall {library.name} until none is left, then install it again",
        )


def of_folders(libraries: Sequence[Library], python: str) -> Iterator[Remark]:
    """Libraries in the folder of another Python, for which their compiled parts were built."""
    for folder in sorted({str(each.folder) for each in libraries if each.folder is not None}):
        if others := set(re.findall(r"[/\\]python(3\.[0-9]+)[/\\]", folder)) - {python}:
            yield Remark(
                f"libraries of Python {others.pop()} are used ({folder}), and this is Python {python}",
                "take that folder out of PYTHONPATH, or use that Python",
            )


def of_variables(variables: Mapping[str, str]) -> Iterator[Remark]:
    """Variables that make libraries work in another way than was tested."""
    if "OPENBLAS_CORETYPE" in variables:
        yield Remark(
            "OPENBLAS_CORETYPE is set: numpy computes as on another processor, slower and with other last digits",
            "unset it, unless this processor is not known to OpenBLAS",
        )
    if (backend := variables.get("KERAS_BACKEND", BACKENDS[0])) not in BACKENDS:
        yield Remark(
            f"KERAS_BACKEND is {backend}, with which nothing can be trained here",
            f"set it to {' or '.join(BACKENDS)}, or unset it",
        )
    if variables.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
        yield Remark(
            "TF_USE_LEGACY_KERAS is set: TensorFlow brings Keras 2, and Keras 3 is meant", "unset it"
        )


def of_encodings(encodings: Mapping[str, str]) -> Iterator[Remark]:
    for what, name in encodings.items():
        if name.lower().replace("-", "").replace("_", "") != "utf8":
            yield Remark(
                f"{what}: the encoding is {name}, which does not have all characters of photos and labels",
                "export LC_ALL=C.UTF-8, or PYTHONUTF8=1",
            )


def of_cores(cores: Cores) -> Iterator[Remark]:
    if cores.of_container is not None and cores.of_container < cores.usable:
        number = max(1, int(cores.of_container))
        yield Remark(
            f"the container allows {cores.of_container:g} of {cores.usable} cores: as many threads hinder each other",
            f"give `workers={number}`",
        )


def of_memory(memory: Memory, *, trains: bool) -> Iterator[Remark]:
    """Too little of it; `trains` where the extra for training is installed."""
    known = [each for each in (memory.free, memory.of_container, memory.of_process) if each is not None]
    if not known:
        return
    for least, what in (
        (BASE_BYTES, "making a classifier"),
        *([(TRAINING_BYTES, "fine-tuning")] if trains else []),
    ):
        if min(known) < least:
            yield Remark(
                f"{min(known) / 1e6:,.0f} MB of memory can be had; {what} takes about {least / 1e6:,.0f} MB",
                "end other programs, or allow more",
            )
            return


def of_cache(fault: str, free_bytes: int | None) -> Iterator[Remark]:
    choose = "set EFFICIENTNET_LITE_CACHE to a folder that can be written to"
    if fault:
        yield Remark(f"the cache cannot be written ({fault}): features are computed again each time", choose)
    elif free_bytes is not None and free_bytes < FULL_DISK_BYTES:
        yield Remark(
            f"the disk of the cache has {free_bytes / 1e6:,.0f} MB free", f"free some space, or {choose}"
        )


def of_package(version: str, installed: str, lacking: Sequence[str]) -> Iterator[Remark]:
    """Sources that are newer or older than the record of their installation."""
    if installed != version:
        what = f"the sources are of version {version}, and their installation of {installed}"
    elif lacking:
        what = f"the installation does not know the extra {', '.join(lacking)} of these sources"
    else:
        return
    yield Remark(what, "install the package again")


def of_tested(python: str, pythons: Sequence[str], system: str, systems: Sequence[str]) -> Iterator[Remark]:
    """A Python or a system that the package does not name among those it is tested with."""
    if pythons and python not in pythons:
        yield Remark(
            f"Python {python} is not among those that are tested", f"use one of {', '.join(pythons)}"
        )
    if systems and system not in systems:
        yield Remark(
            f"{system} is not among the systems that are tested", f"expect most on {', '.join(systems)}"
        )
