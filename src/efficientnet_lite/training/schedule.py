"""The learning rate at a step, of the reference's recipe and of fine-tuning, and the decay of the moving average.

The recipe's numbers are rounded to float32 where the reference's are: a stair's edge falls into the same step.

Source: tensorflow/tpu, models/official/efficientnet/utils.py, `build_learning_rate`; TensorFlow,
`exponential_decay`, `polynomial_decay` and `ExponentialMovingAverage`.
"""

import math

import numpy as np

from efficientnet_lite.training.recipe import Recipe

_float32 = np.float32


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of the step that follows after `step` steps; a float32 value.

    The first step has step 0 and, where there is a warm-up, rate 0. The stairs of the decay are counted
    from step 0, not from the end of the warm-up. Raises ValueError for a negative step.
    """
    if step < 0:
        raise ValueError(f"a step is at least 0, got {step}")
    if step < recipe.warmup_steps:
        return float(_float32(recipe.peak_rate) * _float32(step) / _float32(recipe.warmup_steps))
    return float(_decayed(recipe, step))


def _decayed(recipe: Recipe, step: int) -> np.float32:
    """The rate without warm-up."""
    peak, now = _float32(recipe.peak_rate), _float32(step)
    match recipe.schedule:
        case "exponential":
            stairs = now / _float32(recipe.steps_per_epoch * recipe.decay_epochs)
            stairs = np.floor(stairs) if recipe.staircase else stairs
            return _float32(peak * np.power(_float32(recipe.decay_factor), stairs))
        case "cosine":
            angle = _float32(np.pi) * now / _float32(recipe.total_steps)
            cosine = _float32(math.cos(float(angle)))  # a float32 cosine differs between machines
            return _float32(_float32(0.5) * peak * (_float32(1) + cosine))
        case "poly":
            return _polynomial(recipe, step)
        case "constant":
            return peak


def _polynomial(recipe: Recipe, step: int) -> np.float32:
    """From the peak to `poly_end`, counted from the end of the warm-up, in one step more than there are."""
    length = _float32(max(1, recipe.total_steps - recipe.warmup_steps + 1))
    done = min(_float32(max(1, step - recipe.warmup_steps)), length) / length
    end = _float32(recipe.poly_end)
    remaining = np.power(_float32(1) - done, _float32(recipe.poly_power))
    return _float32((_float32(recipe.peak_rate) - end) * remaining + end)


def fine_tuning_rate(step: int, *, steps: int, warmup: int, peak: float) -> float:
    """The head's rate in fine-tuning at `step`, from 0: linear over `warmup` steps, then half a cosine to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def average_decay(decay: float, updates: int) -> float:
    """How much of the moving average is kept in the next update: a ramp up to `decay`, so that the start is forgotten.

    Args:
        updates: how many there were. The reference counts the present one too: 2/11 in its first step, and 0.9999
            is reached at step 89,990.

    Source: TensorFlow, `ExponentialMovingAverage` with `num_updates`.
    """
    return min(decay, (1 + updates) / (10 + updates))
