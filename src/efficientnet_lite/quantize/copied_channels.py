"""Dead channels put to use: each becomes a copy of a channel whose rounding costs much, shifted by a part of a step.

Training leaves channels whose weights are all but 0. Between an expansion (or the stem) and the projection behind it
every channel is on its own, so a dead one may carry what another carries, and the projection takes the mean of both.
Copies that are n-th parts of a step apart round to a step n times as fine together, since
floor(x) + floor(x + 1/n) + ... = floor(n x) (Hermite's identity): a ninth of the noise for three copies. Their shifts
add up to 0, so nothing has to take them back.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array, Float64s
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Conv, Plan
from efficientnet_lite.quantize.observed import Observed
from efficientnet_lite.tflite.quantmath import RELU6_SCALE

DEAD, WEIGHTLESS = 1e-4, 1e-3  # largest value that was seen, and largest weight
MOST = 6  # copies of a channel, itself included


def copy_channels(
    plan: Plan, layers: Mapping[str, Layer], observed: Mapping[str, Observed]
) -> tuple[dict[str, Layer], dict[str, Observed]]:
    """`layers` without dead channels, as far as copies of others are of use; the function moves by less than a step."""
    layers, observed = dict(layers), dict(observed)
    convs = {step.name: step for step in plan.convs}
    for project in plan.convs:
        if not project.relu6:
            _fill(layers, observed, convs[project.source], project)
    return layers, observed


def _fill(layers: dict[str, Layer], observed: dict[str, Observed], depthwise: Conv, project: Conv) -> None:
    """Copy channels of what `depthwise` reads and of what it makes, which `project` reads."""
    wide = depthwise.source
    tensors = observed[wide], observed[depthwise.name]
    before, middle, after = layers[wide], layers[depthwise.name], layers[project.name]
    weights = np.abs(before.kernel).reshape(-1, depthwise.outputs).max(axis=0)
    dead = np.flatnonzero((tensors[0].high < DEAD) & (weights < WEIGHTLESS))
    worth = (tensors[0].cost + tensors[1].cost).astype(np.float64)
    worth[dead] = 0
    sources = _chosen(worth, len(dead))
    dead = dead[: len(sources)]
    places = np.arange(depthwise.outputs)
    places[dead] = sources
    shares, shifts = shared(places)
    rows = after.kernel[0, 0]
    constant = np.clip(middle.bias[dead], 0, 6)  # what a dead channel gives, whatever the photo
    inner = shifts * np.float32(RELU6_SCALE.scale)
    sums = middle.kernel[..., 0].sum(axis=(0, 1))[places]
    layers[wide] = Layer(before.kernel[..., places], before.bias[places] + inner)
    layers[depthwise.name] = Layer(middle.kernel[:, :, places], middle.bias[places] + inner - sums * inner)
    layers[project.name] = Layer(
        (rows[places] * shares[:, None])[None, None], after.bias + constant @ rows[dead]
    )
    for name, tensor in zip((wide, depthwise.name), tensors, strict=True):
        observed[name] = tensor.rearranged(places, tensor.cost[places] * shares**3)


def _chosen(worth: Float64s, count: int) -> npt.NDArray[np.intp]:
    """Which channel each of at most `count` dead ones copies: always the one whose noise falls most."""
    copies = np.ones(len(worth))
    sources = []
    for _ in range(count):
        gains = np.where(copies < MOST, worth * (copies**-2 - (copies + 1) ** -2), 0)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        sources.append(best)
        copies[best] += 1
    return np.array(sources, np.intp)


def shared(places: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """The part of its source that each channel carries, and its shift in steps, where c copies `places[c]`."""
    shares, shifts = np.ones(len(places), np.float32), np.zeros(len(places), np.float32)
    for source in np.unique(places):
        same = np.flatnonzero(places == source)
        shares[same] = 1 / len(same)
        shifts[same] = (np.arange(len(same)) - (len(same) - 1) / 2) / len(same)
    return shares, shifts
