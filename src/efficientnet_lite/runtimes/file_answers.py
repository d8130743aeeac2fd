"""What a file that takes images gives for many of them."""

from collections.abc import Collection

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.photos.views import Image, to_float
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import Engine, EnginePool
from efficientnet_lite.runtimes.litert import LiteRT


class FileAnswers:
    """A `.tflite` file, float or int8, open on LiteRT; raw pixels are its input, or as floats [0, 1]."""

    def __init__(self, model: bytes, *, workers: int) -> None:
        self._pool = EnginePool(LiteRT, model, workers=workers)

    def __call__(self, images: Collection[Image], on_progress: OnProgress | None = None) -> Array:
        """Its first output as reals, (N, C), for each of `images`, uint8 (S, S, 3)."""
        (given, *_), (made, *_) = self._pool.first.inputs, self._pool.first.outputs
        in_float = given.dtype == np.float32

        def one(engine: Engine, image: Image) -> Array:
            found = engine((to_float(image) if in_float else image)[None])
            return made.reals(found[made.name]).reshape(1, -1)

        rows = []
        for row in self._pool.map(one, images):
            rows.append(row)
            if on_progress:
                on_progress(len(rows), len(images))
        return np.concatenate(rows)
