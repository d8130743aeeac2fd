"""What int8 loses to the photos that calibrate it: too few, of one kind, or none at all."""

import hashlib
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import NamedTuple

import numpy as np

from benchmarks.inputs import Inputs, photos_below
from benchmarks.stock import Array, Image, crops, logits
from benchmarks.table import Table
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.artifacts.sample import VIEWS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.proof.gate import compare
from efficientnet_lite.quantize.calibration_photos import views_in_turn
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.quantize.variety import variety
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.tflite.float import Output, write_float
from efficientnet_lite.tflite.int8 import write_int8
from efficientnet_lite.vocabulary import CALIBRATION_PHOTOS

NAMES = ("lite0", "lite1")
COUNTS = (2, 5, 10, 25, 50, 100, 200)
DRAWS = 2  # of up to LUCK photos, which are a matter of luck
LUCK = 10
KINDS = ("t-shirt", "shoes")  # classes of the data set; of its photos the first of each
USUAL = f"{CALIBRATION_PHOTOS} photos"
LOGITS: tuple[Output, ...] = ("logits",)
Sets = Mapping[str, Sequence[Sequence[Image]]]  # name -> the images of each draw


class Scored(NamedTuple):
    """What became of one calibration set."""

    snr_db: float  # of the logits, on photos kept back
    agreement: float
    varied: float  # what the warning goes by


def sets(inputs: Inputs, contract: Contract) -> tuple[Sets, list[Image]]:
    """The calibration sets, and the photos that judge, every third one."""
    photos = photos_below(inputs.web_photos)
    calibrating = [photo for place, photo in enumerate(photos) if place % 3]
    calibrating.sort(key=lambda photo: hashlib.sha256(photo.read_bytes()).hexdigest())
    views = views_in_turn([""] * len(calibrating), VIEWS)
    images = [
        prepare(photo.read_bytes(), (view,), contract, where=photo).images[0]
        for photo, view in zip(calibrating, views, strict=True)
    ]
    found: dict[str, list[Sequence[Image]]] = {}
    for count in COUNTS:
        draws = DRAWS if count <= LUCK else 1
        found[f"{count} photos"] = [images[draw * count : (draw + 1) * count] for draw in range(draws)]
    for kind in KINDS:
        own = photos_below(inputs.photos / "train" / kind)[:CALIBRATION_PHOTOS]
        found[f"{len(own)} photos of {kind}"] = [crops(own, contract)]
    size, random = contract.size, np.random.default_rng(0)
    moved = np.pad(images[0], ((8, 8), (8, 8), (0, 0)), mode="edge")
    places = random.integers(0, 16, (CALIBRATION_PHOTOS, 2))
    found["1 photo, moved about"] = [
        [np.ascontiguousarray(moved[top : top + size, left : left + size]) for top, left in places]
    ]
    noise = random.integers(0, 256, (CALIBRATION_PHOTOS, size, size, 3), np.uint8)
    found["uniform noise"] = [list(noise)]
    grays = np.linspace(0, 255, CALIBRATION_PHOTOS).astype(np.uint8)
    found["blank images, black to white"] = [[np.full((size, size, 3), each, np.uint8) for each in grays]]
    return found, crops(photos[::3], contract)


def scored(origin: Origin, images: Sequence[Image], judging: Sequence[Image], truth: Array) -> Scored:
    """The published weights in integers, calibrated on `images`."""
    layers = origin.layers()
    seen = variety(origin.plan, layers, images, workers=cores())
    network = quantize(origin.plan, layers, images, workers=cores()).network
    found = logits(write_int8(origin.plan, network, outputs=LOGITS), judging)
    against = compare(truth, found, None, "crop")
    return Scored(against.snr_db, against.agreement, seen.varied)


def losses(inputs: Inputs) -> Table:
    """What int8 loses to few photos, photos of one kind, noise and blank images that calibrate it."""
    found: dict[str, dict[str, list[Scored]]] = {}
    for name in NAMES:
        origin = open_origin(name)
        calibrating, judging = sets(inputs, origin.contract)
        truth = logits(write_float(origin.plan, origin.layers(), outputs=LOGITS), judging)
        for kind, draws in calibrating.items():
            found.setdefault(kind, {})[name] = [scored(origin, each, judging, truth) for each in draws]
    usual = {name: found[USUAL][name][0].snr_db for name in NAMES}
    rows = []
    for kind, by_name in found.items():
        lost = mean(usual[name] - mean(each.snr_db for each in by_name[name]) for name in NAMES)
        rows.append(
            [
                kind,
                f"{mean(each.varied for each in by_name[NAMES[0]]):.1f}",
                *(cell for name in NAMES for cell in _cells(by_name[name])),
                f"{lost:.1f}",
            ]
        )
    columns = [
        "calibrated on",
        "worth",
        *(f"{name} {what}" for name in NAMES for what in ("dB", "agreement")),
    ]
    note = (
        f"dB: logit SNR on {len(judging)} photos kept back, as center crops; of up to {LUCK} photos means of {DRAWS} "
        f"draws. Lost: against {CALIBRATION_PHOTOS} photos, mean of both. Worth: how many wholly different photos they "
        f"are worth by {NAMES[0]}'s own feature vectors, which is what the warnings go by."
    )
    return Table("Calibration: what int8 loses to its photos", [*columns, "dB lost"], rows, note)


def _cells(draws: Sequence[Scored]) -> list[str]:
    return [
        f"{mean(each.snr_db for each in draws):.1f}",
        f"{100 * mean(each.agreement for each in draws):.1f} %",
    ]
