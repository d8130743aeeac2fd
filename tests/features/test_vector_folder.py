"""A folder of parts: what is whole stays, and what is damaged is made again."""

import shutil

import pytest
from embed_scenes import digests, stopped, unfinished, write

# What is whole stays


def test_the_same_again_computes_nothing_and_changes_nothing(model, photos, out):
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}

    embedded = write(model, photos, out)

    assert embedded.photos_per_second is None
    assert (embedded.rows, embedded.skipped, embedded.parts) == (11, 1, 3)
    assert "no JPEG" in embedded.accounting.reasons()
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize("layout", ["parts", "clip-retrieval"])
@pytest.mark.parametrize("after", [0, 3, 4, 7, 10])
def test_after_an_interruption_the_same_call_gives_the_same_bytes(
    model, photos, whole, tmp_path, layout, after
):
    stopped(model, photos, tmp_path / "v", after, layout=layout)
    assert not [name for name in digests(tmp_path) if name.endswith((".part", ".lock"))]

    embedded = write(model, photos, tmp_path / "v", layout=layout)

    assert digests(tmp_path / "v") == digests(whole[layout])
    assert (embedded.rows, embedded.skipped) == (11, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v"]


def test_an_interruption_says_how_far_it_got_and_that_the_same_goes_on(model, photos, tmp_path, caplog):
    stopped(model, photos, tmp_path / "v", 9)
    stopped(model, photos, tmp_path / "v", 11, overwrite=True)

    assert "stopped: 2 of 3 parts are written; the same command goes on from there" in caplog.text
    assert "the same command without `overwrite=True` goes on" in caplog.text


def test_parts_can_be_read_as_they_come_and_are_not_written_twice(model, photos, tmp_path):
    out = unfinished(model, photos, tmp_path / "v")
    first = (out / "part-00000.parquet").stat().st_ino

    write(model, photos, out)

    assert (out / "part-00000.parquet").stat().st_ino == first


# What is damaged is made again


def spoil_bytes(out):
    path = out / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def exchange(out):
    (out / "part-00001.parquet").write_bytes((out / "part-00000.parquet").read_bytes())


SPOILS = {
    "a bit": spoil_bytes,
    "cut": lambda out: (out / "part-00001.parquet").write_bytes(b"PAR1"),
    "removed": lambda out: (out / "part-00001.parquet").unlink(),
    "exchanged": exchange,
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
@pytest.mark.parametrize("complete", [True, False])
def test_a_part_that_is_not_as_it_was_is_made_again_and_named(
    model, photos, whole, tmp_path, caplog, spoil, complete
):
    out = tmp_path / "v"
    shutil.copytree(whole["parts"], out) if complete else unfinished(model, photos, out)
    if not complete and spoil is SPOILS["removed"]:
        (out / "part-00000.parquet").unlink()  # the last of the journal may be missing without a word
    caplog.clear()
    spoil(out)

    embedded = write(model, photos, out)

    assert "is missing or changed, and made again" in caplog.text
    assert "part-0000" in caplog.text
    assert digests(out) == digests(whole["parts"])
    assert (embedded.rows, embedded.skipped) == (11, 1)


def test_a_part_that_was_announced_and_never_came_is_made_without_a_word(
    model, photos, whole, tmp_path, caplog
):
    out = unfinished(model, photos, tmp_path / "v")
    caplog.clear()
    (out / "part-00001.parquet").unlink()  # killed between the line and the name

    write(model, photos, out)

    assert caplog.text == ""
    assert digests(out) == digests(whole["parts"])


@pytest.mark.parametrize(
    "tail", [b'{"part-00001.parquet": {"by', b"\0\0\0", b"[]\n", b'{"../x": {}}\n', b"\n\n", b"[" * 99999]
)
def test_a_journal_with_a_torn_end_counts_up_to_it(model, photos, whole, tmp_path, tail):
    out = unfinished(model, photos, tmp_path / "v")
    lines = (out / "_parts.jsonl").read_bytes().splitlines(keepends=True)
    (out / "_parts.jsonl").write_bytes(lines[0] + tail)
    (out / "part-00001.parquet").unlink()

    write(model, photos, out)

    assert digests(out) == digests(whole["parts"])


def test_what_a_kill_left_is_swept(model, photos, whole, tmp_path):
    out = unfinished(model, photos, tmp_path / "v")
    for name in ("part-00001.parquet", "_dataset.json", "_parts.jsonl"):
        (out / f".{name}.0123abcd.part").write_bytes(b"half")
    (out / ".mine.0123abcd.part").write_bytes(b"mine")

    write(model, photos, out)

    assert digests(out) == {
        **digests(whole["parts"]),
        ".mine.0123abcd.part": digests(out)[".mine.0123abcd.part"],
    }


def test_a_kill_before_the_first_marker_leaves_a_folder_that_is_free(model, photos, whole, tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v/._dataset.json.0123abcd.part").write_bytes(b'{"made_')

    write(model, photos, tmp_path / "v")

    assert digests(tmp_path / "v") == digests(whole["parts"])


def test_a_kill_during_completion_leaves_nothing_to_compute(model, photos, whole, tmp_path):
    before = shutil.copytree(whole["parts"], tmp_path / "journal")
    (before / "_parts.jsonl").write_bytes(b"")  # not yet removed

    embedded = write(model, photos, before)

    assert embedded.photos_per_second is None
    assert digests(before) == digests(whole["parts"])
