"""The nearest, exactly: what numpy gives when it sorts all of them, however they come and however many threads look."""

import numpy as np
import pytest

from efficientnet_lite.errors import UnusableInput, UsageError
from efficientnet_lite.neighbors import search
from efficientnet_lite.neighbors.answers import Query, answers, asked_by_id
from efficientnet_lite.neighbors.search import Block, as_stored, blocks_of, nearest, nearest_in
from efficientnet_lite.neighbors.vectors import StoredVectors, at_length_one


def vectors(rows, columns=48, seed=0, copies=()):
    matrix = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    for copy, of in copies:
        matrix[copy] = matrix[of]
    return matrix


def sorted_out(matrix, queries, k):
    """By definition: all cosines in float64, the earlier of equal ones first."""
    unit = matrix.astype(np.float64)
    lengths = np.linalg.norm(unit, axis=1)
    cosines = (queries.astype(np.float64) @ unit.T) / np.where(lengths > 0, lengths, 1)
    places = np.lexsort((np.broadcast_to(np.arange(len(matrix)), cosines.shape), -cosines))[:, :k]
    return places, np.take_along_axis(cosines, places, 1)


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize(("queries", "k"), [(1, 1), (1, 10), (7, 3), (40, 70)])
def test_the_nearest_are_those_of_all_sorted(monkeypatch, rows, queries, k):
    monkeypatch.setattr(search, "BLOCK_ROWS", 64)
    monkeypatch.setattr(search, "MOST_QUERIES", 16)
    matrix, asked = vectors(rows), at_length_one(vectors(queries, seed=1))
    places, cosines = sorted_out(matrix, asked, k)

    by_length = nearest(blocks_of(at_length_one(matrix)), asked, k)
    with_lengths = nearest(blocks_of(matrix, np.linalg.norm(matrix, axis=1)), asked, k)
    streamed = nearest(as_stored((at, matrix[at : at + 50]) for at in range(0, rows, 50)), asked, k)

    for found in (by_length, with_lengths, streamed):
        assert found.places.tolist() == places.tolist()
        assert np.abs(found.cosines - cosines).max() < 1e-5


def test_of_equal_ones_the_earlier_come_first_whichever_thread_is_faster():
    matrix = at_length_one(np.tile(vectors(1), (1000, 1)))
    blocks = [Block(start, matrix[start : start + 10]) for start in range(0, 1000, 10)]

    found = nearest(reversed(blocks), matrix[:2], 25)

    assert found.places.tolist() == [list(range(25))] * 2


def test_zeros_are_near_to_nothing_and_a_number_that_is_not_finite_is_an_error():
    matrix = vectors(5)
    matrix[3] = 0
    found = nearest(as_stored([(0, matrix)]), at_length_one(matrix[:1]), 5)
    assert found.cosines[0, found.places[0] == 3] == 0

    matrix[2, 7] = np.nan
    with pytest.raises(UnusableInput, match="not finite"):
        nearest(as_stored([(0, matrix)]), at_length_one(matrix[:1]), 5)


def test_the_first_error_of_a_block_ends_the_search():
    def blocks():
        yield Block(0, vectors(3))
        raise UnusableInput("a part is damaged", where="part", fix="again")

    with pytest.raises(UnusableInput, match="a part is damaged"):
        nearest(blocks(), vectors(1), 2)


@pytest.mark.parametrize("layout", ["parts", "int8", "clip-retrieval", "npy"])
def test_a_folder_gives_the_same_streamed_and_from_its_matrix(vector_folders, layout):
    stored = StoredVectors(vector_folders[layout])
    streaming = StoredVectors(vector_folders[layout])
    queries = np.array(stored.matrix()[::3])

    at_hand, streamed = nearest_in(stored, queries, 4), nearest_in(streaming, queries, 4)

    assert at_hand.places.tolist() == streamed.places.tolist()
    assert at_hand.places[:, 0].tolist() == list(range(0, 10, 3))
    assert np.abs(at_hand.cosines - streamed.cosines).max() < 5e-6  # float32, summed in other orders


def test_rows_and_vectors_of_some_places_are_those_of_all(vector_folders):
    stored, places = StoredVectors(vector_folders["parts"]), [9, 0, 4, 4]
    rows, matrix = StoredVectors(stored.folder).rows, StoredVectors(stored.folder).matrix()

    assert stored.rows_at(places) == [rows[place] for place in places]
    assert all(np.allclose(stored.vector_at(place), matrix[place], atol=1e-6) for place in places)
    assert [stored.place_of(rows[place].id) for place in places] == places


def test_a_photo_of_the_folder_is_not_among_its_own_neighbors(vector_folders):
    stored = StoredVectors(vector_folders["parts"])
    ids = [row.id for row in stored.rows[:2]]
    asked = [
        *asked_by_id(stored, ids),
        Query("gone", None, error=UnusableInput("no photo", where="", fix="")),
    ]

    first, second, third = answers(stored, asked, 3, lambda queries, k: nearest_in(stored, queries, k))

    assert [len(first.found), len(second.found)] == [3, 3]
    assert ids[0] not in [found.id for found in first.found]
    assert first.own == stored.rows[0]
    assert list(first.rows) == [row for found in first.found for row in stored.rows if row.id == found.id]
    assert (third.error, third.found) == ("no photo", ())


def test_an_id_that_is_not_there_names_those_that_end_like_it(vector_folders):
    stored = StoredVectors(vector_folders["parts"])

    with pytest.raises(UsageError) as caught:
        stored.place_of("00.png")

    assert "did you mean" in caught.value.fix
    assert stored.rows[0].id in caught.value.fix
