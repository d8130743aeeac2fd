"""DataFrames with the columns of a manifest: of pandas and of polars, and of anything else that has columns."""

import math
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import scenes

from efficientnet_lite.commands.check import check
from efficientnet_lite.errors import UnusableDataset, WrongType
from efficientnet_lite.photos.dataset import dataset_place, open_dataset
from efficientnet_lite.photos.frames import Frame, common_folder


class Table:
    """The least that a DataFrame is: names of columns, and each column by its name."""

    def __init__(self, columns):
        self.columns, self._columns = list(columns), columns

    def __getitem__(self, name):
        return self._columns[name]


def pandas_frame(columns):
    return import_module("pandas").DataFrame(columns)


def polars_frame(columns):
    return import_module("polars").DataFrame(columns, strict=False)


KINDS = [
    pytest.param(Table, id="columns"),
    *(
        pytest.param(
            make,
            id=name,
            marks=pytest.mark.skipif(find_spec(name) is None, reason=f"no {name}: make test-peers"),
        )
        for name, make in (("pandas", pandas_frame), ("polars", polars_frame))
    ),
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("frames") / "photos", count=4)


@pytest.fixture
def columns(photos):
    paths = sorted(photos.rglob("*.*"))
    return {"path": [str(path) for path in paths], "label": [path.parent.name for path in paths]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_the_data_set_of_its_rows(kind, columns, photos):
    dataset = open_dataset(dataset_place(kind(columns)))

    assert dataset.labels == scenes.LABELS
    assert len(dataset.rows) == 12
    assert dataset.root == photos
    assert dataset.rows[0].name == "ball/ball-00.png"
    assert [row.path for row in dataset.rows] == [Path(path) for path in columns["path"]]


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_columns_splits_and_relative_paths_are_those_of_a_manifest(
    kind, columns, photos, monkeypatch
):
    monkeypatch.chdir(photos.parent)
    splits = ["train", "val", "train", "test"] * 3
    relative = [Path(path).relative_to(photos.parent).as_posix() for path in columns["path"]]
    frame = kind({"Image": relative, "CLASS": columns["label"], "subset": splits, "width": [80] * 12})

    dataset = open_dataset(dataset_place(frame))

    assert [row.split for row in dataset.rows] == ["train", "validation", "train", "test"] * 3
    assert dataset.rows[0].path == photos / "ball" / "ball-00.png"


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_may_be_a_whole_number_and_a_path_path_like(kind, columns):
    paths = list(map(Path, columns["path"])) if kind is not polars_frame else columns["path"]

    dataset = open_dataset(dataset_place(kind({"path": paths, "label": [7, 8, 9] * 4})))

    assert dataset.labels == ("7", "8", "9")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("label", None, "row 3 has no label"),
        ("path", None, "row 3 has no path"),
        ("path", "", "row 3: the path is empty"),
        ("label", " ", "row 3: the label is empty"),
        ("split", "later", "row 3: unknown split 'later'"),
        ("split", None, "row 3: no split, unlike row 0"),
    ],
)
def test_a_cell_that_says_nothing_is_named_by_its_row(kind, columns, column, value, says):
    cells = list(columns.get(column, ["train"] * 12))
    cells[3] = value

    with pytest.raises(UnusableDataset) as caught:
        check(kind({**columns, column: cells}))

    assert caught.value.what.startswith(says)
    assert caught.value.where == "the DataFrame"


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_the_columns_or_rows_says_what_it_has(kind, columns):
    with pytest.raises(UnusableDataset, match="it has no column of paths, but 'photo_id', 'label'"):
        check(kind({"photo_id": columns["path"], "label": columns["label"]}))
    with pytest.raises(UnusableDataset, match="it has no column of labels, but 'path', 'caption'"):
        check(kind({"path": columns["path"], "caption": columns["label"]}))
    with pytest.raises(UnusableDataset, match="it has no rows"):
        check(kind({"path": [], "label": []}))


@pytest.mark.parametrize("kind", KINDS)
def test_missing_photos_are_skipped_by_their_rows_and_a_contradiction_is_named(kind, columns, photos):
    paths = [*columns["path"], str(photos / "gone.png"), "https://example.org/a.jpg"]
    found = check(kind({"path": paths, "label": [*columns["label"], "ball", "ball"]}))

    assert dict(found.accounting.rows()) == {
        str(photos / "gone.png"): "no such file (row 12)",
        "https://example.org/a.jpg": "an address, and nothing is downloaded (row 13)",
    }
    with pytest.raises(UnusableDataset, match="rows 0 and 12 name the same photo"):
        check(kind({"path": [*columns["path"], paths[0]], "label": [*columns["label"], "box"]}))


def test_paths_that_lead_nowhere_are_said_to_be_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UnusableDataset) as caught:
        check(Table({"path": ["a.jpg", "b.jpg"], "label": ["x", "y"]}))

    assert caught.value.what == f"none of the 2 photos exist, the first is '{tmp_path / 'a.jpg'}'"
    assert caught.value.fix.startswith(f"write the paths relative to the current folder, {tmp_path}")


@pytest.mark.skipif(find_spec("pandas") is None, reason="no pandas: make test-peers")
def test_pandas_own_kinds_of_cells_and_columns(columns):
    pandas = import_module("pandas")
    frame = pandas.DataFrame(columns, index=[f"photo {n}" for n in range(12)])
    frame["label"] = frame["label"].astype("category")
    frame["path"] = frame["path"].astype("string")

    assert open_dataset(dataset_place(frame)).labels == scenes.LABELS
    for missing in (pandas.NA, math.nan, pandas.NaT):
        frame = pandas.DataFrame(columns, dtype=object)
        frame.loc[5, "label"] = missing
        with pytest.raises(UnusableDataset, match="row 5 has no label"):
            check(frame)
    twice = pandas.concat([pandas.DataFrame(columns), pandas.DataFrame(columns)[["label"]]], axis=1)
    with pytest.raises(UnusableDataset, match="it has 2 columns 'label'"):
        check(twice)
    with pytest.raises(UnusableDataset, match="the label of row 0 has the type float"):
        check(pandas.DataFrame({**columns, "label": [0.5, 1.5, 2.5] * 4}))


def test_a_dictionary_or_a_list_of_rows_is_no_data_set(columns):
    with pytest.raises(WrongType, match="`photos=` has the type dict"):
        check(columns)
    with pytest.raises(WrongType, match="`photos=` has the type list"):
        check([columns])


def test_the_folder_is_the_nearest_that_holds_all():
    assert common_folder(["/a/b/x.jpg", "/a/b/c/y.jpg"]) == Path("/a/b")
    assert common_folder(["/a/x.jpg", "/b/y.jpg"]) == Path("/")
    assert common_folder(["https://a/x.jpg"]) == Path.cwd()


def test_a_frame_keeps_whole_paths_and_odd_names(tmp_path):
    names = ["=1.png", "a\nb.png", "back\\slash.png", "ü.png"]
    for name in names:
        scenes.draw("ball", 1).save(tmp_path / name)
    frame = dataset_place(Table({"path": [str(tmp_path / name) for name in names], "label": list("aabb")}))
    assert isinstance(frame, Frame)
    (tmp_path / "kept.jsonl").write_bytes(frame.manifest())

    assert {row.path.name for row in open_dataset(tmp_path / "kept.jsonl").rows} == set(names)
