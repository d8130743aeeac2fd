"""The network in integers, made once of the same photos by the same method, and kept."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.photos.views import PIXELS_VERSION
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize import stored_network
from efficientnet_lite.quantize.integer_outputs import last_output
from efficientnet_lite.quantize.method import STANDARD, Method, OnStage, Quantized
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.runtimes.litert import runtime_version
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.files import sha256_bytes
from efficientnet_lite.tflite.float import write_float


def quantized(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[npt.NDArray[np.uint8]],
    cache: Cache,
    *,
    method: Method = STANDARD,
    workers: int,
    on_progress: OnProgress | None = None,
    on_stage: OnStage | None = None,
) -> Quantized:
    """What `quantize` gives, from the cache where the same photos and method have made it before."""
    model = sha256_bytes(write_float(plan, layers, outputs=(last_output(plan),)))
    pixels = sha256_bytes(b"".join(image.tobytes() for image in images))
    space = f"int8:{model}:litert-{runtime_version()}:pixels-{PIXELS_VERSION}:method-{method}"
    for _, value in cache.get(space, [pixels]):
        found = stored_network.from_bytes(value)
        if found and (found.gains or on_stage is None):
            cache.touch([space])
            if on_stage:
                for gain in found.gains:
                    on_stage(gain)
            return found
    made = quantize(
        plan, layers, images, method=method, workers=workers, on_progress=on_progress, on_stage=on_stage
    )
    about = f"int8 network of {plan.variant.name} at {plan.size} pixels"
    cache.put(space, {pixels: stored_network.to_bytes(made)}, about=about)
    return made
