"""The classifier on top of the features: multinomial logistic regression, run to convergence.

The features do not move, so the loss is convex and there is one best head for each strength of
regularisation. A handful of strengths is tried from strong to weak, each starting where the last one
ended, and the validation photos choose. They are never part of a fit.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array, ClassIndices
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.photos.contract import FitView, base_views
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.vocabulary import ClassWeights

# Weight of 0.5 |kernel|^2 against the mean cross entropy. Measured with lite1 and 10 classes of clothes, the
# least validation loss lies between 0.01 and 0.003, with 5 photos a class as with 160; more classes want less.
# Steps half as large gain nothing that can be told from chance (six random splits, 400 photos kept back in
# each, crop / squash: 0.860 / 0.847 against 0.858 / 0.845), nor does the choice by top-1 (0.857 / 0.845).
STRENGTHS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003)
PATIENCE = 1  # weaker strengths to try after the validation loss has begun to rise
TOLERANCE = 1e-4  # largest component of the gradient of the mean loss
MAX_ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One strength of regularisation and what the validation photos say of its head."""

    strength: float
    top1: float  # mean over the views that were looked at
    loss: float  # mean cross entropy, nats
    iterations: int
    converged: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The chosen head, and all that were tried, strongest regularisation first."""

    layer: Layer  # kernel (1280, classes), bias (classes,)
    chosen: Attempt
    attempts: tuple[Attempt, ...]


def fit_head(
    features: Array,
    labels: ClassIndices,
    validation: Mapping[str, Array],
    validation_labels: ClassIndices,
    *,
    classes: int,
    class_weights: ClassWeights = "none",
    strengths: Sequence[float] = STRENGTHS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Head:
    """The head with the least validation loss along the path of `strengths`.

    Args:
        features: (N, 1280) of the training photos, all views one below the other.
        labels: (N,) class indices; every class from 0 to `classes` - 1 occurs.
        validation: view -> (M, 1280); the measures are means over the views.
        validation_labels: (M,).
        class_weights: "balanced" weights each class by the inverse of its share.
        strengths: to be tried, from strong to weak.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(
        solver="lbfgs",
        tol=TOLERANCE,
        max_iter=MAX_ITERATIONS,
        warm_start=True,
        class_weight="balanced" if class_weights == "balanced" else None,
    )
    # The bias is not regularised, so features without their mean have the same best head; from 1,659 photos
    # of clothes in four views it is reached in 147 iterations over six strengths, and not in 334.
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    centered = features - mean
    attempts: list[Attempt] = []
    best: tuple[float, Layer] | None = None
    chosen = 0
    for number, strength in enumerate(strengths):
        model.set_params(C=1 / (strength * len(features)))
        # numpy's and scipy's threads wait for each other by spinning: one thread is 3 to 10 times faster
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no convergence is told by `converged`
            model.fit(centered, labels)
        layer = _layer(model.coef_, model.intercept_, mean)
        iterations = int(np.max(model.n_iter_))
        top1, loss = _measure(layer, validation, validation_labels)
        attempts.append(Attempt(strength, top1, loss, iterations, iterations < MAX_ITERATIONS))
        if best is None or loss < best[0]:
            best, chosen = (loss, layer), number
        if on_progress:
            on_progress(number + 1, len(strengths))
        if number - chosen >= PATIENCE:
            break
    if on_progress:
        on_progress(len(attempts), len(attempts))  # however many it could have been
    assert best is not None  # there is at least one strength
    return Head(best[1], attempts[chosen], tuple(attempts))


def fit_on(
    features: FeatureStore,
    photos: Partition,
    views: Sequence[FitView],
    class_weights: ClassWeights,
    *,
    on_progress: OnProgress,
) -> Head:
    """The head fitted on `views` of the training photos, and chosen by the validation photos as consumers see them."""
    training, validation = photos.positions("train"), photos.positions("validation")
    return fit_head(
        np.concatenate([features.matrix(training, view) for view in views]),
        np.tile(photos.truth(training), len(views)),
        {view: features.matrix(validation, view) for view in base_views(views)},
        photos.truth(validation),
        classes=len(photos.dataset.labels),
        class_weights=class_weights,
        on_progress=on_progress,
    )


def cross_validated(
    features: Array,
    labels: ClassIndices,
    folds: npt.NDArray[np.intp],
    *,
    classes: int,
    on_progress: OnProgress | None = None,
) -> Array:
    """What a head that has not learned from a photo says of it: probabilities, float32 (N, classes).

    The photos of each fold are judged by a head that was fitted on the others. The first fold chooses the strength for
    all. A class that has no photo in the other folds has no probability.

    Args:
        features: (N, 1280).
        labels: (N,) class indices.
        folds: (N,) the fold of each photo, 0 to F - 1.
        on_progress: counts folds.
    """
    result = np.zeros((len(features), classes), np.float32)
    count = int(folds.max()) + 1
    strengths: Sequence[float] = STRENGTHS
    for fold in range(count):
        held = folds == fold
        known, learned = np.unique(labels[~held], return_inverse=True)
        if len(known) < 2:
            result[np.ix_(held, known)] = 1
            continue
        judges = held & np.isin(labels, known)
        judges = judges if judges.any() else ~held
        truth = np.searchsorted(known, labels[judges])
        head = fit_head(
            features[~held],
            learned,
            {"": features[judges]},
            truth,
            classes=len(known),
            strengths=strengths,
        )
        result[np.ix_(held, known)] = metrics.softmax(features[held] @ head.layer.kernel + head.layer.bias)
        strengths = (head.chosen.strength,)
        if on_progress:
            on_progress(fold + 1, count)
    return result


def _layer(coefficients: npt.NDArray[np.floating], intercept: npt.NDArray[np.floating], mean: Array) -> Layer:
    """scikit-learn's rows, fitted on features without their `mean`, as a dense layer for features as they are.

    For two classes it has one row, the second against the first.
    """
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    kernel = np.ascontiguousarray(coefficients.T, np.float32)
    bias = intercept - mean.astype(np.float64) @ kernel
    return Layer(kernel, bias.astype(np.float32))


def _measure(layer: Layer, validation: Mapping[str, Array], labels: ClassIndices) -> tuple[float, float]:
    """Top-1 accuracy and cross entropy, means over the views."""
    logits = [features @ layer.kernel + layer.bias for features in validation.values()]
    top1: Sequence[float] = [metrics.accuracy(labels, each.argmax(axis=1)) for each in logits]
    loss = [metrics.cross_entropy(each, labels) for each in logits]
    return float(np.mean(top1)), float(np.mean(loss))
