"""Near-duplicates: which copies made on purpose are found, which pairs are false, and how long a comparison takes."""

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

import efficientnet_lite as el
from benchmarks.inputs import Inputs, photos_below
from benchmarks.table import Table
from efficientnet_lite.neighbors.near_vectors import near_vectors
from efficientnet_lite.photos.decode import decode
from efficientnet_lite.photos.duplicates import alike, fingerprint
from efficientnet_lite.photos.survey import MIN_SIDE
from efficientnet_lite.vocabulary import NEAR_DUPLICATE

MODEL = "lite0"
COPIED = 200  # photos
THRESHOLDS = (0.90, 0.92, 0.93, 0.94, 0.95, 0.96, 0.98)
QUALITY = 90  # of a JPEG where the copy is not about that
COUNTS = (20_000, 100_000)

# Pairs that show one thing twice, as somebody saw who looked at each pair of the 2,000 clothing photos with a cosine
# of 0.89 or more: this skirt lies on the same sofa. The others are two garments on the same floor, bed or hanger.
SAME = ({"02341619-2fa3-42d4-bb5e-689518228e67.jpg", "78b7da73-ca6c-4e99-b88d-a9f358e7f0f2.jpg"},)

Matrix = npt.NDArray[np.float32]
Picture = Image.Image


def _cropped(picture: Picture, border: float) -> Picture:
    """Without so much of its width on the left and on the right, and of its height above and below."""
    across, down = round(picture.width * border), round(picture.height * border)
    return picture.crop((across, down, picture.width - across, picture.height - down))


COPIES: dict[str, tuple[Callable[[Picture], Picture], int]] = {
    "JPEG quality 50": (lambda picture: picture, 50),
    "JPEG quality 20": (lambda picture: picture, 20),
    "half the size": (
        lambda picture: picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS),
        QUALITY,
    ),
    "5 % cropped": (lambda picture: _cropped(picture, 0.025), QUALITY),
    "5 % off each side": (lambda picture: _cropped(picture, 0.05), QUALITY),
    "mirrored": (ImageOps.mirror, QUALITY),
    "10 % brighter": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.1), QUALITY),
}


def found_copies(inputs: Inputs) -> Table:
    """Copies of 200 photos that the difference hash and the vectors find, and pairs among the photos; a minute."""
    paths = photos_below(inputs.photos)
    chosen = sorted(range(len(paths)), key=lambda place: _rank(paths[place], inputs.photos))[:COPIED]
    originals = [paths[place].read_bytes() for place in chosen]
    copies = {name: [_copy(data, *way) for data in originals] for name, way in COPIES.items()}
    embedder = el.Embedder(MODEL)
    unit = _unit(embedder.embed(paths))
    turned = _unit(embedder.embed([_copy(path.read_bytes(), *COPIES["mirrored"]) for path in paths]))
    near = {name: _unit(embedder.embed(each)) for name, each in copies.items()}

    cells = _cells([path.read_bytes() for path in paths])
    hash_pairs = {(int(one), int(other)) for one, other in alike(cells)}
    by_hash = {name: _found_by_hash(cells[chosen], _cells(each)) for name, each in copies.items()}
    cosine = {name: (each * unit[chosen]).sum(axis=1) for name, each in near.items()}
    mirror = {
        name: np.maximum(cosine[name], (each * turned[chosen]).sum(axis=1)) for name, each in near.items()
    }
    all_pairs = unit @ unit.T
    all_turned = np.maximum(all_pairs, np.maximum(turned @ unit.T, unit @ turned.T))

    names = [path.name for path in paths]
    rows = [_row("the difference hash", by_hash, hash_pairs, names)]
    for threshold in THRESHOLDS:
        hits = {name: each >= threshold for name, each in cosine.items()}
        rows.append(_row(f"vectors, cosine {threshold:.2f}", hits, _reaching(all_pairs, threshold), names))
    hits = {name: by_hash[name] | (each >= NEAR_DUPLICATE) for name, each in cosine.items()}
    pairs = _reaching(all_pairs, NEAR_DUPLICATE)
    rows.append(_row(f"both, cosine {NEAR_DUPLICATE:.2f}", hits, pairs | hash_pairs, names))
    hits = {name: each >= NEAR_DUPLICATE for name, each in mirror.items()}
    pairs = _reaching(all_turned, NEAR_DUPLICATE)
    rows.append(_row(f"vectors, and of mirror images, {NEAR_DUPLICATE:.2f}", hits, pairs, names))
    note = (
        f"{MODEL}; found of {COPIED} copies each, and the pairs among the {len(paths):,} photos themselves. "
        "5 % cropped: of width and height, half of it on either side. A pair is real where both photos show one thing, "
        "as somebody saw who looked at them, and false where they show two."
    )
    columns = ["found by", *COPIES, "real pairs", "false pairs"]
    return Table("Near-duplicates: copies found, and pairs among the photos", columns, rows, note)


def pace(inputs: Inputs) -> Table:
    """Seconds and memory of comparing 20,000 and 100,000 vectors, beside the plain product of all; two minutes."""
    embedded = _unit(el.Embedder(MODEL).embed(photos_below(inputs.photos)[:2000]))
    rows = []
    for count in COUNTS:
        unit = _mixed(embedded, count)
        started = time.perf_counter()
        pairs = near_vectors(unit, NEAR_DUPLICATE)
        seconds = time.perf_counter() - started
        part = min(count, 4096)
        started = time.perf_counter()
        for left in range(0, count, 8192):
            np.count_nonzero(unit[:part] @ unit[left : left + 8192].T >= NEAR_DUPLICATE)
        plain = (time.perf_counter() - started) * count / part / 2
        rows.append(
            [f"{count:,}", f"{len(pairs):,}", f"{seconds:.1f} s", f"{plain:.0f} s", f"{plain / seconds:.1f}"]
        )
    note = (
        "Vectors of 1,280 numbers in memory, each mixed of three of the photos' own and some noise. The plain product "
        "of all pairs is measured on 4,096 rows and multiplied."
    )
    columns = ["vectors", "in groups, beside the first", "`duplicates`", "plain product", "ratio"]
    return Table("Near-duplicates: all pairs compared", columns, rows, note)


def _rank(path: Path, root: Path) -> str:
    return hashlib.sha256(f"copies-1|{path.relative_to(root).as_posix()}".encode()).hexdigest()


def _copy(data: bytes, change: Callable[[Picture], Picture], quality: int) -> bytes:
    file = io.BytesIO()
    change(Image.open(io.BytesIO(data)).convert("RGB")).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _cells(photos: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Their fingerprints (N, 216), as `check` makes them."""

    def seen(data: bytes) -> bytes:
        return fingerprint(decode(data, where=Path("a photo"), min_side=MIN_SIDE).pixels)

    with ThreadPoolExecutor(2) as threads:
        return np.stack([np.frombuffer(each, np.uint8) for each in threads.map(seen, photos)])


def _found_by_hash(originals: npt.NDArray[np.uint8], copies: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    pairs = {(int(one), int(other)) for one, other in alike(np.concatenate([originals, copies]))}
    return np.array([(place, place + len(originals)) in pairs for place in range(len(originals))])


def _unit(vectors: Matrix) -> Matrix:
    found: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def _reaching(alike_all: Matrix, threshold: float) -> set[tuple[int, int]]:
    first, second = np.nonzero(np.triu(alike_all >= threshold, 1))
    return set(zip(first.tolist(), second.tolist(), strict=True))


def _row(what: str, hits: dict[str, Any], pairs: set[tuple[int, int]], names: Sequence[str]) -> list[object]:
    real = sum({names[one], names[other]} in SAME for one, other in pairs)
    return [what, *(int(each.sum()) for each in hits.values()), real, len(pairs) - real]


def _mixed(vectors: Matrix, count: int) -> Matrix:
    """`count` vectors that lie as those of photos do."""
    found, random = np.empty((count, vectors.shape[1]), np.float32), np.random.default_rng(0)
    for start in range(0, count, 4096):
        some = min(4096, count - start)
        first, second, third = (vectors[random.integers(0, len(vectors), some)] for _ in range(3))
        weights = 0.6 * random.random((some, 2), np.float32)
        noise = 0.012 * np.maximum(random.standard_normal((some, vectors.shape[1]), np.float32), 0)
        found[start : start + some] = _unit(first + weights[:, :1] * second + weights[:, 1:] * third + noise)
    return found
