"""Channels that the quantization made copies of one another, which learn as one; TensorFlow.

The biases of copies lie parts of a step apart, so that together they round to a finer step. If each learned for
itself, they would drift away from that.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


class ChannelCopies:
    """Which output channels of one layer have the same codes."""

    def __init__(self, codes: npt.NDArray[np.floating[Any]], channels: int) -> None:
        """`codes` are of a kernel in the plan's layout, with so many output channels."""
        columns = np.rint(codes).reshape(-1, channels)
        _, same = np.unique(columns, axis=1, return_inverse=True)
        self._channels, self._same = channels, same.reshape(-1)
        self._count = int(self._same.max()) + 1

    def tied(self, values: Any) -> Any:
        """`values`, of the kernel or (channels,), where each channel has the mean over its copies."""
        if self._count == self._channels:  # there is none
            return values
        by_channel = tf.transpose(tf.reshape(values, (-1, self._channels)))
        means = tf.math.unsorted_segment_mean(by_channel, self._same, self._count)
        return tf.reshape(tf.transpose(tf.gather(means, self._same)), values.shape)
