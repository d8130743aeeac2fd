"""`check`: a data set looked at as training would take it; nothing is written."""

import os
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import wrong_argument
from efficientnet_lite.photos.dataset import dataset_place, open_dataset
from efficientnet_lite.photos.findings import Findings, findings
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.photos.partition import plan_split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.progress import Progress
from efficientnet_lite.vocabulary import ClassFolders


@called
def check(
    photos: str | Path | DataFrame,
    *,
    val: float = 0.2,
    seed: int = 0,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    progress: Progress = False,
) -> Findings:
    """Look at a data set without training on it; nothing is written.

    Counts, bad files, duplicates, leaks between splits, odd sizes.

    Args:
        photos: a folder of photos, a manifest or a DataFrame, as `train` takes
            it.
        val: fraction that training would keep back, where the data set does not
            say.
        seed: of that split.
        links: False skips every link in the data set instead of following it.
        class_folders: "outer" or "inner", where the folders can be read in two
            ways.
        progress: True shows a bar.

    Returns:
        What was found: `classes`, `accounting`, `leaks`, `exact_duplicates`,
        `near_duplicates`, `two_labels`, `odd_sizes`, `notes`, and `problem`
        where training would refuse it.

    Raises:
        UnusableDataset: it cannot be opened at all. Where it is too small only
            once unreadable photos are left out, the findings say so in
            `problem`.

    Example:
        >>> import efficientnet_lite as el
        >>> found = el.check("photos/")
        >>> [row.label for row in found.classes]
        ['shirt', 'shoes', 'trousers']
        >>> found.accounting.used, len(found.leaks)
        (36, 0)
    """
    if not 0 < val < 1:
        raise wrong_argument("val", val, fix="give a fraction between 0 and 1")
    dataset = open_dataset(dataset_place(photos), links=links, class_folders=class_folders)
    with stages(progress)("Looking at the photos") as on_progress:
        seen = survey(dataset.rows, workers=os.cpu_count() or 1, on_progress=on_progress)
    assignment = plan_split(dataset, seen.looks, fraction=val, seed=seed)
    return findings(dataset, seen, assignment, fraction=val, seed=seed)
