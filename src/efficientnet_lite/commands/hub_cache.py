"""`hub-cache`: modules where tensorflow_hub looks for the published addresses, which no longer answer."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.artifacts.hub_modules import CacheEntry, place_modules, remove_modules
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.progress import Progress

CACHE_VARIABLE = "TFHUB_CACHE_DIR"  # where tensorflow_hub looks


@dataclass(frozen=True, slots=True)
class HubCache:
    """What was done to a cache of tensorflow_hub."""

    dir: str  # as it was given, or as TFHUB_CACHE_DIR says
    modules: tuple[CacheEntry, ...] = ()  # that were written
    removed: tuple[str, ...] = ()  # addresses that were taken out
    kept: tuple[str, ...] = ()  # addresses that were to be taken out, and are not all ours


@called
def hub_cache(
    models: str | Sequence[str],
    *,
    dir: str | Path | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    remove: bool = False,
    progress: Progress = False,
) -> HubCache:
    """Make the dead TF Hub addresses of the five variants work again.

    TF1 Hub modules are put where tensorflow_hub looks for them. With
    TFHUB_CACHE_DIR set to the same folder, programs that name the addresses run
    as they are written, without a network. Entries that this function has put
    there are replaced, those of others never.

    Args:
        models: names such as "lite1", published addresses, or "all".
        dir: the cache's folder; made where it is missing; that of
            TFHUB_CACHE_DIR where None.
        weights: "imagenet" (installed packages), "hub" (download), or the path
            of a checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        remove: take out what this function has put there; other entries stay.
        progress: True shows bars.

    Returns:
        The `modules` that were written; with `remove` the addresses that were
        `removed`, and those `kept` since they are not all ours.

    Raises:
        UsageError: the call cannot be carried out as it is, an entry is not
            ours, or TensorFlow is missing.
        CheckpointError, WeightsMissing: the weights are damaged, of another
            variant, or not to be had.
        VerificationFailed: a module is too far from numpy; its entries are not
            made.

    Example, which needs the extra "train":
        >>> import efficientnet_lite as el
        >>> cache = el.hub_cache("lite0", dir="hub")
        >>> cache.modules[0].address
        'https://tfhub.dev/tensorflow/efficientnet/lite0/feature-vector/1'
    """
    names = (models,) if isinstance(models, str) else models
    cache = dir or os.environ.get(CACHE_VARIABLE)
    if not cache:
        raise UsageError(
            f"{CACHE_VARIABLE} is not set, so tensorflow_hub would look in a folder for temporary files",
            where=CALL,
            fix=f"give `dir=FOLDER`, and set {CACHE_VARIABLE} to it where the modules are used",
        )
    if remove:
        taken = remove_modules(names, cache)
        return HubCache(str(cache), removed=taken.removed, kept=taken.kept)
    placed = place_modules(names, cache, weights=weights, ema=ema, stage=stages(progress))
    return HubCache(str(cache), tuple(placed))
