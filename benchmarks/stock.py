"""Our files beside the stock converter's, of the same weights and calibrated on the same photos.

The stock files come from `benchmarks.peers.stock_files`, which runs in an environment with TensorFlow; what
is here needs LiteRT alone.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.inputs import Inputs, photos_below
from benchmarks.table import Table
from benchmarks.timing import paired
from efficientnet_lite.artifacts.sample import VIEWS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.proof.gate import Comparison, compare
from efficientnet_lite.quantize.calibration import quantized
from efficientnet_lite.quantize.calibration_photos import images_by_place, views_in_turn
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.files import sha256_file
from efficientnet_lite.strangers.description import describe
from efficientnet_lite.tflite.artifact import About, float_artifact, int8_artifact
from efficientnet_lite.tflite.float import Output

Image = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]

NAMES = ("lite0", "lite1", "lite2")  # the variants whose weights come with the default set-up
PRECISIONS = ("float32", "int8")
CALIBRATION = 100  # photos


def stock_name(name: str, precision: str, output: str) -> str:
    """What the stock converter's file of a variant is called."""
    return f"{name}_{precision}_{output}.tflite"


def divided(photos: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Every third photo, up to CALIBRATION, to calibrate; all others to judge."""
    calibrating = list(photos[::3][:CALIBRATION])
    used = set(calibrating)
    return calibrating, [photo for photo in photos if photo not in used]


def crops(photos: Sequence[Path], contract: Contract) -> list[Image]:
    """The center crop of each photo, uint8 (S, S, 3)."""
    return [prepare(photo.read_bytes(), ("crop",), contract, where=photo).images[0] for photo in photos]


def ours(name: str, photos: Sequence[Path], output: Output) -> dict[str, bytes]:
    """Precision -> file of the published weights, made as `export` makes it, calibrated on `photos`."""
    origin = open_origin(name)
    layers = origin.layers()
    about = About(origin.contract, origin.weights.sha256, origin.weights.license, (output,), origin.labels)
    contents = [sha256_file(photo) for photo in photos]
    views = views_in_turn([""] * len(photos), VIEWS)
    found, _ = images_by_place(photos, contents, origin.contract, views, workers=cores())
    images = list(found.values())
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder)) as cache:
        network = quantized(origin.plan, layers, images, cache, workers=cores()).network
    return {
        "float32": float_artifact(origin.plan, layers, about),
        "int8": int8_artifact(origin.plan, network, about),
    }


def speed(inputs: Inputs) -> Table:
    """Latency of our files beside the stock converter's, in turn on one thread; sizes and operators."""
    calibrating, _ = divided(photos_below(inputs.web_photos))
    rows = []
    for name in NAMES:
        for precision, data in ours(name, calibrating, "probabilities").items():
            other = (inputs.stock / stock_name(name, precision, "probabilities")).read_bytes()
            mine, theirs, ratio = paired(_one_image(data), _one_image(other), rounds=15, runs=10)
            rows.append(
                [
                    f"{name} {precision}",
                    f"{mine.least:.1f} / {theirs.least:.1f}",
                    f"{mine.median:.1f} / {theirs.median:.1f}",
                    ratio,
                    f"{len(data):,} / {len(other):,}",
                    _difference(_operators(data), _operators(other)),
                ]
            )
    columns = ["file", "ms, least", "ms, median", "ratio", "bytes", "operators of ours"]
    note = (
        "Each pair: ours / the stock converter's. Ratio: below 1 ours is faster; median of 15 rounds of 10 images "
        "each in turn, lowest to highest. Our float files take [0, 1] and normalize it themselves (MUL, SUB); the "
        "stock ones get normalized input. Ours have metadata inside."
    )
    return Table("Stock converter: latency of one image on one thread", columns, rows, note)


def quality(inputs: Inputs) -> Table:
    """Agreement and logit SNR of our int8 files and the stock converter's, on center crops of other photos."""
    calibrating, judging = divided(photos_below(inputs.web_photos))
    rows = []
    for name in NAMES:
        files = ours(name, calibrating, "logits")
        images = crops(judging, open_origin(name).contract)
        parent = logits(files["float32"], images)
        stock = (inputs.stock / stock_name(name, "int8", "logits")).read_bytes()
        rows.append([name, "ours", *_cells(compare(parent, logits(files["int8"], images), None, "crop"))])
        rows.append([name, "stock", *_cells(compare(parent, logits(stock, images), None, "crop"))])
    columns = ["model", "int8 file", "agreement", "logit SNR"]
    note = (
        f"Against our float32 file; {len(calibrating)} photos calibrated both, {len(judging)} others judge, as "
        "center crops. In brackets the 95 % interval."
    )
    return Table("Stock converter: what int8 loses", columns, rows, note)


def logits(model: bytes, images: Sequence[Image]) -> Array:
    """(N, classes) of a file whose first output are logits, ours or the stock converter's, as reals."""
    return FileAnswers(model, workers=cores())(images)


def _one_image(model: bytes) -> Callable[[], object]:
    """A call that runs `model` once on an image of noise."""
    runner = LiteRT(model)
    tensor = runner.inputs[0]
    codes = np.random.default_rng(0).integers(0, 256, tensor.shape, np.uint8)
    image = codes / np.float32(255) if tensor.dtype == np.float32 else codes
    return lambda: runner(image)


def _operators(model: bytes) -> Counter[str]:
    return Counter({each.name: each.count for each in describe(model).operators})


def _difference(mine: Counter[str], theirs: Counter[str]) -> str:
    """All operators, and how many more or fewer of which one file has: `63, + 1 MUL + 1 SUB`."""
    signs = [f"+ {count} {name}" for name, count in sorted((mine - theirs).items())]
    signs += [f"- {count} {name}" for name, count in sorted((theirs - mine).items())]
    return f"{mine.total()}, {' '.join(signs) or 'the same'}"


def _cells(found: Comparison) -> list[str]:
    low, high = found.agreement_interval
    return [f"{100 * found.agreement:.1f} % ({100 * low:.1f}-{100 * high:.1f})", f"{found.snr_db:.1f} dB"]
