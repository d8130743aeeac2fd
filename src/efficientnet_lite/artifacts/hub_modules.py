"""Modules in a folder where tensorflow_hub looks for the published addresses: written there, and taken out."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite import extras
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.hub_entries import (
    VERSIONS,
    Address,
    addresses_of,
    check_entry,
    copy_entry,
    description,
    descriptor_of,
    local_cache,
    remove_description,
    variants_of,
)
from efficientnet_lite.artifacts.hub_module import (
    HUB_MODULE,
    MODULE_KINDS,
    exported_module,
    require_classes,
    require_tensorflow,
    run_in_numpy,
    write_module,
)
from efficientnet_lite.artifacts.kind import Making
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.origin import Origin, origin_of
from efficientnet_lite.artifacts.publication import measured
from efficientnet_lite.network.plan import ModelName
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.weights.published import sources_apart
from efficientnet_lite.weights.read import load_weights


@dataclass(frozen=True, slots=True)
class CacheEntry:
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
) -> list[CacheEntry]:
    """Write the modules of `models`, both kinds and versions of each, where tensorflow_hub looks for them.

    Entries that we wrote earlier are replaced, those of others never. Each entry is there whole or not at all.

    Args:
        models: names such as "lite1", published addresses, or "all".
        cache: what TFHUB_CACHE_DIR says; made where it is missing.
        weights, ema: see `load_weights`.

    Raises:
        UsageError: the call cannot be carried out as it is, an entry is not ours, or TensorFlow is missing.
        CheckpointError, WeightsMissing: the weights are damaged, of another variant, or not to be had.
        VerificationFailed: a module is too far from numpy; its entries are not made.
    """
    cache, apart = local_cache(cache), sources_apart(weights)
    variants = variants_of(models)
    for address in addresses_of(variants):
        check_entry(address, cache, apart)
    with extras.loading("TensorFlow", stage):
        require_tensorflow(cache)
    names = [ModelName(variant, variant.size) for variant in variants]
    origins = [origin_of(name, load_weights(name.variant, weights, ema=ema)) for name in names]
    for origin in origins:
        require_classes(origin, "classification", str(weights))
    return [placed for origin in origins for placed in _place(origin, cache, apart, stage)]


def remove_modules(models: Sequence[str], cache: str | Path) -> Removed:
    """Take out of `cache` what `place_modules` put there for `models`; entries that are not all ours stay."""
    cache = local_cache(cache)
    removed, kept = [], []
    for address in addresses_of(variants_of(models)):
        entry = address.entry(cache)
        if not files.lexists(entry):
            remove_description(entry)  # of a removal that was killed on the way
        elif folders.remove(entry, HUB_MODULE):
            remove_description(entry)
            removed.append(str(address))
        else:
            kept.append(str(address))
    return Removed(tuple(removed), tuple(kept))


def _place(origin: Origin, cache: Path, apart: Collection[Apart], stage: ShowStage) -> Iterator[CacheEntry]:
    """All entries of one variant: each kind is made and proven once, and copied for the other version."""
    making = Making(origin, ExportOptions(), cache, stage)
    run_in_numpy(making)
    for kind in MODULE_KINDS:
        made: Path | None = None
        for version in VERSIONS:
            address = Address(origin.plan.variant, kind, version)
            entry = address.entry(cache)
            check_entry(address, cache, apart)
            with folders.replacing(entry, HUB_MODULE, overwrite=True, apart=apart) as folder:
                if made is None:
                    nearness = write_module(making, kind, folder, where=entry)
                else:
                    copy_entry(made, folder)
            # After the module: a kill in between leaves one that still knows by itself whose it is.
            files.publish(descriptor_of(entry), description(address, origin).encode())
            made = entry
            yield CacheEntry(str(address), measured(exported_module(entry, kind, nearness), entry))
