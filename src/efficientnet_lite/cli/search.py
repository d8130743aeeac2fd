"""`search`: find the photos that look most like some."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from efficientnet_lite.cli.common import (
    AnyLinks,
    Json,
    NoEma,
    Photos,
    Quiet,
    Switch,
    Verbose,
    WeightsName,
    console_of,
    photos_given,
    shown,
)
from efficientnet_lite.errors import EXIT_INPUT, printable

if TYPE_CHECKING:
    from efficientnet_lite.neighbors.answers import Searched

COLUMNS = ["cosine", "label", "photo"]


def search(
    vectors: Path,
    queries: Photos,
    /,
    *,
    top_k: Annotated[int, Parameter(name=["--top-k", "-k"], validator=Number(gte=1))] = 10,
    by_id: Switch = False,
    model: Annotated[str | None, shown("the one that the folder names")] = None,
    weights: WeightsName = "imagenet",
    no_ema: NoEma = False,
    index: Path | None = None,
    html: Path | None = None,
    photos: Annotated[tuple[str, ...], Parameter(negative=()), shown("where they were")] = (),
    no_links: AnyLinks = False,
    overwrite: Switch = False,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Find the photos that look most like some, by their vectors.

    The search is exact: every vector is looked at, in memory that does not grow.

    Exit code 0 where at least one query could be used, else 3.

    Args:
        vectors: the folder that embed wrote, in any layout.
        queries: photo files, folders (searched recursively), globs; - reads paths from stdin, one a line.
        top_k: how many photos to find for each.
        by_id: the queries are ids of photos of the folder, which are themselves not among those found.
        model: the model that made the vectors; needed where it was a file or a run.
        index: a folder that `index` wrote, to search in instead of all vectors.
        html: a page to write with the pictures found.
        photos: where the photos of the page lie now, if they have moved, as `embed` takes them.
        no_links: skip every link among the queries instead of following it.
        overwrite: replace a page that is there.
    """
    from efficientnet_lite.commands.search import search as search_photos

    console = console_of(json, verbose, quiet)
    searched = search_photos(
        vectors,
        list(queries) if by_id else photos_given(queries),
        top_k=top_k,
        by_id=by_id,
        model=model,
        weights=weights,
        ema=not no_ema,
        index=index,
        html=html,
        photos=photos_given(photos, addresses=True) if photos else None,
        links=not no_links,
        overwrite=overwrite,
        progress=console.progress,
    )
    for each in searched:
        if each.error is not None:
            console.warn(f"{printable(each.query)}: {each.error}", keep=[each.query])
    if json:
        console.json([each.to_json() for each in searched])
    else:
        for each in searched:
            if each.error is None:
                title = f"{printable(each.query)}:" if len(searched) > 1 else ""
                console.table(title, COLUMNS, _rows(each), right=["cosine"])
        if html is not None:
            console.line(f"with their pictures: {html}", keep=[html])
    if all(each.error is not None for each in searched):
        raise SystemExit(EXIT_INPUT)


def _rows(searched: "Searched") -> list[list[object]]:
    return [[f"{found.cosine:.3f}", found.label or "", found.path] for found in searched.found]
