"""Int8 files of the published weights by the stock converter and by ai-edge-quantizer, for each fold of the photos.

    .venv-peers/bin/python -m benchmarks.peers.int8_folds build/folds --web-photos DIR
    python -m benchmarks int8-peers --stock build/folds --web-photos DIR --judge FILE

Each is calibrated on the center crops of the photos that do not judge it, and gives logits.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from ai_edge_quantizer import quantizer, recipe

from benchmarks.folds import NAMES, fold_file, folds
from benchmarks.inputs import photos_below
from benchmarks.peers.keras_lite import build, convert, normalized
from benchmarks.stock import crops
from efficientnet_lite.network.plan import DENSE
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.storage import files

INPUT_RANGE = (-127 / 128, 1.0)  # of normalized pixels; a moving average of what photos show misses it


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--web-photos", type=Path, required=True, metavar="DIR", help="all of the photos")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        origin = open_origin(name)
        model = build(origin.plan, origin.weights.parameters, output=DENSE)
        parent = convert(model, origin.plan.size, None)
        for fold in folds(photos_below(arguments.web_photos)):
            images = normalized(crops(fold.calibrating, origin.contract))
            for maker in ("stock", "edge"):
                start = time.perf_counter()
                data = (
                    convert(model, origin.plan.size, images)
                    if maker == "stock"
                    else edge_quantized(parent, images)
                )
                path = arguments.out / fold_file(name, maker, fold.number)
                files.publish(path, data)
                print(f"{path.name}: {len(data):,} bytes in {time.perf_counter() - start:.1f} s", flush=True)


def edge_quantized(parent: bytes, images: list[np.ndarray]) -> bytes:
    """`parent` by ai-edge-quantizer's recipe for static int8 weights and activations."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(parent)
        file.flush()
        made = quantizer.Quantizer(file.name, recipe.static_wi8_ai8())
        statistics = made.calibrate({"serving_default": [{"images": image[None]} for image in images]})
        (entry,) = [each for each in statistics if "images" in each]
        for end, value in zip(("min", "max"), INPUT_RANGE, strict=True):
            statistics[entry][end] = np.full_like(statistics[entry][end], value)
        return bytes(made.quantize(statistics).quantized_model)


if __name__ == "__main__":
    main()
