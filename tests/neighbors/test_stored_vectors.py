"""A folder of vectors, opened: the same numbers in every layout, and damage is named before a number is used."""

import json

import numpy as np
import pytest

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.storage import scratch

LAYOUTS = ("parts", "float16", "int8", "clip-retrieval", "npy")
CLOSE = {"float16": 1e-3, "int8": 2e-2, "clip-retrieval": 1e-3}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows_and_the_vectors_at_length_one(vector_folders, layout):
    reference, opened = StoredVectors(vector_folders["parts"]), StoredVectors(vector_folders[layout])

    assert len(opened) == len(opened.rows) == 10  # the eleventh is no photo
    assert [row.path for row in opened.rows] == [row.path for row in reference.rows]
    assert [row.sha256 for row in opened.rows] == [row.sha256 for row in reference.rows]
    assert opened.matrix().dtype == np.float32
    assert not opened.matrix().flags.writeable
    assert np.abs(np.linalg.norm(opened.matrix(), axis=1) - 1).max() < 1e-3
    assert np.abs(opened.matrix() - reference.matrix()).max() <= CLOSE.get(layout, 0)
    assert opened.provenance == reference.provenance
    assert opened.size == 1280


def test_rows_say_what_is_known_of_a_photo(vector_folders):
    (first, *_, last) = StoredVectors(vector_folders["parts"]).rows

    assert (first.label, first.width, first.height, first.id) == ("hats", 12, 8, first.path)
    assert (last.label, last.height) == ("shoes", 18)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rows", [1, 3, 4096])
def test_batches_are_all_vectors_in_order(vector_folders, layout, rows):
    opened = StoredVectors(vector_folders[layout])

    batches = list(opened.batches(rows))

    assert [start for start, _ in batches] == list(np.cumsum([0, *(len(each) for _, each in batches)])[:-1])
    assert max(len(each) for _, each in batches) <= rows
    stacked = np.concatenate([each for _, each in batches])
    lengths = np.linalg.norm(stacked, axis=1, keepdims=True)
    assert np.allclose(stacked / lengths, opened.matrix(), atol=1e-6)


def test_a_large_matrix_lies_in_a_file_without_a_name(vector_folders, monkeypatch, tmp_path):
    held = StoredVectors(vector_folders["parts"]).matrix()
    monkeypatch.setattr(scratch, "HELD_BYTES", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    mapped = StoredVectors(vector_folders["parts"]).matrix()

    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, held)
    assert list(tmp_path.iterdir()) == []


DAMAGED = {
    "parts": "part-00001.parquet",
    "clip-retrieval": "img_emb/img_emb_1.npy",
    "npy": "features.npy",
}


@pytest.mark.parametrize(("layout", "name"), DAMAGED.items(), ids=DAMAGED)
@pytest.mark.parametrize("damage", ["one bit", "cut", "gone"])
def test_a_damaged_part_is_named_with_the_way_to_mend_it(spoiled, layout, name, damage):
    folder = spoiled(layout)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data if damage == "one bit" else data[:-7])

    with pytest.raises(UnusableInput) as caught:
        StoredVectors(folder).matrix()

    assert name in caught.value.what
    assert ("missing" if damage == "gone" else "damaged") in caught.value.what
    assert "`embed`" in caught.value.fix


def test_a_folder_that_is_still_growing_counts_with_its_whole_parts(spoiled, caplog):
    folder = spoiled()
    document = json.loads((folder / "_dataset.json").read_text())
    written = document.pop("written")
    names = list(written)
    lines = [json.dumps({name: written[name]}) for name in names[:-1]]
    (folder / "_parts.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "_dataset.json").write_text(json.dumps(document | {"complete": False}))
    (folder / names[-1]).rename(folder / f".{names[-1]}.0123abcd.part")

    opened = StoredVectors(folder)

    assert "2 of 3 parts are there" in caplog.text
    assert len(opened) == len(opened.rows) == len(opened.matrix()) == 7


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (None, None, "no such folder"),
        ("photo.jpg", "x", "no _dataset.json"),
        ("_dataset.json", "{}", "not ours"),
        ("_dataset.json", "{", "no JSON"),
        ("embed.json", "{}", "not ours"),
    ],
)
def test_what_is_no_folder_of_vectors_is_refused(tmp_path, name, text, words):
    folder = tmp_path / "folder"
    if name is not None:
        folder.mkdir()
        (folder / name).write_text(text)

    with pytest.raises(UnusableInput) as caught:
        StoredVectors(folder)

    assert words in caught.value.what
    assert "`embed`" in caught.value.fix
