"""`check`: a data set looked at as training would take it; nothing is written."""

import os
from pathlib import Path

from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.findings import Findings, findings
from efficientnet_lite.photos.partition import plan_split
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.vocabulary import ClassFolders


def check(
    path: Path,
    *,
    fraction: float = 0.2,
    seed: int = 0,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    on_progress: OnProgress | None = None,
) -> Findings:
    """Open the data set at `path`, look at every photo, and plan the split; nothing is written.

    Args:
        fraction, seed: of the split that training would make.
        links, class_folders: how the folder is read; see `open_dataset`.

    Raises UnusableDataset where the data set cannot be opened at all. Where it is too small only once
    unreadable photos are left out, the findings say so in `problem`.
    """
    dataset = open_dataset(path, links=links, class_folders=class_folders)
    seen = survey(dataset.rows, workers=os.cpu_count() or 1, on_progress=on_progress)
    assignment = plan_split(dataset, seen.looks, fraction=fraction, seed=seed)
    return findings(dataset, seen, assignment, fraction=fraction, seed=seed)
