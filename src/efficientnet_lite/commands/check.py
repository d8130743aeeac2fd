"""`check`: a data set looked at as training would take it; nothing is written."""

import os
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import printable, wrong_argument
from efficientnet_lite.neighbors.matched import matched, near_contents
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.dataset import dataset_place, open_dataset
from efficientnet_lite.photos.findings import Findings, findings
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.photos.partition import plan_split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.progress import Progress
from efficientnet_lite.vocabulary import NEAR_DUPLICATE, ClassFolders


@called
def check(
    photos: str | Path | DataFrame,
    *,
    val: float = 0.2,
    seed: int = 0,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    vectors: str | Path | None = None,
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
        vectors: a folder that `embed` wrote of the same photos: near-duplicates
            and leaks are looked for by them too, which finds cropped and
            mirrored copies. The split is planned without them, as `train` does.
        progress: True shows a bar.

    Returns:
        What was found: `classes`, `accounting`, `leaks`, `exact_duplicates`,
        `near_duplicates`, `two_labels`, `odd_sizes`, `notes`, and `problem`
        where training would refuse it.

    Raises:
        UnusableDataset: it cannot be opened at all. Where it is too small only
            once unreadable photos are left out, the findings say so in
            `problem`.
        UnusableInput: `vectors` is no folder of vectors, is damaged, or has
            none of the photos.

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
    show, stored = stages(progress), StoredVectors(vectors) if vectors is not None else None
    dataset = open_dataset(dataset_place(photos), links=links, class_folders=class_folders)
    with show("Looking at the photos") as on_progress:
        seen = survey(dataset.rows, workers=os.cpu_count() or 1, on_progress=on_progress)
    also = None
    if stored is not None:
        found = matched(stored, seen.looks)
        also = near_contents(stored, found, NEAR_DUPLICATE, show)
        if found.missing:
            LOG.warning(f"{found.missing:,} photos have no vector in {printable(stored.folder)}")
    assignment = plan_split(dataset, seen.looks, fraction=val, seed=seed, also=also)
    return findings(dataset, seen, assignment, fraction=val, seed=seed)
