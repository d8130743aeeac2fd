"""The command that makes the published TF Hub addresses work again: hub-cache."""

import os
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import COMMAND_LINE, Json, NoEma, Quiet, Switch, Verbose, console_of
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import UsageError

if TYPE_CHECKING:
    from efficientnet_lite.commands.hub_cache import CacheEntry

CACHE_VARIABLE = "TFHUB_CACHE_DIR"  # where tensorflow_hub looks


def hub_cache(
    models: Annotated[tuple[str, ...], Parameter(negative=())],
    /,
    *,
    dir: str | None = None,
    weights: str = "imagenet",
    no_ema: NoEma = False,
    remove: Switch = False,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Put TF1 Hub modules where tensorflow_hub looks for the addresses that no longer answer.

    These are https://tfhub.dev/tensorflow/efficientnet/lite{0..4}/{feature-vector,classification}/{1,2}. With
    TFHUB_CACHE_DIR set to the same folder, programs that name them run as they are written, without a network.
    Entries that this command has put there are replaced, those of others never.
    Needs TensorFlow: pip install 'efficientnet-lite[train]'.

    Args:
        models: lite0 to lite4, published addresses, or all.
        dir: the cache's folder, where TFHUB_CACHE_DIR is not set or another one is meant.
        weights: imagenet (installed packages), hub (download), or the path of a checkpoint.
        remove: take out what this command has put there; other entries stay.
    """
    from efficientnet_lite.commands.hub_cache import place_modules

    console = console_of(json, verbose, quiet)
    cache = dir or os.environ.get(CACHE_VARIABLE)
    if not cache:
        raise UsageError(
            f"{CACHE_VARIABLE} is not set, so tensorflow_hub would look in a folder for temporary files",
            where=COMMAND_LINE,
            fix=f"give --dir FOLDER, and set {CACHE_VARIABLE} to it where the modules are used",
        )
    if remove:
        _remove(console, models, cache)
        return
    placed = place_modules(models, cache, weights=weights, ema=not no_ema, stage=console.progress)
    if json:
        modules = [{"address": each.address, **each.exported.to_json()} for each in placed]
        console.json({"dir": cache, "modules": modules})
    else:
        _show(console, placed, cache)


def _show(console: Console, placed: "list[CacheEntry]", cache: str) -> None:
    columns = ["address", "bytes", "proof"]
    rows = [
        [each.address, f"{each.exported.bytes:,}", f"within {each.exported.parity.difference:.1g} of numpy"]
        for each in placed
    ]
    console.table("", columns, rows, right=["bytes"])
    console.line(f"With {CACHE_VARIABLE}={cache} these addresses need no network.")


def _remove(console: Console, models: tuple[str, ...], cache: str) -> None:
    from efficientnet_lite.commands.hub_cache import remove_modules

    removed = remove_modules(models, cache)
    if console.as_json:
        console.json({"dir": cache, "removed": removed.removed, "kept": removed.kept})
        return
    for address in removed.removed:
        console.line(f"removed {address}")
    for address in removed.kept:
        console.warn(f"left alone, since not all of it is ours: {address}")
    if not removed.removed:
        console.line(f"there is nothing of ours in {cache}")
