"""Photos in folds: each photo judges the files that the others calibrated, by the pixels of an outside judge.

The judge is a script that knows nothing of this package: it loads photos, runs two `.tflite` files and compares them.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.inputs import Inputs, photos_below
from efficientnet_lite.arrays import Array

FOLDS = 3
DRAWS = 2000  # of the photos, for an interval
NAMES = ("lite0", "lite1", "lite2")  # the variants whose weights come with the default set-up


class Fold(NamedTuple):
    """Photos that calibrate, and those that judge."""

    number: int
    calibrating: list[Path]
    judging: list[Path]


def folds(photos: Sequence[Path]) -> Iterator[Fold]:
    """Every third photo judges what the other two thirds calibrated, so that each judges once."""
    for number in range(FOLDS):
        calibrating = [photo for place, photo in enumerate(photos) if place % FOLDS != number]
        yield Fold(number, calibrating, list(photos[number::FOLDS]))


def fold_file(name: str, maker: str, fold: int) -> str:
    """What another maker's int8 file of logits is called, calibrated beside that fold."""
    return f"{name}_{maker}_fold{fold}.tflite"


@dataclass(frozen=True, slots=True)
class Judge:
    """The functions of the judge's script."""

    script: ModuleType

    @classmethod
    def of(cls, inputs: Inputs) -> "Judge":
        found = importlib.util.spec_from_file_location("judge", inputs.judge)
        assert found is not None
        assert found.loader is not None
        script = importlib.util.module_from_spec(found)
        found.loader.exec_module(script)
        return cls(script)

    def logits(self, model: bytes, photos: Sequence[Path], folder: Path) -> Array:
        """(N, classes) of a file with one output, which is written into `folder` for the judge to open."""
        file = folder / "judged.tflite"
        file.write_bytes(model)
        runner = self.script.Model(str(file))
        rows = [next(iter(runner(self.script.load(photo, runner.size)).values())) for photo in photos]
        return np.stack(rows)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a file loses, photo by photo."""

    signal: npt.NDArray[np.float64]  # sum of squares of the float logits, centered for each photo, (N,)
    noise: npt.NDArray[np.float64]  # of the difference
    same: npt.NDArray[np.bool_]  # whether both files name one class

    @classmethod
    def between(cls, true: Array, found: Array) -> "Loss":
        centered, other = (each - each.mean(axis=1, keepdims=True) for each in (true, found))
        return cls(
            np.square(centered, dtype=np.float64).sum(axis=1),
            np.square(centered - other, dtype=np.float64).sum(axis=1),
            true.argmax(axis=1) == found.argmax(axis=1),
        )

    @classmethod
    def of_all(cls, losses: Sequence["Loss"]) -> "Loss":
        return cls(
            *(
                np.concatenate([getattr(each, part) for each in losses])
                for part in ("signal", "noise", "same")
            )
        )

    def decibels(self) -> str:
        """Logit SNR with the 95 % interval over draws of the photos: `25.3 (25.0-25.6)`."""
        draws = np.random.default_rng(0).integers(0, len(self.signal), (DRAWS, len(self.signal)))
        low, high = np.quantile(
            _db(self.signal[draws].sum(axis=1), self.noise[draws].sum(axis=1)), (0.025, 0.975)
        )
        return f"{_db(self.signal.sum(), self.noise.sum()):.2f} ({low:.2f}-{high:.2f})"


def _db(signal: npt.ArrayLike, noise: npt.ArrayLike) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = 10 * np.log10(np.asarray(signal) / np.asarray(noise))
    return found


def photos_of(inputs: Inputs) -> list[Path]:
    """The photos that calibrate and judge."""
    return photos_below(inputs.web_photos)
