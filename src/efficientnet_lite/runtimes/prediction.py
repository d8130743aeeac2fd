"""What a model says of a photo, by the names of its classes. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class of a photo; `label, probability = prediction` takes it apart, and `dict` makes a table of several."""

    label: str
    index: int  # its place in the outputs
    probability: float  # 0 to 1
    synset: str | None = None  # of ImageNet's classes their id in WordNet, "n02510455"

    @property
    def name(self) -> str:
        """The label for people: "giant panda (n02510455)" where there is a synset, and it does not say it already."""
        if self.synset is None or self.synset in self.label:
            return self.label
        return f"{self.label} ({self.synset})"

    def __iter__(self) -> Iterator[Any]:
        return iter((self.label, self.probability))

    def __str__(self) -> str:
        return f"{self.name}, {100 * self.probability:.1f} %"

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary; no `synset` where there is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def best_of(
    probabilities: Array, k: int, labels: Sequence[str], synsets: Sequence[str] | None = None
) -> tuple[Prediction, ...]:
    """The `k` most probable classes of one photo (classes,), the surest first; of equals the first in order."""
    order = np.argsort(-probabilities, kind="stable")[:k].tolist()
    return tuple(
        Prediction(labels[index], index, float(probabilities[index]), synsets[index] if synsets else None)
        for index in order
    )
