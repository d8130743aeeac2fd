"""`duplicates`: the vectors of photos -> groups of near-duplicates, and leaks between parts of a data set."""

from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import wrong_argument
from efficientnet_lite.neighbors.near_duplicates import Duplicates, find_duplicates
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.progress import Progress
from efficientnet_lite.vocabulary import NEAR_DUPLICATE


@called
def duplicates(
    vectors: str | Path, *, threshold: float = NEAR_DUPLICATE, progress: Progress = False
) -> Duplicates:
    """Find photos that show the same, by their feature vectors.

    A group holds each photo that is like another of it: recompressed, resized,
    cropped a little, mirrored, brightened. Where the photos are parts of a data
    set (folders such as `train` and `test`, or a column `split` of the manifest
    that `embed` got), leaks are named: photos of validation or test whose like
    is in training. Memory grows by 5 kB for each photo, in a file for temporary
    files where there are many.

    Args:
        vectors: a folder that `embed` wrote.
        threshold: the least cosine between two vectors that are taken for the
            same photo, above 0, at most 1. The lower, the more copies are
            found, and the more photos of alike things are taken for copies.
        progress: True shows a bar.

    Returns:
        `groups`, the largest first, with path, id, label, split, sha256 and
        cosine of each photo, that of most pixels first; `leaks`; `photos`,
        `grouped`, `splits`, `notes`.

    Raises:
        UnusableInput: it is no folder of vectors, or a part of it is damaged.
        UsageError: it has Parquet parts, and pyarrow is not installed.

    Example:
        >>> import efficientnet_lite as el
        >>> found = el.duplicates("vectors")
        >>> found.photos, len(found.leaks)
        (36, 0)
    """
    if not 0 < threshold <= 1:
        raise wrong_argument("threshold", threshold, fix="give a cosine above 0, at most 1, such as 0.98")
    return find_duplicates(StoredVectors(vectors), threshold, stages(progress))
