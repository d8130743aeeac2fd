"""A folder of vectors in a store: the bytes that a disk gets, whatever the store does meanwhile."""

import pytest
from embed_scenes import digests, stopped, write
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import register_implementation

from efficientnet_lite.errors import OutputFailed, UnusableInput, UsageError
from efficientnet_lite.features import destinations
from efficientnet_lite.features.sources import remote


class LamedFileSystem(LocalFileSystem):
    """A disk that behaves as a store in trouble: of its requests every so many-th fails."""

    protocol = "lamed"
    every, asked, failed = 10, 0, 0

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("lamed://"))


def _lamed(name):
    true = getattr(LocalFileSystem, name)

    def request(self, *arguments, **options):
        kind = type(self)
        kind.asked += 1
        if kind.every and kind.asked % kind.every == 0:
            kind.failed += 1
            raise OSError("503 Slow Down")
        return true(self, *arguments, **options)

    return request


for each in ("info", "open", "put_file", "get_file", "mv", "find", "rm_file", "makedirs"):
    setattr(LamedFileSystem, each, _lamed(each))
register_implementation("lamed", LamedFileSystem, clobber=True)


@pytest.fixture
def lamed(monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    LamedFileSystem.every, LamedFileSystem.asked, LamedFileSystem.failed = 10, 0, 0
    return LamedFileSystem


def into(model, photos, address, **form):
    given = destinations.folder_or_address(address)
    assert isinstance(given, str)
    return write(model, photos, given, **form)


@pytest.mark.parametrize("layout", ["parts", "clip-retrieval"])
def test_a_store_that_fails_every_tenth_request_gets_the_bytes_of_a_disk(
    lamed, model, photos, whole, tmp_path, layout
):
    embedded = into(model, photos, f"lamed://{tmp_path}/v", layout=layout)

    assert digests(tmp_path / "v") == digests(whole[layout])
    assert lamed.failed > 2
    assert embedded.features.shape == (10, 1280)
    assert into(model, photos, f"lamed://{tmp_path}/v", layout=layout).photos_per_second is None


def test_a_store_that_is_gone_is_asked_a_bounded_number_of_times(lamed, model, photos, tmp_path):
    lamed.every = 1
    with pytest.raises(UnusableInput, match="the store cannot be read: 503 Slow Down"):
        into(model, photos, f"lamed://{tmp_path}/v")
    assert lamed.asked == remote.ATTEMPTS


def test_a_store_that_takes_nothing_more_says_how_far_it_came_and_the_same_call_goes_on(
    lamed, model, photos, whole, tmp_path, monkeypatch
):
    lamed.every = 0
    true = lamed.put_file

    def full(self, path, place, **options):
        if "part-00001" in place:
            raise PermissionError("quota")
        return true(self, path, place, **options)

    monkeypatch.setattr(lamed, "put_file", full)
    with pytest.raises(OutputFailed, match=r"quota[\s\S]*the same command then goes on: 1 of 3 parts"):
        into(model, photos, f"lamed://{tmp_path}/v")
    monkeypatch.setattr(lamed, "put_file", true)
    into(model, photos, f"lamed://{tmp_path}/v")

    assert digests(tmp_path / "v") == digests(whole["parts"])


def test_what_was_begun_on_a_disk_goes_on_in_a_store_and_the_other_way_round(
    lamed, model, photos, whole, tmp_path
):
    stopped(model, photos, tmp_path / "v", 9)
    into(model, photos, f"lamed://{tmp_path}/v")
    assert digests(tmp_path / "v") == digests(whole["parts"])

    stopped(model, photos, f"lamed://{tmp_path}/w", 9)
    assert (tmp_path / "w/_parts.jsonl").is_file()
    write(model, photos, tmp_path / "w")
    assert digests(tmp_path / "w") == digests(whole["parts"])


def test_a_part_that_is_damaged_in_the_store_is_made_again(lamed, model, photos, whole, out, caplog):
    (out / "part-00001.parquet").write_bytes(b"?" * (out / "part-00001.parquet").stat().st_size)
    into(model, photos, f"lamed://{out}")

    assert digests(out) == digests(whole["parts"])
    assert "part-00001.parquet is missing or changed" in caplog.text


def test_anew_takes_away_what_is_ours_and_no_more(lamed, model, photos, out):
    (out / "notes.txt").write_text("mine")
    into(model, photos, f"lamed://{out}", overwrite=True, dtype="float16")

    assert (out / "notes.txt").read_text() == "mine"
    assert sorted(digests(out)) == sorted(
        ["_dataset.json", "notes.txt", *(f"part-0000{number}.parquet" for number in range(3))]
    )


def test_objects_appear_under_their_names_at_once(model, photos, whole, tmp_path):
    import fsspec

    into(model, photos, "memory://bucket/v")
    memory = fsspec.filesystem("memory")
    memory.get("/bucket/v", str(tmp_path / "v"), recursive=True)
    memory.rm("/bucket", recursive=True)

    assert digests(tmp_path / "v") == digests(whole["parts"])


def test_what_is_somebody_elses_is_refused(lamed, model, photos, tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"it holds notes\.txt"):
        into(model, photos, f"lamed://{tmp_path}/v")
    (tmp_path / "v/_dataset.json").write_text("{}")
    with pytest.raises(UsageError, match=r"never replaced: its _dataset\.json is not ours"):
        into(model, photos, f"lamed://{tmp_path}/v")


@pytest.mark.parametrize(
    ("address", "form", "said"),
    [
        ("https://example.org/v", {}, "https:// cannot be written to"),
        ("nowhere://v", {}, "no address that can be read"),
        ("memory://v", {"format": "npy"}, "one matrix is written on this machine"),
    ],
)
def test_where_nothing_can_be_written_that_is_said(model, photos, address, form, said):
    with pytest.raises((UsageError, UnusableInput), match=said):
        into(model, photos, address, **form)


def test_an_address_of_this_machines_disk_is_a_folder(tmp_path):
    assert destinations.folder_or_address(f"file://{tmp_path}/v") == tmp_path / "v"
    assert destinations.folder_or_address("file:/tmp/v") == destinations.Path("/tmp/v")
    assert destinations.folder_or_address(destinations.Path("s3://bucket/v")) == "s3://bucket/v"
    assert destinations.folder_or_address(str(tmp_path)) == tmp_path
