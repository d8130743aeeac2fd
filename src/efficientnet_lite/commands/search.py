"""`search`: the photos of a folder of vectors that look most like some, and `Vectors`, the folder in Python."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arguments import OPEN, called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import UnreadablePhoto, wrong_argument, wrong_type
from efficientnet_lite.features.extract import extract
from efficientnet_lite.neighbors.answers import Found, Query, Searched, answers, asked_by_id
from efficientnet_lite.neighbors.found_page import page_of
from efficientnet_lite.neighbors.index_file import OpenIndex
from efficientnet_lite.neighbors.own_page import check_page
from efficientnet_lite.neighbors.same_model import check_size, name_of, view_of
from efficientnet_lite.neighbors.search import nearest_in
from efficientnet_lite.neighbors.vectors import StoredVectors, at_length_one
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.found import PhotoPaths, find_photos
from efficientnet_lite.photos.given import GivenPhoto, OnePhoto, encoded, gather, pixels
from efficientnet_lite.progress import Progress, ShowStage, silent
from efficientnet_lite.run.source import PUBLISHED, open_features
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart

PAGE = "found.html"  # in messages


class Vectors(StoredVectors):
    """A folder that `embed` wrote, opened to be searched.

    The first search reads the parts and makes a matrix of them, which later
    ones go through in a fraction of the time. A large one is mapped from a file
    without a name in the folder for temporary files.

    Example:
        >>> import efficientnet_lite as el
        >>> vectors = el.Vectors("vectors")
        >>> [found.label for found in vectors.search("photo.jpg", top_k=3)]
        ['shirt', 'shirt', 'shirt']
    """

    @called
    def __init__(
        self,
        folder: str | Path,
        *,
        model: str | Path | None = None,
        weights: str | Path = PUBLISHED,
        ema: bool = True,
        index: str | Path | None = None,
    ) -> None:
        """Open a folder; one that is still growing counts with its whole parts.

        Args:
            folder: what `embed` wrote, in any layout.
            model: the one that made the vectors, to look at photos with; needed
                where it was no name such as "lite1".
            weights: of the model, as they were given to `embed`.
            ema: as it was given to `embed`.
            index: a folder that `index` wrote of these vectors, to search in
                instead of all of them: faster, and not exact.

        Raises:
            UnusableInput: it is no folder of vectors, or `index` is none of
                them.
            UsageError: a library that reads them is not installed.
        """
        super().__init__(folder)
        self._named, self._weights, self._ema = model, weights, ema
        self._opened: tuple[Model, View] | None = None
        self._index = None if index is None else OpenIndex(Path(index), self)

    @called
    def search(
        self, query: Annotated[OnePhoto, OPEN], *, top_k: int = 10, by_id: bool = False
    ) -> list[Found]:
        """The photos that look most like one, the nearest first.

        Args:
            query: a photo in all the forms that `Model.predict` takes, or a
                vector of float numbers, (size,), of any length.
            top_k: how many.
            by_id: `query` is the id of a photo of the folder, which is itself
                not among those found.

        Returns:
            Each with its `id`, `path`, `label` and `cosine`.

        Raises:
            UnreadablePhoto: the photo cannot be used.
            UsageError: no photo has this id, or the model is not known.
            ArtifactError: the model is not the one that made the vectors.
            UnusableInput: a part is damaged.
        """
        _check_count(top_k)
        if by_id:
            asked = asked_by_id(self, [str(query)])
        elif isinstance(query, np.ndarray) and query.ndim == 1 and query.dtype.kind == "f":
            asked = [self._of_vector(query)]
        else:
            asked = list(self.looked_at(gather(query).photos))
        if len(asked) != 1:
            raise wrong_type("query", query, fix="give one photo, or call it for each")
        if asked[0].error is not None:
            raise asked[0].error
        if self._index is None and self.in_memory() is None:
            self.matrix()
        (searched,) = self.answers(asked, top_k)
        return list(searched.found)

    def looked_at(self, photos: Iterable[GivenPhoto]) -> Iterator[Query]:
        """Photos as the model of the folder sees them. Raises as `search` where it cannot be opened."""
        model, view = self._model()
        for each in extract(model, photos, encoded, view=view, pixels=pixels):
            if each.vector is None:
                error = UnreadablePhoto(each.error or "", where=each.item.where, fix=each.fix)
                yield Query(each.item.where, None, error=error)
            else:
                yield Query(each.item.where, at_length_one(each.vector[None])[0])

    def answers(self, asked: Sequence[Query], top_k: int, stage: ShowStage = silent) -> list[Searched]:
        """The nearest to each, all of them in one passage through what is at hand, or through the parts."""
        if self._index is not None:
            return answers(self, asked, top_k, self._index.nearest)
        with stage("Searching") as on_progress:
            return answers(self, asked, top_k, lambda queries, k: nearest_in(self, queries, k, on_progress))

    def _of_vector(self, vector: npt.NDArray[np.floating[Any]]) -> Query:
        if vector.shape != (self.size,):
            raise wrong_type("query", vector, fix=f"give a vector of {self.size:,} numbers, or a photo")
        return Query("the vector", at_length_one(vector.astype(np.float32)[None])[0])

    def _model(self) -> tuple[Model, View]:
        if self._opened is None:
            named = self._named if self._named is not None else name_of(self.provenance, self.folder)
            model = open_features(named, weights=self._weights, ema=self._ema)
            view = view_of(self.provenance, model, self.folder)
            check_size(model, self.size, self.folder)
            self._opened = model, view
        return self._opened


@called
def search(
    vectors: str | Path,
    queries: PhotoPaths,
    *,
    top_k: int = 10,
    by_id: bool = False,
    model: str | Path | None = None,
    weights: str | Path = PUBLISHED,
    ema: bool = True,
    index: str | Path | None = None,
    html: str | Path | None = None,
    photos: PhotoPaths | None = None,
    links: bool = True,
    overwrite: bool = False,
    progress: Progress = False,
) -> list[Searched]:
    """Find the photos that look most like some, by their vectors.

    The search is exact: every vector is looked at, in memory that does not
    grow. For many searches in one program there is `Vectors`.

    Args:
        vectors: the folder that `embed` wrote, in any layout.
        queries: photo files, folders (searched recursively) or globs, one or
            several, in one passage.
        top_k: how many to find for each.
        by_id: `queries` are ids of photos of the folder.
        model: the one that made the vectors; needed where it was no name such
            as "lite1".
        weights: of the model, as they were given to `embed`.
        ema: as it was given to `embed`.
        index: a folder that `index` wrote, to search in instead of all vectors.
        html: a page to write with the pictures found.
        photos: where the photos of the page lie now, as `embed` takes them;
            None is where they were.
        links: False skips every link among `queries`.
        overwrite: replace a page that is there.
        progress: True shows a bar.

    Returns:
        One for each query: `found`, the nearest first, each with `id`, `path`,
        `label` and `cosine`; or the `error` why it could not be used.

    Raises:
        UsageError: no photo has the id, or the model is not known.
        ArtifactError: the model is not the one that made the vectors.
        UnusableInput: no query is found, or the vectors are damaged.

    Example:
        >>> import efficientnet_lite as el
        >>> (searched,) = el.search("vectors", "photo.jpg", top_k=3)
        >>> [found.label for found in searched.found]
        ['shirt', 'shirt', 'shirt']
    """
    show, folder = stages(progress), Path(vectors)
    _check_count(top_k)
    if html is not None:
        apart = [Apart(folder, "the folder of vectors")]
        check_page(Path(html), overwrite=overwrite, example=PAGE, apart=apart, argument="html")
    opened = Vectors(folder, model=model, weights=weights, ema=ema, index=index)
    if by_id:
        given = [queries] if isinstance(queries, str | Path) else queries
        asked = asked_by_id(opened, [str(each) for each in given])
    else:
        found = find_photos(queries, links=links)
        asked = list(opened.looked_at(GivenPhoto(path, name) for path, name in found.photos))
        for each in found.skipped:
            error = UnreadablePhoto(each.reason, where=each.name, fix="leave it out")
            asked.append(Query(each.name, None, error=error))
    searched = opened.answers(asked, top_k, show)
    if html is not None:
        model_name = opened.provenance.model if opened.provenance else None
        title = files.real(folder).name
        files.publish(Path(html), page_of(searched, title=title, model=model_name, photos=photos, stage=show))
    return searched


def _check_count(top_k: int) -> None:
    if top_k < 1:
        raise wrong_argument("top_k", top_k, fix="give at least 1")
