"""`cache list`, `cache clear`: what the cache holds, and how it is emptied."""

from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.storage.cache import Cache, Held


@dataclass(frozen=True, slots=True)
class CacheContents:
    """What the cache holds."""

    folder: Path | None  # None: there is no place for one
    bytes: int
    limit_bytes: int
    spaces: tuple[Held, ...]  # the most recently used first


@dataclass(frozen=True, slots=True)
class CacheCleared:
    """What emptying the cache gave back."""

    folder: Path | None  # None: there is no place for one
    freed_bytes: int


@called
def cache_list() -> CacheContents:
    """Say what the cache holds.

    It keeps features of photos by their content, and digests of weights from a
    hub.

    Example:
        >>> import efficientnet_lite as el
        >>> contents = el.cache_list()
        >>> 0 < contents.bytes <= contents.limit_bytes
        True
    """
    with Cache() as cache:
        return CacheContents(cache.folder, cache.size_bytes(), cache.limit_bytes, tuple(cache.held()))


@called
def cache_clear() -> CacheCleared:
    """Empty the cache. What was in it is computed again when it is needed.

    Example:
        >>> import efficientnet_lite as el
        >>> el.cache_clear().freed_bytes > 0
        True
    """
    with Cache() as cache:
        return CacheCleared(cache.folder, cache.clear())
