"""Where the photos of a data set lie: places from which whatever is written stays apart."""

from collections.abc import Iterable
from pathlib import Path

from efficientnet_lite.photos.rows import Row
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart


def dataset_apart(source: Path, rows: Iterable[Row] = ()) -> list[Apart]:
    """The folder or manifest itself, and every folder in which a photo of it lies, by way of a link too.

    Nothing is written into a folder that was given, where it would be a class of photos the next time.
    """
    folders = {row.path.parent for row in rows}
    whole = [Apart(source)] if files.is_dir(source) else [Apart(source, "the manifest", inside=False)]
    return [*whole, *(Apart(folder) for folder in sorted(folders))]
