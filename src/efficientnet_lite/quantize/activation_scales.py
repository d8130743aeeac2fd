"""The scale and zero point of every tensor up to the features: the least noise at the network's answer.

A few outliers cost less when they saturate than when they stretch the steps of all others. Not so behind ReLU6, where
many pixels lie at 6: to clip them lower costs far more than the finer steps bring.
"""

from collections.abc import Mapping

import numpy as np

from efficientnet_lite.network.plan import POOLED, Add, Plan
from efficientnet_lite.quantize.linear_tensors import inner_steps, is_linear
from efficientnet_lite.quantize.observed import Observed
from efficientnet_lite.tflite.quantmath import RELU6_SCALE, Scale, activation_scale

FINEST_SUM = 2.0**8  # steps of a sum in one step of its terms, at most
SHRINKS = np.linspace(0.4, 1.0, 31)  # fractions of the full range that are tried


def full_scales(plan: Plan, observed: Mapping[str, Observed]) -> dict[str, Scale]:
    """The scales that cover every value."""
    return _scales(
        plan,
        {
            step.name: activation_scale(
                float(observed[step.name].low.min()), float(observed[step.name].high.max())
            )
            if is_linear(step)
            else RELU6_SCALE
            for step in inner_steps(plan)
        },
    )


def least_noise_scales(plan: Plan, observed: Mapping[str, Observed]) -> dict[str, Scale]:
    """Scales of shrunken ranges, each with the least squared error on the sample, weighted by its cost.

    Few photos do not show how far others go, so ranges are wider again by one part in as many as there are.
    """
    photos = len(observed[POOLED].sample)
    return _scales(
        plan,
        {
            step.name: least_noise_scale(observed[step.name], 1 + 1 / photos)
            if is_linear(step)
            else RELU6_SCALE
            for step in inner_steps(plan)
        },
    )


def _scales(plan: Plan, scales: dict[str, Scale]) -> dict[str, Scale]:
    for step in plan.steps:
        if isinstance(step, Add):  # of terms that cancel: no runtime takes a sum so much finer than they are
            own, terms = scales[step.name], max(scales[step.source].scale, scales[step.skip].scale)
            scales[step.name] = Scale(max(own.scale, terms / FINEST_SUM), own.zero_point)
    return scales


def noise(tensor: Observed, scale: Scale) -> float:
    """Mean squared error of the sample in `scale`, weighted by what it costs."""
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that are refused later
        error = np.square(scale.reals(scale.codes(tensor.sample)) - tensor.sample).mean(axis=0)
        return float(error @ tensor.cost)


def least_noise_scale(tensor: Observed, wider: float) -> Scale:
    """The scale of a shrunken range with the least `noise`, and that range `wider` times as wide."""
    low, high = float(tensor.low.min()), float(tensor.high.max())
    candidates = [activation_scale(low * shrink, high * shrink) for shrink in SHRINKS]
    best = candidates[int(np.argmin([noise(tensor, scale) for scale in candidates]))]
    return Scale(float(np.float32(best.scale * wider)), best.zero_point)
