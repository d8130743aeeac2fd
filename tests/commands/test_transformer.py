"""`EfficientNetLiteFeatures` is a transformer of scikit-learn: its own checks, and the ways in which people use one.

scikit-learn's checks draw rows of numbers, which are no photos, and the transformer says so by its tags. So that they
check all the rest, a class here draws each row as a gray photo of one line.
"""

import pickle
import warnings

import numpy as np
import pytest
import scenes
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_array, estimator_checks

import efficientnet_lite as el

OF_TABLES = (  # pandas and polars, where they are installed
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
)


class OnNumbers(el.EfficientNetLiteFeatures):
    """Takes rows of numbers, as many in each as when it was fitted."""

    def fit(self, X, y=None):  # noqa: N803
        photos = self.drawn(X)
        self.n_features_in_ = photos.shape[2]
        return super().fit(photos, y)

    def transform(self, X):  # noqa: N803
        photos = self.drawn(X)
        if hasattr(self, "embedder_") and photos.shape[2] != self.n_features_in_:
            raise ValueError("a row is of another length")
        return super().transform(photos)

    @staticmethod
    def drawn(X):  # noqa: N803
        rows = np.clip(check_array(X).astype(float), -50, 50)
        return (1 / (1 + np.exp(-rows)))[:, None, :, None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags

    def _more_tags(self):
        return {"X_types": ["2darray"]}


@pytest.fixture(scope="module")
def model(weights, tmp_path_factory):
    """A file, which opens sooner than a name does."""
    path = tmp_path_factory.mktemp("model") / "features.tflite"
    el.export(scenes.MODEL, path, weights=weights, outputs=["features"])
    return path


@pytest.fixture(scope="module")
def paths(photos):
    return sorted(map(str, photos.rglob("*.png")))


@pytest.fixture(scope="module")
def labels(paths):
    return [path.split("/")[-2] for path in paths]


@pytest.fixture(scope="module")
def vectors(model, paths):
    return el.Embedder(model).embed(paths)


# The checks of scikit-learn


def results(estimator):
    """Check -> what became of it; raises what a check that fails does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        found = estimator_checks.check_estimator(estimator)
    return {each["check_name"]: each["status"] for each in found or ()}  # before 1.6 they are not told


def test_it_says_that_rows_of_numbers_are_no_photos(model):
    with pytest.warns(SkipTestWarning, match="requires input"):
        estimator_checks.check_estimator(el.EfficientNetLiteFeatures(model))


def test_it_passes_every_check(model):
    found = results(OnNumbers(model, workers=1))

    assert set(found.values()) <= {"passed", "skipped"}
    assert {name for name, status in found.items() if status == "skipped"} <= {"check_array_api_input"}
    assert not found or len(found) > 30


@pytest.mark.parametrize("name", OF_TABLES)
def test_it_passes_the_checks_of_names_and_tables(model, name):
    check = getattr(estimator_checks, name)
    try:
        check("OnNumbers", OnNumbers(model, workers=1))
    except estimator_checks.SkipTest as skipped:
        pytest.skip(str(skipped))


@pytest.mark.parametrize(
    "name",
    [
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_repr",
    ],
)
def test_it_passes_the_checks_that_need_no_data_itself(model, name):
    if hasattr(estimator_checks, name):
        getattr(estimator_checks, name)("EfficientNetLiteFeatures", el.EfficientNetLiteFeatures(model))


# Photos


def test_photos_come_as_a_list_a_column_or_a_batch(model, paths, vectors):
    features = el.EfficientNetLiteFeatures(model)
    pixels = [np.asarray(Image.open(path).convert("RGB")) for path in paths[:5]]
    forms = [
        paths[:5],
        np.array(paths[:5]),
        np.array(paths[:5], object),
        np.array(paths[:5]).reshape(-1, 1),
        np.array(paths[:5], object).reshape(-1, 1),
        iter(paths[:5]),
        pixels,
        np.stack(pixels),
    ]

    for form in forms:
        found = features.fit_transform(form)
        assert found.dtype == np.float32
        assert np.array_equal(found, vectors[:5])
    assert features.fit_transform([]).shape == (0, 1280)


@pytest.mark.parametrize(
    "given",
    ["photo.png", np.zeros((5, 4)), np.zeros((5, 4, 3), np.uint8), b"bytes", 5, np.array([["a", "b"]])],
)
def test_what_is_not_several_photos_is_refused_at_once(model, given):
    with pytest.raises(el.WrongType):
        el.EfficientNetLiteFeatures(model).fit(given)


def test_a_photo_that_cannot_be_used_fails_or_is_a_row_of_nan(model, paths, vectors):
    with pytest.raises(el.UnreadablePhoto, match=r"gone\.png"):
        el.EfficientNetLiteFeatures(model).fit_transform([*paths[:2], "gone.png"])

    found = el.EfficientNetLiteFeatures(model, on_bad="nan").fit_transform([*paths[:2], "gone.png"])

    assert np.array_equal(found[:2], vectors[:2])
    assert np.isnan(found[2]).all()


@pytest.mark.parametrize(
    "wrong", [{"on_bad": "skip"}, {"view": "cropped"}, {"model": "lite9"}, {"workers": 0}]
)
def test_a_parameter_that_makes_no_sense_is_refused_by_fit(paths, wrong):
    with pytest.raises(el.EfficientNetLiteError, match=str(*wrong.values())):
        el.EfficientNetLiteFeatures(**{"model": scenes.MODEL, **wrong}).fit(paths)


def test_vectors_are_asked_for_after_fit(model, paths):
    with pytest.raises(NotFittedError):
        el.EfficientNetLiteFeatures(model).transform(paths)
    with pytest.raises(NotFittedError):
        el.EfficientNetLiteFeatures(model).get_feature_names_out()


# The ways in which people use it


def test_a_copy_has_no_engine_and_what_was_fitted_needs_no_file(model, paths, vectors, tmp_path):
    moved = tmp_path / "moved.tflite"
    moved.write_bytes(model.read_bytes())
    features = el.EfficientNetLiteFeatures(moved).fit(paths)
    features.transform(paths[:1])
    moved.unlink()

    again = pickle.loads(pickle.dumps(features))

    assert "pool" not in vars(again.embedder_._model)
    assert np.array_equal(again.transform(paths), vectors)
    assert len(pickle.dumps(clone(features))) < 1000
    assert clone(features).get_params() == features.get_params()


@pytest.mark.filterwarnings("ignore:scipy.optimize")  # what an old scikit-learn asks a new scipy for
def test_a_pipeline_is_fitted_searched_and_judged_by_several_processes(model, paths, labels, vectors):
    pipeline = make_pipeline(el.EfficientNetLiteFeatures(model, workers=1), LogisticRegression())

    scores = cross_val_score(pipeline, paths, labels, cv=3, n_jobs=2)
    searched = GridSearchCV(pipeline, {"efficientnetlitefeatures__view": ["crop", "squash"]}, cv=2).fit(
        paths, labels
    )

    assert scores.mean() > 0.6
    assert np.array_equal(scores, cross_val_score(LogisticRegression(), vectors, labels, cv=3))
    assert searched.best_score_ > 0.6
    assert set(searched.predict(paths)) == set(scenes.LABELS)
