"""Channels of the linear tensors scaled so that rounding costs least, without a change to what the network computes.

All channels of a tensor share one int8 scale, so a channel that is ten times smaller than the largest has
ten times fewer steps. Between a projection and the convolutions that read it nothing but additions
happens, so a channel may be multiplied on its way in and divided on its way out. What the activations gain the
weights of the reading convolutions lose, so both are counted at the network's answer.

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction (2019),
section 4.1, here for linear bottlenecks, by measured activations, and with the factors that predict least noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efficientnet_lite.arrays import Array, Float64s
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.quantize.linear_tensors import residual_groups
from efficientnet_lite.quantize.observed import Observed

SMALLEST = 1e-3  # channels below this part of the largest are dead; they get no larger factor
TAIL = 5e-4  # of the values at either end, which may saturate
WEIGHT_PART = 0.15  # of the noise that nearest rounding of weights would make, which GPTQ leaves
STEPS, RATE = 80, 0.03
_TINY = float(np.finfo(np.float32).tiny)


def equalize(
    plan: Plan, layers: Mapping[str, Layer], observed: Mapping[str, Observed], *, by_noise: bool = True
) -> tuple[dict[str, Layer], dict[str, Observed]]:
    """`layers` of the same function whose linear tensors lose less, and what those tensors look like then.

    Args:
        by_noise: the factors with the least predicted noise; else half way to equal ranges.
    """
    layers, observed = dict(layers), dict(observed)
    for tied in residual_groups(plan):
        group = [step.name for step in plan.steps if step.name in tied]
        factors = _half_way([observed[name] for name in group])
        if by_noise:
            readers = [
                _Reader.of(layers[step.name], observed[step.source], observed[step.name])
                for step in plan.convs
                if step.source in group
            ]
            factors = _least_noise([_Linear.of(observed[name]) for name in group], readers, factors)
        layers |= _applied(plan, layers, group, factors)
        for name in group:
            observed[name] = observed[name].scaled(factors)
    return layers, observed


def _applied(
    plan: Plan, layers: Mapping[str, Layer], group: Sequence[str], factors: Array
) -> dict[str, Layer]:
    changed = {}
    for step in plan.convs:
        layer = layers[step.name]
        if step.name in group:
            changed[step.name] = Layer(layer.kernel * factors, layer.bias * factors)
        elif step.source in group:  # an expansion or the head, 1 x 1: inputs are the axis before last
            changed[step.name] = Layer(layer.kernel / factors[:, None], layer.bias)
    return changed


def _half_way(tensors: Sequence[Observed]) -> Array:
    ranges = np.max([np.maximum(-tensor.low, tensor.high) for tensor in tensors], axis=0)
    largest = max(float(ranges.max()), _TINY)
    even = largest / np.maximum(ranges, SMALLEST * largest)
    factors: Array = np.sqrt(even).astype(np.float32)
    return factors


@dataclass(frozen=True, slots=True)
class _Linear:
    low: Float64s
    high: Float64s
    cost: Float64s

    @classmethod
    def of(cls, tensor: Observed) -> "_Linear":
        low, high = np.quantile(tensor.sample, [TAIL, 1 - TAIL], axis=0)
        return cls(np.minimum(low, 0), np.maximum(high, 0), tensor.cost.astype(np.float64))


@dataclass(frozen=True, slots=True)
class _Reader:
    weights: Float64s  # (in, out), absolute
    power: Float64s  # (in,), variance of what it reads
    cost: Float64s  # (out,)

    @classmethod
    def of(cls, layer: Layer, source: Observed, made: Observed) -> "_Reader":
        return cls(
            np.abs(layer.kernel[0, 0]).astype(np.float64),
            source.sample.var(axis=0, dtype=np.float64),
            made.cost.astype(np.float64),
        )


def _least_noise(tensors: Sequence[_Linear], readers: Sequence[_Reader], start: Array) -> Array:
    """Factors by Adam on their logarithms."""
    logs = np.log(start.astype(np.float64))
    first, second = np.zeros_like(logs), np.zeros_like(logs)
    least, best = np.inf, logs
    with np.errstate(all="ignore"):
        for step in range(1, STEPS + 1):
            noise, slope = _noise(logs, tensors, readers)
            if not np.isfinite(noise):
                break
            if noise < least:
                least, best = noise, logs
            slope = slope / max(noise, _TINY)
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            direction = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            logs = logs - RATE * direction
    factors: Array = np.exp(best - best.mean()).astype(np.float32)
    return factors


def _noise(logs: Float64s, tensors: Sequence[_Linear], readers: Sequence[_Reader]) -> tuple[float, Float64s]:
    """Predicted noise, and its slope by the logarithms of the factors."""
    factors = np.exp(logs)
    total, slope = 0.0, np.zeros_like(logs)
    for tensor in tensors:
        low, high = tensor.low * factors, tensor.high * factors
        bottom, top = int(low.argmin()), int(high.argmax())
        width = high[top] - low[bottom]
        costs = tensor.cost / factors**2
        step = (width / 255) ** 2 / 12
        total += step * costs.sum()
        slope -= 2 * step * costs
        ends = 2 * step * costs.sum() / max(width, _TINY)
        slope[top] += ends * high[top]
        slope[bottom] -= ends * low[bottom]
    for reader in readers:
        scaled = reader.weights / factors[:, None]
        largest = scaled.argmax(axis=0)
        steps = np.square(scaled[largest, np.arange(scaled.shape[1])] / 127) / 12 * reader.cost
        power = reader.power * factors**2
        noise = WEIGHT_PART * steps.sum() * power.sum()
        total += noise
        slope += 2 * WEIGHT_PART * steps.sum() * power
        slope -= 2 * WEIGHT_PART * power.sum() * np.bincount(largest, steps, len(logs))
    return float(total), slope
