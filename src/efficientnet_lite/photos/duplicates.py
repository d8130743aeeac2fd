"""Photos that are the same: equal bytes, or equal to the eye after another size or compression.

A photo's fingerprint is the mean color of 8 x 9 cells. A 64-bit difference hash of it finds
candidates without comparing all pairs; the cells themselves then decide, because the hash alone takes
every white shirt on the same bed for one photo. Pure numpy: nothing is decoded or read here.

Measured on the 2,000 clothing photos (2.0 million pairs; one is a second shot of the same skirt, at
distance 0.164, the next are different garments, from 0.171): a hash distance of 6 alone pairs 725,
with the cells none. Of the 1,797 handwritten digits of scikit-learn, enlarged from 8 to 32 pixels and so
as alike as pictures can be (1.6 million pairs): 34,702 by the hash, 13 with the cells. Copies of 120 clothing
photos that were found: all in JPEG quality 20, of half the size, with 10 % more or 20 % less brightness;
99 % of a fifth of the size; 97 % with 1 % of every border cut off, 55 % with 2 %, none with 5 %.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 8, 9
FINGERPRINT_BYTES = ROWS * COLUMNS * 3
MAX_HASH_DISTANCE = 6  # of 64 bits; then two of the eight bytes are equal, which `near_pairs` relies on
MAX_CELL_DISTANCE = 0.15  # between unit vectors, 0 to 2
MIN_CONTRAST = 4.0  # standard deviation of the cells, levels of 255; flatter photos all look alike
WINDOW = 256  # how many neighbors a hash is compared with where more share two of its bytes
CHUNK = 1 << 16


def fingerprint(pixels: NDArray[np.uint8]) -> bytes:
    """The mean color of 8 x 9 cells of an RGB image (height, width, 3), rounded: 216 bytes.

    Cells share the pixels without overlap; an image with fewer pixels than cells repeats some.
    """
    height, width = pixels.shape[:2]
    top, left = _stretches(height, ROWS), _stretches(width, COLUMNS)
    lines = pixels.reshape(height, width * 3)
    # a sum for each slice: np.add.reduceat says the same in one line and takes four times as long
    rows = np.stack([lines[a:b].sum(axis=0, dtype=np.uint32) for a, b in top]).reshape(ROWS, width, 3)
    sums = np.stack([rows[:, a:b].sum(axis=1, dtype=np.uint64) for a, b in left], axis=1)
    pixels_in = np.outer([b - a for a, b in top], [b - a for a, b in left])
    means: NDArray[np.uint8] = np.rint(sums / pixels_in[..., None]).astype(np.uint8)
    return means.tobytes()


def _stretches(length: int, parts: int) -> list[tuple[int, int]]:
    """`parts` stretches of 0 .. length, as equal as whole numbers can be, each with one element or more."""
    starts = [part * length // parts for part in range(parts)]
    return [(a, max(a + 1, b)) for a, b in zip(starts, [*starts[1:], length], strict=True)]


def difference_hashes(cells: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The 64-bit difference hash of each fingerprint, (N, 216) -> (N,).

    A bit says that a cell is brighter (luma) than its left neighbor; each byte is one row of cells.
    """
    grid = cells.reshape(-1, ROWS, COLUMNS, 3).astype(np.int32)
    gray = grid @ np.array([299, 587, 114], np.int32)
    bits = np.packbits(gray[:, :, 1:] > gray[:, :, :-1], axis=2)
    return bits.reshape(-1, ROWS).view(">u8")[:, 0].astype(np.uint64)


def near_pairs(hashes: NDArray[np.uint64], max_distance: int = MAX_HASH_DISTANCE) -> NDArray[np.int64]:
    """Positions (P, 2), first < second, of hashes that differ in at most `max_distance` <= 6 bits.

    Six differing bits lie in at most six of the eight bytes, so two bytes are equal: each of the 28
    ways to choose two brings the hashes that share them together. Complete unless more than 256 hashes
    share two bytes: of such a crowd only neighbors in sorted order are compared. Memory is linear in the
    number of hashes and of pairs; a million random hashes take 20 s and 0.2 GB.
    """
    if not 0 <= max_distance <= MAX_HASH_DISTANCE:
        raise ValueError(f"max_distance must be 0 to {MAX_HASH_DISTANCE}, got {max_distance}")
    count = len(hashes)
    octets = hashes.astype(">u8").view(np.uint8).reshape(count, 8)
    found = np.empty(0, np.int64)  # first * count + second
    for chosen in combinations(range(8), 2):
        others = [byte for byte in range(8) if byte not in chosen]
        keys = np.ascontiguousarray(octets[:, [*chosen, *others]]).view(">u8")[:, 0].astype(np.uint64)
        order = np.argsort(keys, kind="stable")
        shared = keys[order] >> np.uint64(48)
        sorted_hashes = hashes[order]
        start = np.arange(count)
        hits = [found]
        for step in range(1, WINDOW + 1):
            start = start[start + step < count]
            start = start[shared[start] == shared[start + step]]
            if not len(start):
                break
            distance = np.bitwise_count(sorted_hashes[start] ^ sorted_hashes[start + step])
            hit = start[distance <= max_distance]
            a, b = order[hit], order[hit + step]
            hits.append(np.minimum(a, b) * count + np.maximum(a, b))
        found = np.sort(np.concatenate(hits))  # np.unique takes 60 times as long here (numpy 2.4)
        found = found[np.diff(found, prepend=-1) > 0]
    return np.stack([found // max(count, 1), found % max(count, 1)], axis=1)


def alike(cells: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Positions (P, 2) of fingerprints (N, 216) that show the same photo.

    Their hashes are near, and so are their cells after brightness, white balance and contrast are taken
    out: each channel's mean subtracted, then scaled to length 1. Flat photos pair with nothing.
    """
    pairs = near_pairs(difference_hashes(cells))
    kept = [np.empty((0, 2), np.int64)]
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        (first, first_contrast), (second, second_contrast) = (_pattern(cells[side]) for side in chunk.T)
        near = np.linalg.norm(first - second, axis=1) <= MAX_CELL_DISTANCE
        kept.append(chunk[near & (np.minimum(first_contrast, second_contrast) >= MIN_CONTRAST)])
    return np.concatenate(kept)


def _pattern(cells: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors (M, 216) free of brightness and contrast, and the contrast (M,) taken out."""
    centered = cells.reshape(len(cells), ROWS * COLUMNS, 3).astype(np.float32)
    centered -= centered.mean(axis=1, keepdims=True)
    flat = centered.reshape(len(cells), FINGERPRINT_BYTES)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.maximum(length, np.float32(1e-6)), length[:, 0] / np.float32(FINGERPRINT_BYTES**0.5)
