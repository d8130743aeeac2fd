"""A small network that gives features, drawn photos, and one way to write their vectors."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.features.backbone import Backbone, backbone_model
from efficientnet_lite.features.destinations import destination
from efficientnet_lite.features.outcomes import Work
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.features.vector_form import form_of
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.progress import silent
from efficientnet_lite.tflite.float import write_float

SIZE, FEATURES, PART_ROWS = 32, 1280, 4
PLAN = make_plan(VARIANTS["lite0"], size=SIZE, classes=None)


def network(seed=0):
    """The bytes of a network with random weights, whose activations keep their size."""
    random = np.random.default_rng(seed)
    layers = {}
    for step in PLAN.convs:
        kernel = random.normal(0, 1, step.kernel_shape) * np.sqrt(2 / np.prod(step.kernel_shape[:2]))
        layers[step.name] = Layer(kernel.astype(np.float32), np.zeros(step.outputs, np.float32))
    return write_float(PLAN, layers, outputs=("features",))


def model_of(data, *, workers=1):
    return backbone_model(
        Backbone(f"lite0@{SIZE}", data, Contract(SIZE)), where=f"lite0@{SIZE}", workers=workers
    )


def photograph(folder, *, count=11, broken=(5,)):
    """`folder` with photos in two folders; of them `broken` are none."""
    random = np.random.default_rng(2)
    for number in range(count):
        path = folder / ("hats", "shoes")[number * 2 // count] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number in broken:
            path.write_bytes(b"no photo")
        else:
            Image.fromarray(random.integers(0, 256, (8 + number, 12, 3), np.uint8)).save(path)
    return folder


def write(model, photos, out, *, show=silent, overwrite=False, view="crop", **form):
    """What `embed` does with an opened model."""
    asked = {"format": "parquet", "layout": "parts", "dtype": None, "part_rows": PART_ROWS} | form
    into = destination(
        out if isinstance(out, str) else Path(out), form_of(**asked), overwrite=overwrite, apart=()
    )
    with into as taking, list_sources(photos) as listed:
        return taking.take(Work(model, listed, view), show)


def digests(folder):
    """Name -> SHA-256 of every file in and below `folder`, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def stopping(after):
    """A stage that is interrupted when so many rows are done, as Ctrl-C does it in the main thread."""

    def on_progress(done, total):
        if done == after:
            raise KeyboardInterrupt

    yield on_progress


def stopped(model, photos, out, after, **form):
    with pytest.raises(KeyboardInterrupt):
        write(model, photos, out, show=lambda description: stopping(after), **form)


def unfinished(model, photos, out):
    """A folder of which part 0 of three is written."""
    stopped(model, photos, out, 9)
    assert sorted(digests(out)) == [
        "_dataset.json",
        "_parts.jsonl",
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    return out
