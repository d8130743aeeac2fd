"""What files of a network answer on LiteRT: the float one that teaches, int8 ones that are compared with it."""

from collections.abc import Iterable, Mapping

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import LOGITS, Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.runtimes.engine import EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import IntegerNetwork, write_int8


class FloatAnswers:
    """A float network, open on LiteRT."""

    def __init__(self, plan: Plan, layers: Mapping[str, Layer], *, workers: int) -> None:
        self._pool = EnginePool(LiteRT, write_float(plan, layers, outputs=(LOGITS,)), workers=workers)

    def logits(self, images: Iterable[Image]) -> Array:
        """(N, classes), of images uint8 (S, S, 3), or such as floats."""
        return np.concatenate(
            list(
                self._pool.map(
                    lambda runner, image: runner(image[None].astype(np.float32) / np.float32(255))[LOGITS],
                    images,
                )
            )
        )


def integer_logits(plan: Plan, network: IntegerNetwork, images: Iterable[Image], *, workers: int) -> Array:
    """(N, classes) as reals, of the int8 file of `network`; images are uint8 (S, S, 3)."""
    pool = EnginePool(LiteRT, write_int8(plan, network, outputs=(LOGITS,)), workers=workers)
    output = pool.first.outputs[0]
    codes = np.concatenate(list(pool.map(lambda runner, image: runner(image[None])[LOGITS], images)))
    reals: Array = (codes.astype(np.float32) - output.zero_point) * np.float32(output.scale)
    return reals
