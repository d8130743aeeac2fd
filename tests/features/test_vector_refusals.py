"""A folder of parts: what is another's is not mixed or lost, and what cannot be done is said before any work."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from embed_scenes import digests, model_of, network, photograph, unfinished, write

from efficientnet_lite.errors import EfficientNetLiteError, UnusableInput, UsageError
from efficientnet_lite.features import vector_folder
from efficientnet_lite.features.vector_folder import PARTS
from efficientnet_lite.storage.listing import is_own

HERE = Path(__file__).parent

# What is another's is not mixed


DIFFERENCES = {
    "model": ({"seed": 1}, "the model was lite0@32 ("),
    "view": ({"view": "squash"}, "`view=` was crop, and is squash now"),
    "type": ({"dtype": "float16"}, "`dtype=` was float32, and is float16 now"),
    "rows": ({"part_rows": 5}, "`part_rows=` was 4, and is 5 now"),
    "layout": ({"layout": "clip-retrieval"}, "`layout=` was parts, and is clip-retrieval now"),
    "fewer photos": ({"below": "hats"}, "the number of photos was 11, and is 6 now"),
    "other photos": ({"rename": True}, "the photos are others"),
}


@pytest.mark.parametrize(("change", "words"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_vectors_that_were_made_otherwise_are_refused_and_stay(model, photos, out, tmp_path, change, words):
    change, before = dict(change), digests(out)
    seed, below = change.pop("seed", None), change.pop("below", None)
    other = model if seed is None else model_of(network(seed))
    given = photos / below if below else photos
    if change.pop("rename", False):
        given = shutil.copytree(photos, tmp_path / "others")

    with pytest.raises(UsageError) as caught:
        write(other, given, out, **change)
    assert words in caught.value.what
    assert "`overwrite=True`" in caught.value.fix
    assert digests(out) == before

    write(other, given, out, overwrite=True, **change)
    write(other, given, tmp_path / "alone", **change)
    assert digests(out) == digests(tmp_path / "alone")


def test_other_photos_in_a_table_of_as_many_rows_are_other_photos(model, photos, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="the extra [embed]")
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra [embed]")
    table, out = tmp_path / "table.parquet", tmp_path / "out"
    data = [path.read_bytes() for path in sorted(photos.rglob("*.png"))]
    pq.write_table(pa.table({"image": data}), table)
    write(model, table, out)
    before = digests(out)
    pq.write_table(pa.table({"image": [*data[1:], data[0]]}), table, row_group_size=4)

    with pytest.raises(UsageError, match="the photos are others"):
        write(model, table, out)
    assert digests(out) == before


def test_another_version_of_the_package_or_the_runtime_is_another_folder(model, photos, out):
    path = out / "_dataset.json"
    document = json.loads(path.read_text())
    document["provenance"] |= {"package": "0.0.1", "runtime": "ai-edge-litert 1.0"}
    path.write_text(json.dumps(document))

    with pytest.raises(
        UsageError, match=r"version of this package was 0\.0\.1.*runtime was ai-edge-litert 1\.0"
    ):
        write(model, photos, out)


def test_a_file_of_somebody_elses_under_the_name_of_a_part_is_refused_before_anything(
    model, photos, tmp_path
):
    out = unfinished(model, photos, tmp_path / "v")
    (out / "part-00002.parquet").write_bytes(b"mine")
    before = digests(out)

    for overwrite in (False, True):
        with pytest.raises(UsageError, match="not written here has the name that a part needs"):
            write(model, photos, out, overwrite=overwrite)
    assert digests(out) == before


def test_a_folder_in_the_place_of_a_part_is_refused_too(model, photos, tmp_path):
    out = unfinished(model, photos, tmp_path / "v")
    (out / "part-00002.parquet").mkdir()

    with pytest.raises(UsageError, match="has the name that a part needs"):
        write(model, photos, out)


def test_a_call_that_goes_on_says_from_where(model, photos, tmp_path, caplog):
    out = unfinished(model, photos, tmp_path / "v")
    caplog.set_level("INFO", logger="efficientnet_lite")

    write(model, photos, out)

    assert "going on: 2 of 3 parts are there" in caplog.text


def test_a_journal_of_more_lines_than_parts_can_be_is_none(model, photos, tmp_path):
    out = unfinished(model, photos, tmp_path / "v")
    line = (out / "_parts.jsonl").read_bytes().splitlines(keepends=True)[0]
    (out / "_parts.jsonl").write_bytes(line * 31_000)

    with pytest.raises(UsageError, match="has the name that a part needs"):
        write(model, photos, out)


def test_the_users_own_files_stay_also_when_it_begins_anew(model, photos, whole, out):
    (out / "notes.txt").write_text("mine")
    (out / "more").mkdir()
    (out / "part-00007.parquet").write_bytes(b"mine")  # no part of ours has this name

    write(model, photos, out, overwrite=True)

    mine = {name: digest for name, digest in digests(out).items() if name not in digests(whole["parts"])}
    assert sorted(mine) == ["notes.txt", "part-00007.parquet"]
    assert (out / "more").is_dir()
    assert {**digests(whole["parts"]), **mine} == digests(out)


@pytest.mark.parametrize("layout", ["parts", "clip-retrieval"])
def test_beginning_anew_leaves_nothing_of_more_parts(model, photos, tmp_path, layout):
    write(model, photos, tmp_path / "v", part_rows=1)

    write(model, photos, tmp_path / "v", layout=layout, overwrite=True)

    write(model, photos, tmp_path / "alone", layout=layout)
    assert digests(tmp_path / "v") == digests(tmp_path / "alone")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"made_by": "efficientnet-lite 0.1.0"}',
        '{"made_by": "efficientnet-lite 0.1.0", "complete": true, "provenance": {}, "written": {}}',
        '{"made_by": "another", "complete": true}',
        "[" * 100_000,
    ],
)
def test_a_marker_that_is_none_of_ours_makes_the_folder_somebody_elses(model, photos, out, text):
    (out / "_dataset.json").write_text(text)
    before = digests(out)

    for overwrite in (False, True):
        with pytest.raises(UsageError, match="never replaced"):
            write(model, photos, out, overwrite=overwrite)
    assert digests(out) == before


@pytest.mark.parametrize("name", ["notes.txt", "../photos/hats/00.png", "/etc/passwd", "img_emb/../x.npy"])
def test_a_marker_that_lists_what_is_no_part_removes_nothing(model, photos, out, name):
    document = json.loads((out / "_dataset.json").read_text())
    document["written"][name] = document["written"]["part-00000.parquet"]
    (out / "_dataset.json").write_text(json.dumps(document))
    (out / "notes.txt").write_text("mine")
    before = digests(out)

    with pytest.raises(UsageError, match="never replaced"):
        write(model, photos, out, overwrite=True)
    assert digests(out) == before


def test_the_other_form_is_named_in_both_directions(model, photos, out, tmp_path):
    write(model, photos, tmp_path / "npy", format="npy")

    for place, format, words in (
        (out, "npy", "as parts"),
        (tmp_path / "npy", "parquet", r"as features\.npy"),
    ):
        for overwrite in (False, True):
            with pytest.raises(UsageError, match=words) as caught:
                write(model, photos, place, format=format, overwrite=overwrite)
            assert f"`format='{'parquet' if format == 'npy' else 'npy'}'`" in caught.value.fix


# What cannot be done


def test_photos_of_which_none_can_be_used_leave_nothing(model, tmp_path):
    photos = photograph(tmp_path / "photos", broken=range(11))

    with pytest.raises(UnusableInput, match=r"none of the 11 photos can be used; 11 x no JPEG"):
        write(model, photos, tmp_path / "v")
    (tmp_path / "v").mkdir()
    with pytest.raises(UnusableInput):
        write(model, photos, tmp_path / "v")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_of_photos_that_none_can_be_used_the_users_files_stay(model, photos, out, tmp_path):
    (out / "notes.txt").write_text("mine")
    lost = photograph(tmp_path / "photos", broken=range(11))

    with pytest.raises(UnusableInput):
        write(model, lost, out, overwrite=True)

    assert list(digests(out)) == ["notes.txt"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"part_rows": 0}, "part_rows=0"),
        ({"part_rows": 10**7}, "part_rows=10000000"),
        ({"layout": "clip-retrieval", "dtype": "int8"}, "dtype='int8'"),
        ({"format": "npy", "dtype": "int8"}, "dtype='int8'"),
        ({"format": "npy", "layout": "clip-retrieval"}, "layout='clip-retrieval'"),
    ],
)
def test_a_form_that_there_is_not_is_refused_before_any_work(model, tmp_path, form, words):
    with pytest.raises(UsageError, match=words):
        write(model, tmp_path / "gone", tmp_path / "v", **form)


def test_more_parts_than_can_be_listed_are_refused_with_what_fits(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(vector_folder, "MAX_PARTS", 2)

    with pytest.raises(UsageError, match="11 photos make 3 parts") as caught:
        write(model, photos, tmp_path / "v")
    assert "`part_rows=6` or more" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_the_other_format_is_offered(model, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(UsageError, match="need pyarrow") as caught:
        write(model, photos, tmp_path / "v")
    assert "efficientnet-lite[embed]" in caught.value.fix
    assert "`format='npy'`" in caught.value.fix
    assert write(model, photos, tmp_path / "v", format="npy").count == 10


# Writes until the disk takes nothing more, of which a limit of bytes for every file is a likeness: the second part, of
# more rows that can be used, does not fit.
FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from embed_scenes import *
from efficientnet_lite.errors import OutputFailed
place = Path(sys.argv[2])
model = model_of(network())
photos = photograph(place / "photos", broken=range(4))
write(model, photos, place / "w")
first, second = (len((place / f"w/part-0000{number}.parquet").read_bytes()) for number in (0, 1))
assert first < second - 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (second - 500, resource.RLIM_INFINITY))
try:
    write(model, photos, place / "v")
except OutputFailed as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sorted(digests(place / "v")))
write(model, photos, place / "v")
assert digests(place / "v") == digests(place / "w")
"""


def test_a_full_disk_keeps_what_is_written_and_says_so(tmp_path):
    pytest.importorskip("resource", reason="a limit needs Unix")

    done = subprocess.run(
        [sys.executable, "-c", FULL, str(HERE), str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "it could not be written: File too large" in done.stdout
    assert "part-00001.parquet" in done.stdout
    assert "the same command then goes on: 1 of 3 parts are written" in done.stdout
    assert "['_dataset.json', '_parts.jsonl', 'part-00000.parquet']" in done.stdout
    assert done.stderr == ""


def test_a_folder_of_ours_is_known_whether_it_is_complete_or_not(model, photos, out, tmp_path):
    assert is_own(out, PARTS)
    assert is_own(unfinished(model, photos, tmp_path / "half"), PARTS)
    with pytest.raises(EfficientNetLiteError):
        write(model, photos, photos)  # the photos' own folder
