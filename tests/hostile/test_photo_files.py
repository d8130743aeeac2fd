"""Photos that some versions of Pillow spend gigabytes or hours on, through the one door, in a child with limits.

`make test-lowest` runs this with the oldest Pillow that is allowed, which dies of most of them without the door.
"""

import random
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from photo_files import LONG, SHORT, UNDEFINED, avif_with_exif, bombs, gif_with_comments, gray, with_segments

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos import tiff
from efficientnet_lite.photos.decode import SEVERAL_FRAMES, decode
from efficientnet_lite.photos.header import bare_jpeg, jpeg_header
from efficientnet_lite.photos.pared import pared

SECONDS, MEMORY = 5, 2**30
CHILD = f"""
import os, resource, sys, time
from pathlib import Path
from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos.decode import decode
held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + {MEMORY}
resource.setrlimit(resource.RLIMIT_AS, (held, held))
for path in sys.stdin.read().splitlines():
    data, began = Path(path).read_bytes(), time.process_time()
    try:
        decode(data)
    except UnreadablePhoto as error:
        if "memory" in error.what:
            print("memory", path, sep="\\t")
    if time.process_time() - began > {SECONDS}:
        print("time", path, sep="\\t")
print("end")
"""


def refused_or_read(tmp_path, photos):
    """What took too long or too much, by name; a child that dies of one ends the test."""
    names = {}
    for number, (name, data) in enumerate(photos.items()):
        path = tmp_path / str(number)
        path.write_bytes(data)
        names[str(path)] = name
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input="\n".join(names), capture_output=True, text=True, timeout=300
    )
    lines = done.stdout.splitlines()
    assert lines[-1:] == ["end"], (lines, done.stderr[-500:])
    return [(what, names[path]) for what, path in (line.split("\t") for line in lines[:-1])]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit of memory needs Linux")
def test_what_bloats_or_detains_a_decoder_is_refused_or_read_soon_and_in_little_memory(tmp_path):
    assert refused_or_read(tmp_path, bombs()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit of memory needs Linux")
def test_a_decoder_that_takes_too_much_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(
        globals(),
        "CHILD",
        CHILD.replace("        decode(data)", "        bytearray(2**31)")
        .replace("UnreadablePhoto as error", "MemoryError as error")
        .replace("error.what", "'memory'"),
    )

    assert refused_or_read(tmp_path, {"any": gray()}) == [("memory", "any")]


def test_the_picture_stays_what_it_is_without_its_other_tags():
    plain = decode(gray()).pixels

    assert plain[..., 0].tolist() == np.arange(64).reshape(8, 8).tolist()
    more = [
        (270, 2, b"a description\0"),
        (700, UNDEFINED, bytes(1000)),
        (34665, LONG, [16]),
        (50000, SHORT, [1] * 99),
    ]
    for form in ({"order": "<"}, {"order": ">"}, {"big": True}):
        assert (decode(gray(*more, **form)).pixels == plain).all()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere it may be a part of Pillow itself"
)
def test_libtiff_says_nothing_beside_the_error(tmp_path):
    (tmp_path / "photo").write_bytes(gray(t259=(SHORT, [5])))  # rows that are no LZW
    program = """
import sys
from pathlib import Path
from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos.decode import decode
try:
    decode(Path(sys.argv[1]).read_bytes())
except UnreadablePhoto as error:
    print(error.what)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "photo")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.startswith("damaged or cut off: decoder error")
    assert done.stderr == ""


def test_a_directory_behind_the_first_is_said():
    assert decode(gray(following=8)).notes == (SEVERAL_FRAMES,)
    assert decode(gray()).notes == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"t256": None}, "size is not given"),
        ({"t273": (LONG, [16]), "t278": (LONG, [1])}, "1 strips or tiles of 8"),
        ({"t257": (LONG, [10**6]), "t278": (LONG, [1])}, "1,000,000 strips"),
        ({"t259": (SHORT, [8]), "t279": (LONG, [2**31])}, "2,147,483,648 bytes in strips"),
        (
            {"t273": None, "t322": (LONG, [2**16]), "t323": (LONG, [2**16]), "t324": (LONG, [16])},
            "tiles of 65536",
        ),
        ({"t259": (SHORT, [6])}, "old kind"),
        ({"t277": (SHORT, [2]), "t284": (SHORT, [2])}, "other bands apart"),
        ({"t277": (SHORT, [7])}, "7 bands"),
        ({"first": 10**6}, "directory is not there"),
    ],
)
def test_what_contradicts_its_picture_is_refused_with_its_reason(changes, reason):
    with pytest.raises(UnreadablePhoto, match=reason):
        decode(gray(**changes))


@settings(max_examples=300, deadline=None)
@given(
    tags=st.lists(
        st.tuples(
            st.sampled_from(
                [254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 320, 322, 323, 324, 325, 330]
            ),
            st.integers(0, 19),
            st.tuples(
                st.integers(0, 2**32 - 1) | st.integers(0, 9), st.integers(0, 2**32 - 1) | st.integers(0, 99)
            ),
        ),
        max_size=12,
    ),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    cut=st.integers(0, 40),
)
def test_any_directory_is_pared_to_one_within_its_file_or_refused(tags, order, big, cut):
    data = gray(*tags, order=order, big=big)
    data = data[: len(data) - cut]

    try:
        given, _ = tiff.pared(data)
    except tiff.Unfit:
        return

    form = tiff.form_of(given)
    found = tiff.directory(given, form, form.first)
    assert found.following == 0
    assert given.endswith(data)
    assert len(given) < 2 * len(data) + 2**10
    assert len({entry.tag for entry in found.entries}) == len(found.entries)
    held = sum(len(tiff.content(given, form, entry, most=2**20)) for entry in found.entries)
    assert held <= len(given)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE]), st.binary(max_size=60)))
)
def test_a_jpeg_without_what_programs_add_has_the_same_pixels(segments):
    plain = with_segments(0xE1, [])
    data = (
        plain[:2]
        + b"".join(
            struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
            for marker, body in segments
            if body[:5] != b"Adobe"
        )
        + plain[2:]
    )

    bare = bare_jpeg(data, jpeg_header(data))

    assert len(bare) <= len(data)
    assert (decode(data).pixels == decode(bare).pixels).all()


def test_an_avif_keeps_pixels_and_orientation_without_its_exif():
    data = avif_with_exif(b"II*\0\x08\0\0\0" + bytes(100))
    assert b"Exif" in data

    given = pared(data).data

    assert b"Exif" not in given
    assert len(given) == len(data)
    assert (decode(data).pixels == np.array(Image.open(BytesIO(data)).convert("RGB"))).all()


@pytest.mark.parametrize("start", [b"MM*\0", b"II\0*"])
def test_a_file_that_pillow_alone_takes_for_a_tiff_is_none(start):
    with pytest.raises(UnreadablePhoto, match="no JPEG"):
        decode(start + gray()[4:])


def test_a_gif_with_a_comment_is_read_and_one_of_megabytes_is_not():
    assert decode(gif_with_comments(100)).pixels.shape == (4, 4, 3)
    with pytest.raises(UnreadablePhoto, match="of comments"):
        decode(gif_with_comments(5000))


def test_cut_changed_and_random_directories_never_raise_anything_else():
    random_ = random.Random(3)
    real = gray((270, 2, b"a description\0"), (330, LONG, [16]))
    for _ in range(2000):
        changed = bytearray(real[: random_.randrange(8, len(real) + 1)])
        for _ in range(random_.choice((1, 2, 5))):
            changed[random_.randrange(len(changed))] = random_.randrange(256)
        try:
            pared(bytes(changed))
        except tiff.Unfit:
            continue
