"""Rounding as the integer kernels do it, with a gradient: straight through, and none where it saturates.

Source: Bengio et al., Estimating or Propagating Gradients Through Stochastic Neurons (2013), for the straight-through
estimator. That all of it happens in codes gives scales the gradient of Esser et al., Learned Step Size
Quantization (2020), without more.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from efficientnet_lite.storage.quiet import stderr_without

_GREETING = (
    b"absl::InitializeLog",
    b"Compiled cluster using XLA",
)  # said once in a process, at the first compilation


def straight(values: Any) -> Any:
    """The nearest whole numbers, half to even; the gradient is that of `values`."""
    import tensorflow as tf

    return values + tf.stop_gradient(tf.round(values) - values)


@cache
def _has_xla() -> bool:
    """Whether this TensorFlow has a compiler for processors; those of some systems have none."""
    import tensorflow as tf

    try:
        with stderr_without(*_GREETING), tf.init_scope():  # at once, even while a function is being traced
            tf.function(tf.square, jit_compile=True)(tf.constant(1.0))
    except tf.errors.OpError:
        return False
    return True


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of tensors as one kernel, where that can be had."""
    import tensorflow as tf

    return tf.function(function, jit_compile=_has_xla())  # type: ignore[no-any-return]  # not checked


@cache
def requantized() -> Any:
    """The function (sums, bias, factors, low, high) -> codes: clip(round((sums + bias) * factors), low, high).

    `sums` is (N, H, W, C) or (N, C), `bias` and `factors` are (C,), `low` and `high` scalars, all float32. Forward and
    backward are compiled, since elementwise work would take most of the time otherwise (measured for lite1:
    36 ms of CPU a photo instead of 78).
    """
    import tensorflow as tf

    @_compiled
    def forward(sums: Any, bias: Any, factors: Any, low: Any, high: Any) -> Any:
        return tf.clip_by_value(tf.round((sums + bias) * factors), low, high)

    @_compiled
    def backward(sums: Any, bias: Any, factors: Any, low: Any, high: Any, gradient: Any) -> Any:
        values = (sums + bias) * factors
        rounded = tf.round(values)
        inside = tf.where((rounded >= low) & (rounded <= high), gradient, 0.0)
        axes = list(range(len(sums.shape) - 1))
        total, weighted = tf.reduce_sum(inside, axes), tf.reduce_sum(inside * values, axes)
        return inside * factors, total * factors, weighted / factors

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow is not checked
    def function(sums: Any, bias: Any, factors: Any, low: Any, high: Any) -> Any:
        def gradients(gradient: Any) -> Any:
            return *backward(sums, bias, factors, low, high, gradient), None, None

        return forward(sums, bias, factors, low, high), gradients

    return function


MULTIPLIER_BITS = 20  # Source: XNNPACK, src/microparams-init.c, `xnn_init_qs8_add_minmax_scalar_params`


@cache
def added() -> Any:
    """The function (x, skip, x_factor, skip_factor, low, high) -> codes of x * x_factor + skip * skip_factor.

    As the runtime adds: both factors, float32 scalars, become whole numbers over one power of two; half goes up.
    """
    import tensorflow as tf

    @_compiled
    def forward(x: Any, skip: Any, x_factor: Any, skip_factor: Any, low: Any, high: Any) -> Any:
        exponent = tf.bitwise.right_shift(tf.bitcast(tf.maximum(x_factor, skip_factor), tf.int32), 23) - 127
        shift = MULTIPLIER_BITS - exponent
        power = tf.bitcast(tf.bitwise.left_shift(shift + 127, 23), tf.float32)
        total = tf.bitwise.left_shift(tf.ones_like(shift), shift - 1)
        for codes, factor in ((x, x_factor), (skip, skip_factor)):
            total += tf.cast(codes, tf.int32) * tf.cast(tf.round(factor * power), tf.int32)
        return tf.clip_by_value(tf.cast(tf.bitwise.right_shift(total, shift), tf.float32), low, high)

    @_compiled
    def backward(
        x: Any, skip: Any, x_factor: Any, skip_factor: Any, low: Any, high: Any, gradient: Any
    ) -> Any:
        rounded = tf.round(x * x_factor + skip * skip_factor)
        inside = tf.where((rounded >= low) & (rounded <= high), gradient, 0.0)
        return (
            inside * x_factor,
            inside * skip_factor,
            tf.reduce_sum(inside * x),
            tf.reduce_sum(inside * skip),
        )

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow is not checked
    def function(x: Any, skip: Any, x_factor: Any, skip_factor: Any, low: Any, high: Any) -> Any:
        def gradients(gradient: Any) -> Any:
            return *backward(x, skip, x_factor, skip_factor, low, high, gradient), None, None

        return forward(x, skip, x_factor, skip_factor, low, high), gradients

    return function


def averaged(codes: Any, zero_point: int) -> Any:
    """The mean over height and width of (N, H, W, C), codes less the zero point, rounded; (N, C).

    Half goes away from the code 0. Source: TensorFlow Lite, kernels/internal/reference/integer_ops/pooling.h.
    """
    import tensorflow as tf

    count = codes.shape[1] * codes.shape[2]
    total = tf.reduce_sum(codes, (1, 2))
    raw = total + float(count * zero_point)
    rounded = tf.sign(raw) * tf.floor((tf.abs(raw) + float(count // 2)) / float(count)) - float(zero_point)
    mean = total / float(count)
    return mean + tf.stop_gradient(rounded - mean)
