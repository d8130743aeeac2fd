"""`cache list`, `cache clear`: what the cache holds, and how it is emptied."""

from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.storage.cache import Cache, Held


@dataclass(frozen=True, slots=True)
class CacheContents:
    """What the cache holds."""

    folder: Path | None  # None: there is no place for one
    bytes: int
    limit_bytes: int
    spaces: tuple[Held, ...]  # the most recently used first


def cache_contents() -> CacheContents:
    """What the cache holds now."""
    with Cache() as cache:
        return CacheContents(cache.folder, cache.size_bytes(), cache.limit_bytes, tuple(cache.held()))


def clear_cache() -> tuple[Path | None, int]:
    """Empty the cache; gives its folder and the bytes that are free now."""
    with Cache() as cache:
        return cache.folder, cache.clear()
