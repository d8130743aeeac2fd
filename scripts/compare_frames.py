#!/usr/bin/env python3
"""How a microcontroller's frames differ from what `predict` sees: pixels and answers, for a table of docs/artifacts.md.

    python scripts/compare_frames.py RUN PHOTOS

PHOTOS has a folder for each class of the run, or any photos below it. Each photo is a frame of RGB888, of RGB565, and of
RGB565 reduced to a long side of 320 pixels, as a camera gives it; each filter of preprocess.c makes the run's input of
it, in numpy, which a test holds to the C. The run's int8 file answers.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import efficientnet_lite as el
from efficientnet_lite.artifacts.firmware.camera_frames import (
    FrameFilter,
    frame_pixels,
    frame_view,
    prepared_frame,
)
from efficientnet_lite.photos.decode import decode
from efficientnet_lite.photos.views import prepare

FILTERS: tuple[FrameFilter, ...] = ("BOX", "BILINEAR", "NEAREST")
LONG_SIDE = 320
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
Pixels = NDArray[np.uint8]


def main() -> None:
    model = el.load(sys.argv[1])
    photos = sorted(path for path in Path(sys.argv[2]).rglob("*") if path.suffix.lower() in SUFFIXES)
    rows: dict[tuple[str, str], list[tuple[float, bool, bool]]] = {}
    right = []
    for path in photos:
        data, view = path.read_bytes(), model.contract.view
        (ours,) = prepare(data, (view,), model.contract).images
        answer = best(model, ours)
        right.append(answer == path.parent.name)
        for kind, frame in frames_of(decode(data).pixels):
            for filter in FILTERS:
                made = prepared_frame(frame, model.contract, frame_view(view), filter)
                found = best(model, made)
                gap = np.abs(made.astype(int) - ours).mean()
                rows.setdefault((kind, filter), []).append((gap, found == answer, found == path.parent.name))
    print(f"{len(photos)} photos; of our own pixels {100 * np.mean(right):.1f} % are named right\n")
    print("| frame | filter | a pixel, of 255 | same answer | named right |\n|---|---|---|---|---|")
    for (kind, filter), measured in rows.items():
        gap, same, named = np.mean(measured, axis=0)
        print(f"| {kind} | `{filter}` | {gap:.1f} | {100 * same:.1f} % | {100 * named:.1f} % |")


def best(model: el.Model, image: Pixels) -> str:
    """The class that the int8 file names for a prepared image."""
    codes = model.run(model.encode(image)[None])
    return model.names[int(next(iter(codes.values()))[0].argmax())]


def frames_of(pixels: Pixels) -> Iterator[tuple[str, Pixels]]:
    """What cameras would give of a photo."""
    yield "RGB888, the whole photo", pixels
    yield "RGB565, the whole photo", in_565(pixels)
    small = Image.fromarray(pixels)
    small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BICUBIC, reducing_gap=None)
    yield f"RGB565, reduced to a long side of {LONG_SIDE} pixels", in_565(np.asarray(small))


def in_565(pixels: Pixels) -> Pixels:
    """What is left of them in five, six and five bits."""
    red, green, blue = (pixels[..., color].astype(np.uint16) for color in range(3))
    codes = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
    height, width = codes.shape
    return frame_pixels(codes.astype(">u2").tobytes(), width, height, 2 * width, "RGB565_BE")


if __name__ == "__main__":
    main()
