"""Scales with which every runtime gives the same codes. Pure.

Convolutions. An accumulator becomes a code by one factor a channel, M = scale read * scale of the weights /
scale made. XNNPACK multiplies by M as a float and rounds once, halves to even; the reference kernels, Arm's
CMSIS-NN and NPUs multiply by M as an int32 and a shift and round twice: to a whole number, then by the
shift. They differ where an accumulator lies just below a half code, which is one of some 2 / M, and layer by
layer those single codes grow to several of the answer. But accumulators are whole numbers. Where 1 / M is
an even whole number less a hair, the one nearest to a half code lies a hair beyond it, so that every
runtime rounds it away from the zero point, and the next one lies a whole step below, from where the first
of two roundings does not reach the half. So a scale goes up to the next for which that holds, by M on
average, which is about 0.4 %.

Sums. Terms are scaled to the sum's codes by fixed-point numbers of 20 to 31 bits. Where the scales within a
residual group are whole multiples of one unit, odd ones for sums, no sum lies near a half code.

Pools, the dense layer's factor (which is a convolution's) and softmax round alike as they are.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.plan import Add, Plan
from efficientnet_lite.quantize.linear_tensors import residual_groups
from efficientnet_lite.tflite.quantmath import INT8_MAX, INT8_MIN, Scale

# Of M, relative: two steps of float32, so that neither the product of three scales nor that with the
# accumulator, in float32, lands on the half; and what the hair may have grown to once a scale is a float32.
HAIR, WIDEST = 2.0**-23, 2.0**-21.5
MOST_GROWTH = 1.7  # of a scale; one that would need more stays what it was
CLIPPED = 1.004  # of the largest weight, half a code: a scale may shrink by it
SMALLEST_EVEN, CLIPPED_THERE = 6, 1.02  # of 1 / M; a few channels that lie just below are clipped more
FINE, FINEST = (
    2.0**11,
    2.0**16,
)  # 1 / M: beyond the one, growth costs nothing that shows; beyond the other, channels are dead
UNITS = range(155, 256, 2)  # what the largest scale of a residual group may be, in units


def alike_scales(scales: npt.NDArray[np.float32], read: Scale, made: Scale) -> npt.NDArray[np.float32]:
    """The nearest scales of a layer's weights, one a channel, that clip none and with which all runtimes round alike.

    `read` is the scale of the tensor that the layer reads, `made` of the one it makes. A scale that has none
    nearby, as 1 / M is below 6 or the channel is dead, stays as it is.
    """
    inverse = made.scale / (scales.astype(np.float64) * read.scale)
    even = _lowered(2 * np.floor(inverse / 2 * CLIPPED), made)
    even = np.where((even < SMALLEST_EVEN) & (inverse * CLIPPED_THERE > SMALLEST_EVEN), SMALLEST_EVEN, even)
    moved = _beyond(made.scale / (read.scale * np.maximum(even, 1)), read, made)
    near = (moved <= MOST_GROWTH * scales) | ((inverse > FINE) & (inverse < FINEST))
    return np.where((even >= SMALLEST_EVEN) & near, moved, scales).astype(np.float32)


def _lowered(even: npt.NDArray[np.float64], made: Scale) -> npt.NDArray[np.float64]:
    """Each even number, or the next lower one that is far enough below its power of two.

    Of 1 / M just below 2**n two neighboring accumulators are half a unit of the first rounding apart, and the
    lower one would reach the half; the hair, which grows with the code, takes its part of the room.
    """
    codes = max(INT8_MAX - made.zero_point, made.zero_point - INT8_MIN)
    for _ in range(16):  # octaves; from FINEST to where there is room
        octave = 2.0 ** np.ceil(np.log2(np.maximum(even, 2)))
        room = octave * (1 - np.minimum(codes * octave * WIDEST, 0.5)) - 2.0**-10
        even = np.minimum(even, 2 * np.floor(room / 2))
    return even


def _beyond(wanted: npt.NDArray[np.float64], read: Scale, made: Scale) -> npt.NDArray[np.float32]:
    """The least float32 from `wanted` on for which M is a hair above that of `wanted`, however a runtime computes M."""
    least = wanted * read.scale / made.scale * (1 + HAIR)
    scales = wanted.astype(np.float32)
    for _ in range(8):
        product = np.float32(read.scale) * scales
        ways = (
            product / np.float32(made.scale),
            product.astype(np.float64) / made.scale,
            scales.astype(np.float64) * read.scale / made.scale,
        )
        short = np.min(ways, axis=0) < least
        scales = np.where(short, np.nextafter(scales, np.float32(np.inf)), scales)
    return scales


def alike_sums(plan: Plan, tensors: Mapping[str, Scale]) -> dict[str, Scale]:
    """`tensors`, the scales of a plan's activations, with those of each residual group in whole units.

    A scale moves by less than 1 % where the scales of its group lie within a factor of 4; zero points stay.
    """
    changed, sums = dict(tensors), {step.name for step in plan.steps if isinstance(step, Add)}
    for group in residual_groups(plan):
        if not sums & group:
            continue
        names = sorted(group)
        scales = np.array([tensors[name].scale for name in names])
        odd = np.array([name in sums for name in names])
        for name, scale in zip(names, _in_units(scales, odd), strict=True):
            changed[name] = Scale(float(scale), tensors[name].zero_point)
    return changed


def _in_units(scales: npt.NDArray[np.float64], odd: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """`scales` as multiples of the unit that changes them least; those that are `odd` as odd ones."""
    candidates = []
    for largest in UNITS:
        # 16 bits of the unit, so that every multiple of it is a float32
        fraction, exponent = np.frexp(scales.max() / largest)
        unit = np.ldexp(np.rint(fraction * 2.0**16), exponent - 16)
        multiples = np.where(odd, 2 * np.floor(scales / unit / 2) + 1, np.rint(scales / unit))
        candidates.append(np.maximum(multiples, 1) * unit)
    return min(candidates, key=lambda each: float(np.square(np.log(each / scales)).sum()))
