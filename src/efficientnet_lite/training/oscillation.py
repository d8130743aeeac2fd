"""Codes that jump to and fro between two values, found and frozen.

Rounding passes gradients straight through, so a weight whose best value lies between two codes walks over the edge
and back in every few steps, and whatever step is the last decides. One that turns too often stays where it has been.

Source: Nagel et al., Overcoming Oscillations in Quantization-Aware Training (2022), section 4.3.
"""

from typing import Any

import tensorflow as tf

MOMENTUM = 0.05  # of the frequency of turns: about the last twenty steps count


class Oscillation:
    """How often each code of one kernel turned back of late, and which are frozen."""

    def __init__(self, codes: Any) -> None:
        self.turns = tf.Variable(tf.zeros_like(codes))  # mean over the last steps, 0 to 1
        self.last = tf.Variable(tf.zeros_like(codes))  # which way the code jumped last, -1, 0 or 1
        self.frozen = tf.Variable(tf.zeros_like(codes))  # 1: it stays

    def held(self, before: Any, after: Any, most: float) -> Any:
        """`after`, where the codes that turn more often than `most` stay as they are, for good."""
        after = tf.where(self.frozen > 0, before, after)
        jump = tf.sign(tf.round(after) - tf.round(before))
        turned = tf.cast(jump * self.last < 0, tf.float32)
        self.turns.assign_add(MOMENTUM * (turned - self.turns))
        self.last.assign(tf.where(jump != 0, jump, self.last))
        self.frozen.assign(tf.maximum(self.frozen, tf.cast(self.turns > most, tf.float32)))
        return after
