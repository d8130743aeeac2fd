"""`index`: a folder of vectors -> a graph by usearch, for searches among more than a million."""

from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.neighbors.index_file import Indexed, publish_index
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.progress import Progress
from efficientnet_lite.vocabulary import VectorDtype


@called
def index(
    vectors: str | Path,
    out: str | Path,
    *,
    dtype: VectorDtype = "float16",
    overwrite: bool = False,
    progress: Progress = False,
) -> Indexed:
    """Make an index of vectors, with which a search looks at few of them.

    Up to some hundred thousand photos the exact search is fast enough without.

    Args:
        vectors: the folder that `embed` wrote.
        out: the folder to write.
        dtype: of the vectors in it: "float32", "float16" or "int8".
        overwrite: replace an index that is there.
        progress: True shows a bar.

    Returns:
        The `folder`, its `bytes`, the `count` of vectors, and `recall`: of the
        ten nearest as the exact search has them, how many it finds, 0 to 1.

    Raises:
        UsageError: `out` exists or is none of ours, or usearch is not
            installed.
        UnusableInput: `vectors` is no folder of vectors, or damaged.

    Example:
        >>> import efficientnet_lite as el
        >>> el.index("vectors", "vectors-index").recall >= 0.9
        True
    """
    opened = StoredVectors(vectors)
    return publish_index(opened, Path(out), dtype=dtype, overwrite=overwrite, stage=stages(progress))
