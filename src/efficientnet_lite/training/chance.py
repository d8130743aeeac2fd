"""Where all chance of a training run comes from: a function of (seed, epoch, index), so that neither the number
of workers nor a resume changes the data."""

from typing import Literal

import numpy as np

Stream = Literal["image", "mixup"]
STREAMS: dict[Stream, int] = {"image": 1, "mixup": 2}  # no zero: SeedSequence pads with zeros


def generator(seed: int, epoch: int, index: int, stream: Stream = "image") -> np.random.Generator:
    """The chance of one example in one epoch; streams of the same example are independent of one another.

    Raises ValueError where a number is below 0 or 2**32 or more, which would run into its neighbor.
    """
    words = (STREAMS[stream], seed, epoch, index)
    if not all(0 <= word < 2**32 for word in words):
        raise ValueError(f"seed, epoch and index must be 0 to 2**32 - 1, got {seed}, {epoch}, {index}")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def shuffle_seed(seed: int, epoch: int) -> int:
    """What the order of one epoch is shuffled by, 32 bits."""
    return int(np.random.SeedSequence((3, seed, epoch)).generate_state(1)[0])
