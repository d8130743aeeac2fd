"""The head: converged, chosen by photos that it was not fitted on, for two classes and for a thousand."""

import numpy as np
import pytest

from efficientnet_lite.classifier.head import STRENGTHS, fit_head
from efficientnet_lite.metrics import softmax
from efficientnet_lite.network.plan import FEATURES


def clusters(classes, count, *, seed=0, noise=1.0):
    """Features around one center for each class; all classes have the same centers for every seed."""
    centers = np.random.default_rng(99).normal(0, 1, (classes, FEATURES))
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), count)
    return (centers[labels] * 0.15 + random.normal(0, noise, (len(labels), FEATURES))).astype(
        np.float32
    ), labels


def fit(classes, count=20, **options):
    features, labels = clusters(classes, count)
    validation, truth = clusters(classes, 5, seed=1)
    return fit_head(features, labels, {"crop": validation}, truth, classes=classes, **options)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_it_learns_and_generalizes(classes):
    head = fit(classes)
    features, labels = clusters(classes, 30, seed=2)

    predicted = (features @ head.layer.kernel + head.layer.bias).argmax(axis=1)
    assert head.layer.kernel.shape == (FEATURES, classes)
    assert (predicted == labels).mean() > 0.8


def test_a_thousand_classes_work():
    features, labels = clusters(1000, 2, noise=0.3)
    validation, truth = clusters(1000, 1, seed=1, noise=0.3)
    head = fit_head(features, labels, {"crop": validation}, truth, classes=1000)

    assert head.layer.kernel.shape == (FEATURES, 1000)
    assert head.chosen.top1 > 0.5


def test_the_gradient_has_vanished_at_every_strength():
    features, labels = clusters(4, 20)
    validation, truth = clusters(4, 5, seed=1)
    head = fit_head(features, labels, {"crop": validation}, truth, classes=4)

    residual = softmax(features @ head.layer.kernel + head.layer.bias) - np.eye(4)[labels]
    gradient = features.T @ residual / len(labels) + head.chosen.strength * head.layer.kernel
    assert all(attempt.converged for attempt in head.attempts)
    assert np.abs(gradient).max() < 2e-4


def test_validation_photos_choose_and_never_enter_the_fit():
    features, labels = clusters(3, 20)
    validation, truth = clusters(3, 5, seed=1)
    heads = [
        fit_head(features, labels, {"crop": photos}, truth, classes=3)
        for photos in (validation, validation * np.float32(0.01) + 7)
    ]
    strengths = [{attempt.strength for attempt in head.attempts} for head in heads]

    assert {STRENGTHS[0]} <= strengths[0] & strengths[1]
    same = [head for head in heads if head.chosen.strength == heads[0].chosen.strength]
    assert all(np.array_equal(head.layer.kernel, heads[0].layer.kernel) for head in same)
    iterations = [[attempt.iterations for attempt in head.attempts] for head in heads]
    shorter = min(map(len, iterations))
    assert iterations[0][:shorter] == iterations[1][:shorter]  # the path itself is the same


def test_the_chosen_attempt_has_the_least_validation_loss():
    head = fit(5)

    assert head.chosen.loss == min(attempt.loss for attempt in head.attempts)
    assert [attempt.strength for attempt in head.attempts] == list(STRENGTHS[: len(head.attempts)])


def test_balanced_weights_give_a_small_class_its_say():
    features, labels = clusters(2, 200)
    keep = np.r_[:200, 200:220]  # 200 photos of one class, 20 of the other
    validation, truth = clusters(2, 200, seed=1)
    recall = {}
    for weights in ("none", "balanced"):
        head = fit_head(
            features[keep], labels[keep], {"crop": validation}, truth, classes=2, class_weights=weights
        )
        layer = head.layer
        recall[weights] = ((validation @ layer.kernel + layer.bias).argmax(axis=1) == truth)[
            truth == 1
        ].mean()

    assert recall["balanced"] > recall["none"] + 0.1  # measured: 0.40 and 0.03


@pytest.mark.parametrize("classes", [2, 4])
def test_a_shift_of_all_features_changes_the_bias_and_nothing_else(classes):
    features, labels = clusters(classes, 20)
    validation, truth = clusters(classes, 5, seed=1)
    shift = np.linspace(0, 5, FEATURES, dtype=np.float32)

    here, there = (
        fit_head(features + by, labels, {"crop": validation + by}, truth, classes=classes).layer
        for by in (np.float32(0), shift)
    )

    logits = [validation @ here.kernel + here.bias, (validation + shift) @ there.kernel + there.bias]
    assert np.abs(logits[0] - logits[1]).max() < 0.02 * np.ptp(logits[0])
    assert np.abs(here.kernel - there.kernel).max() < 0.02 * np.abs(here.kernel).max()


def test_the_features_handed_in_stay_as_they_are():
    features, labels = clusters(3, 10)
    before = features.copy()

    fit_head(features, labels, {"crop": features}, labels, classes=3)

    assert np.array_equal(features, before)
