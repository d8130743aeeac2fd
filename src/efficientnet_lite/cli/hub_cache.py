"""The command that makes the published TF Hub addresses work again: hub-cache."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import Json, NoEma, Quiet, Switch, Verbose, console_of
from efficientnet_lite.cli.console import Console

if TYPE_CHECKING:
    from efficientnet_lite.commands.hub_cache import HubCache


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

    They are lite0/feature-vector/2 and the like below https://tfhub.dev/tensorflow/efficientnet/.
    With TFHUB_CACHE_DIR set to the same folder, programs that name them run as they are written, without a network.
    Entries that this command has put there are replaced, those of others never.
    Needs TensorFlow: pip install 'efficientnet-lite[train]'.

    Args:
        models: lite0 to lite4, published addresses, or all.
        dir: the cache's folder, where TFHUB_CACHE_DIR is not set or another one is meant.
        weights: imagenet (installed packages), hub (download), or the path of a checkpoint.
        remove: take out what this command has put there; other entries stay.
    """
    from efficientnet_lite.commands.hub_cache import hub_cache as edit_cache

    console = console_of(json, verbose, quiet)
    done = edit_cache(
        models, dir=dir, weights=weights, ema=not no_ema, remove=remove, progress=console.progress
    )
    if json and remove:
        console.json({"dir": done.dir, "removed": done.removed, "kept": done.kept})
    elif json:
        modules = [{"address": each.address, **each.exported.to_json()} for each in done.modules]
        console.json({"dir": done.dir, "modules": modules})
    elif remove:
        _show_removed(console, done)
    else:
        _show(console, done)


def _show(console: Console, done: "HubCache") -> None:
    from efficientnet_lite.commands.hub_cache import CACHE_VARIABLE

    columns = ["address", "bytes", "proof"]
    rows = [
        [each.address, f"{each.exported.bytes:,}", f"within {each.exported.parity.difference:.1g} of numpy"]
        for each in done.modules
    ]
    console.table("", columns, rows, right=["bytes"], drop=["proof"])
    console.line(f"With {CACHE_VARIABLE}={done.dir} these addresses need no network.", keep=[done.dir])


def _show_removed(console: Console, done: "HubCache") -> None:
    for address in done.removed:
        console.line(f"removed {address}")
    for address in done.kept:
        console.warn(f"left alone, since not all of it is ours: {address}")
    if not done.removed:
        console.line(f"there is nothing of ours in {done.dir}", keep=[done.dir])
