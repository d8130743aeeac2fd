"""Modules under the keys by which tensorflow_hub looks for the published addresses.

The addresses no longer answer, but tensorflow_hub asks the network only for what its cache lacks, so a
program that names them runs as it is written, without a network. Beside a module lies a text that says
where it comes from, as tensorflow_hub writes one for what it downloads.

Source: tensorflow_hub 0.15 and 0.16, compressed_module_resolver.py (`_module_dir`: sha1 of the address as
it is written) and resolver.py (`atomic_download`, `_module_descriptor_file`).
"""

import hashlib
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.artifacts.hub_module import HUB_MODULE, MODULE_KINDS, ModuleKind
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.errors import CALL, EfficientNetLiteError, UsageError
from efficientnet_lite.network.plan import FROM_TO, VARIANTS, Variant, model_name
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import is_own, listing, own_files
from efficientnet_lite.storage.targets import Apart, check_apart
from efficientnet_lite.version import __version__

ALL = "all"
VERSIONS = (1, 2)  # of the published modules; they differ in speed alone, so both get the same
DESCRIPTOR_SUFFIX, MAX_DESCRIPTION_BYTES = ".descriptor.txt", 4096
MADE_ANEW = "Made anew by efficientnet-lite "


@dataclass(frozen=True, slots=True)
class Address:
    """One of the published modules, as programs name it."""

    variant: Variant
    kind: ModuleKind
    version: int

    def __str__(self) -> str:
        return f"https://tfhub.dev/tensorflow/efficientnet/{self.variant.name}/{self.kind}/{self.version}"

    def entry(self, cache: Path) -> Path:
        """The folder that tensorflow_hub opens for this address."""
        return cache / hashlib.sha1(str(self).encode(), usedforsecurity=False).hexdigest()


def copy_entry(entry: Path, folder: Path) -> None:
    """The files of ours, without what somebody put beside them."""
    for name in own_files(entry, listing(entry, HUB_MODULE)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry / name, folder / name)


def description(address: Address, origin: Origin) -> str:
    """The text beside an entry; no reader takes anything from it."""
    weights = origin.weights
    return (
        f"Module: {address}\n"
        f"{MADE_ANEW}{__version__}, not downloaded: the address no longer answers.\n"
        f"Weights: {weights.source}; sha256 {weights.sha256}; license {weights.license}\n"
        f"To take it out: efficientnet-lite hub-cache {address.variant.name} --remove --dir <this folder>\n"
    )


def remove_description(entry: Path) -> None:
    """Behind the module: without one it means nothing to any reader."""
    path = descriptor_of(entry)
    if _is_own_description(path):
        folders.remove_matching(path.parent, re.compile(re.escape(path.name)))


def _is_own_description(path: Path) -> bool:
    try:
        text = files.read_bytes(path, limit=MAX_DESCRIPTION_BYTES, what="a description")
    except EfficientNetLiteError:
        return False
    return MADE_ANEW.encode() in text


def check_entry(address: Address, cache: Path, apart: Collection[Apart]) -> None:
    entry = address.entry(cache)
    check_apart(entry, apart)
    free = not files.lexists(entry) or files.is_empty_dir(entry)
    text = descriptor_of(entry)
    if (free or is_own(entry, HUB_MODULE)) and (not files.lexists(text) or _is_own_description(text)):
        return
    raise UsageError(
        f"the cache holds {address}, which we did not write",
        where=entry,
        fix="keep it, choose another `dir=`, or move it away",
    )


def descriptor_of(entry: Path) -> Path:
    return entry.with_name(entry.name + DESCRIPTOR_SUFFIX)


def addresses_of(variants: Sequence[Variant]) -> Iterator[Address]:
    for variant in variants:
        for kind in MODULE_KINDS:
            for version in VERSIONS:
                yield Address(variant, kind, version)


def variants_of(models: Sequence[str]) -> list[Variant]:
    """The variants that `models` name, each once, in the order given."""
    if not models:
        raise UsageError("no model is named", where=CALL, fix=f"give {FROM_TO}, or {ALL}")
    variants: dict[str, Variant] = {}
    for text in models:
        if text == ALL:
            variants |= VARIANTS
            continue
        name = model_name(text)
        if name.size != name.variant.size:
            raise UsageError(
                "the published modules have their own input sizes",
                where=text,
                fix=f"give {name.variant.name}; images of any size are accepted all the same",
            )
        variants[name.variant.name] = name.variant
    return list(variants.values())


def local_cache(cache: str | Path) -> Path:
    """tensorflow_hub also takes gs:// and the like, where folders cannot be renamed into place."""
    if "://" in str(cache):
        raise UsageError(
            "the cache must be a folder of this machine", where=str(cache), fix="give `dir=FOLDER`"
        )
    folder = Path(cache)
    if files.obstacle(folder) or (files.lexists(folder) and not files.is_dir(folder)):
        raise UsageError(
            files.missing(folder) if files.obstacle(folder) else "this is no folder",
            where=folder,
            fix="give another `dir=`",
        )
    return folder
