"""`EfficientNetLiteFeatures`: feature vectors as a transformer of scikit-learn, which is imported with this module."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from efficientnet_lite.arguments import fitted
from efficientnet_lite.arrays import Array
from efficientnet_lite.commands.embedder import Embedder, OnBadRow
from efficientnet_lite.errors import wrong_type
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.photos.given import GivenPhotos, gather
from efficientnet_lite.run.source import PUBLISHED

SEVERAL = "give several photos: a list, a column of paths, or an array (N, H, W, C); of one photo, [photo]"


# scikit-learn has no types
class EfficientNetLiteFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Feature vectors of photos, as a transformer of scikit-learn.

    Photos come as a list of paths, a column of a table (Series, or a DataFrame
    with one column), an array of paths, or photos themselves: bytes, images of
    Pillow, arrays, a batch (N, H, W, C). Each becomes a row of float32 numbers.

    Nothing is learned: `fit` opens the model and looks at no photo, so vectors
    that were made once serve every split. What was fitted keeps the network (13
    MB for lite0) and no interpreter: it can be pickled, and gives the same
    vectors where it is opened, without the weights' package or the run.

    Args:
        model: a model such as "lite1", a run folder, a checkpoint, or a file
            exported with `outputs=["features"]`.
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        view: how photos are looked at: "crop", "squash", "mediapipe",
            "android-bitmap" or "reference".
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        on_bad: "fail" raises at a photo that cannot be used; "nan" gives it a
            row of NaN.
        workers: photos under way at once; one for each core where None. Where
            several processes work side by side (`n_jobs=`), give 1.

    Attributes:
        embedder_: the `Embedder` that was opened.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> from pathlib import Path
        >>> import efficientnet_lite as el
        >>> paths = sorted(Path("photos").rglob("*.png"))
        >>> labels = [path.parent.name for path in paths]
        >>> features = el.EfficientNetLiteFeatures("lite1")
        >>> classifier = make_pipeline(features, LogisticRegression())
        >>> classifier.fit(paths, labels).predict(["photo.jpg"]).tolist()
        ['shirt']
    """

    def __init__(
        self,
        model: str | Path = "lite1",
        *,
        weights: str | Path = PUBLISHED,
        view: View = "crop",
        ema: bool = True,
        on_bad: OnBadRow = "fail",
        workers: int | None = None,
    ) -> None:
        self.model = model
        self.weights = weights
        self.view = view
        self.ema = ema
        self.on_bad = on_bad
        self.workers = workers

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: N803
        """Open the model; no photo is looked at.

        Raises what `Embedder` does, and WrongType where `X` is not several photos.
        """
        fitted("on_bad", self.on_bad, OnBadRow)
        _photos(X)
        self.embedder_ = Embedder(
            self.model, weights=self.weights, view=self.view, ema=self.ema, workers=self.workers
        )
        return self

    def transform(self, X: Any) -> Array:  # noqa: N803
        """The vectors of photos, float32 (N, 1280), or what `set_output` asks for.

        Raises what `Embedder.embed` does, and NotFittedError before `fit`.
        """
        check_is_fitted(self, "embedder_")
        return self.embedder_.embed(_photos(X), on_bad=self.on_bad)

    @property
    def _n_features_out(self) -> int:
        return self.embedder_.dim

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.two_d_array = False  # rows of numbers are no photos
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _more_tags(self) -> dict[str, Any]:
        """The same for scikit-learn before 1.6."""
        return {"no_validation": True, "X_types": ["1darray", "string"], "preserves_dtype": []}


def _photos(given: Any) -> GivenPhotos:
    """Several photos; raises WrongType for anything else, as for one photo, which could be meant as many rows."""
    photos: GivenPhotos = given
    if isinstance(given, np.ndarray):
        if given.ndim == 2 and given.shape[1] == 1 and given.dtype.kind not in "biufc":
            photos = given[:, 0]
    elif isinstance(given, DataFrame) and hasattr(given, "shape"):
        if len(given.columns) != 1:
            raise wrong_type("X", given, fix="give its column of photos alone, for example table['path']")
        photos = given[given.columns[0]]
    if gather(photos).single:
        raise wrong_type("X", given, fix=SEVERAL)
    return photos
