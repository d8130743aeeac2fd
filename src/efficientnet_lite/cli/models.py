"""`models`: the five variants."""

from typing import TYPE_CHECKING

from efficientnet_lite.cli.common import Json, Quiet, Verbose, console_of
from efficientnet_lite.cli.console import Console, percent

if TYPE_CHECKING:
    from efficientnet_lite.weights.offers import Offer


def models(*, json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """List the five variants: input size, parameters, multiply-adds, published accuracy, and their weights."""
    from efficientnet_lite.commands.models import models as models_of_package

    console = console_of(json, verbose, quiet)
    offers = models_of_package()
    if json:
        console.json(offers)
    else:
        _show_models(console, offers)


def _show_models(console: Console, offers: "list[Offer]") -> None:
    columns = ["model", "size", "parameters", "MAdds", "top-1 float", "top-1 int8", "weights"]
    rows = [
        [
            each.model,
            each.size,
            f"{each.parameters:,}",
            f"{each.madds / 1e6:,.0f} M",
            f"{percent(each.top1)} at {each.top1_size}",
            f"{percent(each.top1_int8)} at {each.top1_int8_size}",
            "installed" if each.installed else "see below",
        ]
        for each in offers
    ]
    console.table("", columns, rows, right=columns[1:6], drop=["MAdds", "parameters"])
    for each in offers:
        if not each.installed:
            console.line(f"weights of {each.model}: {each.weights.rpartition(' from ')[2]}")
    console.line("Accuracies as published, on ImageNet's validation photos; int8 is the reference's own.")
