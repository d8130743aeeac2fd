"""Which libraries this package asks for, by its own metadata, and which of them are installed in which version."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from efficientnet_lite.errors import bounded, printable

if TYPE_CHECKING:
    from packaging.requirements import Requirement

T = TypeVar("T")
OWN_NAME = "efficientnet-lite"
BASE = ""  # stands for no extra
# What of a library runs its compiled part, where the package alone imports little.
NATIVE = {
    "PIL": "PIL.Image",
    "ai_edge_litert": "ai_edge_litert.interpreter",
    "sklearn": "sklearn.linear_model",
    "pyarrow": "pyarrow.parquet",
    "safetensors": "safetensors.numpy",
    "usearch": "usearch.index",
    "onnx": "onnx.checker",
    "ethosu": "ethosu.regor",
}


class NoMetadata(Exception):
    """What this package asks for is not known; the text says why."""


@dataclass(frozen=True, slots=True)
class Library:
    """One requirement, and what meets it."""

    name: str  # of the distribution
    asked: str  # versions, as ">=2.0"; "" for any
    version: str | None  # None: not installed
    fits: bool  # the version is one that is asked for
    module: str  # that it is imported by
    folder: Path | None = None  # where its modules lie
    also: tuple[str, ...] = ()  # versions that other records in that folder claim
    instead: str = ""  # the distribution that gives the module where this one is not installed

    @property
    def is_there(self) -> bool:
        return self.version is not None or bool(self.instead)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this package asks for: the base install, and what each extra adds to it."""

    version: str  # of this package, by the record of its installation
    base: tuple[Library, ...]
    extras: Mapping[str, tuple[Library, ...]]
    elsewhere: tuple[
        str, ...
    ]  # extras that ask for nothing on this system or Python, since they are for others
    pythons: tuple[str, ...]  # that the package is tested with, as "3.11"
    systems: tuple[str, ...]  # as "Linux"

    def everything(self) -> list[Library]:
        """Each library once."""
        every = (*self.base, *(each for added in self.extras.values() for each in added))
        return list({library.name: library for library in every}.values())


NOTHING = Wanted("", (), {}, (), (), ())


def wanted() -> Wanted:
    """What the metadata of the installed package asks for. Raises NoMetadata where it cannot be known."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except Exception as error:  # whatever is wrong with it, the others are still of interest
        raise NoMetadata(f"packaging cannot be imported ({type(error).__name__}: {error})") from error
    try:
        ours = metadata.distribution(OWN_NAME)
        asked = [Requirement(text) for text in ours.requires or ()]
        extras = ours.metadata.get_all("Provides-Extra") or []
        said = [str(each).split(" :: ") for each in ours.metadata.get_all("Classifier") or []]
    except metadata.PackageNotFoundError as error:
        raise NoMetadata("the package is not installed: it runs from a folder of its sources") from error
    except (InvalidRequirement, OSError, ValueError) as error:
        raise NoMetadata(f"the package's own metadata cannot be read ({error})") from error
    base = tuple(map(_library, _of(BASE, asked)))
    names = {library.name for library in base}
    found, elsewhere = {}, []
    for extra in map(str, extras):
        own = [each for each in _of(extra, asked) if each.marker is not None and not _holds(each, BASE)]
        found[extra] = tuple(_library(each) for each in own if each.name not in names)
        elsewhere += [] if own else [extra]
    pythons = tuple(each[-1] for each in said if re.fullmatch(r"3\.[0-9]+", each[-1]))
    systems = tuple(each[-1] for each in said if each[0] == "Operating System")
    return Wanted(ours.version, base, found, tuple(elsewhere), pythons, systems)


def _of(extra: str, asked: Iterable["Requirement"]) -> Iterator["Requirement"]:
    """What is asked for on this system and Python for an extra."""
    for each in asked:
        if _holds(each, extra):
            yield each


def _holds(asked: "Requirement", extra: str) -> bool:
    """Whether something is asked for on this system and Python, for an extra."""
    return asked.marker is None or asked.marker.evaluate({"extra": extra})


def _library(asked: "Requirement") -> Library:
    specifier, module = str(asked.specifier), re.sub(r"[-.]+", "_", asked.name).lower()
    records = list(metadata.distributions(name=asked.name))
    version = _version(records[0]) if records else None
    if version is None:
        instead = _provider(module)
        return Library(
            asked.name, specifier, None, bool(instead), NATIVE.get(module, module), instead=instead
        )
    folder = _folder(records[0])
    module = _module(records[0], module)
    also = {_version(each) for each in records[1:] if _folder(each) == folder} - {None, version}
    fits = bool(_said(lambda: asked.specifier.contains(version, prereleases=True)))
    return Library(
        asked.name,
        specifier,
        bounded(printable(version)),
        fits,
        NATIVE.get(module, module),
        folder,
        tuple(sorted(printable(str(each)) for each in also)),
    )


def _said(ask: Callable[[], T]) -> T | None:
    """What a distribution says of itself; None where its record is damaged, in whichever way."""
    try:
        return ask()
    except Exception:
        return None


def _version(record: metadata.Distribution) -> str | None:
    return _said(lambda: record.version)


def _folder(record: metadata.Distribution) -> Path | None:
    """Where its modules lie."""
    return _said(lambda: Path(str(record.locate_file(""))))


def _module(record: metadata.Distribution, guess: str) -> str:
    """The module that a distribution is imported by."""
    text = _said(lambda: record.read_text("top_level.txt")) or ""
    tops = text.split() or [each.parts[0].removesuffix(".py") for each in _said(lambda: record.files) or ()]
    named = [each for each in tops if each.isidentifier() and not each.startswith("_")]
    return guess if guess in named or not named else named[0]


def _provider(module: str) -> str:
    """The distribution that gives a module without its own name, as tensorflow-cpu does; "" where none does."""
    try:
        if find_spec(module) is None:
            return ""
    except (ImportError, ValueError):
        return ""
    named = (_said(metadata.packages_distributions) or {}).get(module, [])
    version = _said(lambda: metadata.version(named[0])) if named else None
    return f"by {bounded(printable(f'{named[0]} {version}'))}" if named else "of no known version"
