"""Photos that set the activation ranges, and the network in integers, made once and kept."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.photos.contract import Contract, FitView
from efficientnet_lite.photos.images import Refused, images_of
from efficientnet_lite.photos.views import PIXELS_VERSION
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize import stored_network
from efficientnet_lite.quantize.stages import STANDARD, Method, OnStage, Quantized, quantize
from efficientnet_lite.runtimes.litert import runtime_version
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.files import sha256_bytes
from efficientnet_lite.tflite.float import Output, write_float
from efficientnet_lite.threads import in_threads


def stratified(
    labels: Sequence[str], contents: Sequence[str] | npt.NDArray[np.integer[Any]], count: int
) -> list[int]:
    """Positions of `count` photos, every class in turn, in the order of their hashes or of the ranks of these."""
    queues: dict[str, list[int]] = defaultdict(list)
    for position in np.argsort(np.asarray(contents), kind="stable"):
        if len(queue := queues[labels[position]]) < count:
            queue.append(int(position))
    order: list[int] = []
    for turn in range(max(map(len, queues.values()), default=0)):
        order += [queue[turn] for _, queue in sorted(queues.items()) if turn < len(queue)]
    return order[:count]


def images_by_place(
    photos: Sequence[Path],
    contents: Sequence[str],
    contract: Contract,
    views: Sequence[FitView],
    *,
    workers: int,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[dict[int, npt.NDArray[np.uint8]], dict[int, Refused]]:
    """One image of each photo that can be used, and why the others cannot, by place; the views take turns.

    `contents` has the SHA-256 of each photo; one that has another content by now is refused.
    """
    work = [
        (*photo, views[place % len(views)]) for place, photo in enumerate(zip(photos, contents, strict=True))
    ]
    outcomes = in_threads(
        lambda item: images_of(item[0], [item[2]], contract, sha256=item[1]), work, workers=workers
    )
    images, refused = {}, {}
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Refused):
            refused[place] = outcome
        else:
            images[place] = outcome[0]
        on_progress(place + 1, len(work))
    return images, refused


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
    output: Output = "features" if plan.classes is None else "logits"
    model = sha256_bytes(write_float(plan, layers, outputs=(output,)))
    pixels = sha256_bytes(b"".join(image.tobytes() for image in images))
    space = f"int8:{model}:litert-{runtime_version()}:pixels-{PIXELS_VERSION}:method-{method}"
    for _, value in cache.get(space, [pixels]):
        if found := stored_network.from_bytes(value):
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
