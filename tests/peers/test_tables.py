"""Photos from tables of pandas and polars, and vectors as tables of theirs, through the transformer of scikit-learn."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import efficientnet_lite as el

sys.path.insert(0, str(Path(__file__).parent.parent / "commands"))
import scenes

REASON = "in an environment of its own: tests/peers/requirements.txt"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return sorted(map(str, scenes.photograph(tmp_path_factory.mktemp("photos"), count=4).rglob("*.??g")))


@pytest.fixture(scope="module")
def vectors(paths):
    return el.Embedder(scenes.MODEL).embed(paths)


@pytest.fixture(scope="module", params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param, reason=REASON)


@pytest.fixture
def table(library, paths):
    return library.DataFrame({"path": paths, "price": [float(len(path)) for path in paths]})


def test_a_column_of_paths_is_photos(library, table, paths, vectors):
    features = el.EfficientNetLiteFeatures(scenes.MODEL)

    for column in (table["path"], table[["path"]], library.DataFrame({"path": paths})):
        assert np.array_equal(features.fit_transform(column), vectors)
    assert np.array_equal(el.Embedder(scenes.MODEL).embed(table["path"]), vectors)
    with pytest.raises(el.WrongType, match="X="):
        features.fit(table)


def test_vectors_come_as_a_table(library, table, vectors):
    features = el.EfficientNetLiteFeatures(scenes.MODEL).set_output(transform=library.__name__)
    if library.__name__ == "pandas":
        table.index = [f"row {number}" for number in range(len(table))]

    found = features.fit_transform(table["path"])

    assert isinstance(found, library.DataFrame)
    assert list(found.columns) == list(features.get_feature_names_out())
    assert np.array_equal(found.to_numpy(), vectors)
    if library.__name__ == "pandas":
        assert list(found.index) == list(table.index)
        assert set(map(str, found.dtypes)) == {"float32"}


@pytest.mark.parametrize("column", ["path", ["path"]])
def test_photos_stand_beside_numbers_in_one_classifier(table, paths, column):
    labels = [Path(path).parent.name for path in paths]
    columns = ColumnTransformer(
        [("photo", el.EfficientNetLiteFeatures(scenes.MODEL), column), ("price", StandardScaler(), ["price"])]
    )

    classifier = make_pipeline(columns, LogisticRegression()).fit(table, labels)

    assert list(classifier.predict(table)) == labels
    assert columns.get_feature_names_out()[-1] == "price__price"
