"""`hub-cache`: modules under the keys by which tensorflow_hub looks for the published addresses.

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

from efficientnet_lite.errors import CALL, EfficientNetLiteError, UsageError
from efficientnet_lite.network.plan import VARIANTS, Variant, model_name
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import is_own, listing, own_files
from efficientnet_lite.storage.targets import Apart, check_apart
from efficientnet_lite.stories.export_hub import (
    HUB_MODULE,
    KINDS,
    Kind,
    exported_module,
    module_outputs,
    require_classes,
    require_tensorflow,
    write_module,
)
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.published import sources_apart

ALL = "all"
VERSIONS = (1, 2)  # of the published modules; they differ in speed alone, so both get the same
DESCRIPTOR_SUFFIX, MAX_DESCRIPTION_BYTES = ".descriptor.txt", 4096
MADE_ANEW = "Made anew by efficientnet-lite "


@dataclass(frozen=True, slots=True)
class Address:
    """One of the published modules, as programs name it."""

    variant: Variant
    kind: Kind
    version: int

    def __str__(self) -> str:
        return f"https://tfhub.dev/tensorflow/efficientnet/{self.variant.name}/{self.kind}/{self.version}"

    def entry(self, cache: Path) -> Path:
        """The folder that tensorflow_hub opens for this address."""
        return cache / hashlib.sha1(str(self).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Placed:
    """A module in the cache."""

    address: str
    exported: Exported


@dataclass(frozen=True, slots=True)
class Removed:
    """What `remove_modules` took out, and what it left because it is not ours."""

    removed: tuple[str, ...]  # addresses
    kept: tuple[str, ...]


def place_modules(
    models: Sequence[str],
    cache: str | Path,
    *,
    weights: str | Path = "imagenet",
    ema: bool = True,
    stage: ShowStage = silent,
) -> list[Placed]:
    """Write the modules of `models`, both kinds and versions of each, where tensorflow_hub looks for them.

    Entries that we wrote earlier are replaced, those of others never. Each entry is there whole or not at all.

    Args:
        models: names such as "lite1", published addresses, or "all".
        cache: what TFHUB_CACHE_DIR says; made where it is missing.
        weights, ema: see `origin.open_origin`.

    Raises:
        UsageError: the call cannot be carried out as it is, an entry is not ours, or TensorFlow is missing.
        CheckpointError, WeightsMissing: the weights are damaged, of another variant, or not to be had.
        VerificationFailed: a module is too far from numpy; its entries are not made.
    """
    cache, apart = _local(cache), sources_apart(weights)
    variants = _variants(models)
    for address in _addresses(variants):
        _check_entry(address, cache, apart)
    require_tensorflow(cache)
    origins = [_origin(variant, weights, ema) for variant in variants]
    for origin in origins:
        require_classes(origin, "classification", str(weights))
    return [placed for origin in origins for placed in _place(origin, cache, apart, stage)]


def remove_modules(models: Sequence[str], cache: str | Path) -> Removed:
    """Take out of `cache` what `place_modules` put there for `models`; entries that are not all ours stay."""
    cache = _local(cache)
    removed, kept = [], []
    for address in _addresses(_variants(models)):
        entry = address.entry(cache)
        if not files.lexists(entry):
            _remove_description(entry)  # of a removal that was killed on the way
        elif folders.remove(entry, HUB_MODULE):
            _remove_description(entry)
            removed.append(str(address))
        else:
            kept.append(str(address))
    return Removed(tuple(removed), tuple(kept))


def _origin(variant: Variant, weights: str | Path, ema: bool) -> Origin:
    """By its address, since a file or folder here may be called lite1, and would count first."""
    return open_origin(str(Address(variant, "feature-vector", VERSIONS[-1])), weights=weights, ema=ema)


def _place(origin: Origin, cache: Path, apart: Collection[Apart], stage: ShowStage) -> Iterator[Placed]:
    """All entries of one variant: each kind is made and proven once, and copied for the other version."""
    wanted = module_outputs(origin, stage)
    for kind in KINDS:
        made: Path | None = None
        for version in VERSIONS:
            address = Address(origin.plan.variant, kind, version)
            entry = address.entry(cache)
            _check_entry(address, cache, apart)
            with folders.replacing(entry, HUB_MODULE, overwrite=True, apart=apart) as folder:
                if made is None:
                    nearness = write_module(origin, kind, folder, wanted, where=entry, stage=stage)
                else:
                    _copy(made, folder)
            # After the module: a kill in between leaves one that still knows by itself whose it is.
            files.publish(_descriptor(entry), _description(address, origin).encode())
            made = entry
            yield Placed(str(address), exported_module(entry, kind, nearness))


def _copy(entry: Path, folder: Path) -> None:
    """The files of ours, without what somebody put beside them."""
    for name in own_files(entry, listing(entry, HUB_MODULE)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry / name, folder / name)


def _description(address: Address, origin: Origin) -> str:
    """The text beside an entry; no reader takes anything from it."""
    return (
        f"Module: {address}\n"
        f"{MADE_ANEW}{__version__}, not downloaded: the address no longer answers.\n"
        f"Weights: {origin.source}; sha256 {origin.sha256}; license {origin.license}\n"
        f"To take it out: efficientnet-lite hub-cache {address.variant.name} --remove --dir <this folder>\n"
    )


def _remove_description(entry: Path) -> None:
    """Behind the module: without one it means nothing to any reader."""
    path = _descriptor(entry)
    if _is_own_description(path):
        folders.remove_matching(path.parent, re.compile(re.escape(path.name)))


def _is_own_description(path: Path) -> bool:
    try:
        text = files.read_bytes(path, limit=MAX_DESCRIPTION_BYTES, what="a description")
    except EfficientNetLiteError:
        return False
    return MADE_ANEW.encode() in text


def _check_entry(address: Address, cache: Path, apart: Collection[Apart]) -> None:
    entry = address.entry(cache)
    check_apart(entry, apart)
    free = not files.lexists(entry) or files.is_empty_dir(entry)
    text = _descriptor(entry)
    if (free or is_own(entry, HUB_MODULE)) and (not files.lexists(text) or _is_own_description(text)):
        return
    raise UsageError(
        f"the cache holds {address}, which we did not write",
        where=entry,
        fix="keep it, choose another `dir=`, or move it away",
    )


def _descriptor(entry: Path) -> Path:
    return entry.with_name(entry.name + DESCRIPTOR_SUFFIX)


def _addresses(variants: Sequence[Variant]) -> Iterator[Address]:
    for variant in variants:
        for kind in KINDS:
            for version in VERSIONS:
                yield Address(variant, kind, version)


def _variants(models: Sequence[str]) -> list[Variant]:
    """The variants that `models` name, each once, in the order given."""
    if not models:
        raise UsageError("no model is named", where=CALL, fix=f"give lite0 to lite4, or {ALL}")
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


def _local(cache: str | Path) -> Path:
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
