"""What stays in float of an integer network, and what each part of it would gain by that, measured on LiteRT.

A layer that is kept has exact weights, but what it makes is rounded all the same where integer layers read it: a
tensor stays float where the step that makes it and all that read it do.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Add, Conv, Dense, Plan, Step
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.clinic.float_twin import dequantized
from efficientnet_lite.quantize.clinic.substitution import last_tensor
from efficientnet_lite.quantize.integer_outputs import integer_outputs, last_output
from efficientnet_lite.quantize.network_part import NetworkPart
from efficientnet_lite.tflite.int8 import IntegerNetwork

KeptSteps = Mapping[str, Layer | None]  # step -> its float layer, None for a step without weights

# Noise of a tensor in 8 bits over that in 16: behind ReLU6 the steps are 6 / 255 and 6 / 32,767, as 16 bits have no
# zero point; for all else it is more.
FINER = (32_767 / 255) ** 2


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What an integer network would gain if one part of it were not rounded."""

    part: NetworkPart
    gain_db: float  # in float
    # In 16 bits: computed, as their rounding is so fine that it leaves less than 0.01 dB to measure.
    gain_16_bits_db: float
    snr_db: float  # of the logits in float, or the features of a plan without a head
    agreement: float | None  # with the float network's classes; None without a head
    keep: tuple[str, ...]  # the steps to keep for it: see `steps_for`
    keep_gain_db: float  # what a file gains that keeps those; their weights are exact too


def kept_layers(prepared: Mapping[str, Layer], names: Iterable[str]) -> dict[str, Layer | None]:
    """The steps `names` with their layers of `prepared`, the float network that was rounded: its neighbours fit."""
    return {name: prepared.get(name) for name in names}


def steps_for(plan: Plan, part: NetworkPart) -> tuple[str, ...]:
    """The steps that must be kept so that `part` is not rounded: the layer, or the tensor's maker and its readers."""
    if part.kind == "weights":
        return (part.name,)
    return tuple(
        step.name
        for step in plan.steps
        if step.name == part.name or (isinstance(step, Conv | Dense | Add) and part.name in _reads(step))
    )


def gains(
    plan: Plan,
    network: IntegerNetwork,
    prepared: Mapping[str, Layer],
    images: Sequence[Image],
    true: Array,
    parts: Sequence[NetworkPart],
    *,
    workers: int,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[WhatIf, ...]:
    """What each of `parts` costs by its rounding alone, with all else as it is in `network`.

    Of the head convolution's weights it counts its tensor too, as the pool behind it stays float with it.

    Args:
        prepared: the float network that was rounded to `network`.
        images: uint8 (S, S, 3).
        true: what the float network gives for them, (N, classes), or (N, 1280) of a plan without a head.
    """
    integers = _Integers(plan, network, images, true, workers)
    rounded = dequantized(plan, network)
    noise = _noise(integers.snr_db({})[0])
    found = []
    for done, part in enumerate(parts, 1):
        keep = steps_for(plan, part)
        alone = kept_layers(prepared if part.kind == "weights" else rounded, keep)
        snr, agreement = integers.snr_db(alone, rounded=part != NetworkPart("activation", last_tensor(plan)))
        whole, _ = integers.snr_db(kept_layers(prepared, keep))
        in_16_bits = _noise(snr) + max(0.0, noise - _noise(snr)) / FINER
        gain, keep_gain, gain_16 = (_gain(noise, each) for each in (_noise(snr), _noise(whole), in_16_bits))
        found.append(WhatIf(part, gain, gain_16, snr, agreement, keep, keep_gain))
        on_progress(done, len(parts))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Integers:
    """An integer network, and the photos on which files of it are measured."""

    plan: Plan
    network: IntegerNetwork
    images: Sequence[Image]
    true: Array
    workers: int

    def snr_db(self, kept: KeptSteps, *, rounded: bool = False) -> tuple[float, float | None]:
        """Of the file that keeps `kept`, and its agreement; with `rounded` its logits are, also where they are kept."""
        output = last_output(self.plan)
        found = integer_outputs(self.plan, self.network, output, self.images, workers=self.workers, kept=kept)
        if rounded:
            scale = self.network.tensors[last_tensor(self.plan)]
            found = scale.reals(scale.codes(found))
        same = None if self.plan.classes is None else float((found.argmax(1) == self.true.argmax(1)).mean())
        return metrics.snr_db(self.true, found), same


def _reads(step: Step) -> set[str]:
    return {step.source, step.skip} if isinstance(step, Add) else {step.source}


def _noise(snr_db: float) -> float:
    """Of the signal's power."""
    return 10 ** (-snr_db / 10)


def _gain(before: float, after: float) -> float:
    """In decibels."""
    if not after:
        return math.inf if before else 0.0
    return 10 * math.log10(before / after) if before else -math.inf
