"""Vectors as points: PCA as the textbook has it, the same points every time, and nothing odd of few or equal ones."""

from importlib.util import find_spec

import numpy as np
import pytest

from efficientnet_lite.errors import UsageError
from efficientnet_lite.neighbors import plane
from efficientnet_lite.neighbors.plane import check_method, plane_of, principal


def some(rows=300, size=40, seed=0):
    """Vectors of length one, in three groups."""
    random = np.random.default_rng(seed)
    groups = random.normal(0, 1, (3, size))[random.integers(0, 3, rows)]
    matrix = (groups + random.normal(0, 0.3, (rows, size))).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


@pytest.mark.parametrize("rows", [300, 30])
@pytest.mark.parametrize("block", [7, 4096])
def test_pca_is_that_of_a_singular_value_decomposition(monkeypatch, block, rows):
    monkeypatch.setattr(plane, "BLOCK_ROWS", block)
    matrix = some(rows)

    found, kept = principal(matrix, 4)

    left, values, directions = np.linalg.svd(matrix - matrix.mean(0, dtype=np.float64), full_matrices=False)
    signs = np.sign(directions[np.arange(4), np.abs(directions[:4]).argmax(1)])
    assert np.abs(found - left[:, :4] * values[:4] * signs).max() < 1e-4
    assert kept == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), abs=1e-5)


def test_the_order_of_photos_turns_or_mirrors_nothing():
    matrix = some()
    order = np.random.default_rng(1).permutation(len(matrix))

    first, _ = principal(matrix, 2)
    second, _ = principal(matrix[order], 2)

    assert np.abs(first[order] - second).max() < 1e-5


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_or_equal_photos_have_points_too(rows):
    equal = np.repeat(some(1), rows, axis=0)

    assert np.array_equal(plane_of(equal, "umap").points, np.zeros((rows, 2), np.float32))
    assert plane_of(equal, "umap").method == "pca"
    assert np.isfinite(plane_of(some(rows), "pca").points).all()


@pytest.mark.skipif(find_spec("umap") is not None, reason="UMAP is installed here")
def test_umap_that_is_not_installed_is_refused_only_where_it_is_asked_for():
    check_method(None)
    check_method("pca")
    with pytest.raises(UsageError, match="umap-learn") as caught:
        check_method("umap")
    assert "efficientnet-lite[map]" in caught.value.fix


@pytest.mark.filterwarnings("ignore")
def test_umap_gives_the_same_points_twice_and_keeps_groups_together():
    pytest.importorskip("umap", reason="the extra [map]")
    matrix = some()

    first, second = plane_of(matrix, "umap"), plane_of(matrix, "umap")

    assert first.method == "umap"
    assert np.array_equal(first.points, second.points)
    nearest = ((first.points[:, None] - first.points) ** 2).sum(2)
    np.fill_diagonal(nearest, np.inf)
    line = np.zeros((60, 40), np.float32)
    line[:30, 0] = line[30:, 1] = 1
    assert np.isfinite(plane_of(line, "umap").points).all()
    equal = np.repeat(line[:1], 60, axis=0)
    assert plane_of(equal, "umap").method == "pca"
    alike = (matrix * matrix[nearest.argmin(1)]).sum(1)
    assert alike.mean() > 0.7
