"""Weights to int8 codes such that errors of one weight are taken back by those that are rounded after it.

Source: Frantar et al., GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers (2022),
section 3, with the order of falling diagonals; after Hassibi and Stork's optimal brain surgeon (1993).
"""

import numpy as np

from efficientnet_lite.arrays import Array, Float64s, Int8s
from efficientnet_lite.network.plan import Conv
from efficientnet_lite.tflite.quantmath import WEIGHT_MAX

RIDGE = 0.03  # of the mean diagonal
BLOCK = 64
SMALLEST_RIDGE = 1e-12  # of inputs that are all but 0, whose squares float32 does not hold


def as_matrix(step: Conv, kernel: Array) -> Array:
    """`kernel` as (inputs, outputs); that of a depthwise convolution as (k * k, C)."""
    return kernel.reshape(-1, kernel.shape[2] if step.depthwise else kernel.shape[3])


def nearest(matrix: Array, scales: Array) -> Int8s:
    """(inputs, outputs) to the nearest codes."""
    codes: Int8s = np.clip(np.rint(matrix / scales), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
    return codes


def compensated(matrix: Array, scales: Array, covariance: Float64s) -> Int8s:
    """(inputs, outputs) to codes; `covariance` (inputs, inputs), or (outputs, inputs, inputs) for one of each.

    The nearest codes where the covariance is none, as of weights that nobody should use.
    """
    try:
        return (
            _compensated(matrix, scales, covariance)
            if np.isfinite(covariance).all()
            else nearest(matrix, scales)
        )
    except np.linalg.LinAlgError:
        return nearest(matrix, scales)


def _compensated(matrix: Array, scales: Array, covariance: Float64s) -> Int8s:
    diagonal = np.diagonal(covariance, axis1=-2, axis2=-1)
    shared = covariance.ndim == 2
    ridge = np.maximum(RIDGE * diagonal.mean(axis=-1), SMALLEST_RIDGE)
    values = (matrix / scales).astype(np.float64)
    order = np.argsort(-diagonal, axis=-1, kind="stable")
    damped = covariance + ridge[..., None, None] * np.eye(covariance.shape[-1])
    if shared:
        damped = damped[np.ix_(order, order)]
        codes = _in_blocks(values[order], _factor(damped))
        made = np.empty_like(codes)
        made[order] = codes
        return made
    places = np.arange(len(covariance))[:, None]
    damped = damped[places[..., None], order[:, :, None], order[:, None, :]]
    codes = _each(values.T[places, order], _factor(damped))
    made = np.empty_like(codes)
    made[places, order] = codes
    return np.ascontiguousarray(made.T)


def _factor(damped: Float64s) -> Float64s:
    """The upper triangle U with U' U the inverse of `damped`: its rows say who takes back what."""
    lower = np.linalg.cholesky(np.linalg.inv(damped))
    return lower.swapaxes(-1, -2)


def _in_blocks(values: Float64s, upper: Float64s) -> Int8s:
    """Rows in order; within a block each error goes to the rows behind it at once, to later blocks together."""
    codes = np.empty(values.shape, np.int8)
    for start in range(0, len(values), BLOCK):
        end = min(start + BLOCK, len(values))
        errors = np.empty((end - start, values.shape[1]))
        for row in range(start, end):
            codes[row] = np.clip(np.rint(values[row]), -WEIGHT_MAX, WEIGHT_MAX)
            errors[row - start] = (values[row] - codes[row]) / upper[row, row]
            values[row + 1 : end] -= np.outer(upper[row, row + 1 : end], errors[row - start])
        values[end:] -= upper[start:end, end:].T @ errors
    return codes


def _each(values: Float64s, uppers: Float64s) -> Int8s:
    """The same for (outputs, inputs) with a triangle for each output."""
    codes = np.empty(values.shape, np.int8)
    for column in range(values.shape[1]):
        codes[:, column] = np.clip(np.rint(values[:, column]), -WEIGHT_MAX, WEIGHT_MAX)
        errors = (values[:, column] - codes[:, column]) / uppers[:, column, column]
        values[:, column + 1 :] -= uppers[:, column, column + 1 :] * errors[:, None]
    return codes
