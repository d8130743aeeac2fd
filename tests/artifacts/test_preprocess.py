"""preprocess.c of an export for microcontrollers, compiled by gcc and run under sanitizers, against plain definitions.

The numpy of `camera_frames`, of which golden checksums are made, is held to the same.
"""

import shutil
import subprocess
import zlib
from fractions import Fraction
from math import floor
from pathlib import Path
from struct import pack, unpack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efficientnet_lite.artifacts.firmware import camera_frames
from efficientnet_lite.artifacts.firmware.c_sources import preprocessing_values
from efficientnet_lite.artifacts.firmware.c_text import template
from efficientnet_lite.artifacts.firmware.camera_frames import frame_pixels, prepared_frame
from efficientnet_lite.photos.contract import Contract, center_crop

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow"]
FORMATS = {"RGB888": 3, "RGB565_LE": 2, "RGB565_BE": 2}
VIEWS, FILTERS = ("CROP", "STRETCH"), ("NEAREST", "BILINEAR", "BOX")
NO_DATA, BAD_SIDE, BAD_STRIDE, BAD_CHOICE = 1, 2, 3, 4


CHECKED = ("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")


def compiled(folder, contract, options=CHECKED):
    """The program of preprocess_cases.c with the preprocess.c of this contract."""
    for name in ("preprocess.c", "preprocess.h"):
        (folder / name).write_text(template(name)(**preprocessing_values(contract)))
    program = folder / "cases"
    harness = Path(__file__).with_name("preprocess_cases.c")
    sources = [str(folder / "preprocess.c"), str(harness)]
    subprocess.run(["gcc", *STRICT, *options, f"-I{folder}", *sources, "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="module", params=[7, 35])
def case(request, tmp_path_factory):
    contract = Contract(request.param)
    return contract, compiled(tmp_path_factory.mktemp("c"), contract)


def run(case, frames):
    """Status and input of each (width, height, stride, format, view, filter, bytes)."""
    contract, program = case
    told = b"".join(
        pack(
            "=7I",
            width,
            height,
            stride,
            code(FORMATS, format),
            code(VIEWS, view),
            code(FILTERS, filter),
            len(data),
        )
        + data
        for width, height, stride, format, view, filter, data in frames
    )
    done = subprocess.run([str(program)], input=told, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    size = 3 * contract.size**2
    parts = [done.stdout[at : at + 4 + size] for at in range(0, len(done.stdout), 4 + size)]
    shape = (contract.size, contract.size, 3)
    return [(unpack("=I", each[:4])[0], np.frombuffer(each[4:], np.uint8).reshape(shape)) for each in parts]


def code(known, word):
    return word if isinstance(word, int) else list(known).index(word)


def colors(frame):
    """(height, width, 3) of a frame, byte by byte: five and six bits are spread over 0 to 255 by repetition."""
    width, height, stride, format, _, _, data = frame
    pixels = np.empty((height, width, 3), int)
    for y in range(height):
        for x in range(width):
            at = y * stride + x * FORMATS[format]
            if format == "RGB888":
                pixels[y, x] = list(data[at : at + 3])
            else:
                order = "big" if format == "RGB565_BE" else "little"
                bits = f"{int.from_bytes(data[at : at + 2], order):016b}"
                parts = bits[:5], bits[5:11], bits[11:]
                pixels[y, x] = [int((part * 2)[:8], 2) for part in parts]
    return pixels


def defined(frame, contract):
    """The input as a sentence says it, in fractions: no line of it is shared with what is tested."""
    pixels, size, (view, filter) = colors(frame), contract.size, frame[4:6]
    if view == "CROP":
        box = center_crop(*pixels.shape[:2], size, contract.crop_padding)
        pixels = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    height, width = pixels.shape[:2]
    if filter == "NEAREST":
        rows, columns = (
            [floor((n + Fraction(1, 2)) * side / size) for n in range(size)] for side in (height, width)
        )
        return pixels[rows][:, columns]
    if filter == "BOX":  # every pixel as size x size equal ones, of which side x side each are averaged
        fine = pixels.repeat(size, 0).repeat(size, 1)
        sums = fine.reshape(size, height, size, width, 3).sum((1, 3))
        return (2 * sums + height * width) // (2 * height * width)
    image = np.empty((size, size, 3), int)
    down, across = ([taps(n, side, size) for n in range(size)] for side in (height, width))
    for i, (above, below, low) in enumerate(down):
        for j, (left, right, share) in enumerate(across):
            upper = (256 - share) * pixels[above, left] + share * pixels[above, right]
            lower = (256 - share) * pixels[below, left] + share * pixels[below, right]
            image[i, j] = ((256 - low) * upper + low * lower + 2**15) // 2**16
    return image


def taps(n, side, size):
    place = min(max((n + Fraction(1, 2)) * side / size - Fraction(1, 2), Fraction(0)), Fraction(side - 1))
    first = floor(place)
    return first, min(first + 1, side - 1), floor((place - first) * 256 + Fraction(1, 2))


def made(width, height, padding, format, view, filter, seed):
    stride = width * FORMATS[format] + padding
    count = (height - 1) * stride + width * FORMATS[format]  # not a byte more than is read
    return width, height, stride, format, view, filter, np.random.default_rng(seed).bytes(count)


frames = st.builds(
    made,
    *(st.integers(1, 24), st.integers(1, 24), st.integers(0, 5)),
    *(
        st.sampled_from(list(FORMATS)),
        st.sampled_from(VIEWS),
        st.sampled_from(FILTERS),
        st.integers(0, 2**32 - 1),
    ),
)


@given(frames=st.lists(frames, min_size=1, max_size=4))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_frame_becomes_the_input_that_the_contract_says(case, frames):
    contract, _ = case

    for frame, (status, found) in zip(frames, run(case, frames), strict=True):
        assert status == 0
        assert np.array_equal(found, defined(frame, contract)), frame[:6]
        width, height, stride, format, view, filter, data = frame
        pixels = frame_pixels(data, width, height, stride, format)
        assert np.array_equal(pixels, colors(frame))
        assert np.array_equal(prepared_frame(pixels, contract, view, filter), found), frame[:6]


def test_sides_at_which_doubles_round_down_are_cropped_as_photos_are(case):
    contract, _ = case
    sides = [*camera_frames.smaller_crops(contract)[:2], 1, 2, 67, 68]
    frames = [made(side, side + 3, 0, "RGB888", "CROP", "NEAREST", side) for side in sides]

    for frame, (_, found) in zip(frames, run(case, frames), strict=True):
        box = center_crop(frame[1], frame[0], contract.size)
        pixels = frame_pixels(frame[6], *frame[:4])
        cut = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
        assert np.array_equal(found, prepared_frame(cut, contract, "STRETCH", "NEAREST"))
    if contract.size == 35:
        assert 201 in sides  # 35 / 67 of which is 105, and in doubles a little less


def test_the_largest_white_frame_stays_white(tmp_path):
    contract = Contract(2)
    frames = [
        (width, height, 2 * width, "RGB565_BE", "STRETCH", filter, b"\xff" * (2 * width * height))
        for width, height in ((4096, 4096), (4096, 1), (1, 4096))
        for filter in FILTERS
    ]

    for status, found in run((contract, compiled(tmp_path, contract, ("-O2",))), frames):
        assert status == 0
        assert (found == 255).all()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({0: 0}, BAD_SIDE),
        ({1: 0}, BAD_SIDE),
        ({0: 4097, 2: 60000}, BAD_SIDE),
        ({1: 2**32 - 1}, BAD_SIDE),
        ({2: 11}, BAD_STRIDE),
        ({2: 65536}, BAD_STRIDE),
        ({2: 0}, BAD_STRIDE),
        ({3: 3}, BAD_CHOICE),
        ({4: 2}, BAD_CHOICE),
        ({5: 3}, BAD_CHOICE),
        ({3: 2**32 - 1}, BAD_CHOICE),
    ],
)
def test_a_frame_that_cannot_be_is_refused_and_nothing_is_written(case, change, status):
    frame = [*made(4, 4, 0, "RGB888", "CROP", "BOX", 0)]
    for place, value in change.items():
        frame[place] = value

    ((found, image),) = run(case, [(*frame[:6], b"")])  # with not a byte to read

    assert found == status
    assert (image == 0xA5).all()


def test_golden_frames_are_what_the_bytes_give_and_reach_every_choice():
    contract = Contract(32)

    frames = camera_frames.golden_frames(contract)

    assert {each.format for each in frames} == set(FORMATS)
    assert {(each.view, each.filter) for each in frames} >= {
        (view, filter) for view in VIEWS for filter in FILTERS
    }
    for each in frames:
        data = camera_frames.random_bytes(each.bytes)
        frame = (each.width, each.height, each.stride, each.format, each.view, each.filter, data)
        assert zlib.adler32(defined(frame, contract).astype(np.uint8).tobytes()) == each.checksum


@pytest.mark.parametrize("view", ["crop", "squash", "mediapipe", "android-bitmap", "reference"])
def test_every_view_of_a_contract_has_its_geometry_and_filter(view):
    header = template("preprocess.h")(**preprocessing_values(Contract(224, view=view)))

    geometry = "CROP" if view in ("crop", "reference") else "STRETCH"
    assert f"#define PREPROCESS_VIEW PREPROCESS_{geometry}\n" in header
    filter = "BILINEAR" if view in ("mediapipe", "android-bitmap") else "BOX"
    assert f"#define PREPROCESS_FILTER PREPROCESS_{filter}\n" in header


@pytest.mark.parametrize("compiler", ["arm-none-eabi-gcc"])
def test_it_compiles_for_a_cortex_m_and_calls_nothing(tmp_path, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    for name in ("preprocess.c", "preprocess.h"):
        (tmp_path / name).write_text(template(name)(**preprocessing_values(Contract(96))))

    for cpu in ("cortex-m4", "cortex-m55"):
        out = tmp_path / f"{cpu}.o"
        options = ["-mthumb", f"-mcpu={cpu}", "-Os", "-c", str(tmp_path / "preprocess.c"), "-o", str(out)]
        subprocess.run([compiler, *STRICT, *options], check=True)
        symbols = subprocess.run(
            ["arm-none-eabi-nm", "--undefined-only", str(out)], capture_output=True, text=True, check=True
        )
        assert symbols.stdout == ""  # no division by software, no float, no memory
