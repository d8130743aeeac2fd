"""`map`: photos in two dimensions, as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import AnyJson, Quiet, Switch, Verbose, console_of, photos_given, shown
from efficientnet_lite.vocabulary import MAP_PAGE, MapMethod

if TYPE_CHECKING:
    from efficientnet_lite.commands.map import Mapped


def map(
    vectors: Path,
    /,
    *,
    out: Annotated[Path | None, shown(MAP_PAGE)] = None,
    method: Annotated[MapMethod | None, shown("umap where it is installed, else pca")] = None,
    photos: Annotated[tuple[str, ...], Parameter(negative=()), shown("where they were")] = (),
    no_pictures: Switch = False,
    overwrite: Switch = False,
    json: AnyJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make a map of photos: one page where alike ones are near, with the picture under the pointer.

    Args:
        vectors: the folder that `embed` wrote.
        out: the file to write.
        method: umap keeps neighbors together (extra map), pca takes the two directions in which photos differ most.
        photos: where the photos lie now, if they have moved, as `embed` takes them.
        no_pictures: leave the pictures out.
        overwrite: make the page anew where there is one.
        json: print one JSON document instead of the line.
    """
    from efficientnet_lite.cli.results import show_noted
    from efficientnet_lite.commands.map import map as make_map

    console = console_of(json, verbose, quiet)
    mapped = make_map(
        vectors,
        out=out,
        method=method,
        photos=photos_given(photos, addresses=True) if photos else None,
        pictures=not no_pictures,
        overwrite=overwrite,
        progress=console.progress,
    )
    place = out or Path(MAP_PAGE)
    show_noted(
        console, mapped, lambda console, mapped: console.line(_told(mapped, place), keep=[place]), json=json
    )


def _told(mapped: "Mapped", out: Path) -> str:
    from efficientnet_lite.figures import megabytes

    photos = f"{mapped.photos:,} photo{'s' * (mapped.photos != 1)}"
    classes = f" of {mapped.classes:,} class{'es' * (mapped.classes != 1)}" * bool(mapped.classes)
    pictures = f"{mapped.pictures:,} pictures of {mapped.side} pixels" if mapped.pictures else "no pictures"
    return f"{photos}{classes} by {mapped.method.upper()}, {pictures}, {megabytes(mapped.bytes)}: {out}"
