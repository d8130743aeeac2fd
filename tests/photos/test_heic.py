"""HEIC as iPhones write it, through the same door with the same bounds; real files by pillow-heif's own encoder."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos import heif
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.survey import survey
from efficientnet_lite.photos.walk import walk

pillow_heif = pytest.importorskip(
    "pillow_heif", reason="the extra heif: pip install 'efficientnet-lite[heif]'"
)

SIZE = (96, 64)


def card(mode: str = "RGB") -> Image.Image:
    """Red at the top left, blue at the bottom right, so that no turned or mirrored one is like another."""
    image = Image.new("RGB", SIZE, "white")
    image.paste("red", (0, 0, 32, 32))
    image.paste("blue", (72, 32, 96, 64))
    return image.convert(mode)


def heic(image: Image.Image, *, orientation: int = 1, others: int = 0, **options: object) -> bytes:
    """A file as a phone writes it: the orientation stands in EXIF and, for the decoder, in irot and imir."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = pillow_heif.from_bytes(image.mode, image.size, image.tobytes())
    made[0].info["exif"] = exif.tobytes()
    for _ in range(others):
        made.add_frombytes("RGB", (32, 32), bytes(32 * 32 * 3))
    stream = io.BytesIO()
    made.save(stream, quality=95, **options)
    return stream.getvalue()


def upright(image: Image.Image, orientation: int) -> np.ndarray:
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(stream, "PNG", exif=exif)
    return np.asarray(ImageOps.exif_transpose(Image.open(stream)))


@pytest.mark.parametrize("tile_size", [0, 32], ids=["whole", "tiled as on an iPhone"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright_once(orientation: int, tile_size: int) -> None:
    photo = photo_door.decode(heic(card(), orientation=orientation, tile_size=tile_size))
    wanted = upright(card(), orientation)
    assert photo.full_size == wanted.shape[:2]
    assert np.abs(photo.pixels.astype(int) - wanted).mean() < 3


def test_the_primary_picture_of_several_counts_and_a_note_says_so() -> None:
    photo = photo_door.decode(heic(card(), others=2, primary_index=0))
    assert photo.full_size == (64, 96)
    assert photo.notes == (photo_door.SEVERAL_FRAMES,)


def test_gray_transparency_and_ten_bits_become_rgb_of_eight() -> None:
    gray = photo_door.decode(heic(card("L")))
    assert gray.pixels.shape == (64, 96, 3)
    layers = card("RGBA")
    layers.putalpha(Image.new("L", SIZE, 0))
    clear = photo_door.decode(heic(layers))
    assert clear.notes == ("transparency painted on white",)
    assert clear.pixels.min() >= 250
    stream = io.BytesIO()
    values = np.full((64, 96, 3), 40_000, np.uint16)
    pillow_heif.from_bytes("RGB;16", SIZE, values.tobytes()).save(stream, quality=95)
    deep = photo_door.decode(stream.getvalue())
    assert np.abs(deep.pixels.astype(int) - 40_000 * 255 // 65_535).max() <= 2


def test_a_file_that_lacks_a_part_is_refused_wherever_it_ends() -> None:
    data = heic(card())
    for end in [*range(1, len(data), 97), len(data) - 1]:
        with pytest.raises(UnreadablePhoto):
            photo_door.decode(data[:end])


def test_flipped_bytes_end_in_a_picture_or_a_reason() -> None:
    data, random, refused = heic(card()), np.random.default_rng(0), 0
    for _ in range(600):
        spoiled = bytearray(data)
        for at in random.integers(0, len(data), 3):
            spoiled[int(at)] ^= int(random.integers(1, 256))
        try:
            pixels = photo_door.decode(bytes(spoiled)).pixels
        except UnreadablePhoto as error:
            refused += error.what.isprintable()
        else:
            assert pixels.size <= 3 * photo_door.MAX_PIXELS
    assert refused > 50


def sized(data: bytes, width: int, height: int) -> bytes:
    """The same file, whose header says another size (its boxes `ispe`)."""
    parts = data.split(b"ispe")
    return b"ispe".join(
        [parts[0], *(part[:4] + struct.pack(">II", width, height) + part[12:] for part in parts[1:])]
    )


def test_the_bound_of_pixels_is_judged_from_the_header() -> None:
    data = sized(heic(card()), 20_000, 20_000)
    with pytest.raises(UnreadablePhoto, match="20000 x 20000 pixels, more than 100 megapixels"):
        photo_door.decode(data)


def test_a_header_that_says_less_than_the_picture_has_costs_no_memory(tmp_path: Path) -> None:
    big = Image.new("RGB", (3000, 3000), "red")
    (tmp_path / "lie.heic").write_bytes(sized(heic(big), 40, 40))
    script = (
        "import resource, sys; from pathlib import Path; from efficientnet_lite.photos import decode as photo_door\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "from efficientnet_lite.errors import UnreadablePhoto\n"
        "import pillow_heif; before = peak()\n"
        "try: photo_door.decode(Path(sys.argv[1]).read_bytes()); print('read')\n"
        "except UnreadablePhoto as error: print(error.what, (peak() - before) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "lie.heic"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("HEIC, damaged or cut off"), done
    assert int(done.stdout.split()[-1]) < 20  # MB; the picture has 27


def test_pillow_itself_learns_nothing_of_it(tmp_path: Path) -> None:
    photo_door.decode(heic(card()))
    assert "HEIF" not in Image.OPEN


def test_a_folder_of_an_iphone_is_a_data_set(tmp_path: Path) -> None:
    for label, color in (("cat", "red"), ("dog", "blue")):
        (tmp_path / label).mkdir()
        for number in range(2):
            data = heic(Image.new("RGB", (64 + number, 64), color))
            (tmp_path / label / f"IMG_{number}.HEIC").write_bytes(data)
            (tmp_path / label / f"IMG_{number}.MOV").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ")
            (tmp_path / label / f"IMG_{number}.AAE").write_bytes(b"<?xml?>")
    dataset = open_dataset(tmp_path)
    assert len(survey(dataset.rows, workers=1).looks) == 4
    assert dataset.passed_over == {".aae": 4, ".mov": 4}
    (tmp_path / "cat/photo.json").write_bytes(heic(card()))
    assert "cat/photo.json" in walk(tmp_path).photos


@pytest.fixture
def without_the_extra(tmp_path: Path):
    """A program of ours in a Python that has no pillow-heif."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/pillow_heif.py").write_text("raise ImportError('not installed')")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from efficientnet_lite.cli.app import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, tmp_path / "blocked", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_without_the_extra_every_message_names_it(tmp_path: Path, without_the_extra) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "photos" / label / f"{number}.heic").write_bytes(heic(card()))
    photos_folder = tmp_path / "photos"
    for command in (
        ("check", photos_folder),
        ("train", photos_folder, "--out", tmp_path / "run", "--model", "lite0@32"),
        ("shards", photos_folder, "--out", tmp_path / "records"),
    ):
        done = without_the_extra(*command)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 3, said
        assert "none of the 6 photos can be used" in said
        assert "efficientnet-lite[heif]" in said
        assert "fewer than two" not in said
    (photos_folder / "cat/real.jpg").write_bytes(b"")
    done = without_the_extra("train", photos_folder, "--out", tmp_path / "run", "--on-bad", "fail")
    assert done.returncode == 3
    assert "efficientnet-lite[heif]" in done.stderr
    assert heif.MISSING.startswith("HEIC")
