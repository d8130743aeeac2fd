"""Both written files replayed on labelled photos: accuracy per consumer, the gate, latency, golden outputs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UnusableInput, VerificationFailed
from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.contract import PHONE_VIEW, View
from efficientnet_lite.photos.images import Refused, images_of
from efficientnet_lite.photos.labelled import LostPhoto, Surveyed
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.proof.evaluate import Evaluation, evaluation
from efficientnet_lite.proof.gate import Bars, Comparison, compare, require, score_together
from efficientnet_lite.proof.kernel_spread import KernelSpread, kernel_spread
from efficientnet_lite.proof.mistakes import Mistake, surest_mistakes
from efficientnet_lite.runtimes.latency import Latency, latency
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.sequences import Made

GOLDEN_INPUTS = 5
FLOAT_TOLERANCE = 1e-4  # of a probability; LiteRT and numpy differ by 1e-6 on the official weights


@dataclass(frozen=True, slots=True)
class Proof:
    """What the replay of the float and the int8 file showed."""

    float32: tuple[Evaluation, ...]  # one for each view
    int8: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...]
    float_difference: float  # largest, of a probability, from the head and features that the file is made of
    float_agreement: dict[View, float]  # with those, in the views that the head was fitted on
    latency: dict[str, Latency]  # by precision
    golden: bytes  # the content of golden.npz
    kernels: KernelSpread | None  # of the int8 file on the golden inputs
    mistakes: Mapping[tuple[str, View], tuple[Mistake, ...]]  # by precision and view; positions in the photos
    lost: tuple[LostPhoto, ...] = ()  # photos of the split that are behind none of these figures
    network_top1: dict[View, float] | None = None  # over all of the split, from features; None if not known


def prove(
    float_model: Model,
    int8_model: Model,
    photos: Surveyed,
    expected: dict[View, Array],
    *,
    split: str,
    labels: Sequence[str],
    bars: Bars,
    where: Path,
    on_progress: OnProgress,
    gone: Mapping[int, str] | None = None,
) -> Proof:
    """Replay both files on the same pixels of every photo, as phones see them besides, and hold them to the bars.

    Photos that are lost meanwhile stand behind none of the figures, and are named in the proof.

    Args:
        photos: labelled photos outside the fit, at least one; those of
        split: for messages, with its class
        labels: by index.
        expected: view -> (N, classes) probabilities that the float file must give for these photos,
            from the features and the head that it is made of.
        where: the run, for messages.
        gone: photos that are lost already, by position, with the reason; `expected` knows nothing of them.

    Raises:
        VerificationFailed: a file is further from what it was made of than the bars allow.
        UnusableInput: of a class of the split every photo was lost.
    """
    known, gone = list(expected), gone or {}
    views: list[View] = [*known, PHONE_VIEW]  # what ships is judged as it will be used
    there = [place for place in range(len(photos.paths)) if place not in gone]
    parent, child = score_together(
        [float_model, int8_model],
        Made(len(there), lambda at: photos.paths[there[at]]),
        [photos.truth[place] for place in there],
        views,
        contents=Made(len(there), lambda at: photos.contents[there[at]]),
        on_progress=on_progress,
    )
    kept = [there[place] for place in parent.kept]
    refused = dict(zip(sorted(set(there) - set(kept)), parent.refused, strict=True))
    reasons = {**gone, **{place: each.reason for place, each in refused.items()}}
    lost = tuple(LostPhoto(photos.names[place], split, reasons[place]) for place in sorted(reasons))
    _require_classes(photos.truth, kept, lost, labels, split, where)
    difference = max(float(np.abs(parent.scores[view] - expected[view][kept]).max()) for view in known)
    if not difference <= FLOAT_TOLERANCE:  # NaN neither
        raise VerificationFailed(
            f"the float32 file's probabilities are {difference:.2g} from the network that it is made of, "
            f"more than {FLOAT_TOLERANCE:g}",
            where=where,
            fix="report this: it is a fault of the package or the runtime",
        )
    true = np.asarray(photos.truth, np.intp)
    comparisons = tuple(
        compare(parent.scores[view], child.scores[view], parent.truth, view) for view in views
    )
    require(comparisons, bars, where=where)
    outputs = golden(
        float_model,
        int8_model,
        Made(len(kept), lambda at: (photos.paths[kept[at]], photos.contents[kept[at]])),
    )
    return Proof(
        float32=tuple(evaluation(parent.scores[view], parent.truth, view) for view in views),
        int8=tuple(evaluation(child.scores[view], child.truth, view) for view in views),
        comparisons=comparisons,
        float_difference=difference,
        float_agreement={
            view: metrics.agreement(parent.scores[view], expected[view][kept]) for view in known
        },
        latency={"float32": latency(float_model), "int8": latency(int8_model)},
        golden=outputs,
        kernels=golden_spread(int8_model, outputs),
        mistakes=surest_mistakes({"float32": parent, "int8": child}, kept),
        lost=lost,
        network_top1=None
        if gone
        else {view: metrics.accuracy(true, expected[view].argmax(axis=1)) for view in known},
    )


def _require_classes(
    truth: Sequence[int],
    kept: Sequence[int],
    lost: Sequence[LostPhoto],
    labels: Sequence[str],
    split: str,
    where: Path,
) -> None:
    """Accuracy without a whole class would flatter, so there is none, and no run."""
    wholly = sorted(set(truth) - {truth[place] for place in kept})
    if wholly:
        raise UnusableInput(
            f"{len(lost)} of the {len(truth)} {split} photos were lost while the files were being proven, all of "
            f"{some([repr(labels[index]) for index in wholly])} among them, so nothing is published: "
            f"{some([str(each) for each in lost], 3)}",
            where=where,
            fix="leave the photos in place during a run, and run it again",
        )


def golden(float_model: Model, int8_model: Model, photos: Sequence[tuple[Path, str]]) -> bytes:
    """The content of `golden.npz`: inputs and expected outputs for an app's own tests.

    `images` uint8 (5, S, S, 3), prepared by the contract, are the int8 file's input as they are, and
    the float32 file's once divided by 255. `float32` (5, classes) and `int8` (5, classes), codes, are
    the outputs. `photos` are paths and their SHA-256, at least one.
    """
    chosen = list(photos[:: max(1, len(photos) // GOLDEN_INPUTS)][:GOLDEN_INPUTS])
    images: list[Image] = []
    for photo, sha256 in chain(chosen, (each for each in photos if each not in chosen)):
        if len(images) == len(chosen):
            break
        found = images_of(photo, [float_model.contract.view], float_model.contract, sha256=sha256)
        if not isinstance(found, Refused):  # else lost since its replay: another takes its place
            images.append(found[0])
    if not images:
        raise UnusableInput(
            "every photo was lost while the files were being proven",
            where=photos[0][0],
            fix="leave the photos in place during a run, and run it again",
        )
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


def golden_spread(int8_model: Model, content: bytes) -> KernelSpread | None:
    """How far apart LiteRT's kernels are on the inputs of a golden file of ours, which `golden` has made."""
    with np.load(io.BytesIO(content)) as arrays:
        return kernel_spread(int8_model, arrays["images"], {PROBABILITIES: arrays["int8"]})
