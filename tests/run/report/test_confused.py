"""What follows from the counts of confused classes, in whichever of two forms a card has them."""

import numpy as np

from efficientnet_lite.metrics import per_class
from efficientnet_lite.run.report.confused import Class, Confused, MixedUp, Pair

LABELS = ("a", "b", "c")


def of(rows):
    return Confused.of(LABELS, np.array(rows, np.int64))


def test_the_weakest_class_comes_first_and_one_without_photos_last():
    classes = of([[1, 3, 0], [0, 0, 0], [1, 0, 5]]).classes

    assert [(row.label, row.count, row.class_index) for row in classes] == [
        ("a", 4, 0),
        ("c", 6, 2),
        ("b", 0, 1),
    ]
    assert [row.recall for row in classes] == [0.25, 5 / 6, None]
    assert [row.precision for row in classes] == [0.5, 1.0, 0.0]


def test_the_figures_of_a_class_are_those_of_the_metrics():
    matrix = np.random.default_rng(0).integers(0, 3, (9, 9))
    labels = tuple("abcdefghi")

    rows = {row.class_index: row for row in Confused.of(labels, matrix).classes}

    for each in per_class(matrix):
        at = each.class_index
        assert rows[at] == Class(at, labels[at], each.support, each.recall, each.precision)


def test_the_commonest_confusion_comes_first_and_right_answers_are_none():
    confused = of([[9, 2, 0], [1, 1, 2], [0, 0, 7]])

    assert confused.pairs(2) == (Pair("b", "c", 2, 0.5), Pair("a", "b", 2, 2 / 11))
    assert len(confused.pairs(9)) == 3


def test_two_classes_are_mixed_up_both_ways():
    assert of([[9, 2, 0], [1, 1, 2], [0, 0, 7]]).most_mixed_up == MixedUp("a", "b", 3, 15)
    assert of([[9, 0, 0], [0, 1, 0], [0, 0, 7]]).most_mixed_up is None


def test_triples_say_the_same_as_a_matrix_in_any_order():
    rows = [[9, 2, 0], [1, 1, 2], [0, 0, 7]]
    triples = [[t, n, rows[t][n]] for t in (2, 0, 1) for n in (1, 2, 0) if rows[t][n]]

    read = Confused.read({"confused": triples}, LABELS)

    assert np.array_equal(read.cells, Confused.read({"confusion": rows}, LABELS).cells)
    assert read.classes == of(rows).classes


def test_nothing_judged_confuses_nothing():
    empty = Confused.read({"confused": []}, LABELS)

    assert empty.pairs(5) == ()
    assert [row.recall for row in empty.classes] == [None] * 3
    assert empty.most_mixed_up is None


def test_a_matrix_is_shown_with_the_color_of_its_share():
    first, second, third = of([[3, 1, 0], [0, 2, 0], [0, 0, 0]]).rows

    assert [(cell.count, cell.right) for cell in first.cells] == [(3, True), (1, False), (0, False)]
    assert first.cells[0].strength > first.cells[1].strength
    assert second.cells[1].strength == 48  # text on it stays readable
    assert [cell.count for cell in third.cells] == [0, 0, 0]
