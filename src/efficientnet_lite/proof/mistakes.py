"""The photos that a model gets wrong and is most sure of: often a wrong label, or a photo worth a look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.contract import View
from efficientnet_lite.proof.evaluate import Scored

MISTAKES = 24


@dataclass(frozen=True, slots=True)
class Mistake:
    """One photo whose best class is not the true one."""

    position: int  # of the photo among those that were shown
    true: int  # class index
    predicted: int
    probability: float  # of the predicted class


def most_confident(
    probabilities: npt.NDArray[np.float32],
    truth: npt.NDArray[np.intp],
    kept: Sequence[int],
    *,
    limit: int = MISTAKES,
) -> tuple[Mistake, ...]:
    """At most `limit` wrong photos, the surest first; of equally sure ones the first.

    Args:
        probabilities: (N, C). A row with a NaN answers nothing and is left out.
        truth: (N,) class indices.
        kept: (N,) the position of each row's photo.
    """
    best = probabilities.argmax(axis=1)
    sure = np.take_along_axis(probabilities, best[:, None], axis=1)[:, 0]
    wrong = np.flatnonzero((best != truth) & ~np.isnan(sure))
    surest = wrong[np.argsort(-sure[wrong], kind="stable")][:limit]
    return tuple(Mistake(kept[at], int(truth[at]), int(best[at]), float(sure[at])) for at in surest)


def surest_mistakes(
    scored: Mapping[str, Scored], kept: Sequence[int]
) -> dict[tuple[str, View], tuple[Mistake, ...]]:
    """Those of each file in each view; `scored` has what each precision said, `kept` the position of each photo."""
    return {
        (precision, view): most_confident(scores, each.truth, kept)
        for precision, each in scored.items()
        for view, scores in each.scores.items()
    }
