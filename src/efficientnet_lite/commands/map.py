"""`map`: a folder of vectors -> its photos in two dimensions, as one page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite import extras
from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.neighbors import map_page
from efficientnet_lite.neighbors.own_page import check_page
from efficientnet_lite.neighbors.plane import FEWEST, check_method, plane_of, umap_is_installed
from efficientnet_lite.neighbors.thumbnails import Thumbnails, thumbnails_of
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.found import PhotoPaths
from efficientnet_lite.progress import Progress
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.vocabulary import MAP_PAGE, MapMethod


@dataclass(frozen=True, slots=True)
class Mapped:
    """A map of photos."""

    path: Path
    bytes: int
    photos: int
    classes: int
    method: MapMethod  # that made it
    pictures: int  # photos that are shown
    side: int | None  # pixels of their longer side; None where there are none
    gone: int  # photos that could not be read any more: points without a picture
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        names = ("bytes", "photos", "classes", "method", "pictures", "side", "gone")
        return {
            "path": str(self.path),
            **{name: getattr(self, name) for name in names},
            "notes": list(self.notes),
        }


@called
def map(
    vectors: str | Path,
    *,
    out: str | Path | None = None,
    method: MapMethod | None = None,
    photos: PhotoPaths | None = None,
    pictures: bool = True,
    overwrite: bool = False,
    progress: Progress = False,
) -> Mapped:
    """Make a map of photos: one page to look at, where alike ones are near.

    Each photo is a point, colored by its class, with its picture under the
    pointer. The page needs nothing else, and takes some 20 MB at most.

    Args:
        vectors: the folder that `embed` wrote.
        out: the file to write, map.html where None.
        method: "umap" keeps neighbors together and needs the extra `map`;
            "pca" takes the two directions in which the photos differ most.
            None is "umap" where it is installed, else "pca".
        photos: where the photos lie now, as `embed` takes them; None is where
            they were, files of this machine alone.
        pictures: False leaves them out.
        overwrite: replace a page that is there.
        progress: True shows a bar.

    Returns:
        The `path` of the page, its `bytes`, the `method`, how many `pictures`
        it has, how many photos are `gone`, and `notes`.

    Raises:
        UsageError: `out` exists, is no page of ours, or lies among the vectors;
            or UMAP is asked for and not installed.
        UnusableInput: `vectors` is no folder of vectors, or damaged.

    Example:
        >>> import efficientnet_lite as el
        >>> el.map("vectors", out="photos.html", method="pca").photos
        36
    """
    show, page, folder = stages(progress), Path(out or MAP_PAGE), Path(vectors)
    check_method(method)
    opened = StoredVectors(folder)
    check_page(page, overwrite=overwrite, example=MAP_PAGE, apart=[Apart(folder, "the folder of vectors")])
    rows = opened.rows
    thumbnails = (
        thumbnails_of(rows, map_page.MAX_PAGE_PICTURES, photos=photos, stage=show) if pictures else None
    )
    with show("Reading vectors") as on_progress:
        matrix = opened.matrix(on_progress)
    plane = plane_of(matrix, method or ("umap" if umap_is_installed() else "pca"), show)
    content = map_page.render(rows, plane, thumbnails, title=files.real(folder).name, made=opened.provenance)
    files.publish(page, content)
    found = thumbnails or Thumbnails((), (), None)
    return Mapped(
        page.absolute(),
        len(content),
        photos=len(rows),
        classes=len({row.label for row in rows} - {None}),
        method=plane.method,
        pictures=sum(place is not None for place in found.places),
        side=found.side if found.images else None,
        gone=found.gone,
        notes=tuple(_notes(len(rows), method, plane.method, thumbnails)),
    )


def _notes(count: int, asked: MapMethod | None, method: MapMethod, found: Thumbnails | None) -> list[str]:
    notes = []
    if method == "pca" and asked != "pca":
        if count < FEWEST:
            notes.append(f"fewer than {FEWEST} photos are placed by PCA")
        elif umap_is_installed():
            notes.append("by PCA: the photos are all alike")
        else:
            notes.append(f"by PCA: UMAP keeps neighbors together, {extras.MAP}")
    if found is not None and found.side is None:
        notes.append(f"pictures of {count:,} photos do not fit into the page, so it has none")
    elif found is not None and found.gone:
        notes.append(
            f"{found.gone:,} of {count:,} photos are not where they were, or have changed: points without a picture"
            " (`photos=` says where they lie now)"
        )
    return notes
