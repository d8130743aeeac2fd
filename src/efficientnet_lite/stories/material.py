"""What a training run is asked for, and the photos it has to work with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from efficientnet_lite.arrays import ClassIndices
from efficientnet_lite.classifier.features import FeatureStore
from efficientnet_lite.classifier.head import ClassWeights
from efficientnet_lite.network.plan import ModelName
from efficientnet_lite.photos.accounting import Accounting
from efficientnet_lite.photos.contract import BaseView, FitView
from efficientnet_lite.photos.dataset import Dataset
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.photos.layout import ClassFolders
from efficientnet_lite.photos.partition import Assignment, Places
from efficientnet_lite.photos.split import Split
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.sequences import Made
from efficientnet_lite.training.finetune import FineTuning

OnBad = Literal["skip", "fail"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What `train` was asked for; what reproduces a run stands in its config.toml."""

    model: ModelName
    weights: str
    ema: bool
    fraction: float  # of the training photos that becomes validation where none is given
    seed: int
    views: tuple[FitView, ...]
    class_weights: ClassWeights
    calibration: int  # photos
    bars: Bars
    on_bad: OnBad
    fine_tuning: FineTuning | None = None  # None: the head alone learns
    labels_locale: tuple[str, ...] = ()  # LOCALE=FILE, class names in another language
    links: bool = True  # whether links in the data set are followed
    class_folders: ClassFolders | None = (
        None  # which of two kinds of folders are the classes, where it is said
    )

    @property
    def base_views(self) -> list[BaseView]:
        """The views among `views` that consumers have: the head is chosen and proven on these."""
        bases: list[BaseView] = ["crop", "squash"]
        return [view for view in bases if view in self.views]


@dataclass(frozen=True, slots=True)
class Material:
    """The photos that can be used, their features, and where each belongs."""

    dataset: Dataset
    store: FeatureStore
    assignment: Assignment

    def positions(self, split: Split) -> Places:
        return self.assignment.positions(split)

    @property
    def accounting(self) -> Accounting:
        """What became of every photo of the data set."""
        return self.dataset.accounting(self.store.refused)

    def labels(self, positions: Places) -> Sequence[str]:
        rows = self.dataset.rows
        return Made(len(positions), lambda at: rows.said(int(positions[at])).label)

    def truth(self, positions: Places) -> ClassIndices:
        index = {label: number for number, label in enumerate(self.dataset.labels)}
        return np.fromiter((index[label] for label in self.labels(positions)), np.intp, len(positions))

    def surveyed(self, positions: Places) -> Surveyed:
        """The photos at `positions`, as they were when they were looked at."""
        rows, looks = self.dataset.rows, self.store.looks
        return Surveyed(
            names=Made(len(positions), lambda at: rows.name(int(positions[at]))),
            paths=Made(len(positions), lambda at: rows[int(positions[at])].path),
            truth=self.truth(positions).tolist(),
            contents=Made(len(positions), lambda at: looks.sha256(int(positions[at]))),
        )

    @property
    def proof_split(self) -> Split:
        """Where accuracy is measured: on test where there is one, else on validation."""
        return "test" if "test" in self.assignment.splits else "validation"
