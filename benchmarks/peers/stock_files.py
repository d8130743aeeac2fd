"""The stock converter's files of the published weights, to be compared with ours.

    .venv-peers/bin/python -m benchmarks.peers.stock_files build/stock --web-photos DIR
    python -m benchmarks stock-speed stock-quality --stock build/stock --web-photos DIR

Writes NAME_{float32,int8}_{probabilities,logits}.tflite for lite0 to lite2, the int8 ones calibrated on the
photos that `benchmarks.stock` takes for ours, and says how far the float files are from ours.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.inputs import photos_below
from benchmarks.peers.keras_lite import build, convert, normalized
from benchmarks.stock import NAMES, crops, divided, stock_name
from efficientnet_lite.network.plan import DENSE, PROBABILITIES
from efficientnet_lite.run.source import Origin, open_origin
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.float import write_float

OUTPUTS = {"probabilities": PROBABILITIES, "logits": DENSE}  # public name -> the plan's tensor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--web-photos", type=Path, required=True, metavar="DIR", help="for calibration")
    arguments = parser.parse_args()
    calibrating, _ = divided(photos_below(arguments.web_photos))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        origin = open_origin(name)
        images = crops(calibrating, origin.contract)
        for output, tensor in OUTPUTS.items():
            model = build(origin.plan, origin.weights.parameters, output=tensor)
            for precision, calibration in (("float32", None), ("int8", normalized(images))):
                start = time.perf_counter()
                data = convert(model, origin.plan.size, calibration)
                path = arguments.out / stock_name(name, precision, output)
                files.publish(path, data)
                print(f"{path.name}: {len(data):,} bytes in {time.perf_counter() - start:.1f} s", flush=True)
        stock = (arguments.out / stock_name(name, "float32", "logits")).read_bytes()
        print(
            f"{name}: the float files differ by {_gap(origin, stock, images[:5]):.2g} in a logit", flush=True
        )


def _gap(origin: Origin, stock: bytes, images: list[np.ndarray]) -> float:
    """Largest difference of a logit between our float file and the stock converter's."""
    mine, theirs = LiteRT(write_float(origin.plan, origin.layers(), outputs=("logits",))), LiteRT(stock)
    differences = []
    for image, prepared in zip(images, normalized(images), strict=True):
        (one,), (other,) = mine(image[None] / np.float32(255)).values(), theirs(prepared[None]).values()
        differences.append(float(np.abs(one - other).max()))
    return max(differences)


if __name__ == "__main__":
    main()
