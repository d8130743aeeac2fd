"""Dead channels put to use: each becomes a copy of a channel whose rounding costs much.

A trained network has channels that are 0 for every photo. Between an expansion (or the stem) and the projection
behind it every channel is on its own, so a dead one may carry what another carries, and the projection takes the
mean of both: their rounding errors differ, where their scales do, and average out.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.quantize.observed import Observed

DEAD, WEIGHTLESS = 1e-4, 1e-3  # largest value that was seen, and largest weight: training left it nothing
MOST = 4  # copies of a channel, itself included
APART = 0.09  # by which each copy is smaller than the one before


def copy_channels(
    plan: Plan, layers: Mapping[str, Layer], observed: Mapping[str, Observed]
) -> tuple[dict[str, Layer], dict[str, Observed]]:
    """`layers` of the same function without dead channels, as far as copies of others are of use."""
    layers, observed = dict(layers), dict(observed)
    convs = {step.name: step for step in plan.convs}
    for project in plan.convs:
        if project.relu6:
            continue
        depthwise = convs[project.source]
        _fill(layers, observed, depthwise.source, depthwise.name, project.name)
    return layers, observed


def _fill(
    layers: dict[str, Layer], observed: dict[str, Observed], wide: str, depthwise: str, project: str
) -> None:
    first, second = observed[wide], observed[depthwise]
    weights = np.abs(layers[wide].kernel).reshape(-1, len(first.high)).max(axis=0)
    dead = np.flatnonzero((first.high < DEAD) & (weights < WEIGHTLESS))
    # Copies have sizes of their own, which a channel that reaches 6 cannot have.
    gain = np.where(first.high * 1.02 < 6, first.cost, 0) + np.where(second.high * 1.02 < 6, second.cost, 0)
    gain = np.where((first.high * 1.02 < 6) & (second.high < 6), gain, 0)
    gain[dead] = 0
    sources, counts = _chosen(gain.astype(np.float64), len(dead))
    if not len(sources):
        return
    dead = dead[: len(sources)]
    places = np.arange(len(gain))
    places[dead] = sources
    sizes, share = np.ones(len(gain), np.float32), 1 / counts[places].astype(np.float32)
    seen: dict[int, int] = {}
    for channel, source in zip(dead, sources, strict=True):
        seen[int(source)] = seen.get(int(source), 0) + 1
        sizes[channel] = 1 / (1 + APART * seen[int(source)])
    before, middle, after = layers[wide], layers[depthwise], layers[project]
    rows = after.kernel[0, 0]
    # relu6 of its bias is what a dead channel still gives, wherever the photo
    constant = np.clip(middle.bias[dead], 0, 6)
    layers[project] = Layer(
        (rows[places] * (share / sizes)[:, None])[None, None], after.bias + constant @ rows[dead]
    )
    layers[depthwise] = Layer(middle.kernel[:, :, places], middle.bias[places] * sizes)
    layers[wide] = Layer(before.kernel[..., places] * sizes, before.bias[places] * sizes)
    for name, tensor in ((wide, first), (depthwise, second)):
        observed[name] = tensor.rearranged(
            places, (tensor.cost[places] * share**2).astype(np.float32)
        ).scaled(sizes)


def _chosen(gain: npt.NDArray[np.float64], count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Which channel each of `count` dead ones copies, and how many there are of each channel then."""
    copies = np.ones(len(gain), np.intp)
    sources = []
    for _ in range(count):
        worth = np.where(copies < MOST, gain / (copies * (copies + 1)), 0)
        best = int(worth.argmax())
        if worth[best] <= 0:
            break
        sources.append(best)
        copies[best] += 1
    return np.array(sources, np.intp), copies
