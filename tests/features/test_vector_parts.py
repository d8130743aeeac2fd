"""The rows of a part, in both layouts and every type of number."""

import json

import numpy as np
import pytest
from embed_scenes import FEATURES, PART_ROWS, digests, write
from pyarrow import parquet

from efficientnet_lite.errors import UsageError
from efficientnet_lite.features import filling
from efficientnet_lite.features.parts import FOOTER_KEY, as_float, codes_of


@pytest.fixture(scope="module")
def vectors(model, photos, tmp_path_factory):
    """As the layout of one matrix has them: (10, 1280)."""
    return np.array(write(model, photos, tmp_path_factory.mktemp("npy") / "v", format="npy").features)


def test_a_row_for_each_photo_in_order_with_what_is_known_of_it(model, photos, vectors, tmp_path):
    embedded = write(model, photos, tmp_path / "v")
    rows = parquet.read_table(tmp_path / "v").to_pylist()

    assert [row["path"] for row in rows] == sorted(path.as_posix() for path in photos.rglob("*.png"))
    assert [row["id"] for row in rows] == [row["path"] for row in rows]
    assert [row["label"] for row in rows] == ["hats"] * 6 + ["shoes"] * 5
    assert [(row["width"], row["height"]) for row in rows if row["error"] is None] == [
        (12, 8 + number) for number in range(11) if number != 5
    ]
    (lost,) = [row for row in rows if row["error"] is not None]
    assert (lost["path"].rpartition("/")[2], lost["vector"], lost["width"]) == ("05.png", None, None)
    assert "no JPEG" in lost["error"]
    assert lost["sha256"] == digests(photos)["hats/05.png"]
    assert np.array_equal([row["vector"] for row in rows if row["vector"] is not None], vectors)
    assert np.array_equal(embedded.features, vectors)
    assert [path.name for path in embedded.paths] == [
        f"{number:02}.png" for number in range(11) if number != 5
    ]
    assert (embedded.rows, embedded.count, embedded.skipped, embedded.parts) == (11, 10, 1, 3)


def test_the_footer_says_what_the_part_was_made_of(model, photos, tmp_path):
    write(model, photos, tmp_path / "v", view="squash")
    marker = json.loads((tmp_path / "v/_dataset.json").read_text())
    schema = parquet.read_schema(tmp_path / "v/part-00002.parquet")
    footer = json.loads(schema.metadata[FOOTER_KEY])

    assert footer.pop("part") == 2
    assert footer == marker["provenance"]
    assert footer["contract"]["view"] == "squash"
    assert footer["runtime"].startswith("ai-edge-litert ")
    assert str(schema.field("vector").type) == "fixed_size_list<element: float>[1280]"
    assert (marker["complete"], marker["rows"], marker["skipped"], marker["parts"]) == (True, 11, 1, 3)
    assert set(marker["written"]) == {f"part-0000{number}.parquet" for number in range(3)}


@pytest.mark.parametrize(("dtype", "error"), [("float16", 2**-11), ("int8", 0.5 / 127)])
def test_fewer_bits_are_as_near_as_they_can_be(model, photos, vectors, tmp_path, dtype, error):
    embedded = write(model, photos, tmp_path / "v", dtype=dtype)
    rows = parquet.read_table(tmp_path / "v").to_pylist()

    largest = vectors.max(axis=1, keepdims=True)
    assert np.abs(embedded.features - vectors).max() <= (largest * error).max()
    assert [row["error"] for row in rows if row["vector"] is None] == [rows[5]["error"]]
    if dtype == "int8":
        assert rows[5]["scale"] is None
        assert np.max(rows[0]["vector"]) == 127


def test_int8_of_zeros_and_of_negative_numbers():
    features = np.float32([[0, 0], [-2, 1], [1e-45, 0]])

    codes, scales = codes_of(features)

    assert codes.tolist()[:2] == [[0, 0], [-127, 64]]
    assert np.allclose(codes * scales[:, None], features, atol=0.01)


def test_a_number_beyond_float16_is_refused():
    assert as_float(np.float32([[65504]]), "float16").tolist() == [[65504]]
    with pytest.raises(UsageError, match="float16 ends at 65504"):
        as_float(np.float32([[1e6]]), "float16")


def test_a_part_of_several_groups_has_the_same_rows(model, photos, tmp_path, monkeypatch):
    whole = write(model, photos, tmp_path / "whole", part_rows=11)
    monkeypatch.setattr(filling, "GROUP_ROWS", 2)
    grouped = write(model, photos, tmp_path / "grouped", part_rows=7)

    assert parquet.read_metadata(tmp_path / "grouped/part-00000.parquet").num_row_groups == 4
    assert parquet.read_table(tmp_path / "grouped").equals(parquet.read_table(tmp_path / "whole"))
    assert np.array_equal(whole.features, grouped.features)


def test_the_layout_of_clip_retrieval_has_matrix_and_table_row_by_row(model, photos, vectors, tmp_path):
    out = tmp_path / "v"
    embedded = write(model, photos, out, layout="clip-retrieval")
    matrices = [np.load(path) for path in sorted((out / "img_emb").iterdir())]
    tables = [parquet.read_table(path) for path in sorted((out / "metadata").iterdir())]
    skipped = [
        row for path in sorted((out / "skipped").iterdir()) for row in parquet.read_table(path).to_pylist()
    ]

    assert sorted(path.name for path in (out / "img_emb").iterdir()) == [f"img_emb_{k}.npy" for k in range(3)]
    assert tables[0].column_names == ["image_path", "id", "label", "width", "height", "sha256"]
    assert [len(table) for table in tables] == [len(matrix) for matrix in matrices] == [4, 3, 3]
    matrix = np.concatenate(matrices)
    assert matrix.dtype == np.float16
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(matrix - unit).max() < 1e-3
    assert [row["image_path"].rpartition("/")[2] for row in skipped] == ["05.png"]
    assert "no JPEG" in skipped[0]["error"]
    assert embedded.features.shape == (10, FEATURES)
    assert len(embedded.paths) == 10


def test_there_are_as_many_digits_as_the_parts_need(model, photos, tmp_path):
    write(model, photos, tmp_path / "v", layout="clip-retrieval", part_rows=1)

    names = sorted(path.name for path in (tmp_path / "v/metadata").iterdir())
    assert (names[0], names[-1], len(names)) == ("metadata_00.parquet", "metadata_10.parquet", 11)


def test_columns_of_a_list_and_names_that_are_no_utf8_come_through(model, photos, tmp_path):
    odd = tmp_path / "odd"
    odd.mkdir()
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    (odd / name).write_bytes((photos / "hats/00.png").read_bytes())

    write(model, odd, tmp_path / "v")
    (row,) = parquet.read_table(tmp_path / "v").to_pylist()

    assert row["path"].endswith("caf\\udce9.png")


def test_parts_are_small(model, photos, tmp_path):
    """Half of the numbers are zeros."""
    write(model, photos, tmp_path / "v", part_rows=11)

    raw = 10 * FEATURES * 4
    assert (tmp_path / "v/part-00000.parquet").stat().st_size < 0.7 * raw
    assert PART_ROWS < 11
