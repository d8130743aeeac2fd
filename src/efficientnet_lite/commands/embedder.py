"""`Embedder`: a model that gives feature vectors in Python; no command of the command line, whose `embed` has one."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from efficientnet_lite.arguments import OPEN, called
from efficientnet_lite.arrays import Array
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import UnreadablePhoto, printable
from efficientnet_lite.features.extract import extract, known_vectors
from efficientnet_lite.photos.contract import Contract, View
from efficientnet_lite.photos.given import Gathered, GivenPhotos, encoded, gather, pixels
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.progress import Progress
from efficientnet_lite.run.source import PUBLISHED, open_features
from efficientnet_lite.runtimes.engine import chosen_workers

OnBadRow = Literal["fail", "nan"]
FEW = 8  # photos that are computed sooner than the cache is opened


class Embedder:
    """Feature vectors of photos, in memory: one row of numbers for each.

    They are those that `embed` writes, made in the same way: one engine for
    each core, few photos under way at once, and photos that `train` has seen
    with this model looked up in its cache. An embedder can be pickled and
    copied: it takes the network along, and no interpreter.

    Example:
        >>> import efficientnet_lite as el
        >>> embedder = el.Embedder("lite1")
        >>> embedder.embed(["photo.jpg", "photos/shoes/01.jpg"]).shape
        (2, 1280)
    """

    @called
    def __init__(
        self,
        model: str | Path,
        *,
        weights: str | Path = PUBLISHED,
        view: View = "crop",
        ema: bool = True,
        workers: int | None = None,
    ) -> None:
        """Open a model, as `embed` does.

        Args:
            model: a model such as "lite1", a run folder, a checkpoint, or a file
                exported with `outputs=["features"]`.
            weights: for a model name: "imagenet", "hub", or the path of a
                checkpoint.
            view: how photos are looked at: "crop", "squash", "mediapipe",
                "android-bitmap" or "reference".
            ema: of a checkpoint that has both, read the moving averages rather
                than the raw weights.
            workers: photos under way at once; one for each core where None.

        Raises:
            UsageError: no such name, or `weights` for something that has its own.
            UnusableInput: there is no such file.
            ArtifactError: the model cannot be opened, or has no features.
        """
        self.view: View = view
        self._model = open_features(model, weights=weights, ema=ema, workers=chosen_workers(workers))

    def __repr__(self) -> str:
        return f"<Embedder {printable(str(self._model.where))}: {self.contract.size} pixels, {self.view}>"

    @property
    def contract(self) -> Contract:
        """How the model wants its photos; `view` is how this embedder looks at them."""
        return self._model.contract

    @property
    def dim(self) -> int:
        """Numbers in a vector: 1280 for models of ours."""
        return self._model.vector_size

    @called
    def embed(
        self,
        photos: Annotated[GivenPhotos, OPEN],
        *,
        on_bad: OnBadRow = "fail",
        progress: Progress = False,
    ) -> Array:
        """The vectors of photos, float32 (N, dim), a row each, in their order.

        Args:
            photos: one or several, in all the forms that `Model.predict` takes:
                paths, bytes, images of Pillow, arrays, tensors, batches.
            on_bad: "fail" raises at the first photo that cannot be used; "nan"
                gives it a row of NaN, so that rows and photos stay together.
            progress: True shows a bar.

        Raises:
            UnreadablePhoto: a photo cannot be used, and `on_bad` is "fail".
            WrongType: something is no photo.

        Example:
            >>> import efficientnet_lite as el
            >>> embedder = el.Embedder("lite1")
            >>> vectors = embedder.embed(["photo.jpg", "gone.jpg"], on_bad="nan")
            >>> vectors.shape, bool(vectors[1, 0] == vectors[1, 0])
            ((2, 1280), False)
        """
        gathered, missing = gather(photos), np.full(self.dim, np.nan, np.float32)

        def rows() -> Iterator[Array]:
            for outcome in self._each(gathered, progress):
                if not isinstance(outcome, Refused):
                    yield outcome
                elif on_bad == "nan":
                    yield missing
                else:
                    raise UnreadablePhoto(outcome.reason, where=outcome.where, fix=outcome.fix)

        row = np.dtype((np.float32, (self.dim,)))
        return np.fromiter(rows(), row, -1 if gathered.count is None else gathered.count)

    @called
    def embed_each(self, photos: Annotated[GivenPhotos, OPEN]) -> Iterator[Array | Refused]:
        """Like `embed`, one photo after another, (dim,), and the reason where one
        cannot be used.

        Args:
            photos: asked for as they are needed, so that a generator of millions
                takes no more memory than a few.

        Example:
            >>> import efficientnet_lite as el
            >>> found = el.Embedder("lite1").embed_each(["photo.jpg", "gone.jpg"])
            >>> [getattr(each, "reason", "1,280 numbers") for each in found]
            ['1,280 numbers', 'it cannot be read: No such file or directory']
        """
        return self._each(gather(photos), False)

    def _each(self, gathered: Gathered, progress: Progress) -> Iterator[Array | Refused]:
        count = gathered.count
        few = count is not None and count < FEW
        with (
            nullcontext() if few else known_vectors(self._model, self.view) as known,
            stages(progress)("Embedding") as on_progress,
        ):
            found = extract(self._model, gathered.photos, encoded, view=self.view, known=known, pixels=pixels)
            for number, each in enumerate(found, 1):
                on_progress(number, count or number)
                if each.vector is not None:
                    yield each.vector
                else:
                    yield Refused(each.item.where, each.error or "", fix=each.fix)
