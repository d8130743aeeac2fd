"""Metrics against slow obvious versions, scikit-learn and published intervals."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from efficientnet_lite import metrics

coarse = st.integers(-3, 3).map(float)  # few values, so that ties are common
wide = st.floats(-(2.0**100), 2.0**100, width=32)


@st.composite
def scores_and_truth(draw, elements=coarse):
    photos, classes = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    scores = draw(arrays.arrays(np.float32, (photos, classes), elements=elements))
    truth = draw(arrays.arrays(np.int64, photos, elements=st.integers(0, classes - 1)))
    return scores, truth


@st.composite
def truth_and_predicted(draw):
    photos, classes = draw(st.integers(1, 30)), draw(st.integers(2, 6))
    indices = arrays.arrays(np.int32, photos, elements=st.integers(0, classes - 1))
    return draw(indices), draw(indices), classes


@st.composite
def two_of_one_shape(draw, elements=coarse):
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 6)))
    return tuple(draw(arrays.arrays(np.float32, shape, elements=elements)) for _ in range(2))


@given(scores_and_truth(), st.integers(1, 8))
def test_top_k_counts_the_truths_among_the_k_best_after_a_stable_sort(case, k):
    scores, truth = case

    best = [sorted(range(len(row)), key=lambda index: -row[index])[:k] for row in scores]

    expected = sum(own in row for own, row in zip(truth, best, strict=True)) / len(truth)
    assert metrics.top_k(scores, truth, k) == pytest.approx(expected)


@given(scores_and_truth())
def test_top_1_is_the_accuracy_of_argmax(case):
    scores, truth = case

    assert metrics.top_k(scores, truth, 1) == metrics.accuracy(truth, scores.argmax(axis=1))


def test_top_k_agrees_with_scikit_learn_where_nothing_ties():
    random = np.random.default_rng(1)
    scores, truth = random.normal(size=(200, 10)), random.integers(0, 10, 200)

    for k in (1, 3, 9):
        assert metrics.top_k(scores, truth, k) == top_k_accuracy_score(truth, scores, k=k, labels=range(10))


def test_a_row_with_a_nan_is_never_right_and_agrees_with_nothing():
    broken = np.array([[np.nan, 1.0, 2.0], [0.0, np.nan, np.nan]], dtype=np.float32)
    truth = np.array([2, 0])

    assert metrics.top_k(broken, truth, 3) == 0
    assert metrics.agreement(broken, broken) == 0
    assert math.isnan(metrics.snr_db(np.ones((2, 3), np.float32), broken))
    assert math.isnan(metrics.snr_db(np.array([[np.inf, 0.0]]), np.array([[1.0, 0.0]])))


@given(truth_and_predicted())
def test_confusion_has_a_row_per_true_class_as_in_scikit_learn(case):
    truth, predicted, classes = case

    matrix = metrics.confusion(truth, predicted, classes)

    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, predicted, labels=range(classes)))


def test_confusion_counts_narrow_integers_without_wrapping():
    truth = np.full(300, 200, dtype=np.uint8)

    matrix = metrics.confusion(truth, truth, 201)

    assert matrix[200, 200] == 300
    assert matrix.sum() == 300


@given(truth_and_predicted())
def test_scores_per_class_are_those_of_scikit_learn_and_none_where_it_divides_by_zero(case):
    truth, predicted, classes = case

    rows = metrics.per_class(metrics.confusion(truth, predicted, classes))

    expected = precision_recall_fscore_support(truth, predicted, labels=range(classes), zero_division=np.nan)
    for row, *values in zip(rows, *expected, strict=True):
        for ours, theirs in zip((row.precision, row.recall, row.f1), values, strict=False):
            assert ours is None if np.isnan(theirs) else ours == pytest.approx(theirs)
        assert row.support == values[3]
    assert [row.class_index for row in rows] == list(range(classes))


@given(truth_and_predicted())
def test_means_over_classes_are_those_of_scikit_learn_over_the_classes_in_truth(case):
    truth, predicted, classes = case

    matrix = metrics.confusion(truth, predicted, classes)

    occurring = np.unique(truth)
    f1 = f1_score(truth, predicted, labels=occurring, average="macro", zero_division=0)
    recalls = [np.mean(predicted[truth == index] == index) for index in occurring]
    assert metrics.macro_f1(matrix) == pytest.approx(f1)
    assert metrics.balanced_accuracy(matrix) == pytest.approx(np.mean(recalls))


def test_balanced_accuracy_is_that_of_scikit_learn():
    random = np.random.default_rng(2)
    truth, predicted = random.integers(0, 7, 300), random.integers(0, 7, 300)

    ours = metrics.balanced_accuracy(metrics.confusion(truth, predicted, 7))

    assert ours == pytest.approx(balanced_accuracy_score(truth, predicted))


@given(two_of_one_shape())
def test_agreement_counts_equal_best_classes_and_is_symmetric(pair):
    a, b = pair

    expected = sum(x.argmax() == y.argmax() for x, y in zip(a, b, strict=True)) / len(a)

    assert metrics.agreement(a, b) == metrics.agreement(b, a) == pytest.approx(expected)
    assert metrics.agreement(a, a) == 1


@given(two_of_one_shape(st.floats(-100, 100, width=16)))
def test_snr_sums_over_all_photos_after_centering_each(pair):
    reference, other = pair
    signal = noise = 0.0
    for a, b in zip(reference.astype(float), other.astype(float), strict=True):
        a, b = a - a.mean(), b - b.mean()
        signal, noise = signal + (a**2).sum(), noise + ((a - b) ** 2).sum()

    found = metrics.snr_db(reference, other)

    if noise == 0:
        assert found == math.inf
    elif signal == 0:
        assert found == -math.inf
    else:
        assert found == pytest.approx(10 * math.log10(signal / noise), abs=1e-9)


def test_a_tenth_of_noise_is_twenty_decibels_and_a_shift_of_a_row_is_no_noise():
    reference = np.array([[1.0, -1.0], [2.0, -2.0]])

    assert metrics.snr_db(reference, reference * 1.1) == pytest.approx(20)
    assert metrics.snr_db(reference, reference + np.array([[5.0], [-7.0]])) == math.inf


@given(scores_and_truth(wide))
def test_softmax_sums_to_one_at_any_size_and_keeps_type_and_best_class(case):
    logits, _ = case

    probabilities = metrics.softmax(logits)

    assert probabilities.dtype == np.float32
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert np.all(np.take_along_axis(probabilities, logits.argmax(axis=1)[:, None], axis=1) * 6 >= 1 - 1e-5)


@given(scores_and_truth(st.floats(-50, 50, width=32)), st.floats(-1000, 1000))
def test_softmax_and_cross_entropy_do_not_see_a_shift(case, shift):
    logits, truth = case[0].astype(float), case[1]

    np.testing.assert_allclose(metrics.softmax(logits + shift), metrics.softmax(logits), atol=1e-12)
    assert metrics.cross_entropy(logits + shift, truth) == pytest.approx(
        metrics.cross_entropy(logits, truth), abs=1e-9
    )


def test_cross_entropy_is_the_log_loss_of_scikit_learn():
    random = np.random.default_rng(3)
    logits, truth = random.normal(0, 4, (100, 5)), random.integers(0, 5, 100)

    assert metrics.cross_entropy(logits, truth) == pytest.approx(
        log_loss(truth, metrics.softmax(logits), labels=range(5))
    )


def test_cross_entropy_of_a_hopeless_logit_is_large_and_finite():
    assert metrics.cross_entropy(np.array([[1e4, 0.0]], np.float32), np.array([1])) == pytest.approx(1e4)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_newcombes_table(successes, count, low, high):
    """Source: Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert metrics.wilson_interval(successes, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@example((0, 3))
@example((3, 3))
def test_wilson_intervals_hold_the_fraction_have_width_and_mirror(case):
    successes, count = case

    low, high = metrics.wilson_interval(successes, count)
    mirrored = metrics.wilson_interval(count - successes, count)

    assert 0 <= low <= successes / count <= high <= 1
    assert high > low
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def outcomes(both: int, only_a: int, only_b: int, neither: int):
    """Two bool vectors with these counts."""
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


counts = st.tuples(*[st.integers(0, 40)] * 4).filter(any)


def score_statistic(only_a: int, only_b: int, count: int, difference: float) -> float:
    """Tango's statistic, its nuisance share found by maximizing the likelihood on ever finer grids."""
    low, high = max(0.0, -difference), (1 - difference) / 2
    for _ in range(12):
        share_b = np.linspace(low, high, 101)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [
                np.where(number > 0, number * np.log(np.maximum(share, 0)), 0.0)
                for number, share in (
                    (only_a, share_b + difference),
                    (only_b, share_b),
                    (count - only_a - only_b, 1 - 2 * share_b - difference),
                )
            ]
        best = int(np.argmax(sum(terms)))
        low, high = share_b[max(best - 1, 0)], share_b[min(best + 1, 100)]
    variance = (2 * share_b[best] + difference - difference**2) / count
    return ((only_a - only_b) / count - difference) / math.sqrt(variance)


@given(counts)
def test_both_ends_of_a_paired_interval_are_where_the_score_test_turns(case):
    _, only_a, only_b, _ = case
    count = sum(case)

    low, high = metrics.paired_interval(*outcomes(*case))

    if low > -0.999:
        assert score_statistic(only_a, only_b, count, low) == pytest.approx(1.959964, abs=1e-3)
    if high < 0.999:
        assert score_statistic(only_a, only_b, count, high) == pytest.approx(-1.959964, abs=1e-3)


@given(counts)
def test_paired_intervals_hold_the_difference_have_width_and_mirror(case):
    a, b = outcomes(*case)

    low, high = metrics.paired_interval(a, b)

    assert -1 <= low <= a.mean() - b.mean() + 1e-12
    assert a.mean() - b.mean() - 1e-12 <= high <= 1
    assert high > low
    assert metrics.paired_interval(b, a) == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.parametrize("both", [0, 50, 100])
def test_without_a_disagreement_the_paired_interval_keeps_the_width_that_the_count_allows(both):
    z = 1.959964

    interval = metrics.paired_interval(*outcomes(both, 0, 0, 100 - both))

    expected = z**2 / (100 + z**2)
    assert interval == pytest.approx((-expected, expected), abs=1e-6)


def test_pairing_narrows_the_interval_of_the_difference():
    a, b = outcomes(250, 6, 4, 40)

    paired = metrics.paired_interval(a, b)

    alone = metrics.wilson_interval(int(a.sum()), a.size)
    assert paired.high - paired.low < 0.7 * (alone.high - alone.low)


def test_more_confidence_gives_a_wider_interval():
    a, b = outcomes(250, 6, 4, 40)
    for interval in (
        lambda c: metrics.wilson_interval(9, 10, confidence=c),
        lambda c: metrics.paired_interval(a, b, confidence=c),
    ):
        assert interval(0.99).low < interval(0.8).low < interval(0.8).high < interval(0.99).high


ROWS, WIDE = np.zeros((3, 2)), np.zeros((3, 4))
YES = np.ones(3, bool)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.top_k(ROWS, np.array([0, 1, 2]), 1),
        lambda: metrics.top_k(ROWS, np.array([0, 1, -1]), 1),
        lambda: metrics.top_k(ROWS, np.array([0, 1]), 1),
        lambda: metrics.top_k(ROWS, np.array([0, 1, 1]), 0),
        lambda: metrics.top_k(ROWS[:0], np.array([], int), 1),
        lambda: metrics.accuracy(np.array([], int), np.array([], int)),
        lambda: metrics.accuracy(np.zeros(3, int), np.zeros(1, int)),
        lambda: metrics.confusion(np.zeros(3, int), np.zeros(1, int), 2),
        lambda: metrics.confusion(np.array([0]), np.array([2]), 2),
        lambda: metrics.macro_f1(np.zeros((2, 2), np.int64)),
        lambda: metrics.balanced_accuracy(np.zeros((2, 2), np.int64)),
        lambda: metrics.agreement(ROWS, WIDE),
        lambda: metrics.agreement(ROWS[:0], ROWS[:0]),
        lambda: metrics.snr_db(ROWS, WIDE),
        lambda: metrics.cross_entropy(ROWS, np.array([0, 1, 2])),
        lambda: metrics.wilson_interval(1, 0),
        lambda: metrics.wilson_interval(3, 2),
        lambda: metrics.wilson_interval(1, 2, confidence=1.0),
        lambda: metrics.paired_interval(YES, YES[:2]),
        lambda: metrics.paired_interval(YES[:0], YES[:0]),
        lambda: metrics.paired_interval(YES.astype(int), YES.astype(int)),
    ],
)
def test_arrays_that_do_not_fit_together_are_a_callers_bug(call):
    with pytest.raises(ValueError, match=r"got|expected|empty|not probabilities"):
        call()


def test_softmax_of_large_logits_is_finite():
    found = metrics.softmax(np.float32([[1e4, 0], [-1e4, -1e4]]))

    assert found.tolist() == [[1, 0], [0.5, 0.5]]
