"""Both written files replayed on labelled photos: accuracy per consumer, the gate, latency, golden outputs."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.contract import View
from efficientnet_lite.errors import UnusableInput, VerificationFailed
from efficientnet_lite.inference.benchmark import Latency, latency
from efficientnet_lite.inference.evaluate import Evaluation, evaluation
from efficientnet_lite.inference.predict import Model, Refused, images_of
from efficientnet_lite.inference.verify import Bars, Comparison, compare, require, score_together
from efficientnet_lite.spec import PROBABILITIES
from efficientnet_lite.stories.mistakes import Mistake, most_confident
from efficientnet_lite.stories.progress import OnProgress

Array = npt.NDArray[np.float32]

GOLDEN_INPUTS = 5
FLOAT_TOLERANCE = 1e-4  # of a probability; LiteRT and numpy differ by 1e-6 on the official weights


@dataclass(frozen=True, slots=True)
class Proof:
    """What the replay of the float and the int8 file showed."""

    float32: tuple[Evaluation, ...]  # one for each view
    int8: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...]
    float_difference: float  # largest, of a probability, from the head and features that the file is made of
    float_agreement: dict[View, float]  # with those
    latency: dict[str, Latency]  # by precision
    golden: bytes  # the content of golden.npz
    mistakes: tuple[Mistake, ...]  # of the float file in the contract's view, by positions in the photos


def prove(
    float_model: Model,
    int8_model: Model,
    photos: Sequence[Path],
    truth: Sequence[int],
    expected: dict[View, Array],
    *,
    bars: Bars,
    where: Path,
    on_progress: OnProgress,
) -> Proof:
    """Replay both files on the same pixels of every photo and hold them to the bars.

    Args:
        photos, truth: labelled photos outside the fit, at least one, and their class indices.
        expected: view -> (N, classes) probabilities that the float file must give for these photos,
            from the features and the head that it is made of.
        where: the run, for messages.

    Raises:
        VerificationFailed: a file is further from what it was made of than the bars allow.
    """
    views = list(expected)
    parent, child = score_together([float_model, int8_model], photos, truth, views, on_progress=on_progress)
    if not parent.kept:
        raise UnusableInput(
            "no photo to verify with can be read", where=where, fix="leave the photos in place"
        )
    kept = list(parent.kept)
    difference = max(float(np.abs(parent.scores[view] - expected[view][kept]).max()) for view in views)
    if not difference <= FLOAT_TOLERANCE:  # NaN neither
        raise VerificationFailed(
            f"the float32 file's probabilities are {difference:.2g} from the network that it is made of, "
            f"more than {FLOAT_TOLERANCE:g}",
            where=where,
            fix="report this: it is a fault of the package or the runtime",
        )
    comparisons = tuple(
        compare(parent.scores[view], child.scores[view], parent.truth, view) for view in views
    )
    require(comparisons, bars, where=where)
    return Proof(
        float32=tuple(evaluation(parent.scores[view], parent.truth, view) for view in views),
        int8=tuple(evaluation(child.scores[view], child.truth, view) for view in views),
        comparisons=comparisons,
        float_difference=difference,
        float_agreement={
            view: metrics.agreement(parent.scores[view], expected[view][kept]) for view in views
        },
        latency={"float32": latency(float_model), "int8": latency(int8_model)},
        golden=golden(float_model, int8_model, [photos[place] for place in kept]),
        mistakes=most_confident(parent.scores[float_model.contract.view], parent.truth, parent.kept),
    )


def golden(float_model: Model, int8_model: Model, photos: Sequence[Path]) -> bytes:
    """The content of `golden.npz`: inputs and expected outputs for an app's own tests.

    `images` uint8 (5, S, S, 3), prepared by the contract, are the int8 file's input as they are, and
    the float32 file's once divided by 255. `float32` (5, classes) and `int8` (5, classes), codes, are
    the outputs.
    """
    step = max(1, len(photos) // GOLDEN_INPUTS)
    images = []
    for photo in photos[::step][:GOLDEN_INPUTS]:
        found = images_of(photo, [float_model.contract.view], float_model.contract)
        if not isinstance(found, Refused):
            images.append(found[0])
    batch = np.stack(images)
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        allow_pickle=False,
        images=batch,
        float32=float_model.run(np.stack([float_model.encode(image) for image in batch]))[PROBABILITIES],
        int8=int8_model.run(batch)[PROBABILITIES],
    )
    return stream.getvalue()
