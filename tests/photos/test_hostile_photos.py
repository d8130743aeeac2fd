"""Every photo of the shared hostile set, from files and in threads; nothing started, nothing allocated."""

import csv
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos import decode as photo_door

resource = pytest.importorskip("resource", reason="pipes, links and memory figures are those of POSIX")

MADE_AT_RUN_TIME = "made at run time"


def expectations(shared: Path) -> list[dict[str, str]]:
    with (shared / "data/hostile-images/expected.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if MADE_AT_RUN_TIME not in row["note"]]


def faults(row: dict[str, str], data: bytes) -> list[str]:
    """How the door's answer differs from the row; empty where it is right."""
    name = row["file"]
    try:
        photo = photo_door.decode(data, where=name)
    except UnreadablePhoto as error:
        one_line = 0 < len(error.what) < 250 and error.what.isprintable()
        return [] if row["verdict"] == "reject" and one_line else [f"{name}: refused: {error.what}"]
    if row["verdict"] == "reject":
        return [f"{name}: accepted"]
    found = []
    if (
        photo.full_size != (int(row["height"]), int(row["width"]))
        or photo.full_size != photo.pixels.shape[:2]
    ):
        found.append(f"{name}: size {photo.full_size}")
    if photo.pixels.dtype != np.uint8 or not photo.pixels.flags.c_contiguous:
        found.append(f"{name}: {photo.pixels.dtype}")
    if row["verdict"] == "ok-with-note" and not photo.notes:
        found.append(f"{name}: no note")
    return found + [f"{name}: {corner}" for corner in wrong_corners(row["check"], photo.pixels)]


def wrong_corners(check: str, pixels: np.ndarray) -> list[str]:
    wanted = dict(part.split("=") for part in check.split())
    tolerance = float(wanted.pop("tol", 0))
    corners = {"tl": pixels[:8, :8], "tr": pixels[:8, -8:], "bl": pixels[-8:, :8], "br": pixels[-8:, -8:]}
    means = {name: corners[name].mean(axis=(0, 1)) for name in wanted}
    return [
        f"{name} {means[name]}"
        for name, color in wanted.items()
        if np.abs(means[name] - [float(value) for value in color.split("/")]).max() > tolerance
    ]


@pytest.mark.parametrize("with_simplejpeg", [True, False], ids=["simplejpeg", "pillow-alone"])
def test_every_hostile_file_gets_its_verdict_size_and_colors(shared, monkeypatch, with_simplejpeg):
    if not with_simplejpeg:
        monkeypatch.setattr(photo_door, "simplejpeg", None)
    rows = expectations(shared)

    found = []
    for row in rows:
        path = shared / "data/hostile-images" / row["file"].encode().decode("unicode_escape")
        found += faults(row, photo_door.read_bytes(path))

    assert len(rows) == 121
    assert found == []


def test_four_threads_decode_the_hostile_files_without_a_warning_and_without_hiding_those_of_others(
    shared, monkeypatch
):
    monkeypatch.setattr(photo_door, "simplejpeg", None)  # Pillow is the one that warns
    rows = [row for row in expectations(shared) if not row["file"].startswith("bomb")]
    jobs = [(row, (shared / "data/hostile-images" / row["file"]).read_bytes()) for row in rows] * 2

    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda job: faults(*job), jobs)
        for _ in range(200):
            with pytest.raises(UserWarning, match="mine"):  # warnings are errors here
                warnings.warn("mine", stacklevel=1)

    assert [fault for result in results for fault in result] == []


def test_a_warning_after_decoding_is_seen_again(shared):
    photo_door.decode((shared / "data/hostile-images/exif_cut_off.jpg").read_bytes())

    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_ghostscript_never_starts(shared, tmp_path, monkeypatch):
    started = tmp_path / "started"
    for name in ("gs", "gswin32c", "gswin64c"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ntouch '{started}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    for name in ("fake_eps.jpg", "fake_eps_dos.png", "fake_ps.png", "fake_pdf.jpg"):
        with pytest.raises(UnreadablePhoto, match="no JPEG, PNG"):
            photo_door.decode((shared / "data/hostile-images" / name).read_bytes())

    assert not started.exists()


def test_heic_is_named_and_what_to_do_about_it(shared):
    with pytest.raises(UnreadablePhoto) as caught:
        photo_door.decode((shared / "data/hostile-images/fake_heic.jpg").read_bytes())

    assert "HEIC" in caught.value.what
    assert "convert" in caught.value.fix


def test_bombs_are_refused_from_their_header_with_little_memory(shared):
    script = """
import resource, sys
from pathlib import Path
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.errors import UnreadablePhoto

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

bombs = sorted(Path(sys.argv[1]).glob("bomb_*"))
before = peak()
for path in bombs:
    try:
        photo_door.decode(photo_door.read_bytes(path))
    except UnreadablePhoto:
        continue
    sys.exit(f"{path.name} was accepted")
print(len(bombs), peak() - before)
"""
    command = [sys.executable, "-c", script, str(shared / "data/hostile-images")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    count, grown = map(int, done.stdout.split())

    per_mib = 2**20 if sys.platform == "darwin" else 2**10  # the unit of ru_maxrss
    assert count == 9
    assert grown < 60 * per_mib


def test_odd_names_are_read_and_what_is_no_file_is_refused_without_waiting(shared, tmp_path):
    maker = shared / "data/make_hostile_images.py"
    subprocess.run(
        [sys.executable, str(maker), "--odd-names", str(tmp_path)], check=True, capture_output=True
    )
    folder = tmp_path / "odd-names"
    refused = {
        "dir.jpg": "a folder",
        "pipe.jpg": "a named pipe",
        "link_dangling.jpg": "No such file",
        "link_to_itself.jpg": "symbolic links",
        "link_folder": "a folder",
    }

    for name, reason in refused.items():
        with pytest.raises(UnreadablePhoto, match=reason):
            photo_door.read_bytes(folder / name)
    good = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in (".jpg", ".jpeg") and path.name not in refused
    ]
    sizes = {
        photo_door.decode(photo_door.read_bytes(p)).full_size for p in good if not p.name.startswith("._")
    }

    assert len(good) > 10
    assert sizes == {(96, 128)}


def test_a_device_a_missing_file_and_an_impossible_name_are_refused():
    for path, reason in (
        ("/dev/zero", "a device"),
        ("/no/such/file.jpg", "No such file"),
        ("a\0b.jpg", "null"),
    ):
        with pytest.raises(UnreadablePhoto, match=reason):
            photo_door.read_bytes(Path(path))


def test_a_file_without_permission_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("running as a user who may read everything")

    with pytest.raises(UnreadablePhoto, match="Permission denied"):
        photo_door.read_bytes(path)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "long.jpg"
    with path.open("wb") as file:
        file.truncate(photo_door.MAX_BYTES + 1)  # sparse: takes no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(UnreadablePhoto, match="268,435,457 bytes"):
        photo_door.read_bytes(path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 2**10
