"""`cache list`, `cache clear`: what is kept between calls."""

import time

from efficientnet_lite.cli.common import AnyJson, Json, Quiet, Verbose, console_of


def cache_list(*, json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Show what the cache holds, the most recently used first."""
    from efficientnet_lite.commands.cache import cache_list as contents_of_cache

    console = console_of(json, verbose, quiet)
    contents = contents_of_cache()
    if json:
        console.json(contents)
        return
    rows = [
        [
            space.about,
            space.entries,
            f"{space.bytes:,}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(space.used)),
        ]
        for space in contents.spaces
    ]
    columns = ["what", "entries", "bytes", "last used"]
    console.table("", columns, rows, right=columns[1:3], drop=["last used"], prose="what")
    console.line(
        f"{contents.bytes:,} of at most {contents.limit_bytes:,} bytes in {contents.folder or 'no folder'}"
    )


def cache_clear(*, json: AnyJson = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Empty the cache. What was in it is computed again when it is needed.

    Args:
        json: print one JSON document instead of the line.
    """
    from efficientnet_lite.commands.cache import cache_clear as clear_cache

    console = console_of(json, verbose, quiet)
    cleared = clear_cache()
    if json:
        console.json(cleared)
    else:
        console.line(
            f"freed {cleared.freed_bytes:,} bytes in {cleared.folder or 'no folder'}",
            keep=[cleared.folder or ""],
        )
